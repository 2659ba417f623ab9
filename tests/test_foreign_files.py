"""Files of other programs, damaged in whatever way: a named gap each, and all else is made."""

import io
import json
import re

import numpy as np
import pytest
from reported import finish, prepare, suite

from benchmark.jobs import measure
from benchmark.jobs.measure import Measuring
from benchmark.records import provenance
from benchmark.report import collected
from benchmark.report.figures.sampled import sampled
from benchmark.report.outputs import outputs_with_gaps, write
from benchmark.runtime.log import logged

KINDS = {"nll": "benchmark.measure.nll.NLL", "cost": "benchmark.measure.cost.Cost"}
N = 20
"""Test rows."""


def npy(array):
    """The content of a file of numpy."""
    file = io.BytesIO()
    np.save(file, array, allow_pickle=True)
    return file.getvalue()


def npz(array):
    file = io.BytesIO()
    np.savez(file, array)
    return file.getvalue()


def text(content):
    """The content of a JSON file."""
    return (content if isinstance(content, str) else json.dumps(content)).encode()


def likelihood(**changes):
    return text({"nfe": None, "protocol": {"solver": "none"}, **changes})


WHOLE = {
    "log_prob.npy": npy(np.linspace(-3, -1, N)),
    "samples.npy": npy(np.zeros((50, 2), np.float32)),
    "likelihood.json": likelihood(),
    "cost.json": text({"training_seconds": 3.1}),
}
DEEP = "[" * 100_000
ANY_JSON = [
    (b"", "is empty"),
    (b" \n", "is empty"),
    (WHOLE["likelihood.json"][:-5], "is not JSON"),
    (b"training: 3", "is not JSON"),
    (b"\xff\xfe{\x00}\x00", "byte 1 is no UTF-8"),
    (b'{"provenance": {"by": "M\xfcller"}}', "is no UTF-8"),
    (text("null"), "found null; allowed is an object"),
    (text("3"), "found 3; allowed is an object"),
    (text([[1]]), "found \\[\\[1\\]\\]|a list of records"),
    (text(DEEP), "is not JSON"),
    (text('{"schema": 1' + "0" * 5000 + "}"), "is not JSON"),
    (text({"schema": 2}), "is of schema 2"),
    (text({"schema": "1"}), 'is of schema "1"'),
    (text({"schema": [1]}), "is of schema \\[1\\]"),
    (text({"provenance": []}), "provenance is \\[\\]; allowed is an object"),
    (text('{"provenance": {"a": [NaN]}}'), "allowed is no NaN"),
    (text({"protocol": "dopri5"}), 'protocol is "dopri5"; allowed is an object'),
    (text('{"protocol": {"atol": 1e999}}'), "allowed is no NaN, and no infinite"),
    (text(r'{"protocol": {"solver": "\ud800"}}'), "is not JSON"),
]
COST = [
    ({"seconds": 3}, "seconds is unknown; allowed are|did you mean"),
    ({"training_seconds": -1}, "training_seconds is -1; allowed is greater than or equal to 0"),
    ({"training_seconds": "3.1"}, 'training_seconds is "3.1"; allowed is a valid number'),
    ({"training_seconds": [3.1]}, "training_seconds is \\[3.1\\]"),
    ({"training_seconds": True}, "training_seconds is true"),
    ('{"training_seconds": NaN}', "training_seconds is NaN; allowed is a finite number"),
    ('{"training_seconds": 1e999}', "training_seconds is Infinity"),
    ('{"training_seconds": 3+2j}', "is not JSON"),
    ({"seconds_per_step": 1e300}, "seconds_per_step is 1e\\+300; allowed is less than"),
    ({"parameters": 10**400}, "parameters is 1000"),
    ({"diagnostics": {"a": "b"}}, 'diagnostics.a is "b"'),
    ('{"diagnostics": {"a": -Infinity}}', "diagnostics.a is -Infinity"),
    ({"diagnostics": {"nll": 1.0}}, "found the metric 'nll', which is one of nll"),
    ({"diagnostics": {"step_time": 1.0}, "seconds_per_step": 1}, "metric 'step_time' twice"),
    ({"n": {"training_seconds": 10**30}}, "n.training_seconds is 1000"),
    ({"n": {"training_seconds": -1}}, "n.training_seconds is -1"),
    ({"n": {"training_seconds": 1.5}}, "n.training_seconds is 1.5"),
    ({"reasons": {"speed": "x"}}, "allowed are names of costs, speed is none"),
    ({"reasons": {"parameters": " "}}, 'reasons.parameters is " "; allowed is a text'),
    ({"reasons": {"parameters": None}}, "reasons.parameters is null"),
]
LIKELIHOOD = [
    ({"protocol": {}}, "nfe is missing"),
    ({"nfe": None}, "protocol is missing"),
    ({"nfe": -1, "protocol": {}}, "nfe is -1; allowed is greater"),
    ({"nfe": "many", "protocol": {}}, 'nfe is "many"'),
    ({"nfe": None, "protocol": {}, "reason": ""}, 'reason is ""; allowed is a text'),
    ({"nfe": 1, "protocol": {}, "probe_error": -0.1}, "probe_error is -0.1"),
    ({"nfe": 1, "protocol": {}, "tight_log_prob": [0.0] * 21}, "tight_log_prob has 21 values"),
    ({"nfe": 1, "protocol": {}, "tight_log_prob": 3.0}, "tight_log_prob is 3.0"),
    ({"nfe": 1, "protocol": {}, "tight_log_prob": [1e300]}, "tight_log_prob.0 is 1e\\+300"),
    ({"nfe": 1, "protocol": {}, "loose_log_prob": [0.0]}, "loose_log_prob has 1 values, and tight"),
    ({"nfe": None, "protocol": {"trained": "no"}}, "allowed as 'trained' is true, or false"),
    ({"nfe": None, "protocol": {"rows": 19}}, "protocol.rows is 19; allowed is 20"),
    ({"nfe": None, "protocol": {"rows": "20"}}, "protocol.rows is '20'; allowed is 20"),
    ({"nfe": None, "protocol": {"data": "other"}}, "protocol.data is 'other'; allowed is '"),
    ({"nfe": None, "protocol": {"data": None}}, "protocol.data is None; allowed is '"),
]
ANY_ARRAY = [
    (b"", "cannot be read"),
    (WHOLE["log_prob.npy"][:-8], "cannot be read"),
    (WHOLE["log_prob.npy"][:40], "cannot be read"),
    (WHOLE["log_prob.npy"][:6], "cannot be read"),
    (b"-1.5\n-2.5\n", "cannot be read"),
    (b"PK\x03\x04 no archive", "cannot be read"),
    (WHOLE["log_prob.npy"].replace(b"(20,), }", b"(-2,), }"), "cannot be read"),
    (npz(np.zeros(N)), "found an archive of arrays; allowed is one"),
    (npy(np.array([1, "a"], dtype=object)), "cannot be read"),
    (npy(np.array(["-1.5"] * N)), "found <U4; allowed is float"),
    (npy(np.zeros(N, complex)), "found complex128; allowed is float"),
    (npy(np.zeros(N, int)), "found int64; allowed is float"),
    (npy(np.zeros(N, bool)), "found bool; allowed is float"),
    (npy(np.zeros(N, "datetime64[s]")), "found datetime64"),
    (npy(np.zeros(N, [("a", "f8")])), "found \\[\\('a', '<f8'\\)\\]"),
    (npy(np.float64(1.0)), "found the shape \\(\\)"),
    (npy(np.zeros(0)), "found the shape \\(0,\\)"),
    (npy(np.zeros((N, 3))), "found the shape \\(20, 3\\)"),
]
LOG_PROB = [
    (npy(np.zeros(N - 1)), "found the shape \\(19,\\); allowed is float64 of the shape \\(20,\\)"),
    (npy(np.zeros((N, 1))), "found the shape \\(20, 1\\)"),
    (npy(np.full(N, -1e200)), "found a value beyond 1e\\+100"),
]
SAMPLES = [
    (npy(np.zeros((0, 2), np.float32)), "found the shape \\(0, 2\\); allowed is \\(n, 2\\), n at"),
    (npy(np.zeros((50, 2, 1), np.float32)), "found the shape \\(50, 2, 1\\)"),
    (npy(np.full((5, 2), np.nan, np.float32)), "5 of 5 samples are not finite"),
    (npy(np.full((5, 2), 1e4000, np.longdouble)), "5 of 5 samples are not finite"),
]
DAMAGES = [
    *(("cost.json", content, said) for content, said in ANY_JSON),
    *(("cost.json", text(content), said) for content, said in COST),
    *(("likelihood.json", content, said) for content, said in ANY_JSON),
    *(("likelihood.json", text(content), said) for content, said in LIKELIHOOD),
    *(("log_prob.npy", content, said) for content, said in [*ANY_ARRAY, *LOG_PROB]),
    *(("samples.npy", content, said) for content, said in [*ANY_ARRAY, *SAMPLES]),
]


