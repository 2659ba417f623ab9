"""A wrong config stops before any job, naming file, key, what was found and what is allowed."""

import copy
import re
from pathlib import Path

import pytest
import yaml

from benchmark.records.run import Run
from benchmark.suite import config
from benchmark.suite.config import ConfigError

ROOT = Path(__file__).parent.parent
SCHEMA = ROOT / "workflow/schemas/config.schema.yaml"
TOY = yaml.safe_load((ROOT / "tests/toy.yaml").read_text())

SHIPPED = yaml.safe_load((ROOT / "config.yaml").read_text())

MNIST = {
    "label": "MNIST",
    "class": "benchmark.data.mnist.MNIST",
    "source": "mnist",
    "numbers": {"validation": 10},
}


@pytest.fixture
def toy():
    return copy.deepcopy(TOY)


@pytest.fixture
def imaging(toy):
    """The toy suite with MNIST and, on that alone, the interpolant of images."""
    suite = toy["suites"]["toy"]
    suite["datasets"]["mnist"] = {**MNIST}
    for method in suite["methods"].values():
        method["datasets"] = ["eight_gaussians"]
    suite["methods"]["interpolant"] |= {
        "class": "benchmark.baselines.interpolant.ImageInterpolant",
        "datasets": ["mnist"],
        "model": {
            **{"path": "trigonometric", "channels": 8, "multipliers": [[1, 2]], "heads": 2},
            **{"residual_blocks": 1, "attention": [[]], "time_alpha": 1.0, "time_beta": 1.0},
        },
    }
    return toy


def load(content, file="config.yaml"):
    return config.load(content, SCHEMA, file)


def put(content, path, value):
    *folders, last = path.split("/")
    for folder in folders:
        content = content[folder]
    content[last] = value


def test_runs_are_datasets_by_methods_by_seeds_less_what_a_method_leaves_out(toy):
    suite = load(toy)
    assert suite.runs == (
        Run("toy", "eight_gaussians", "interpolant", 0),
        Run("toy", "eight_gaussians", "interpolant", 1),
        Run("toy", "eight_gaussians", "ffjord", 0),
        Run("toy", "eight_gaussians", "gaussian", 0),
        Run("toy", "eight_gaussians", "oracle", 0),
        Run("toy", "digits", "interpolant", 0),
        Run("toy", "digits", "interpolant", 1),
        Run("toy", "digits", "gaussian", 0),
    )
    assert str(suite).startswith("suite toy: 8 runs on 2 data sets (eight_gaussians, digits)")
    assert "interpolant 4, ffjord 1, gaussian 2, oracle 1" in str(suite)


@pytest.mark.parametrize("name", SHIPPED["suites"])
def test_every_suite_that_is_shipped_is_valid(name, monkeypatch):
    monkeypatch.chdir(ROOT)
    suite = load({**SHIPPED, "suite": name})
    assert suite.name == name and suite.runs


def test_the_suite_of_the_first_command_is_quick():
    suite = load(SHIPPED)
    assert suite.name == "quick"
    assert {run.seed for run in suite.runs if run.method == "interpolant"} == {0, 1, 2}


def test_numbers_that_differ_on_a_data_set_replace_the_others_only_there(toy):
    entry = toy["suites"]["toy"]["methods"]["interpolant"]
    entry["per_dataset"] = {"digits": {"model": {"width": 99}, "train": {"steps": 7}}}
    suite = load(toy)
    plain, digits = (
        suite.numbers(Run("toy", name, "interpolant", 0)) for name in ("eight_gaussians", "digits")
    )
    assert (plain["model"]["width"], plain["train"]["steps"]) == (16, 20)
    assert (digits["model"]["width"], digits["train"]["steps"]) == (99, 7)
    assert digits["model"]["depth"] == plain["model"]["depth"]


def test_a_list_is_a_grid_of_variants(toy):
    entry = toy["suites"]["toy"]["methods"]["interpolant"]
    entry["train"]["lr"] = [0.001, 0.01]
    entry["model"]["width"] = [8, 16]
    suite = load(toy)
    variants = [name for name in suite.methods if name.startswith("interpolant")]
    assert len(variants) == 4
    name = "interpolant-width=8-lr=0.01"
    assert suite.methods[name]["label"] == "Interpolant width=8 lr=0.01"
    numbers = suite.numbers(Run("toy", "digits", name, 0))
    assert (numbers["model"]["width"], numbers["train"]["lr"]) == (8, 0.01)
    assert suite.rules[name] == "rules/interpolant.smk"


def test_a_variant_is_named_after_its_method_and_has_a_grid_of_its_own(toy):
    methods = toy["suites"]["toy"]["methods"]
    methods["interpolant-wide_one"] = copy.deepcopy(methods["interpolant"])
    methods["interpolant-wide_one"]["model"]["width"] = [32, 64]
    suite = load(toy)
    names = [name for name in suite.methods if suite.rules[name] == "rules/interpolant.smk"]
    assert names == ["interpolant", *(f"interpolant-wide_one-width={k}" for k in (32, 64))]
    numbers = [suite.numbers(Run("toy", "eight_gaussians", name, 0)) for name in names]
    assert [found["model"]["width"] for found in numbers] == [16, 32, 64]


