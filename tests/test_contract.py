"""The contract of a method: a method broken in one way is told its fault, a sound one nothing."""

import re
import sys

import broken
import pytest
from pages import block
from suites import ROOT, SHIPPED

from benchmark.contract import contract, nll
from benchmark.contract.__main__ import main
from benchmark.contract.asked import WrongUse, resolved
from benchmark.contract.contract import Contract
from benchmark.names import load

BROKEN = {
    "SeesOtherRows": ("rows alone, vectors", "a row sees the others of its batch", "velocity"),
    "TimesMeetColumns": ("batch = dimension, vectors", "another axis than that", "velocity"),
    "WrongDivergence": ("divergence, vectors", "not that of this velocity", "divergence"),
    "KeepsProbe": ("divergence, images", "drawn once and kept: draw a probe", "divergence"),
    "KeepsNoise": ("loss has no memory, vectors", "keeps random draws", "loss"),
    "BroadcastsLoss": ("loss of each row, vectors", r"\[13, 1\] and \[13\] are broadcast", "weigh"),
    "LosesGradient": (
        "gradient, vectors",
        "6 of 8 tensors; none reaches unused.weight, unused.bias:",
        "loss",
    ),
    "LossOfEachRow": ("gradient, images", r"has shape \[16\]; allowed is a scalar", "loss"),
    "AscendsLoss": ("loss goes down, vectors", "do not lower it", "loss"),
    "TrainsInBuild": ("off the clock, before", "build takes 7 steps of optimisers", "build"),
    "TrainsInInitialise": ("off the clock, before", "initialise takes 7 steps", "initialise"),
    "DescendsByHand": ("off the clock, before", "0 steps .* 1 gradients", "initialise"),
    "TrainsInDiagnostics": ("off the clock, beside", "diagnostics takes 7 steps", "diagnostics"),
    "LearnsNothing": ("closed-form NLL", "loss and velocity do not belong together", "velocity"),
    "WrongSignLate": ("closed-form NLL", "has the wrong sign for t > 1/2", "velocity"),
    "StateOutside": ("save and load", r"not in its state dict \(shift lies", "initialise"),
    "CountsOutside": ("killed and resumed", "has state outside of the state dict", "loss"),
    "OwnGenerator": ("same seed", "a generator of its own", "loss"),
    "SeedsItself": ("same seed", "something sets the seed itself", "build"),
    "ReadsTest": ("test rows", "test.npy is opened 1 times", "initialise"),
    "TiedToCPU": ("another device", "at least 1 tensor .allowed 0. stays behind", "velocity"),
    "OtherBase": ("own samples, 1-D", "samples are not drawn from the density", "build"),
    "TooGood": ("mass one, 3-D", "not that of a normalised density", "log_prob"),
    "SinglePrecision": ("float64", r"log_prob gives torch.float32; allowed", "log_prob"),
}
"""Class -> the property that it lacks, words of its fault, and the function in which that lies."""


@pytest.fixture(autouse=True)
def short_fits(monkeypatch):
    monkeypatch.setattr(contract, "SECONDS", (0.5,))
    monkeypatch.setattr(contract, "BRIEF", 0.2)
    monkeypatch.setattr(nll, "ROWS", 100)


def made(name, folder):
    arguments = {} if name in CLOSED else {"network": {"class": "broken.Small"}}
    return Contract(resolved(f"broken.{name}", None, "none.yaml", arguments), folder)


CLOSED = [name for name, kind in vars(broken).items() if getattr(kind, "trained", True) is False]


def test_every_broken_method_is_there():
    own = {n: k for n, k in vars(broken).items() if getattr(k, "__module__", "") == "broken"}
    assert own.keys() - {"Small", "Sound", "Fitted"} == BROKEN.keys()


@pytest.mark.parametrize("name", BROKEN)
def test_a_broken_method_is_told_its_fault_and_where(name, tmp_path):
    lacks, words, function = BROKEN[name]
    held = made(name, tmp_path)
    finding, where = held.found(dict(held.properties())[lacks])
    assert finding.right is False and re.search(words, finding.said), finding
    assert re.search(r"\d", finding.said)
    file, line = re.fullmatch(r"(.*):(\d+) .*", where).groups()
    assert file.endswith("broken.py") and int(line) > 1
    if function in vars(load(f"broken.{name}")):
        assert where.endswith(f"({function})")


@pytest.mark.slow
@pytest.mark.parametrize("name", ["Sound", "Fitted"])
def test_a_sound_method_has_all_of_them(name, tmp_path):
    findings = {key: finding for key, finding, _ in made(name, tmp_path).findings()}
    assert [finding for finding in findings.values() if finding.right is False] == []
    absent = {key for key, finding in findings.items() if finding.right is None}
    if name == "Sound":
        assert absent == set()
        assert {lacks for lacks, *_ in BROKEN.values()} <= set(findings)
    else:
        assert {"gradient, vectors", "there and back", "killed and resumed"} <= absent
        assert findings["another device"].right is None or findings["another device"].right


@pytest.fixture
def own(tmp_path, monkeypatch):
    """A folder with the class that the README adds, in a package that its config finds."""
    (tmp_path / "research/mymethods").mkdir(parents=True)
    text = block("README.md", "class Straight")
    (tmp_path / "research/mymethods/straight.py").write_text(text)
    (tmp_path / "config.yaml").write_text("python_path: [research]\n")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [*sys.path])
    yield tmp_path
    for name in [name for name in sys.modules if name.partition(".")[0] == "mymethods"]:
        del sys.modules[name]


@pytest.mark.slow
def test_the_method_that_the_readme_adds_is_right(own, capsys):
    assert main(["mymethods.straight.Straight"]) == 0
    said = capsys.readouterr().out
    assert re.search(r"\n(\d+) right, 0 wrong, 0 do not apply, in \d+ s", said)
    assert "right  closed-form NLL: the NLL after a short fit is 2.3" in said


def test_one_wrong_property_is_told_with_its_place_and_ends_with_1(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert main(["broken.TooGood"]) == 1
    said = capsys.readouterr().out
    assert re.search(r"WRONG  closed-form NLL: .*broken.py:\d+ \(log_prob\)\.\n", said)
    assert "-      gradient, vectors: it is not trained" in said


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["mymethods.straight.Strait"], "'Strait' is unknown; allowed: Straight"),
        (["mymethods.curved.Curve"], "imports 'mymethods'|no module 'mymethods.curved'|curved"),
        (["benchmark.densities.Normal"], "neither a method, a data set, a network nor a meas"),
        (["broken.Small"], "is a network; allowed is a subclass of benchmark.flow.Method"),
        (["benchmark.baselines.ot_flow.OTFlow"], "build.width is missing; .*whole number of"),
        (["broken.Sound", "--arguments", "{width: 3}"], "build: key 'width' is unknown"),
        (["broken.Sound", "--arguments", "3"], "allowed is a mapping in YAML"),
    ],
)
def test_wrong_use_is_told_and_ends_with_2(own, capsys, arguments, words):
    assert main(arguments) == 2
    assert re.search(words, capsys.readouterr().err)


def test_a_method_of_a_suite_has_its_arguments_and_its_training(asked_here, monkeypatch):
    monkeypatch.chdir(ROOT)
    asked = resolved("interpolant", "quick", "config.yaml", {})
    entry = SHIPPED["suites"]["quick"]["methods"]["interpolant"]
    assert asked.arguments == entry["model"] and asked.training.lr == entry["train"]["lr"]
    with pytest.raises(WrongUse, match="method 'interpolent' is unknown.*Did you mean 'interpol"):
        resolved("interpolent", "quick", "config.yaml", {})
