"""A wrong section of a config stops before any job: file, key, what was found, what is allowed."""

import pytest
from suites import method, put, refused, trained

FFJORD = method("ffjord")
FEATURES = {"inception": "clean", "samples": 10, "tolerances": [0.1]}

TRAINING = {
    "misspelt key": (
        "methods/interpolant/train/stpes",
        5,
        r"config.yaml: suites.toy.methods.interpolant.train: key 'stpes' is unknown; allowed: "
        r"accumulate, batch_size, .*steps, validations, weight_decay. Did you mean 'steps'\?",
    ),
    "difference that is wrong": (
        "methods/ffjord/per_dataset",
        {"digits": {"train": {"lr": -1}}},
        r"methods.ffjord.per_dataset.digits.train.lr is -1; allowed is a number above 0 "
        r"\(learning rate\)\.",
    ),
    "closed form that is trained": (
        "methods/gaussian/train/steps",
        5,
        r"methods.gaussian.train.steps is 5; allowed is 0: .*Gaussian is not trained\.",
    ),
    "method that is not trained": (
        "methods/ffjord/train/steps",
        0,
        r"methods.ffjord.train.steps is 0; allowed is at least 1: .*FFJORD is trained\.",
    ),
    "known velocity that is trained": (
        "methods/oracle",
        method(
            "oracle",
            **{"class": "benchmark.baselines.oracle.OracleFlow", "model": {"path": "linear"}},
            train=trained("oracle", steps=5),
        ),
        r"methods.oracle.train.steps is 5; allowed is 0: .*OracleFlow is not trained\.",
    ),
    "unknown schedule": (
        "methods/ffjord/train/schedule",
        "step",
        r"methods.ffjord.train.schedule is 'step'; allowed: constant, cosine \(schedule of the "
        r"learning rate: .* or \{kind: step, every: N, factor: f\}\)",
    ),
    "unknown kind of schedule": (
        "methods/ffjord/train/schedule",
        {"kind": "cosine", "every": 5, "factor": 0.5},
        r"methods.ffjord.train.schedule.kind is 'cosine'; allowed: step",
    ),
    "misspelt setting of a schedule": (
        "methods/ffjord/train/schedule",
        {"kind": "step", "evry": 5, "every": 5, "factor": 0.5},
        r"methods.ffjord.train.schedule: key 'evry' is unknown; allowed: every, factor, kind. "
        r"Did you mean 'every'\?",
    ),
    "schedule without a number": (
        "methods/ffjord/train/schedule",
        {"kind": "step", "every": 5},
        r"train.schedule: the key 'factor' is missing \(factor of the learning rate at a drop\)",
    ),
    "schedule that never drops": (
        "methods/ffjord/train/schedule",
        {"kind": "step", "every": 0, "factor": 0.5},
        r"methods.ffjord.train.schedule.every is 0; allowed is at least 1 \(steps between",
    ),
    "misspelt setting of early stopping": (
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
        r"early_stopping is True; allowed is a mapping "
        r"\(null, or \{patience: P, drops: N, factor: f\}",
    ),
    "early stopping on one data set": (
        "methods/ffjord/per_dataset/eight_gaussians",
        {"train": {"early_stopping": {"patience": 0, "drops": 0, "factor": 1}}},
        r"per_dataset.eight_gaussians.train.early_stopping.patience is 0; allowed is at least 1",
    ),
    "unknown optimiser": (
        "methods/ffjord/train/optimiser",
        "sgd",
        r"train.optimiser is 'sgd'; allowed: adam, adamw \(optimiser of the weights\)",
    ),
    "unknown precision": (
        "methods/ffjord/train/precision",
        "float16",
        r"train.precision is 'float16'; allowed: float32, bfloat16 \(precision of the training",
    ),
    "negative decay": (
        "methods/ffjord/train/weight_decay",
        -1e-6,
        r"train.weight_decay is -1e-06; allowed is at least 0",
    ),
    "infinite rate": ("methods/ffjord/train/lr", float("inf"), r"train.lr is inf; allowed is "),
    "grid of nothing": (
        "methods/ffjord/train/lr",
        [],
        r"methods.ffjord.train.lr: found an empty list; a grid needs at least one value",
    ),
    "grid that a data set would replace": (
        "methods/interpolant",
        method(
            "interpolant",
            train=trained("interpolant", lr=[0.1, 1]),
            per_dataset={"digits": {"train": {"lr": 0.5}}},
        ),
        r"methods.interpolant.train.lr: a grid, but per_dataset.digits.train.lr would replace all "
        r"of its values. Remove one of the two\.",
    ),
}