def test_a_mapping_is_a_value_of_a_grid(toy):
    train = toy["suites"]["toy"]["methods"]["interpolant"]["train"]
    steps = {"kind": "step", "every": 5, "factor": 0.5}
    train["schedule"] = ["cosine", dict(reversed(steps.items()))]
    train["early_stopping"] = [None, {"patience": 3, "drops": 0, "factor": 1.0}]
    suite = load(toy)
    variants = [name for name in suite.methods if name.startswith("interpolant")]
    assert len(variants) == 4
    name = "interpolant-schedule=every=5,factor=0.5,kind=step-early_stopping=None"
    assert name in variants
    numbers = suite.numbers(Run("toy", "digits", name, 0))
    assert numbers["train"]["schedule"] == steps
    assert numbers["train"]["early_stopping"] is None


def test_a_list_of_one_value_sets_nothing_apart_and_may_be_replaced_on_a_data_set(toy):
    entry = toy["suites"]["toy"]["methods"]["interpolant"]
    entry["model"]["width"] = [8]
    entry["per_dataset"] = {"digits": {"model": {"width": 99}}}
    suite = load(toy)
    runs = [Run("toy", name, "interpolant", 0) for name in ("eight_gaussians", "digits")]
    assert [suite.numbers(run)["model"]["width"] for run in runs] == [8, 99]
    assert suite.methods["interpolant"]["label"] == "Interpolant"


def test_a_number_that_is_a_list_is_written_in_a_list(imaging):
    entry = imaging["suites"]["toy"]["methods"]["interpolant"]
    entry["model"]["attention"] = [[], [14, 7]]
    entry["per_dataset"] = {"mnist": {"model": {"multipliers": [2]}}}
    suite = load(imaging)
    names = [name for name in suite.methods if name.startswith("interpolant")]
    assert names == ["interpolant-attention=", "interpolant-attention=14,7"]
    numbers = [suite.numbers(Run("toy", "mnist", name, 0))["model"] for name in names]
    assert [found["attention"] for found in numbers] == [[], [14, 7]]
    assert [found["multipliers"] for found in numbers] == [[2], [2]]


@pytest.mark.parametrize("value", [[1, 2], [[1, 0]], [[1, True]], [[1, 2.0]], 1])
def test_a_number_that_is_not_the_list_it_has_to_be_is_named(imaging, value):
    imaging["suites"]["toy"]["methods"]["interpolant"]["model"]["multipliers"] = value
    message = r"model.multipliers is .*; allowed is a list of whole numbers .*, a list of lists\)"
    with pytest.raises(ConfigError, match=message):
        load(imaging)


def test_numbers_that_differ_may_lie_in_a_file(toy, tmp_path):
    entry = toy["suites"]["toy"]["methods"]["interpolant"]
    differs = {"digits": {"model": {"width": 99}, "train": {"steps": 7}}}
    entry["per_dataset"] = differs
    written_here = load(toy)
    file = tmp_path / "published.yaml"
    elsewhere = {"power": {"train": {"lr": 5.0}}}
    file.write_text(yaml.safe_dump({**elsewhere, **differs}))
    entry["per_dataset"] = str(file)
    suite = load(toy)
    for run in written_here.runs:
        assert suite.numbers(run) == written_here.numbers(run)
        assert suite.run_hash(run) == written_here.run_hash(run)
    assert suite.numbers(Run("toy", "digits", "interpolant", 0))["model"]["width"] == 99
    entry["train"]["steps"] = [3, 4]
    with pytest.raises(ConfigError, match=r"train.steps: a grid, but per_dataset.digits"):
        load(toy)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("- digits", "found no mapping; allowed is what .*methods.ffjord.per_dataset of config.ya"),
        ("{digits: ", "is no YAML: "),
        ("power: {trian: {lr: 1.0}}", "power: key 'trian' is unknown; .*Did you mean 'train'"),
        ("power: 5", "power: 5 is not of type 'object'"),
    ],
)
def test_a_wrong_file_of_numbers_is_named(toy, tmp_path, content, message):
    file = tmp_path / "published.yaml"
    file.write_text(content)
    put(toy["suites"]["toy"], "methods/ffjord/per_dataset", str(file))
    with pytest.raises(ConfigError, match=f"^{re.escape(str(file))}: {message}"):
        load(toy)


def test_a_suite_may_lie_in_a_file_of_its_own(toy, tmp_path):
    file = tmp_path / "mine.yaml"
    file.write_text(yaml.safe_dump(toy["suites"]["toy"], sort_keys=False))
    toy["suites"]["toy"] = str(file)
    assert load(toy).runs == load(copy.deepcopy(TOY)).runs
    broken = yaml.safe_load(file.read_text())
    broken["seeds"] = [-1]
    file.write_text(yaml.safe_dump(broken))
    with pytest.raises(ConfigError, match=re.escape(f"{file}: seeds.0: -1 is less than")):
        load(toy)


def test_the_hash_of_a_run_changes_with_what_its_records_depend_on_and_with_nothing_else(toy):
    run = Run("toy", "digits", "interpolant", 0)
    before = load(toy).run_hash(run)
    for path, value in (
        ("methods/interpolant/label", "Ours"),
        ("methods/interpolant/colour", "#123456"),
        ("methods/ffjord/train/lr", 0.5),
        ("evaluation/grid", 9),
        ("evaluation/frames", 9),
        ("evaluation/frame_grid", 9),
        ("datasets/eight_gaussians/numbers/test", 61),
    ):
        changed = copy.deepcopy(toy)
        put(changed["suites"]["toy"], path, value)
        assert load(changed).run_hash(run) == before, path
    for path, value in (
        ("methods/interpolant/train/lr", 0.5),
        ("methods/interpolant/model/width", 17),
        ("evaluation/rtol", 0.5),
        ("validation/rtol", 0.5),
        ("datasets/digits/numbers/test", 21),
    ):
        changed = copy.deepcopy(toy)
        put(changed["suites"]["toy"], path, value)
        assert load(changed).run_hash(run) != before, path


