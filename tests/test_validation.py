"""When a training validates and what it spends, on methods whose every step is known."""

import math

import pytest
import torch
from sliding import CPU, Sliding, close, fitted, plain_rows, settings, unseen

from benchmark.training import clock as clocks
from benchmark.training.clock import Clock
from benchmark.training.loop import TrainingState, Validation, fit


@pytest.mark.parametrize("steps", [1, 2, 5, 49, 500])
@pytest.mark.parametrize("validations", [1, 2, 6])
def test_validation_steps(steps, validations):
    found = validated(steps=steps, validations=validations)
    assert found[-1] == steps and found[0] >= 1
    assert len(found) == validations or steps <= 49 and len(found) < validations


def validated(**changes):
    """Steps after which a training validates."""
    _, history = fitted(Sliding(), **changes)
    return [row.step for row in history if row.validation_nll is not None]


def test_validation_steps_are_even_in_the_logarithm():
    found = validated(steps=5000, validations=6)
    ratios = [b / a for a, b in zip(found, found[1:], strict=False)]
    assert found[0] == 100 and ratios == pytest.approx([50**0.2] * 5, rel=0.01)


@pytest.mark.parametrize(
    ("steps", "validations", "expected"),
    [(20, 5, [4, 8, 12, 16, 20]), (3, 3, [1, 2, 3]), (2, 9, [1, 2]), (7, 1, [7])],
)
def test_validation_steps_are_even_with_early_stopping(steps, validations, expected):
    stopping = {"patience": 1, "drops": 0, "factor": 1.0}
    # Better each time, lest the training stops.
    nlls = iter(range(99, 0, -1))
    _, history = fitted(
        Sliding(),
        lambda method: Validation(float(next(nlls)), {}),
        steps=steps,
        validations=validations,
        early_stopping=stopping,
    )
    assert [row.step for row in history if row.validation_nll is not None] == expected


def test_history_has_losses_and_validations_of_the_averaged_weights():
    seen = []

    def validate(method):
        seen.append(method.w.item())
        return Validation(float(len(seen)), {"w": method.w.item()} if len(seen) > 1 else {})

    best, history = fitted(Sliding(), validate, steps=400, lr=1e-3, ema=0.9, validations=3)
    validated = [row for row in history if row.validation_nll is not None]
    assert [row.step for row in validated] == [8, 57, 400]  # a 50th, its root, all of it
    assert [row.validation_nll for row in validated] == [1.0, 2.0, 3.0]
    assert [row.diagnostics for row in validated] == [{}, {"w": seen[1]}, {"w": seen[2]}]
    assert not any(row.diagnostics for row in history if row not in validated)
    assert seen[-1] == best.w.item()
    # Before step k the weight is -(k - 1) lr; a row averages the steps since the last one.
    last = 0
    for row in history:
        mean = sum(-1e-3 * (k - 1) for k in range(last + 1, row.step + 1)) / (row.step - last)
        assert row.loss == pytest.approx(mean, rel=1e-5)
        last = row.step
    assert last == 400


def test_clock_counts_training_only(monkeypatch):
    now = [0.0]

    def spend(seconds):
        now[0] += seconds

    monkeypatch.setattr(clocks.time, "perf_counter", lambda: now[0])

    def validate(method):
        spend(1000.0)
        return unseen(method)

    method = Sliding(after=lambda step: spend(2.0))
    _, history = fitted(method, validate, steps=300, validations=5)
    assert [row.seconds for row in history] == [2.0 * row.step for row in history]


@pytest.fixture
def slow(monkeypatch):
    """A method whose every step takes two seconds."""
    now = [0.0]
    monkeypatch.setattr(clocks.time, "perf_counter", lambda: now[0])
    return Sliding(after=lambda step: now.__setitem__(0, now[0] + 2.0))


def test_a_budget_of_seconds_ends_with_the_step_in_which_they_are_over(slow):
    best, history = fitted(slow, steps=None, seconds=9.0)
    assert (history[-1].step, history[-1].seconds) == (5, 10.0)
    close(best.w.item(), -0.5)


def test_the_schedule_of_a_budget_of_seconds_follows_the_clock(slow):
    best, _ = fitted(slow, steps=None, seconds=8.0, schedule="cosine")
    close(best.w.item(), -0.1 * sum((1 + math.cos(math.pi * k / 4)) / 2 for k in range(4)))


def test_validations_of_a_budget_of_seconds_are_off_the_clock_and_even_with_stopping(slow):
    def validate(method):
        slow.after(0)
        return Validation(-float(len(slow.path)), {})

    stopping = {"patience": 1, "drops": 0, "factor": 1.0}
    changes = {"steps": None, "seconds": 20.0, "validations": 4, "early_stopping": stopping}
    _, history = fitted(slow, validate, **changes)
    assert [row.step for row in history if row.validation_nll is not None] == [3, 5, 8, 10]
    assert history[-1].seconds == 20.0


def test_a_budget_of_seconds_is_not_spent_twice_by_an_interruption(slow, tmp_path):
    plan = settings(steps=None, seconds=20.0, schedule="cosine")
    whole, _ = fit(slow, plain_rows(), plan, unseen)
    once, twice = Sliding(after=slow.after), Sliding(after=slow.after)
    interrupted = TrainingState(once, plan, CPU)
    interrupted.clock.resume()
    for _ in range(4):
        interrupted.step(plain_rows().draw(4))
        interrupted.record(unseen)
    interrupted.clock.pause()
    resumed = TrainingState(twice, plan, CPU)
    resumed.load_state_dict(interrupted.state_dict())
    resumed.clock.resume()
    while not resumed.over:
        resumed.step(plain_rows().draw(4))
        resumed.record(unseen)
    assert resumed.descent.steps == 10
    assert resumed.fitted().w.item() == whole.w.item()


def test_budgets_in_words():
    assert settings(steps=12000).budget == "12,000 steps"
    assert settings(steps=None, seconds=40.0).budget == "40 s"


def test_clock_can_be_paused(monkeypatch):
    now = [5.0]
    monkeypatch.setattr(clocks.time, "perf_counter", lambda: now[0])
    clock = Clock(CPU)
    now[0] = 8.0
    assert clock.pause() == 3.0
    now[0] = 100.0
    clock.resume()
    now[0] = 101.0
    assert clock.pause() == 4.0


def test_what_a_validation_draws_does_not_change_the_training():
    def drawing(method):
        torch.rand(5)
        return Validation(0.0, {})

    first, second = Sliding(), Sliding()
    for method, validate in ((first, unseen), (second, drawing)):
        torch.manual_seed(3)
        fitted(method, validate, validations=4)
    assert all(torch.equal(a, b) for a, b in zip(first.batches, second.batches, strict=True))