SECTIONS = {
    "missing section": (
        "evaluation",
        None,
        r"suites.toy.evaluation is None; allowed is a mapping \(how every method",
    ),
    "negative tolerance": (
        "evaluation/atol",
        -1.0e-5,
        r"suites.toy.evaluation.atol is -1e-05; allowed is a number above 0 \(absolute tolerance",
    ),
    "number that YAML reads as text": (
        "evaluation/rtol",
        "1e-5",
        r"suites.toy.evaluation.rtol is '1e-5'; allowed is a number \(relative tolerance .*\). "
        r"YAML reads it as text: write 1e-05\.",
    ),
    "search of one rate": (
        "search",
        {"factors": [1], "share": 0.5},
        r"suites.toy.search.factors is \[1\]; allowed is a list of at least 2 items",
    ),
    "repeated seeds": ("seeds", [1, 1], r"seeds is \[1, 1\]; allowed is a list of distinct"),
    "no seeds": ("seeds", [], r"suites.toy.seeds is \[\]; allowed is a list of at least 1 item"),
    "data sets that are none": (
        "datasets",
        ["digits"],
        r"suites.toy.datasets is \['digits'\]; allowed is a mapping \(the data sets, by name\)",
    ),
    "budget of two kinds": (
        "datasets/digits/budget",
        {"steps": 5, "seconds": 5},
        r"datasets.digits.budget is .*; allowed is one of steps and seconds",
    ),
    "unknown source": (
        "datasets/digits/source",
        "mnits",
        r"datasets.digits.source is 'mnits'; allowed: bsds300, .*, power_10k \(name of the entry "
        r"of benchmark/data/catalogue.yaml .*\)\. Did you mean 'mnist'\?",
    ),
    "unknown published data set": (
        "datasets/eight_gaussians/published",
        {"as": "pwer", "tolerance": 1},
        r"datasets.eight_gaussians.published.as: 'pwer' is unknown; .*Did you mean 'power'",
    ),
    "published data set without an NLL of its unit": (
        "datasets/digits/published",
        {"as": "power", "tolerance": 1},
        r"datasets.digits.published.as is 'power', in nats; allowed is a data set in bits/dim, as "
        r"is that of benchmark.data.digits.Digits\.",
    ),
    "tolerance of nothing": (
        "datasets/eight_gaussians/published",
        {"as": "power", "tolerance": 0},
        r"published.tolerance is 0; allowed is a number above 0 \(largest difference",
    ),
    "misspelt key of published": (
        "datasets/eight_gaussians/published",
        {"as": "power", "tolerance": 1, "remarks": "ours"},
        r"published: key 'remarks' is unknown; allowed: as, remark, tolerance. Did you mean "
        r"'remark'\?",
    ),
    "features of what are no images": (
        "datasets/eight_gaussians/features",
        FEATURES,
        r"datasets.eight_gaussians.features: benchmark.data.synthetic.EightGaussians has no images",
    ),
    "Inception's features of images of 17 grey levels": (
        "datasets/digits/features",
        FEATURES,
        r"digits.features.inception: it takes images of 256 grey levels; .*Digits has 17. Use a",
    ),
    "two kinds of features": (
        "datasets/digits/features",
        {**FEATURES, "classifier": {"width": 8, "epochs": 1, "seed": 0}},
        r"datasets.digits.features is .*; allowed is one of classifier and inception",
    ),
    "way of resizing that is none": (
        "datasets/digits/features",
        {**FEATURES, "inception": "dirty"},
        r"digits.features.inception is 'dirty'; allowed: clean, legacy_tensorflow \(features of",
    ),
}