MISTAKES = {
    "misspelt key": (
        "methods/interpolant/train/stpes",
        5,
        r"config.yaml: suites.toy.methods.interpolant.train: key 'stpes' is unknown; allowed: "
        r"accumulate, batch_size, .*steps, validations, weight_decay. Did you mean 'steps'\?",
    ),
    "missing section": ("evaluation", None, "suites.toy.evaluation: None is not of type 'object'"),
    "negative tolerance": (
        "evaluation/atol",
        -1.0e-5,
        r"suites.toy.evaluation.atol: -1e-05 is less than or equal to the minimum of 0",
    ),
    "number that YAML reads as text": (
        "evaluation/rtol",
        "1e-5",
        r"suites.toy.evaluation.rtol: '1e-5' is not of type 'number' .*write 1e-05|write 1e-05",
    ),
    "unknown module": (
        "methods/ffjord/class",
        "benchmark.baselines.fjord.FFJORD",
        r"methods.ffjord.class: there is no module 'benchmark.baselines.fjord'. "
        r"Did you mean benchmark.baselines.ffjord\?",
    ),
    "unknown class": (
        "methods/ffjord/class",
        "benchmark.baselines.ffjord.FFJORDD",
        r"'FFJORDD' is unknown; allowed: FFJORD, ImageFFJORD, _Block. Did you mean 'FFJORD'\?",
    ),
    "class that is no method": (
        "methods/ffjord/class",
        "benchmark.networks.mlp.MLP",
        "has no function 'build' of its own",
    ),
    "unknown argument": (
        "methods/ffjord/model/widht",
        5,
        r"methods.ffjord.model: key 'widht' is unknown; allowed: activation, atol, blocks, depth, "
        r"rtol, width. Did you mean 'width'\?",
    ),
    "missing argument": (
        "methods/ffjord/model",
        {"width": 8, "depth": 1, "rtol": 1.0e-3},
        r"methods.ffjord: model.atol is missing; .*build needs it \(PositiveFloat\)",
    ),
    "argument of the wrong type": (
        "methods/ffjord/model/width",
        8.5,
        r"methods.ffjord.model.width is 8.5; allowed is a whole number of at least 1",
    ),
    "negative argument": (
        "methods/ffjord/model/atol",
        -1.0,
        "model.atol is -1.0; allowed is a number above 0",
    ),
    "argument that YAML reads as text": (
        "methods/ffjord/model/atol",
        "1e-3",
        "YAML reads it as text: write 0.001",
    ),
    "unknown choice": (
        "methods/interpolant/model/path",
        "trigonometrc",
        r"'trigonometrc' is unknown; allowed: fourier, linear, trigonometric. "
        r"Did you mean 'trigonometric'",
    ),
    "unknown data set of a method": (
        "methods/ffjord/datasets",
        ["eight_gausians"],
        r"methods.ffjord.datasets: 'eight_gausians' is unknown; .*Did you mean 'eight_gaussians'",
    ),
    "unknown data set with numbers of its own": (
        "methods/ffjord/per_dataset",
        {"digitz": {}},
        "'digitz' is unknown; allowed: digits, eight_gaussians",
    ),
    "wrong numbers on one data set": (
        "methods/ffjord/per_dataset",
        {"digits": {"train": {"lr": -1}}},
        "methods.ffjord.per_dataset.digits.train.lr: -1 is less than",
    ),
    "unknown data set class": (
        "datasets/digits/class",
        "benchmark.data.digits.Digit",
        "datasets.digits.class: class benchmark.data.digits: 'Digit' is unknown; "
        "allowed: DigitImages, Digits",
    ),
    "unknown number of a data set": (
        "datasets/digits/numbers/tests",
        5,
        "'tests' is unknown; allowed: test, validation",
    ),
    "unknown source": (
        "datasets/digits/source",
        "mnits",
        "datasets.digits.source: 'mnits' is unknown; allowed: bsds300, .*. Did you mean 'mnist'",
    ),
    "unknown published data set": (
        "datasets/eight_gaussians/published",
        {"as": "pwer", "tolerance": 1},
        "datasets.eight_gaussians.published.as: 'pwer' is unknown; .*Did you mean 'power'",
    ),
    "published data set without an NLL of its unit": (
        "datasets/digits/published",
        {"as": "power", "tolerance": 1},
        "datasets.digits.published.as is 'power', in nats; allowed is a data set in bits/dim",
    ),
    "tolerance of nothing": (
        "datasets/eight_gaussians/published",
        {"as": "power", "tolerance": 0},
        r"published.tolerance: 0 is less than or equal to the minimum of 0 \(largest difference",
    ),
    "misspelt key of published": (
        "datasets/eight_gaussians/published",
        {"as": "power", "tolerance": 1, "remarks": "ours"},
        "published: key 'remarks' is unknown; .*Did you mean 'remark'",
    ),
    "impossible pair": (
        "methods/oracle/datasets",
        ["digits"],
        "methods.oracle: cannot run on digits: it needs a data set whose density is known. "
        "Set its 'datasets' to some of: eight_gaussians",
    ),
    "grid that a data set would replace": (
        "methods/interpolant",
        {
            **TOY["suites"]["toy"]["methods"]["interpolant"],
            "train": {**TOY["suites"]["toy"]["methods"]["interpolant"]["train"], "lr": [0.1, 1]},
            "per_dataset": {"digits": {"train": {"lr": 0.5}}},
        },
        r"methods.interpolant.train.lr: a grid, but per_dataset.digits.train.lr would replace",
    ),
    "grid of nothing": ("methods/ffjord/train/lr", [], "ffjord.train.lr: found an empty list"),
    "closed form that is trained": (
        "methods/gaussian/train/steps",
        5,
        "methods.gaussian.train.steps is 5; allowed is 0",
    ),
    "method that is not trained": (
        "methods/ffjord/train/steps",
        0,
        "methods.ffjord.train.steps is 0; allowed is at least 1",
    ),
    "known velocity that is trained": (
        "methods/oracle",
        {
            **TOY["suites"]["toy"]["methods"]["oracle"],
            "class": "benchmark.baselines.oracle.OracleFlow",
            "model": {"path": "linear"},
            "train": {**TOY["suites"]["toy"]["methods"]["oracle"]["train"], "steps": 5},
        },
        "methods.oracle.train.steps is 5; allowed is 0",
    ),
    "optional number of a wrong kind": (
        "methods/interpolant/model/epsilon",
        -0.5,
        "methods.interpolant.model.epsilon is -0.5; allowed is a number above 0",
    ),
    "unknown schedule": (
        "methods/ffjord/train/schedule",
        "step",
        r"methods.ffjord.train.schedule: 'step' is not one of \['constant', 'cosine'\] "
        r"\(of the learning rate; or \{kind: step, every: N, factor: f\}\)",
    ),
    "unknown kind of schedule": (
        "methods/ffjord/train/schedule",
        {"kind": "cosine", "every": 5, "factor": 0.5},
        r"methods.ffjord.train.schedule.kind: 'cosine' is not one of \['step'\]",
    ),
    "misspelt number of a schedule": (
        "methods/ffjord/train/schedule",
        {"kind": "step", "evry": 5, "every": 5, "factor": 0.5},
        r"methods.ffjord.train.schedule: key 'evry' is unknown; allowed: every, factor, kind. "
        r"Did you mean 'every'\?",
    ),
    "schedule without a number": (
        "methods/ffjord/train/schedule",
        {"kind": "step", "every": 5},
        r"methods.ffjord.train.schedule: the key 'factor' is missing \(of the learning rate at",
    ),
    "schedule that never drops": (
        "methods/ffjord/train/schedule",
        {"kind": "step", "every": 0, "factor": 0.5},
        r"methods.ffjord.train.schedule.every: 0 is less than the minimum of 1",
    ),
    "misspelt number of early stopping": (
        "methods/ffjord/train/early_stopping",
        {"patience": 5, "drop": 1, "factor": 0.1, "drops": 2},
        r"methods.ffjord.train.early_stopping: key 'drop' is unknown; allowed: drops, factor, "
        r"patience. Did you mean 'drops'\?",
    ),
    "early stopping without a number": (
        "methods/ffjord/train/early_stopping",
        {"drops": 1, "factor": 0.1},
        r"early_stopping: the key 'patience' is missing \(validations in a row",
    ),
    "early stopping by a word": (
        "methods/ffjord/train/early_stopping",
        True,
        r"early_stopping: True is not of type 'object', 'null' "
        r"\(null, or \{patience: P, drops: N, factor: f\}",
    ),
    "early stopping on one data set": (
        "methods/ffjord/per_dataset",
        {
            "eight_gaussians": {
                "train": {"early_stopping": {"patience": 0, "drops": 0, "factor": 1}}
            }
        },
        r"per_dataset.eight_gaussians.train.early_stopping.patience: 0 is less than the minimum",
    ),
    "budget of two kinds": (
        "datasets/digits/budget",
        {"steps": 5, "seconds": 5},
        "datasets.digits.budget: .* has too many properties",
    ),
    "search of one rate": (
        "search",
        {"factors": [1], "share": 0.5},
        "search.factors: .* is too short",
    ),
    "unknown optimiser": (
        "methods/ffjord/train/optimiser",
        "sgd",
        r"train.optimiser: 'sgd' is not one of \['adam', 'adamw'\]",
    ),
    "unknown precision": (
        "methods/ffjord/train/precision",
        "float16",
        r"train.precision: 'float16' is not one of \['float32', 'bfloat16'\]",
    ),
    "negative decay": (
        "methods/ffjord/train/weight_decay",
        -1e-6,
        r"train.weight_decay: -1e-06 is less than the minimum of 0",
    ),
    "numbers of data sets that are none": (
        "methods/ffjord/per_dataset",
        [],
        r"methods.ffjord.per_dataset: found \[\]; allowed is a mapping of data set to numbers, or "
        r"the path of a YAML file",
    ),
    "missing file of numbers": (
        "methods/ffjord/per_dataset",
        "nowhere.yaml",
        r"methods.ffjord.per_dataset is 'nowhere.yaml'; no such file. Name a YAML file or write it",
    ),
    "data sets that are none": (
        "datasets",
        ["digits"],
        r"suites.toy.datasets: found \['digits'\]; allowed is a mapping of name to dataset",
    ),
    "colour that is none": ("methods/ffjord/colour", "red", "'red' does not match .*#rrggbb"),
    "repeated seeds": ("seeds", [1, 1], "non-unique elements"),
    "method without rules": (
        "methods/mine",
        {**TOY["suites"]["toy"]["methods"]["ffjord"]},
        "methods.mine: there is no file workflow/rules/mine.smk",
    ),
    "name that cannot be a folder": (
        "methods/ff jord",
        {**TOY["suites"]["toy"]["methods"]["ffjord"]},
        "methods.ff jord: allowed in a name are letters, digits and _",
    ),
    "variant of a method without rules": (
        "methods/interpolent-wide",
        {**TOY["suites"]["toy"]["methods"]["ffjord"]},
        "there is no file workflow/rules/interpolent.smk; write it: .* named <method>-<variant>",
    ),
    "features of what are no images": (
        "datasets/eight_gaussians/features",
        {"inception": "clean", "samples": 10, "tolerances": [0.1]},
        "datasets.eight_gaussians.features: benchmark.data.synthetic.EightGaussians has no images",
    ),
    "Inception's features of images of 17 grey levels": (
        "datasets/digits/features",
        {"inception": "clean", "samples": 10, "tolerances": [0.1]},
        "digits.features.inception: it takes images of 256 grey levels; .*Digits has 17. Use a",
    ),
    "two kinds of features": (
        "datasets/digits/features",
        {
            **{"inception": "clean", "samples": 10, "tolerances": [0.1]},
            "classifier": {"width": 8, "epochs": 1, "seed": 0},
        },
        "datasets.digits.features: .* is valid under each of",
    ),
    "way of resizing that is none": (
        "datasets/digits/features",
        {"inception": "dirty", "samples": 10, "tolerances": [0.1]},
        r"datasets.digits.features.inception: 'dirty' is not one of \['clean', 'legacy_tensorflow'",
    ),
    "variant that could be a point of a grid": (
        "methods/ffjord-lr=1",
        {**TOY["suites"]["toy"]["methods"]["ffjord"]},
        "methods.ffjord-lr=1: allowed in a name are .* and one - before what sets a variant apart",
    ),
}


