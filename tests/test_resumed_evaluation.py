"""Evaluations that are interrupted and resumed equal uninterrupted ones, bit for bit."""

import math

import pytest
import torch

from benchmark import model
from benchmark.coordinates import Affine
from benchmark.likelihood import Likelihood
from benchmark.measure import evaluation
from benchmark.model import Model
from benchmark.ode import Solution, Tolerance
from benchmark.runtime import checkpoint
from benchmark.runtime.checkpoint import Checkpoint
from tests.test_resume import KEY, QUICK, Died, always, now, small

pytestmark = pytest.mark.slow

__all__ = ["always", "now"]  # the fixtures


class Counting(Model):
    """Costs a second per row; values tell the order of the rows and are random."""

    def __init__(self, now):
        method = model.build(
            QUICK["interpolant"]["class"], (2,), small(QUICK["interpolant"]["model"])
        )
        super().__init__(method, Affine.identity((2,)), Tolerance(1.0, 1.0))
        self.now, self.calls, self.fails = now, 0, None

    def _spend(self, n):
        self.now[0] += n
        self.calls += 1
        if self.calls == self.fails:
            raise Died

    def solve_log_prob(self, x, tolerance, t=1.0):
        self._spend(len(x))
        return Likelihood(x[:, 0].double() + torch.rand(1), len(x), 1, 0.1 * torch.ones(len(x)))

    def solve_sample(self, n):
        self._spend(n)
        return Solution(torch.rand(n, 2).double(), n)


MEASURES = {
    "likelihood": lambda model, part: evaluation.log_prob(
        model, torch.arange(50.0).reshape(25, 2), 4, Tolerance(1.0, 1.0, 2), part
    ),
    "samples": lambda model, part: evaluation.sample(model, 25, 4, 0, part),
}


@pytest.mark.parametrize("measure", MEASURES.values(), ids=MEASURES)
@pytest.mark.parametrize("fails", range(2, 9))
def test_a_measurement_that_died_has_the_values_and_seconds_of_one_that_did_not(
    tmp_path, now, always, caplog, measure, fails
):
    def measured(fails):
        torch.manual_seed(3)
        model = Counting(now)
        model.fails = fails
        with Checkpoint(tmp_path / "evaluate.checkpoint", KEY) as work:
            found = measure(model, work.part("values"))
            work.remove()
        return found, model.calls, torch.rand(1)

    expected, calls, drawn = measured(None)
    with pytest.raises(Died):
        measured(fails)
    found, more, same = measured(None)
    assert found.values.tolist() == expected.values.tolist() and torch.equal(same, drawn)
    assert (found.nfe, found.nodes, found.probe_error) == (
        expected.nfe,
        expected.nodes,
        expected.probe_error,
    )
    assert found.seconds == expected.seconds == 25
    # The chunk in which it died is measured again, and the warming up.
    assert (calls, more) == (8, 8 - (fails - 2))
    if fails > 2:
        assert caplog.messages == [
            f"values: resuming after {fails - 2} of 7 chunks; interruptions so far: 1."
        ]


def test_what_was_saved_of_one_measurement_is_not_changed_by_the_next(tmp_path, now, monkeypatch):
    # Chunks that were solved after the last save are not in the state, nor are their seconds.
    monkeypatch.setattr(checkpoint, "MIN_SAVE_INTERVAL_SECONDS", math.inf)

    def due_once(self):
        return len(seen) == 0 and not seen.append(True)

    def measured(model):
        with Checkpoint(tmp_path / "evaluate.checkpoint", KEY) as work:
            first = MEASURES["likelihood"](model, work.part("likelihood"))
            work.part("samples").save({})
            model.fails = model.calls + 1
            return first, MEASURES["samples"](model, work.part("other"))

    seen = []
    monkeypatch.setattr(Checkpoint, "due", due_once)
    with pytest.raises(Died):
        measured(Counting(now))
    with Checkpoint(tmp_path / "evaluate.checkpoint", KEY) as work:
        state = work.part("likelihood").state()
    assert len(state["solved"]) == 1 and state["seconds"] == 4