METHODS = {
    "unknown data set of a method": (
        "methods/ffjord/datasets",
        ["eight_gausians"],
        r"methods.ffjord.datasets: 'eight_gausians' is unknown; .*Did you mean 'eight_gaussians'",
    ),
    "unknown data set on which something differs": (
        "methods/ffjord/per_dataset",
        {"digitz": {}},
        r"methods.ffjord.per_dataset: 'digitz' is unknown; allowed: digits, eight_gaussians",
    ),
    "unknown data set of a measurement": (
        "measurements",
        {"mine": {"class": "benchmark.measure.cost.Cost", "datasets": ["digitz"]}},
        r"measurements.mine.datasets: 'digitz' is unknown; allowed: digits, eight_gaussians",
    ),
    "differences that are none": (
        "methods/ffjord/per_dataset",
        [],
        r"methods.ffjord.per_dataset is \[\]; allowed is a mapping or text \(what differs on a "
        r"data set, in full or as the path of a YAML file",
    ),
    "missing file of differences": (
        "methods/ffjord/per_dataset",
        "nowhere.yaml",
        r"methods.ffjord.per_dataset is 'nowhere.yaml'; no such file. Name a YAML file or write it",
    ),
    "missing file of rules": (
        "methods/ffjord/rules",
        "nowhere.smk",
        r"methods.ffjord.rules is 'nowhere.smk'; no such file. Paths start in the folder",
    ),
    "impossible pair": (
        "methods/oracle/datasets",
        ["digits"],
        r"methods.oracle: cannot run on digits: it needs a data set whose density is known. "
        r"Set its 'datasets' to some of: eight_gaussians\.",
    ),
    "colour that is none": (
        "methods/ffjord/colour",
        "red",
        r"methods.ffjord.colour is 'red'; allowed is a colour, #rrggbb \(colour .* #rrggbb\)",
    ),
    "neither a class nor rules": (
        "methods/mine",
        {"label": "Mine", "colour": "#123456"},
        r"methods.mine is .*; allowed is a class, or rules: the path of a file of Snakemake rules",
    ),
    "class without a training": (
        "methods/ffjord",
        {key: value for key, value in FFJORD.items() if key != "train"},
        r"methods.ffjord is .*; allowed is a class only with model and train beside it",
    ),
    "name that cannot be a folder": (
        "methods/ff jord",
        FFJORD,
        r"methods.ff jord: allowed in a name are letters, digits and _",
    ),
    "variant that could be a point of a grid": (
        "methods/ffjord-lr=1",
        FFJORD,
        r"methods.ffjord-lr=1: allowed in a name are .* and one - before what sets a variant apart",
    ),
}

MISTAKES = {**TRAINING, **SECTIONS, **METHODS}


@pytest.mark.parametrize("mistake", MISTAKES)
def test_a_mistake_is_named_with_its_key_and_the_nearest_valid_name(toy, mistake):
    path, value, message = MISTAKES[mistake]
    suite = toy["suites"]["toy"]
    suite["methods"]["ffjord"].setdefault("per_dataset", {})
    put(suite, path, value)
    refused(toy, message)


def test_every_missing_key_is_named(toy):
    for key in ("atol", "grid"):
        del toy["suites"]["toy"]["evaluation"][key]
    told = refused(toy, r"suites.toy.evaluation: the key 'atol' is missing \(absolute tolerance")
    assert len(told) == 2 and "the key 'grid' is missing (points per axis" in told[1]


PROBLEMS = {
    "seeds": (["one"], "seeds.0 is 'one'; allowed is a whole number"),
    "search": ({"factors": [1]}, "search: the key 'share' is missing"),
    "evaluation/frames": (1, "evaluation.frames is 1; allowed is at least 2"),
    "datasets/digits/source": ("mnits", "datasets.digits.source is 'mnits'; allowed: bsds300"),
    "datasets/eight_gaussians/arguments/tests": (5, "arguments: key 'tests' is unknown"),
    "methods/ffjord/train/ema": (2, "methods.ffjord.train.ema is 2; allowed is a number below 1"),
    "methods/ffjord/model/atol": ("1e-3", "methods.ffjord.model.atol is '1e-3'; allowed is a num"),
    "methods/gaussian/colour": ("red", "methods.gaussian.colour is 'red'"),
    "methods/interpolant/model/network/widht": (5, "model.network: key 'widht' is unknown"),
    "methods/oracle/train/lr": ([], "methods.oracle.train.lr: found an empty list"),
}


def test_all_problems_are_told_at_once(toy):
    for path, (value, _) in PROBLEMS.items():
        put(toy["suites"]["toy"], path, value)
    told = refused(toy, "seeds.0 is 'one'")
    for _, message in PROBLEMS.values():
        assert any(message in line for line in told), message


@pytest.mark.parametrize("key", ["seeds", "validation", "evaluation"])
def test_what_stands_in_for_a_missing_section_is_not_accepted(toy, key):
    del toy["suites"]["toy"][key]
    assert len(refused(toy, f"the key .{key}. is missing")) == 1
    toy["suites"]["toy"]["methods"]["ffjord"]["model"]["atol"] = -1.0
    told = refused(toy, f"suites.toy: the key '{key}' is missing")
    assert len(told) == 2 and "methods.ffjord.model.atol is -1.0" in told[1]
