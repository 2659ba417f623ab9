"""Several mistakes in one config: each is told once, and nothing that follows from another."""

import pytest
from suites import method, put

from benchmark.suite.load import load
from benchmark.suite.words import ConfigError

GONE = object()
"""Instead of a value: the key of a method is removed."""
FFJORD = method("ffjord")
FEATURES = {"inception": "clean", "samples": 10, "tolerances": [0.1]}
MINE = {"label": "Mine", "class": "benchmark.data.digits.Digits", "arguments": {"tests": 5}}


def misspelt(section, key, name):
    """A section with another name for one of its keys."""
    return {(name if k == key else k): value for k, value in section.items()}


def told(config):
    """The lines with which a config is refused."""
    with pytest.raises(ConfigError) as caught:
        load(config)
    return str(caught.value).splitlines()


def check(lines, messages):
    """Each of the messages is told once, and nothing else."""
    for message in messages:
        assert sum(message in line for line in lines) == 1, (message, lines)
    assert len(lines) == len(messages), lines


ENTRIES = {
    "misspelt key and wrong argument": (
        {"methods/ffjord": misspelt(FFJORD, "label", "lable"), "methods/gaussian/model": {"a": 1}},
        ["methods.ffjord: key 'lable' is unknown", "methods.gaussian.model: key 'a' is unknown"],
    ),
    "method": (
        {
            **{"methods/ffjord/colour": "red", "methods/ffjord/seeds": [0, 0]},
            **{"methods/ffjord/rules": 5, "methods/ffjord/datasets": ["digtis"]},
            **{"methods/ffjord/train/ema": 2, "methods/ffjord/model/network/widht": 5},
        },
        [
            *("ffjord.colour is 'red'", "ffjord.seeds is [0, 0]", "ffjord.rules is 5"),
            *("ffjord.datasets: 'digtis' is unknown", "ffjord.train.ema is 2"),
            "ffjord.model.network: key 'widht' is unknown",
        ],
    ),
    "sections of methods": (
        {"methods/ffjord/model": 5, "methods/interpolant/train": 5, "methods/gaussian/class": 5},
        ["ffjord.model is 5", "interpolant.train is 5", "gaussian.class is 5"],
    ),
    "method without a training": (
        {"methods/ffjord/train": GONE, "methods/ffjord/label": 5, "methods/ffjord/model/atol": -1},
        ["ffjord is {'label': 5, 'colour'", "ffjord.label is 5", "ffjord.model.atol is -1"],
    ),
    "method without a class": (
        {"methods/ffjord/class": GONE, "methods/ffjord/train/lr": -1, "methods/ffjord/a": 1},
        ["methods.ffjord is {", "methods.ffjord.train.lr is -1", "methods.ffjord: key 'a' is"],
    ),
    "data sets": (
        {
            "datasets/digits": {"class": MINE["class"], "held_out": {"test": 1}, "budget": 5},
            "datasets/my set": {**misspelt(MINE, "label", "lable"), "budget": 5},
            "methods/gaussian/datasets": ["digits", "my set"],
            "methods/oracle/datasets": ["digits"],
        },
        [
            *("the key 'label' is missing", "digits.held_out.test is 1", "digits.budget is 5"),
            *("digits.arguments.validation is missing", "digits.arguments.test is missing"),
            *("my set is 'my set'; allowed is a name", "key 'lable' is unknown"),
            *("my_set.budget is 5", "key 'tests' is unknown", "my_set.arguments.validation is"),
            "oracle: cannot run on digits",
        ],
    ),
    "base": (
        {
            "datasets/digits/base": {"class": "benchmark.data.digits.Digts", "argumens": {}},
            "methods/gaussian/datasets": ["digits"],
        },
        [
            *("base: key 'argumens' is unknown", "base.class: class benchmark.data.digits: 'Dig"),
            "gaussian: cannot run on digits: it needs a data set without 'base'",
        ],
    ),
    "what are no entries": (
        {
            "datasets/digits": 5,
            "methods/ffjord": 5,
            "measurements": {"mine": 5, "nll": {"class": "benchmark.measure.nll.NL"}},
            "methods/gaussian/datasets": ["digits"],
        },
        [
            *("datasets.digits is 5", "methods.ffjord is 5", "measurements.mine is 5"),
            *("measurements.nll: a table or a measurement of every", "'NL' is unknown"),
        ],
    ),
    "budget that is misspelt": (
        {
            "datasets/eight_gaussians/budget": {"stesp": 5},
            "methods/ffjord/train": {**FFJORD["train"], "steps": None},
            "methods/interpolant/datasets": ["digits"],
            "methods/interpolant/train": misspelt(method("interpolant")["train"], "steps", "stps"),
        },
        ["budget: key 'stesp' is unknown", "interpolant.train: key 'stps' is unknown"],
    ),
    "budget that is wrong": (
        {
            "datasets/eight_gaussians/budget": {"steps": 0},
            "methods/ffjord/train": {**FFJORD["train"], "steps": None, "lr": 0},
            "methods/interpolant/train/seconds": 1,
            "methods/gaussian/train/steps": 5,
        },
        [
            *("budget.steps is 0", "ffjord.train.lr is 0", "gaussian.train.steps is 5"),
            "interpolant.train on digits: found {'steps': 20, 'seconds': 1}",
        ],
    ),
}