@pytest.mark.parametrize("mistake", MISTAKES)
def test_a_mistake_is_named_with_its_key_and_the_nearest_valid_name(toy, mistake):
    path, value, message = MISTAKES[mistake]
    put(toy["suites"]["toy"], path, value)
    with pytest.raises(ConfigError, match=message) as caught:
        load(toy)
    assert str(caught.value).startswith("config.yaml: ")


# --- budgets and the search of learning rates --------------------------------------------------


@pytest.fixture
def matched(toy):
    """The toy suite, its trainings with the budgets of the data sets."""
    suite = toy["suites"]["toy"]
    for method in suite["methods"].values():
        if method["train"]["steps"]:
            del method["train"]["steps"]
    put(suite, "datasets/digits/budget", {"steps": 7})
    put(suite, "datasets/eight_gaussians/budget", {"seconds": 1.5})
    return toy


def test_a_budget_of_a_data_set_is_that_of_all_that_is_trained_on_it(matched):
    suite = load(matched)
    for run in suite.runs:
        train = suite.numbers(run)["train"]
        found = {key: train[key] for key in ("steps", "seconds") if key in train}
        if run.method in ("gaussian", "oracle"):
            assert found == {"steps": 0} and not suite.is_trained(run)
        else:
            assert found == suite.datasets[run.dataset]["budget"] and suite.is_trained(run)