def foreign(run, **files):
    """What another program leaves in the folder of its run, and the measurements of it."""
    run.measurement("nll").parent.mkdir(parents=True)
    for name, content in (WHOLE | files).items():
        (run.folder / name).write_bytes(content)
    for name, kind in KINDS.items():
        log = run.measurement(name, "log")
        try:
            with logged(log):
                measure.light(Measuring(name, kind, {}, run, "c", "s", run.folder))
        except ValueError:
            assert run.measurement(name, "failure.json").exists()


def with_programs(damages):
    """A suite of a method of ours, a whole program, and a program for each of the damages."""
    methods = {"whole": ("cost.json", WHOLE["cost.json"])} | damages
    made = suite("plane", methods=("ffjord", *methods), seeds=1)
    prepare("plane")
    for run in made.runs:
        if run.method in methods:
            made.methods[run.method].kind = None
            name, content, *_ = methods[run.method]
            foreign(run, **{name: content})
        else:
            finish(made, run)
    return made


@pytest.fixture(scope="module")
def damaged(tmp_path_factory):
    """A suite with a program for each damage, and its frame."""
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(tmp_path_factory.mktemp("damaged"))
        patch.setattr(provenance, "of_classes", lambda *words, **more: {})
        made = with_programs({f"damage{place}": damage for place, damage in enumerate(DAMAGES)})
        yield made, collected.collect(made, made.runs), sampled(made, made.runs)