SECTION = {
    "sections": (
        {
            **{"seeds": "x", "threads": 0, "evaluation": 5, "validation": None},
            **{"search": {"factors": [1], "shar": 0.5}, "evaluations": {}},
            **{"datasets/digits/arguments/tests": 5, "methods/ffjord/model/atol": -1},
        },
        [
            *("seeds is 'x'", "threads is 0", "evaluation is 5", "validation is None"),
            *("search.factors is [1]", "search: key 'shar' is unknown", "'evaluations' is unknown"),
            *("arguments: key 'tests' is unknown", "ffjord.model.atol is -1"),
        ],
    ),
    "no data sets": (
        {"datasets": ["digits"], "methods/ffjord/datasets": ["digits"], "methods/ffjord/model": {}},
        [
            *("datasets is ['digits']", "ffjord.model.atol is missing"),
            *("ffjord.model.rtol is missing", "ffjord.model.network is missing"),
        ],
    ),
    "no methods": (
        {"methods": {}, "datasets/digits/features": FEATURES},
        ["methods is {}; allowed is a mapping of at least 1", "it takes images of 256 grey levels"],
    ),
}

CLASSES = {
    "one bad class": (
        {
            "methods/ffjord/class": "benchmark.baselines.fjord.FFJORD",
            "methods/ffjord/model/network/widht": 5,
            "methods/ffjord/train/steps": 0,
            "methods/oracle/datasets": ["digits"],
            "methods/gaussian/train/steps": 5,
            "datasets/digits/published": {"as": "power", "tolerance": 1},
            "datasets/eight_gaussians/features": FEATURES,
            "datasets/eight_gaussians/base": MINE,
        },
        [
            *("there is no module 'benchmark.baselines.fjord'", "network: key 'widht' is unknown"),
            *("oracle: cannot run on digits", "gaussian.train.steps is 5", "is 'power', in nats"),
            *("EightGaussians has no images", "base: key 'label' is unknown"),
            *("base.arguments: key 'tests'", "base.arguments.validation is missing"),
            *("base: the event of", "base: the levels of"),
            "gaussian: cannot run on eight_gaussians",
        ],
    ),
    "class that is something else": (
        {
            "methods/gaussian/class": "benchmark.networks.mlp.MLP",
            "datasets/digits/class": "benchmark.networks.mlp.MLP",
            "datasets/digits/published": {"as": "pwer", "tolerance": 0},
            "datasets/digits/features": FEATURES,
            "methods/ffjord/model/network/class": "benchmark.networks.mlpp.MLP",
            "methods/ffjord/model/atol": -1,
        },
        [
            *("gaussian.class: benchmark.networks.mlp.MLP is a network", "digits.class: benchmark"),
            *("published.as: 'pwer' is unknown", "published.tolerance is 0"),
            *("there is no module 'benchmark.networks.mlpp'", "ffjord.model.atol is -1"),
        ],
    ),
}