def test_the_terms_of_a_suite_are_in_words(toy, matched):
    plain = copy.deepcopy(TOY)
    assert load(plain).terms == ""
    assert load(matched).terms == (
        "One budget for every method: 1.5 s of training on Eight Gaussians; 7 steps on Digits "
        "(1 thread)."
    )
    suite = matched["suites"]["toy"]
    put(suite, "datasets/digits/budget", {"seconds": 1.5})
    put(suite, "threads", 2)
    put(suite, "search", {"factors": [0.3, 1], "share": 0.25})
    assert load(matched).terms == (
        "One budget for every method: 1.5 s of training on Eight Gaussians, Digits (2 threads). "
        "Learning rates by the same search: 0.3, 1 times the method's own, each with 25% of the "
        "budget, chosen on validation rows."
    )


def test_no_method_has_a_budget_of_its_own_beside_that_of_all(matched):
    put(matched["suites"]["toy"], "methods/ffjord/train/steps", 5)
    message = (
        r"methods.ffjord.train on eight_gaussians: has a budget of its own, \{'steps': 5\}, and "
        r"suites.toy.datasets.eight_gaussians has one for all methods, \{'seconds': 1.5\}"
    )
    with pytest.raises(ConfigError, match=message):
        load(matched)


def test_every_training_has_one_budget(toy):
    train = toy["suites"]["toy"]["methods"]["ffjord"]["train"]
    train["seconds"] = 3
    with pytest.raises(
        ConfigError, match=r"ffjord.train on eight_gaussians: found .* one of steps"
    ):
        load(toy)
    del train["steps"], train["seconds"]
    with pytest.raises(ConfigError, match=r"ffjord.train on eight_gaussians: no budget. Write"):
        load(toy)


def test_a_closed_form_says_that_it_has_no_steps(matched):
    del matched["suites"]["toy"]["methods"]["gaussian"]["train"]["steps"]
    with pytest.raises(ConfigError, match=r"gaussian.train.steps is None; allowed is 0"):
        load(matched)


def test_a_search_is_of_what_is_trained_and_changes_its_hash_only(toy):
    plain = load(toy)
    put(toy["suites"]["toy"], "search", {"factors": [0.3, 1], "share": 0.5})
    suite = load(toy)
    for run in suite.runs:
        trained = run.method not in ("gaussian", "oracle")
        assert suite.is_searched(run) == trained and not plain.is_searched(run)
        assert (suite.train_hash(run) != plain.train_hash(run)) == trained


