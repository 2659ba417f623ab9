"""Requirements on a data set: shapes, a base, a file, features; and published results."""

import copy

import pytest
from suites import MNIST, ROOT, method, put, refused, with_images

from benchmark.records.run import Run
from benchmark.suite.load import load

# Which method runs on which data set


@pytest.mark.parametrize("name", ["gaussian", "ffjord"])
def test_a_method_that_needs_vectors_cannot_run_on_images(toy, name):
    suite = toy["suites"]["toy"]
    suite["datasets"]["mnist"] = copy.deepcopy(MNIST)
    model = {"width": 8, "likelihood": 1.0, "hamilton_jacobi": 1.0, "solver_steps": 2}
    suite["methods"]["ffjord"] |= {"class": "benchmark.baselines.ot_flow.OTFlow", "model": model}
    suite["methods"]["interpolant"]["datasets"] = ["digits"]
    for other in {"gaussian", "ffjord"} - {name}:
        suite["methods"][other]["datasets"] = ["digits"]
    suite["methods"][name]["datasets"] = ["digits", "mnist"]
    refused(
        toy,
        rf"methods.{name}: cannot run on mnist: it needs vectors \(events of one axis\). Set its "
        r"'datasets' to some of: eight_gaussians, digits\.",
    )


@pytest.mark.parametrize("dataset", ["eight_gaussians", "digits"])
def test_a_network_of_images_cannot_run_on_vectors(toy, dataset):
    config = with_images(toy)
    assert Run("toy", "mnist", "interpolant", 0) in load(config).runs
    config["suites"]["toy"]["methods"]["interpolant"]["datasets"] = [dataset]
    refused(
        config,
        rf"methods.interpolant: its network benchmark.networks.unet.UNet cannot run on {dataset}: "
        r"it needs images \(events of three axes\). Set its 'datasets' to some of: mnist\.",
    )


def test_the_network_of_a_data_set_has_to_take_its_rows(toy):
    config = with_images(toy)
    entry = config["suites"]["toy"]["methods"]["interpolant"]
    network = copy.deepcopy(entry["model"]["network"])
    plain = {key: value[0] if isinstance(value, list) else value for key, value in network.items()}
    entry["model"]["network"] = method("interpolant")["model"]["network"]
    entry["datasets"] = ["digits", "mnist"]
    entry["per_dataset"] = {"mnist": {"model": {"network": plain}}}
    load(config)
    entry["per_dataset"] = {"digits": {"model": {"network": plain}}}
    refused(config, r"its network benchmark.networks.unet.UNet cannot run on digits")


def test_a_method_of_another_program_has_rules_but_no_class(toy, tmp_path):
    (tmp_path / "other.smk").touch()
    entry = {"label": "Other", "colour": "#123456", "rules": str(tmp_path / "other.smk")}
    put(toy["suites"]["toy"], "methods/other", entry)
    suite = load(toy)
    assert not suite.is_ours("other") and suite.is_ours("interpolant")
    assert suite.method_facts("other") is None and not suite.is_flow("other")
    runs = [run for run in suite.runs if run.method == "other"]
    assert len(runs) == 4 and not any(map(suite.is_trained, runs))
    assert suite.measurements_of(runs[0]) == ["nll", "cost"]
    put(toy["suites"]["toy"], "methods/other/model", {})
    refused(toy, r"methods.other is .*; allowed is model only beside a class")


def test_a_method_of_this_library_needs_no_rules_and_may_have_some(toy, tmp_path):
    (tmp_path / "rules.smk").touch()
    put(toy["suites"]["toy"], "methods/anything", method("ffjord", label="Anything"))
    assert load(toy).methods["anything"].rules is None
    put(toy["suites"]["toy"], "methods/anything/rules", str(tmp_path / "rules.smk"))
    assert load(toy).methods["anything"].rules == str(tmp_path / "rules.smk")


# Rows of the base

MOONS = {
    "class": "benchmark.data.synthetic.TwoMoons",
    "arguments": {"train": 50, "validation": 5, "test": 20},
}
ACCEPTING = """
from benchmark.baselines.ffjord import FFJORD

class Accepting(FFJORD):
    accepts = ("base",)

    @classmethod
    def build(cls, event, base_rows, network, atol, rtol):
        raise NotImplementedError
"""


