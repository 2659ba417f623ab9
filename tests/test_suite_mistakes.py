"""A wrong class or argument stops before any job: key, what was found, what is allowed."""

import pytest
from suites import method, put, refused

FFJORD = method("ffjord")
NETWORK = FFJORD["model"]["network"]


def score_sde(**model):
    """A score SDE in place of a method of the toy suite."""
    kind = "benchmark.baselines.score_sde.ScoreSDE"
    usual = {"network": NETWORK, "weighting": "variance", "s_min": 1.0e-3}
    return method("interpolant", **{"class": kind}, model={**usual, **model})


CLASSES = {
    "unknown module": (
        "methods/ffjord/class",
        "benchmark.baselines.fjord.FFJORD",
        r"methods.ffjord.class: there is no module 'benchmark.baselines.fjord'. "
        r"Did you mean benchmark.baselines.ffjord\?",
    ),
    "unknown class": (
        "methods/ffjord/class",
        "benchmark.baselines.ffjord.FFJORDD",
        r"methods.ffjord.class: class benchmark.baselines.ffjord: 'FFJORDD' is unknown; "
        r"allowed: FFJORD, _Block. Did you mean 'FFJORD'\?",
    ),
    "class without a module": (
        "methods/ffjord/class",
        "FFJORD",
        r"methods.ffjord.class: there is no module ''",
    ),
    "class that is no method": (
        "methods/ffjord/class",
        "benchmark.networks.mlp.MLP",
        r"methods.ffjord.class: benchmark.networks.mlp.MLP is a network; allowed is a method\.",
    ),
    "class that is no part": (
        "methods/ffjord/class",
        "pathlib.Path",
        r"methods.ffjord.class: pathlib.Path is neither a method, a data set, a network nor a "
        r"measurement",
    ),
    "class that is no data set": (
        "datasets/digits/class",
        "benchmark.baselines.ffjord.FFJORD",
        r"datasets.digits.class: benchmark.baselines.ffjord.FFJORD is a flow; allowed is a data "
        r"set\.",
    ),
    "unknown data set class": (
        "datasets/digits/class",
        "benchmark.data.digits.Digit",
        r"datasets.digits.class: class benchmark.data.digits: 'Digit' is unknown; allowed: "
        r"DigitImages, Digits. Did you mean 'Digits'\?",
    ),
    "unknown network": (
        "methods/ffjord/model/network/class",
        "benchmark.networks.mlpp.MLP",
        r"methods.ffjord.model.network.class: there is no module 'benchmark.networks.mlpp'. "
        r"Did you mean benchmark.networks.mlp\?",
    ),
    "network that is a method": (
        "methods/ffjord/model/network",
        {"class": "benchmark.baselines.gaussian.Gaussian"},
        r"methods.ffjord.model.network is .*; allowed is a subclass of "
        r"benchmark.networks.network.Network",
    ),
    "network without a class": (
        "methods/ffjord/model/network",
        {"width": 8},
        r"methods.ffjord.model.network is \{'width': 8\}; allowed is "
        r"\{class: package.module.Class, <arguments>\}",
    ),
    "unknown measurement": (
        "measurements",
        {"mine": {"class": "benchmark.measure.nll.NL"}},
        r"measurements.mine.class: class benchmark.measure.nll: 'NL' is unknown; .*mean 'NLL'\?",
    ),
    "measurement that is a method": (
        "measurements",
        {"mine": {"class": "benchmark.baselines.ffjord.FFJORD"}},
        r"measurements.mine.class: benchmark.baselines.ffjord.FFJORD is a flow; allowed is a "
        r"measurement\.",
    ),
}