def test_threads_are_one_unless_the_suite_says_otherwise(toy):
    plain = load(toy)
    put(toy["suites"]["toy"], "threads", 2)
    suite = load(toy)
    assert (plain.threads, suite.threads) == (1, 2)
    run = suite.runs[0]
    assert suite.train_hash(run) != plain.train_hash(run)


def test_a_search_needs_a_likelihood(toy):
    suite = toy["suites"]["toy"]
    del suite["methods"]["ffjord"], suite["methods"]["gaussian"], suite["methods"]["oracle"]
    gaussians = suite["datasets"]["eight_gaussians"]
    gaussians["base"] = {key: gaussians[key] for key in ("class", "numbers")}
    put(suite, "search", {"factors": [0.3, 1], "share": 0.5})
    with pytest.raises(
        ConfigError, match="search: chooses by the likelihood, which eight_gaussian"
    ):
        load(toy)


def test_every_missing_key_is_named(toy):
    for key in ("atol", "grid"):
        del toy["suites"]["toy"]["evaluation"][key]
    with pytest.raises(ConfigError) as caught:
        load(toy)
    assert "the key 'atol' is missing" in str(caught.value)
    assert "the key 'grid' is missing" in str(caught.value)


def test_a_method_that_needs_vectors_cannot_run_on_images(toy):
    suite = toy["suites"]["toy"]
    suite["datasets"]["mnist"] = {**MNIST}
    with pytest.raises(ConfigError, match=r"gaussian: cannot run on mnist: it needs vectors"):
        load(toy)
    model = {"width": 8, "likelihood": 1.0, "hamilton_jacobi": 1.0, "solver_steps": 2}
    suite["methods"]["gaussian"]["datasets"] = ["digits"]
    kind = {"class": "benchmark.baselines.ot_flow.OTFlow", "model": model}
    suite["methods"]["ffjord"] |= {**kind, "datasets": ["mnist"]}
    with pytest.raises(ConfigError, match=r"ffjord: cannot run on mnist: it needs vectors"):
        load(toy)


@pytest.mark.parametrize("dataset", ["eight_gaussians", "digits"])
def test_a_method_that_needs_images_cannot_run_on_vectors(imaging, dataset):
    assert Run("toy", "mnist", "interpolant", 0) in load(copy.deepcopy(imaging)).runs
    imaging["suites"]["toy"]["methods"]["interpolant"]["datasets"] = [dataset]
    message = rf"interpolant: cannot run on {dataset}: it needs images .* some of: mnist"
    with pytest.raises(ConfigError, match=message):
        load(imaging)


def test_what_a_class_has_from_a_base_in_its_file_counts(imaging):
    suite = load(imaging)
    assert suite.has_diagnostics("interpolant") and suite.is_flow("interpolant")
    imaging["suites"]["toy"]["datasets"]["mnist"]["base"] = {
        key: value for key, value in MNIST.items() if key != "label"
    }
    assert load(imaging).has_base("mnist")  # the interpolant accepts it


def test_a_method_of_another_program_has_rules_but_no_class(toy, tmp_path, monkeypatch):
    (tmp_path / "other.smk").touch()
    for name in TOY["suites"]["toy"]["methods"]:
        (tmp_path / f"{name}.smk").touch()
    monkeypatch.setattr(config, "RULES", tmp_path)
    put(toy["suites"]["toy"], "methods/other", {"label": "Other", "colour": "#123456"})
    suite = load(toy)
    assert not suite.is_ours("other")
    assert len([run for run in suite.runs if run.method == "other"]) == 4
    put(toy["suites"]["toy"], "methods/other/model", {})
    with pytest.raises(ConfigError, match=r"methods.other: 'class' is a dependency of 'model'"):
        load(toy)


def test_a_method_of_the_plane_cannot_run_on_images(toy, tmp_path, monkeypatch):
    source = (ROOT / "benchmark/baselines/ffjord.py").read_text()
    source = source.replace("    def __init__", '    requires = ("plane",)\n\n    def __init__')
    (tmp_path / "flat_only.py").write_text(source)
    monkeypatch.syspath_prepend(tmp_path)
    put(toy["suites"]["toy"], "methods/ffjord/class", "flat_only.FFJORD")
    assert load(toy).runs == load(copy.deepcopy(TOY)).runs
    put(toy["suites"]["toy"], "methods/ffjord/datasets", ["digits"])
    with pytest.raises(ConfigError, match=r"cannot run on digits: it needs points of the plane"):
        load(toy)


def test_a_package_that_is_not_installed_is_named_before_any_job(toy, tmp_path, monkeypatch):
    source = (ROOT / "benchmark/baselines/ffjord.py").read_text()
    for statement in ("import no_package.part", "from no_package.part import thing"):
        module = f"needy_{statement[:4].strip()}"
        (tmp_path / f"{module}.py").write_text(
            source.replace("import torch\n", f"{statement}\n", 1)
        )
        monkeypatch.syspath_prepend(tmp_path)
        put(toy["suites"]["toy"], "methods/ffjord/class", f"{module}.FFJORD")
        with pytest.raises(ConfigError, match=rf"ffjord.class: {module}.* 'no_package', .*extras"):
            load(toy)


MOONS = {
    "class": "benchmark.data.synthetic.TwoMoons",
    "numbers": {"train": 50, "validation": 5, "test": 20},
}


