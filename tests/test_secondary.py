"""Numbers beside those of a job: where they fail, these stand, and the reason is told."""

import math

import numpy as np
import pytest
import torch
from constant import KIND, RUN, run
from reporting import STYLES

from benchmark.baselines.interpolant import InterpolantFlow
from benchmark.jobs.evaluate import Evaluation, evaluate
from benchmark.measure.cost import Cost
from benchmark.measure.evaluated import Evaluated
from benchmark.measure.evaluation import Measured
from benchmark.measure.evaluation_settings import EvaluationSettings
from benchmark.measure.measurement import Subject, measure
from benchmark.measure.nll import NLL
from benchmark.measure.raw_files import likelihood_file
from benchmark.records import records
from benchmark.report import frame as frames
from benchmark.report.labels import Style
from benchmark.report.tables import cost, nll
from benchmark.runtime.checkpoint import Interrupted

__all__ = ["run"]  # the fixture

TOLERANCE = 1e-6
LABELS = {"points": "Points"}


def evaluated():
    settings = EvaluationSettings(atol=TOLERANCE, rtol=TOLERANCE, chunk=40, tight_rows=3, samples=5)
    given = Evaluation(RUN, [KIND], settings, config="hash", source="digest")
    evaluate(given, torch.device("cpu"))
    for name, measurement in (("nll", NLL()), ("cost", Cost())):
        measure(measurement, Subject(name, RUN, "digest", "hash"))
    files = [RUN.measurement(name) for name in ("nll", "cost")]
    found = {record["metric"]: record for file in files for record in records.read(file)}
    return found, frames.metrics(files, {})


def failing(monkeypatch, name, error, when):
    """Makes a function of every interpolant fail where ``when`` is true of its arguments."""
    own = getattr(InterpolantFlow, name)

    def failing(self, *given):
        if when(*given):
            raise error
        return own(self, *given)

    monkeypatch.setattr(InterpolantFlow, name, failing)


def tighter(x, tolerance, *more):
    return tolerance.atol < 0.5 * TOLERANCE


def test_a_tighter_solve_that_fails_leaves_the_nll(run, monkeypatch):
    known, _ = evaluated()
    reason = "FloatingPointError: The ODE has no solution: underflow in dt"
    error = FloatingPointError(reason.partition(": ")[2])
    failing(monkeypatch, "log_prob", error, tighter)
    found, frame = evaluated()
    for name in ("nll", "nfe_likelihood", "nodes_likelihood"):
        assert found[name]["value"] == known[name]["value"] is not None
    assert (found["solver_error"]["value"], found["solver_error"]["reason"]) == (None, reason)
    table = nll.table(frame, {"any": Style("Any", "#000000")}, LABELS, {})
    assert f"Points: no solver error of Any ({reason})." in table.notes


@pytest.mark.parametrize("bad", [ValueError("no diagnostics"), math.nan])
def test_diagnostics_that_fail_leave_the_costs_and_the_nll(run, monkeypatch, bad):
    def diagnostics(self, x1):
        if isinstance(bad, Exception):
            raise bad
        return {"length": bad}

    monkeypatch.setattr(InterpolantFlow, "diagnostics", diagnostics)
    found, frame = evaluated()
    assert found["nll"]["value"] is not None and found["training_seconds"]["value"] == 1.0
    missing = found["diagnostics"]
    assert missing["value"] is None
    assert missing["reason"] in (
        "ValueError: no diagnostics",
        "FloatingPointError: not finite: {'length': nan}",
    )
    notes = cost.table(frame, {"any": STYLES["ffjord"]}, LABELS).notes
    assert f"No diagnostics of FFJORD on Points: {missing['reason']}." in notes


def test_an_interruption_is_no_failure_of_a_number_beside(run, monkeypatch):
    failing(monkeypatch, "log_prob", Interrupted("SIGINT"), tighter)
    with pytest.raises(Interrupted):
        evaluated()


def test_errors_that_are_no_numbers_are_left_out_of_the_file():
    solved = Measured(np.array([1.0, np.nan]), nfe=8.0, seconds=1.0, probe_error=math.nan)
    samples = Measured(np.zeros((2, 2)), nfe=8.0, seconds=1.0)
    file = likelihood_file(Evaluated([solved], solved, samples, parameters=1), {}, {})
    assert (file.nfe, file.probe_error, file.tight_log_prob) == (8.0, None, [1.0, None])