@pytest.fixture
def two_sided(toy, tmp_path):
    """The toy suite with rows of the base, which FFJORD is made to accept, on the first set."""
    (tmp_path / "accepting.py").write_text(ACCEPTING)
    toy["python_path"] = [str(tmp_path)]
    suite = toy["suites"]["toy"]
    suite["datasets"]["eight_gaussians"]["base"] = copy.deepcopy(MOONS)
    put(suite, "methods/ffjord/class", "accepting.Accepting")
    for name in ("interpolant", "gaussian"):
        suite["methods"][name]["datasets"] = ["digits"]
    del suite["methods"]["oracle"]
    return toy


def test_rows_of_the_base_are_for_methods_that_accept_them(two_sided):
    suite, methods = load(two_sided), two_sided["suites"]["toy"]["methods"]
    assert suite.has_base("eight_gaussians") and not suite.has_base("digits")
    methods["ffjord"]["model"]["base_rows"] = 50
    refused(two_sided, r"methods.ffjord.model: key 'base_rows' is unknown; allowed: atol, network")
    del methods["ffjord"]["model"]["base_rows"]
    methods["gaussian"]["datasets"] = ["eight_gaussians", "digits"]
    refused(
        two_sided,
        r"methods.gaussian: cannot run on eight_gaussians: it needs a data set without 'base', as "
        r"it does not accept rows of the base. Set its 'datasets' to some of: digits\.",
    )


def test_what_is_fitted_depends_on_the_rows_of_the_base(two_sided):
    run = Run("toy", "eight_gaussians", "ffjord", 0)
    before = load(two_sided)
    assert before.prepared("eight_gaussians")["base"] == MOONS
    put(two_sided["suites"]["toy"], "datasets/eight_gaussians/base/arguments/train", 51)
    assert load(two_sided).train_hash(run) != before.train_hash(run)


BASES = {
    "other shape": (
        {"class": "benchmark.data.digits.Digits", "arguments": {"validation": 10, "test": 20}},
        r"datasets.eight_gaussians.base: the event of benchmark.data.digits.Digits is \(64,\); "
        r"allowed is \(2,\), that of benchmark.data.synthetic.EightGaussians",
    ),
    "other levels": (
        {"class": "benchmark.data.digits.Digits", "arguments": {"validation": 10, "test": 20}},
        r"base: the levels of benchmark.data.digits.Digits is 17; allowed is None",
    ),
    "unknown argument": (
        {**MOONS, "arguments": {**MOONS["arguments"], "noise": 1}},
        r"datasets.eight_gaussians.base.arguments: key 'noise' is unknown; allowed: test, train",
    ),
    "unknown class": (
        {**MOONS, "class": "benchmark.data.synthetic.TwoMoon"},
        r"datasets.eight_gaussians.base.class: .*Did you mean 'TwoMoons'\?",
    ),
    "unknown source": (
        {**MOONS, "source": "mnits"},
        r"datasets.eight_gaussians.base.source is 'mnits'; allowed: bsds300, .*mean 'mnist'\?",
    ),
    "misspelt key": (
        {**MOONS, "argument": {}},
        r"eight_gaussians.base: key 'argument' is unknown; .*Did you mean 'arguments'\?",
    ),
}


@pytest.mark.parametrize(("base", "message"), BASES.values(), ids=BASES.keys())
def test_a_mistake_in_the_base_is_named(two_sided, base, message):
    two_sided["suites"]["toy"]["datasets"]["eight_gaussians"]["base"] = base
    refused(two_sided, message)


def test_images_may_have_a_base(toy):
    config = with_images(toy)
    base = {key: value for key, value in MNIST.items() if key != "label"}
    config["suites"]["toy"]["datasets"]["mnist"]["base"] = base
    assert load(config).has_base("mnist")  # the interpolant accepts it


# Published results and features


