"""Early stopping, on methods whose every step is known."""

import math

import numpy as np
import pytest
from sliding import Sliding, close, fitted

from benchmark.training.loop import Validation
from benchmark.training.settings import EarlyStopping
from benchmark.training.stopping import Plateau


class Script:
    """Validations that read ``nlls`` one by one, and the weight seen at each."""

    def __init__(self, nlls):
        self.nlls, self.weights = iter(nlls), []

    def __call__(self, method):
        self.weights.append(method.w.item())
        return Validation(next(self.nlls), {})


STOPPING = {"steps": 20, "validations": 10}
"""A validation after every second step."""


def test_learning_rate_drops_the_training_stops_and_the_best_weights_stay():
    # Patience 2: the third and fourth do not improve (a draw is none), so the rate drops after
    # step 8; the fifth is the best; the sixth and seventh end the training, after step 14.
    script = Script([5.0, 4.0, 4.0, 4.5, 3.0, 3.5, 3.2])
    stopping = {"patience": 2, "drops": 1, "factor": 0.5}
    method = Sliding()
    best, history = fitted(method, script, early_stopping=stopping, **STOPPING)
    assert history[-1].step == 14 and len(method.path) == 14
    close(best.w.item(), -(8 * 0.1 + 2 * 0.05))
    close(method.w.item(), -(8 * 0.1 + 6 * 0.05))


def test_drops_multiply_the_rate_of_the_schedule():
    schedule = {"kind": "step", "every": 6, "factor": 0.1}
    stopping = {"patience": 1, "drops": 9, "factor": 0.5}
    method = Sliding()
    script = Script([5.0, 6.0, 4.0, 6.0, *[3.0 - k for k in range(6)]])
    fitted(method, script, schedule=schedule, early_stopping=stopping, **STOPPING)
    rates = [1.0] * 4 + [0.5] * 2 + [0.05] * 2 + [0.025] * 4 + [0.0025] * 6 + [0.00025] * 2
    found = np.diff([*method.path, method.w.item()])
    np.testing.assert_allclose(found, -0.1 * np.array(rates), rtol=1e-5)


def test_best_weights_are_those_of_the_average():
    script = Script([5.0, 4.0, 6.0, 7.0])
    stopping = {"patience": 2, "drops": 0, "factor": 1.0}
    best, _ = fitted(Sliding(), script, early_stopping=stopping, ema=0.9, **STOPPING)
    assert best.w.item() == script.weights[1] != script.weights[3]


def test_training_that_improves_to_its_end_is_not_stopped():
    script = Script([10.0 - k for k in range(10)])
    stopping = {"patience": 1, "drops": 0, "factor": 1.0}
    best, history = fitted(Sliding(), script, early_stopping=stopping, **STOPPING)
    assert history[-1].step == 20
    close(best.w.item(), -2.0)


def test_training_without_early_stopping_keeps_its_last_weights():
    best, history = fitted(Sliding(), Script([0.0, *[1.0] * 9]), **STOPPING)
    assert history[-1].step == 20
    close(best.w.item(), -2.0)


def test_nothing_is_best_where_no_validation_is_finite():
    stopping = {"patience": 3, "drops": 0, "factor": 1.0}
    script = Script([math.nan, math.inf, math.nan])
    best, history = fitted(Sliding(), script, early_stopping=stopping, **STOPPING)
    assert history[-1].step == 6
    close(best.w.item(), -0.6)


def factors(plateau, nlls):
    """Factors of the learning rate before each validation that takes place."""
    method, found = Sliding(), []
    for nll in nlls:
        if plateau.over:
            return found
        found.append(plateau.learning_rate)
        plateau.see(nll, method)
    return found


def test_plateau_recipe_of_ffjord():
    # A tenth after 10 validations without improvement, a hundredth after 20, stop after 30.
    found = factors(Plateau(EarlyStopping(patience=10, drops=2, factor=0.1)), [0.0] * 99)
    assert found == pytest.approx([1.0] * 11 + [0.1] * 10 + [0.01] * 10)


def test_plateau_recipe_of_ot_flow():
    # A drop after 15 validations without improvement, three of them, then stop.
    found = factors(Plateau(EarlyStopping(patience=15, drops=3, factor=0.1)), [0.0] * 99)
    assert found == pytest.approx([1.0] * 16 + [0.1] * 15 + [0.01] * 15 + [0.001] * 15)


def test_improvement_starts_the_patience_anew():
    nlls = [5.0, 6.0, 6.0, 4.0, 6.0, 6.0, 3.9, 6.0, 6.0, 6.0, 1.0]
    found = factors(Plateau(EarlyStopping(patience=3, drops=0, factor=1.0)), nlls)
    assert len(found) == 10


@pytest.mark.parametrize("cut", range(1, 10))
def test_a_plateau_resumes_from_its_state(cut):
    nlls = [5.0, 6.0, 6.0, 4.0, 6.0, 6.0, 6.0, 3.9, 6.0, 6.0, 6.0, 1.0]
    whole, first, second = (
        Plateau(EarlyStopping(patience=3, drops=1, factor=0.5)) for _ in range(3)
    )
    expected = factors(whole, nlls)
    found = factors(first, nlls[:cut])
    second.load_state_dict(first.state_dict())
    assert found + factors(second, nlls[cut:]) == expected
    best, other = Sliding(), Sliding()
    best.w.data.fill_(7.0)
    first.see(-1.0, best)
    second.load_state_dict(first.state_dict())
    second.restore(other)
    assert other.w == 7.0


def test_early_stopping_without_a_likelihood_is_refused_before_the_first_step():
    method = Sliding()
    method.gap = "its base has no density"
    stopping = {"patience": 3, "drops": 0, "factor": 1.0}
    with pytest.raises(ValueError, match=r"Sliding has no likelihood \(its base has no density\)"):
        fitted(method, early_stopping=stopping)
    assert not method.path

    _, history = fitted(method, lambda method: Validation(None, {"a": 1.0}))
    assert [row.validation_nll for row in history] == [None] * 10
    assert history[-1].diagnostics == {"a": 1.0}