GRIDS = {
    "grid without a value": (
        {
            **{"methods/ffjord/train/lr": [], "methods/ffjord/model/atol": []},
            **{"methods/ffjord/train/ema": 3, "methods/ffjord/model/blocks": 0},
        },
        [
            *("ffjord.train.lr: found an empty list", "ffjord.model.atol: found an empty list"),
            *("ffjord.train.ema is 3", "ffjord.model.blocks is 0"),
        ],
    ),
    "mistakes of all variants": (
        {
            **{"methods/ffjord/train/lr": [0.1, 0.2], "methods/ffjord/model/blcks": 5},
            **{"methods/ffjord/rules": "nowhere.smk", "methods/ffjord/train/stpes": 5},
            **{"methods/oracle/train/lr": [0.1, 0.2], "methods/oracle/datasets": ["digits"]},
        },
        [
            *("ffjord.model: key 'blcks' is unknown", "ffjord.rules is 'nowhere.smk'"),
            *("ffjord.train: key 'stpes' is unknown", "methods.oracle: cannot run on digits"),
        ],
    ),
    "mistakes of one variant": (
        {"methods/ffjord/train/lr": [0.1, -1], "methods/ffjord/model/blocks": [1, 0]},
        ["methods.ffjord.train.lr is -1", "methods.ffjord.model.blocks is 0"],
    ),
    "mistakes of the method and of what differs": (
        {
            "methods/ffjord/model/blcks": 5,
            "methods/ffjord/train/ema": 2,
            "methods/ffjord/per_dataset": {
                "eight_gaussians": {"model": {"atol": -1}, "trian": {"lr": -1}},
                "digitz": {},
            },
        },
        [
            *("ffjord.model: key 'blcks' is unknown", "ffjord.train.ema is 2"),
            *("per_dataset.eight_gaussians.model.atol is -1", "key 'trian' is unknown"),
            *("per_dataset.eight_gaussians.train.lr is -1", "per_dataset: 'digitz' is unknown"),
        ],
    ),
}

MISTAKES = {**ENTRIES, **SECTION, **CLASSES, **GRIDS}


@pytest.mark.parametrize("mistakes", MISTAKES)
def test_each_of_several_mistakes_is_told_once_and_nothing_else(toy, mistakes):
    changes, messages = MISTAKES[mistakes]
    suite = toy["suites"]["toy"]
    for path, value in changes.items():
        put(suite, path, value)
        if value is GONE:
            _, name, last = path.split("/")
            del suite["methods"][name][last]
    check(told(toy), messages)


def test_mistakes_of_all_files_are_told_in_one_message(toy, tmp_path):
    file, missing = tmp_path / "differs.yaml", str(tmp_path / "nowhere.yaml")
    file.write_text("digits: {trian: {lr: -1}}\npower: 5\neight_gaussians: {train: {ema: 3}}\n")
    methods = toy["suites"]["toy"]["methods"]
    methods["interpolant"] |= {"per_dataset": str(file)}
    methods["ffjord"] |= {"per_dataset": missing, "train": {**FFJORD["train"], "steps": None}}
    methods["gaussian"]["class"] = "mine.Gaussian"
    toy |= {"mirors": [], "device": "gpu", "python_path": ["nowhere"]}
    del toy["mirrors"]
    lines = told(toy)
    check(
        lines,
        [
            *("config.yaml: (top level): key 'mirors' is unknown", "config.yaml: device is 'gpu'"),
            "config.yaml: python_path: there is no folder nowhere",
            f"{file}: digits: key 'trian' is unknown",
            f"{file}: power is 5; allowed is a mapping",
            f"ffjord.per_dataset is {missing!r}; no such file",
            "interpolant.per_dataset.digits.train.lr is -1",
            "interpolant.per_dataset.eight_gaussians.train.ema is 3",
        ],
    )


def test_mistakes_of_the_config_are_told_with_a_suite_that_cannot_be_read(toy):
    toy |= {"device": "gpu", "suites": {"toy": "nowhere.yaml", "other": 5}}
    check(told(toy), ["device is 'gpu'", "suites.other is 5", "suites.toy is 'nowhere.yaml'; no"])
    check(told({**toy, "suite": "other"}), ["device is 'gpu'", "suites.other is 5"])
    check(told({**toy, "suite": "tyo"}), ["device is", "other is 5", "suite 'tyo' is unknown"])


def test_a_name_that_begins_with_a_capital_is_a_name(toy):
    put(toy["suites"]["toy"], "datasets/MINE", {**MINE, "label": 5, "arguments": {}})
    lines = told(toy)
    assert lines[0].startswith(
        "config.yaml: suites.toy.datasets.MINE.label is 5; allowed is text ("
    )