@pytest.fixture
def two_sided(toy, tmp_path, monkeypatch):
    """The toy suite with rows of the base, which FFJORD is made to accept, on the first set."""
    source = (ROOT / "benchmark/baselines/ffjord.py").read_text()
    source = source.replace("    def __init__", '    accepts = ("base",)\n\n    def __init__')
    source = source.replace("width: PositiveInt", "base_rows: PositiveInt, width: PositiveInt")
    (tmp_path / "accepting.py").write_text(source)
    monkeypatch.syspath_prepend(tmp_path)
    suite = toy["suites"]["toy"]
    suite["datasets"]["eight_gaussians"]["base"] = copy.deepcopy(MOONS)
    put(suite, "methods/ffjord/class", "accepting.FFJORD")
    for name in ("interpolant", "gaussian"):
        suite["methods"][name]["datasets"] = ["digits"]
    del suite["methods"]["oracle"]
    return toy


def test_rows_of_the_base_are_for_methods_that_accept_them(two_sided):
    suite = load(two_sided)
    assert suite.has_base("eight_gaussians") and not suite.has_base("digits")
    put(two_sided["suites"]["toy"], "methods/ffjord/model/base_rows", 50)
    with pytest.raises(ConfigError, match=r"methods.ffjord.model: key 'base_rows' is unknown"):
        load(two_sided)
    del two_sided["suites"]["toy"]["methods"]["ffjord"]["model"]["base_rows"]
    put(two_sided["suites"]["toy"], "methods/gaussian/datasets", ["eight_gaussians", "digits"])
    with pytest.raises(
        ConfigError,
        match=r"methods.gaussian: cannot run on eight_gaussians: it needs a data set without "
        r"'base', as it does not accept rows of the base. Set its 'datasets' to some of: digits",
    ):
        load(two_sided)


def test_what_is_fitted_depends_on_the_rows_of_the_base(two_sided):
    run = Run("toy", "eight_gaussians", "ffjord", 0)
    assert load(two_sided).prepared("eight_gaussians")["base"] == MOONS
    before = load(two_sided).train_hash(run)
    put(two_sided["suites"]["toy"], "datasets/eight_gaussians/base/numbers/train", 51)
    assert load(two_sided).train_hash(run) != before


BASES = {
    "other shape": (
        {"class": "benchmark.data.digits.Digits", "numbers": {"validation": 10, "test": 20}},
        r"datasets.eight_gaussians.base: the event of benchmark.data.digits.Digits is \(64,\); "
        r"allowed is \(2,\), that of benchmark.data.synthetic.EightGaussians",
    ),
    "unknown number": (
        {**MOONS, "numbers": {**MOONS["numbers"], "noise": 1}},
        "datasets.eight_gaussians.base.numbers: key 'noise' is unknown",
    ),
    "unknown class": (
        {**MOONS, "class": "benchmark.data.synthetic.TwoMoon"},
        "datasets.eight_gaussians.base.class: .*Did you mean 'TwoMoons'",
    ),
    "unknown source": (
        {**MOONS, "source": "mnits"},
        "datasets.eight_gaussians.base.source: 'mnits' is unknown",
    ),
    "misspelt key": ({**MOONS, "number": {}}, "eight_gaussians.base: key 'number' is unknown"),
}


@pytest.mark.parametrize(("base", "message"), BASES.values(), ids=BASES.keys())
def test_a_mistake_in_the_base_is_named(two_sided, base, message):
    two_sided["suites"]["toy"]["datasets"]["eight_gaussians"]["base"] = base
    with pytest.raises(ConfigError, match=message):
        load(two_sided)


def test_published_results_change_nothing_that_is_computed(toy):
    before = load(copy.deepcopy(toy))
    said = {"as": "power", "tolerance": 1.0, "remark": "other rows"}
    put(toy["suites"]["toy"], "datasets/eight_gaussians/published", said)
    after = load(toy)
    assert before.published == {} and after.published == {"eight_gaussians": said}
    assert after.runs == before.runs
    for run in before.runs:
        assert after.prepared(run.dataset) == before.prepared(run.dataset)
        assert after.run_hash(run) == before.run_hash(run)


def test_distances_are_called_fid_of_inception_only(imaging):
    mnist = imaging["suites"]["toy"]["datasets"]["mnist"]
    assert load(imaging).images == [] and load(imaging).quality("mnist") is None
    mnist["features"] = {"inception": "clean", "samples": 10, "tolerances": [0.1]}
    assert load(imaging).distances("mnist") == ("fid", "kid") and load(imaging).images == ["mnist"]
    mnist["features"]["classifier"] = {"width": 8, "epochs": 1, "seed": 0}
    del mnist["features"]["inception"]
    assert load(imaging).distances("mnist") == ("fd_mnist_cnn", "kd_mnist_cnn")


def test_how_images_are_compared_retrains_nothing(toy):
    before = load(toy)
    run = next(run for run in before.runs if run.dataset == "digits")
    classifier = {"width": 8, "epochs": 1, "seed": 0}
    features = {"classifier": classifier, "samples": 10, "tolerances": [0.1]}
    digits = toy["suites"]["toy"]["datasets"]["digits"]
    digits["features"] = features
    with_features = load(copy.deepcopy(toy))
    digits["features"] = {**features, "samples": 20}
    with_more = load(toy)
    assert before.run_hash(run) == with_features.run_hash(run) == with_more.run_hash(run)
    assert with_features.quality_hash(run) != with_more.quality_hash(run)