def test_what_is_whole_stays(damaged):
    _, frame, (samples, _) = damaged
    nll = frame[frame.metric == "nll"].set_index("method").value
    assert nll["whole"] == pytest.approx(2.0) and nll["ffjord"] > 0
    assert {"whole", "ffjord"} <= {run.method for run in samples}


@pytest.mark.parametrize("place", range(len(DAMAGES)))
def test_what_is_malformed_is_a_gap_of_its_run_by_file_found_and_allowed(damaged, place):
    made, frame, (_, undrawn) = damaged
    method, (name, _, said) = f"damage{place}", DAMAGES[place]
    own = frame[frame.method == method]
    measurement = "nll" if name in ("log_prob.npy", "likelihood.json") else "cost"
    reasons = own[own.measurement == measurement].reason.dropna()
    (found,) = {reason for reason in reasons if "no ODE is solved" not in reason}
    assert re.search(said, found), found
    assert f"/{method}/seed0/{name}: " in found or "metric" in said
    assert own[own.metric == "nll"].value.isna().all() == (measurement == "nll")
    assert (method in undrawn) == (name != "cost.json")
    if name == "samples.npy":
        assert undrawn[method] == found


@pytest.mark.filterwarnings("error")
def test_every_table_and_figure_of_the_others_is_made(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(provenance, "of_classes", lambda *words, **more: {})
    first = {name: (name, content) for name, content, _ in reversed(DAMAGES)}
    made = with_programs({name.partition(".")[0]: damage for name, damage in first.items()})
    every = outputs_with_gaps(made)
    for output in every:
        write(made, output.name)
        assert all(file.stat().st_size for file in output.outputs), output.name
    assert len(every) > 7
    tables = tmp_path / "results/toy/tables"
    assert "log_prob.npy: cannot be read" in (tables / "nll.md").read_text()
    for said in ("cost.json: is empty", "samples.npy: cannot be read"):
        assert said in (tables / "cost.md").read_text()