ARGUMENTS = {
    "unknown argument": (
        "methods/ffjord/model/blcks",
        5,
        r"methods.ffjord.model: key 'blcks' is unknown; allowed: atol, blocks, network, rtol. "
        r"Did you mean 'blocks'\?",
    ),
    "missing argument": (
        "methods/ffjord/model",
        {"network": NETWORK, "rtol": 1.0e-3},
        r"methods.ffjord.model.atol is missing; benchmark.baselines.ffjord.FFJORD needs it "
        r"\(a number above 0\)\.",
    ),
    "argument of the wrong type": (
        "methods/ffjord/model/blocks",
        8.5,
        r"methods.ffjord.model.blocks is 8.5; allowed is a whole number\.$",
    ),
    "whole number with a point": (
        "methods/ffjord/model/blocks",
        8.0,
        r"methods.ffjord.model.blocks is 8.0; allowed is a whole number\. Write 8\.",
    ),
    "argument that is too small": (
        "methods/ffjord/model/blocks",
        0,
        r"methods.ffjord.model.blocks is 0; allowed is at least 1\.",
    ),
    "negative argument": (
        "methods/ffjord/model/atol",
        -1.0,
        r"methods.ffjord.model.atol is -1.0; allowed is a number above 0\.",
    ),
    "argument that YAML reads as text": (
        "methods/ffjord/model/atol",
        "1e-3",
        r"model.atol is '1e-3'; allowed is a number. YAML reads it as text: write 0.001\.",
    ),
    "unknown argument of a network": (
        "methods/ffjord/model/network/widht",
        5,
        r"methods.ffjord.model.network: key 'widht' is unknown; allowed: activation, depth, "
        r"width. Did you mean 'width'\?",
    ),
    "missing argument of a network": (
        "methods/ffjord/model/network",
        {"class": NETWORK["class"], "width": 8},
        r"methods.ffjord.model.network.depth is missing; .*ConcatSquashMLP needs it \(a whole "
        r"number of at least 1\)\.",
    ),
    "argument of a network of the wrong type": (
        "methods/ffjord/model/network/width",
        8.5,
        r"methods.ffjord.model.network.width is 8.5; allowed is a whole number",
    ),
    "unknown choice of a network": (
        "methods/ffjord/model/network/activation",
        "tahn",
        r"model.network.activation is 'tahn'; allowed: tanh, softplus. Did you mean 'tanh'\?",
    ),
    "unknown choice": (
        "methods/interpolant/model/path",
        "trigonometrc",
        r"methods.interpolant.model.path is 'trigonometrc'; allowed: linear, trigonometric, "
        r"fourier. Did you mean 'trigonometric'\?",
    ),
    "unknown kind": (
        "methods/interpolant/model/path",
        {"kind": "fourir"},
        r"model.path.kind is 'fourir'; allowed: linear, trigonometric, fourier. Did you mean "
        r"'fourier'\?",
    ),
    "misspelt setting of a path": (
        "methods/interpolant/model/path",
        {"kind": "fourier", "term": 5},
        r"methods.interpolant.model.path: key 'term' is unknown; allowed: base, kind, pace, terms. "
        r"Did you mean 'terms'\?",
    ),
    "unknown alternative": (
        "methods/interpolant",
        score_sde(sde={"kind": "vpp", "beta_min": 0.1, "beta_max": 20.0}),
        r"model.sde.kind is 'vpp'; allowed: vp, subvp, ve. Did you mean 'vp'\?",
    ),
    "unknown alternative by its kind alone": (
        "methods/interpolant",
        score_sde(sde="vpp"),
        r"model.sde is 'vpp'; allowed: vp, subvp, ve. Did you mean 'vp'\?",
    ),
    "misspelt setting of an alternative": (
        "methods/interpolant",
        score_sde(sde={"kind": "vp", "beta_mn": 0.1, "beta_max": 20.0}),
        r"model.sde: key 'beta_mn' is unknown; allowed: beta_max, beta_min, kind. Did you mean "
        r"'beta_min'\?",
    ),
    "wrong setting of an alternative": (
        "methods/interpolant",
        score_sde(sde={"kind": "ve", "sigma_min": 0, "sigma_max": 50.0}),
        r"model.sde.sigma_min is 0; allowed is a number above 0\.",
    ),
    "missing setting of an alternative": (
        "methods/interpolant",
        score_sde(sde={"sigma_min": 0.1}),
        r"model.sde.kind is missing; .*ScoreSDE needs it\.",
    ),
    "optional number of a wrong kind": (
        "methods/interpolant/model/sampler",
        {"epsilon": -0.5},
        r"methods.interpolant.model.sampler.epsilon is -0.5; allowed is at least 0\.",
    ),
    "argument that the data set supplies": (
        "methods/oracle/model/density",
        "benchmark.densities.eight_gaussians",
        r"methods.oracle.model: key 'density' is unknown; allowed: none\.",
    ),
    "unknown argument of a data set": (
        "datasets/digits/arguments/tests",
        5,
        r"datasets.digits.arguments: key 'tests' is unknown; allowed: test, validation. "
        r"Did you mean 'test'\?",
    ),
    "unknown argument of a measurement": (
        "measurements",
        {"mine": {"class": "benchmark.measure.cost.Cost", "arguments": {"rows": 5}}},
        r"measurements.mine.arguments: key 'rows' is unknown; allowed: none\.",
    ),
}

MISTAKES = {**CLASSES, **ARGUMENTS}


@pytest.mark.parametrize("mistake", MISTAKES)
def test_a_mistake_is_named_with_its_key_and_the_nearest_valid_name(toy, mistake):
    path, value, message = MISTAKES[mistake]
    put(toy["suites"]["toy"], path, value)
    refused(toy, message)


def test_a_network_that_is_not_there_is_told_once(toy):
    put(toy["suites"]["toy"], "methods/ffjord/model/network/class", "benchmark.networks.mlpp.MLP")
    assert len(refused(toy, "no module 'benchmark.networks.mlpp'")) == 1