def test_flows_are_told_from_closed_forms(toy):
    suite = load(toy)
    flows = {name: suite.is_flow(name) for name in suite.methods}
    assert flows == {"interpolant": True, "ffjord": True, "gaussian": False, "oracle": False}


def test_methods_that_record_diagnostics_are_known_from_their_source(toy):
    put(toy["suites"]["toy"], "methods/other", {"label": "Other", "colour": "#123456"})
    suite = config.Suite("toy", {}, {}, {}, toy["suites"]["toy"]["methods"], ())
    assert [name for name in suite.methods if suite.has_diagnostics(name)] == ["interpolant"]


def test_a_source_that_a_data_set_needs_is_asked_for(toy):
    toy["suites"]["toy"]["datasets"]["mnist"] = {
        "label": "MNIST",
        "class": "benchmark.data.mnist.MNIST",
        "numbers": {"validation": 10},
    }
    with pytest.raises(ConfigError, match=r"datasets.mnist: key 'source' is missing"):
        load(toy)


TABLE = {
    "label": "Mine",
    "class": "benchmark.data.table.Table",
    "file": "config.yaml",
    "numbers": {
        "columns": ["a", "b"],
        "noise": {"a": 0.1},
        "shuffle": 0,
        "split": [0.8, 0.1, 0.1],
        "standardise": "train",
    },
}


@pytest.fixture
def with_table(toy, monkeypatch):
    monkeypatch.chdir(config.ROOT)
    put(toy["suites"]["toy"], "datasets/mine", copy.deepcopy(TABLE))
    return toy


def test_the_shape_of_a_table_is_known_only_from_its_file(with_table):
    suite = load(with_table)
    assert suite.event("mine") is None
    assert suite.prepared("mine")["file"] == "config.yaml"
    assert {run.method for run in suite.runs if run.dataset == "mine"} == {
        "interpolant",
        "gaussian",
    }


def test_the_data_sets_of_the_readme_are_valid(toy, monkeypatch):
    monkeypatch.chdir(config.ROOT)
    blocks = re.findall(r"```yaml\n(.*?)```", Path("README.md").read_text(), re.DOTALL)
    entries = {}
    for text in blocks:
        if "class: benchmark.data." in text:
            entries |= yaml.safe_load(text)
    assert set(entries) == {"mine", "miniboone", "bsds300_recut", "power", "mnist"}
    entries["mine"]["file"] = "README.md"
    toy["suites"]["toy"]["datasets"] |= entries
    # Which takes vectors only.
    toy["suites"]["toy"]["methods"]["gaussian"]["datasets"] = ["digits", *set(entries) - {"mnist"}]
    load(toy)


NUMBERS = {
    "file": ("nowhere.csv", "datasets.mine.file is 'nowhere.csv'; no such file"),
    "numbers/columns": ("a", "mine.numbers.columns is 'a'; allowed is a list of names"),
    "numbers/noise": ({"a": "1e-3"}, "noise is {'a': '1e-3'}; allowed is a mapping of columns"),
    "numbers/noise/a": (0, "noise is {'a': 0}; allowed is .* above 0, {} for none"),
    "numbers/shuffle": (-1, "shuffle is -1; allowed is a whole number of at least 0"),
    "numbers/split": ([0.8, 0.1, 0.2], r"split is \[0.8, 0.1, 0.2\]; allowed is three numbers"),
    "numbers/standardise": ("trian", "'trian' is unknown; allowed: train. Did you mean 'train'"),
    "numbers/suffle": (1, "mine.numbers: key 'suffle' is unknown; .*Did you mean 'shuffle'"),
}


@pytest.mark.parametrize("key", NUMBERS)
def test_a_mistake_in_a_table_is_named(with_table, key):
    value, message = NUMBERS[key]
    put(with_table["suites"]["toy"], f"datasets/mine/{key}", value)
    with pytest.raises(ConfigError, match=message):
        load(with_table)


def test_nothing_of_a_table_has_to_be_there_but_what_is_allowed_to_be_null(with_table):
    numbers = with_table["suites"]["toy"]["datasets"]["mine"]["numbers"]
    numbers |= {"columns": None, "shuffle": None, "standardise": None, "noise": {}}
    load(with_table)
    numbers["columns"] = [0, 2]
    load(with_table)
    del with_table["suites"]["toy"]["datasets"]["mine"]["file"]
    with pytest.raises(ConfigError, match="datasets.mine: key 'file' is missing; .*prepare needs"):
        load(with_table)


def test_an_unknown_suite_and_a_missing_file_are_named(toy):
    with pytest.raises(ConfigError, match=r"suite 'toi' is unknown; allowed: toy. Did you mean"):
        load({**toy, "suite": "toi"})
    with pytest.raises(ConfigError, match=r"suites.toy is 'nowhere.yaml'; no such file"):
        load({**toy, "suites": {"toy": "nowhere.yaml"}})
    with pytest.raises(ConfigError, match=r"key 'mirors' is unknown; .*Did you mean 'mirrors'"):
        load({**toy, "mirors": []})


def test_all_mistakes_of_a_kind_are_told_at_once(toy):
    put(toy["suites"]["toy"], "evaluation/atol", -1)
    put(toy["suites"]["toy"], "methods/ffjord/train/ema", 2)
    with pytest.raises(ConfigError) as caught:
        load(toy)
    assert "evaluation.atol" in str(caught.value)
    assert "ffjord.train.ema" in str(caught.value)