def test_published_results_change_nothing_that_is_computed(toy):
    before = load(copy.deepcopy(toy))
    said = {"as": "power", "tolerance": 1.0, "remark": "other rows"}
    put(toy["suites"]["toy"], "datasets/eight_gaussians/published", said)
    after = load(toy)
    assert before.published == {} and list(after.published) == ["eight_gaussians"]
    assert after.published["eight_gaussians"].model_dump(by_alias=True) == said
    assert after.runs == before.runs
    for run in before.runs:
        assert after.prepared(run.dataset) == before.prepared(run.dataset)
        assert after.evaluate_hash(run) == before.evaluate_hash(run)


def test_features_are_called_after_their_network(toy):
    config = with_images(toy)
    mnist = config["suites"]["toy"]["datasets"]["mnist"]
    assert load(config).images == []
    mnist["features"] = {"inception": "clean", "samples": 10, "tolerances": [0.1]}
    assert load(config).features("mnist")["name"] == "inception"
    assert load(config).images == ["mnist"]
    mnist["features"]["classifier"] = {"width": 8, "epochs": 1, "seed": 0}
    del mnist["features"]["inception"]
    assert load(config).features("mnist")["name"] == "mnist_cnn"


# Files

TABLE = {
    "label": "Mine",
    "class": "benchmark.data.table.Table",
    "file": "config.yaml",
    "arguments": {
        "columns": ["a", "b"],
        "noise": {"a": 0.1},
        "shuffle": 0,
        "split": [0.8, 0.1, 0.1],
        "standardise": "train",
    },
}


@pytest.fixture
def with_table(toy, monkeypatch):
    monkeypatch.chdir(ROOT)
    put(toy["suites"]["toy"], "datasets/mine", copy.deepcopy(TABLE))
    return toy


def test_the_shape_of_a_table_is_known_only_from_its_file(with_table):
    suite = load(with_table)
    assert suite.event("mine") is None
    assert suite.prepared("mine")["file"] == "config.yaml"
    methods = {run.method for run in suite.runs if run.dataset == "mine"}
    assert methods == {"interpolant", "gaussian"}


ARGUMENTS = {
    "file": ("nowhere.csv", "datasets.mine.file is 'nowhere.csv'; no such file. Paths start in"),
    "arguments/columns": ("a", "mine.arguments.columns is 'a'; allowed is a list"),
    "arguments/noise": ({"a": "1e-3"}, "noise.a is '1e-3'; allowed is a number. .*write 0.001"),
    "arguments/noise/a": (0, "arguments.noise.a is 0; allowed is a number above 0"),
    "arguments/shuffle": (-1, "arguments.shuffle is -1; allowed is at least 0"),
    "arguments/split": (
        [0.8, 0.1, 0.2],
        r"split is \[0.8, 0.1, 0.2\]; allowed is shares that add up to 1, not to 1.1",
    ),
    "arguments/standardise": ("trian", "is 'trian'; allowed: train. Did you mean 'train'"),
    "arguments/suffle": (1, "mine.arguments: key 'suffle' is unknown; .*Did you mean 'shuffle'"),
}


@pytest.mark.parametrize("key", ARGUMENTS)
def test_a_mistake_in_a_table_is_named(with_table, key):
    value, message = ARGUMENTS[key]
    put(with_table["suites"]["toy"], f"datasets/mine/{key}", value)
    refused(with_table, message)


def test_nothing_of_a_table_has_to_be_there_but_what_is_allowed_to_be_null(with_table):
    entry = with_table["suites"]["toy"]["datasets"]["mine"]
    entry["arguments"] |= {"columns": None, "shuffle": None, "standardise": None, "noise": {}}
    load(with_table)
    entry["arguments"]["columns"] = [0, 2]
    load(with_table)
    del entry["file"]
    refused(with_table, r"datasets.mine: key 'file' is missing; benchmark.data.table.Table needs")


def test_a_source_that_a_data_set_needs_is_asked_for(toy):
    entry = {key: value for key, value in MNIST.items() if key != "source"}
    toy["suites"]["toy"]["datasets"]["mnist"] = entry
    refused(toy, r"datasets.mnist: key 'source' is missing; benchmark.data.mnist.MNIST needs it")
