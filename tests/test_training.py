"""The training loop, on methods whose every step is known."""

import math
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from plan import OnlyTrained
from pydantic import ValidationError
from torch import nn

from benchmark.baselines.gaussian import Gaussian
from benchmark.baselines.interpolant import InterpolantFlow
from benchmark.coordinates import Affine
from benchmark.ode import Tolerance
from benchmark.rows import Rows
from benchmark.training import clock as clocks
from benchmark.training.clock import Clock
from benchmark.training.loop import TrainingState, Validation, fit
from benchmark.training.settings import EarlyStopping, StepDecay, Training
from benchmark.training.stopping import Plateau

CPU = torch.device("cpu")


class Sliding(OnlyTrained):
    """One weight ``w`` from 0, loss ``gradient(step) x w``: Adam moves it by ``-lr`` at each step.

    (The moments of a constant gradient are the gradient and its square.)
    """

    def __init__(self, gradient=lambda step: 1.0, after=lambda step: None):
        super().__init__()
        self.w = nn.Parameter(torch.zeros(()))
        self.gradient, self.after = gradient, after
        self.path, self.batches, self.initial, self.gap = [], [], None, None

    def initialise(self, rows, base=None):
        self.initial = rows.all(), None if base is None else base.all()

    def likelihood_gap(self):
        return self.gap

    def loss(self, x1):
        self.batches.append(x1)
        self.path.append(self.w.item())
        step = len(self.path)
        self.after(step)
        return self.gradient(step) * self.w


def numbers(**changes):
    usual = {
        **{"steps": 10, "batch_size": 4, "optimiser": "adam", "lr": 0.1, "weight_decay": 0.0},
        **{"schedule": "constant", "clip": None, "ema": 0.0, "precision": "float32"},
        **{"coordinates": "identity", "validations": 1, "early_stopping": None},
    }
    return Training(**{**usual, **changes})


def plain_rows(n=20):
    return Rows(np.arange(2.0 * n).reshape(n, 2), None, CPU)


def unseen(method):
    return Validation(0.0, {})


def fitted(method, validate=unseen, **changes):
    rows = plain_rows()
    return fit(method, rows, numbers(**changes), validate)


def close(found, expected):
    # Adam adds 1e-8 to the root of the second moment.
    assert found == pytest.approx(expected, rel=1e-6)


# --- weights --------------------------------------------------------------------------------------


def test_weights_without_average_are_the_last():
    best, _ = fitted(Sliding(), steps=3, ema=0.0)
    close(best.w.item(), -0.3)


def test_average_of_three_steps_by_hand():
    # w = -0.1, -0.2, -0.3. Decays (1 + k) / (10 + k): 2/11 after the first, 3/12 after two.
    # 2/11 (-0.1) + 9/11 (-0.2) = -0.2/1.1; 1/4 of it + 3/4 (-0.3) = -119/440.
    best, _ = fitted(Sliding(), steps=3, ema=0.999)
    close(best.w.item(), -119 / 440)


def test_average_has_the_decay_of_the_config_after_its_warm_up():
    method = Sliding()
    best, _ = fitted(method, steps=40, ema=0.5)
    path = [*method.path[1:], method.w.item()]
    average = path[0]
    for k, w in enumerate(path[1:], start=1):
        decay = min(0.5, (1 + k) / (10 + k))  # 0.5 from k = 8 on
        average = decay * average + (1 - decay) * w
    close(best.w.item(), average)
    # A constant decay 1/2 lags one step behind.
    assert best.w.item() - method.w.item() == pytest.approx(0.1, rel=1e-3)


def test_average_is_of_weights_and_buffers_are_those_of_now():
    class Counting(Sliding):
        def __init__(self):
            super().__init__()
            self.register_buffer("losses", torch.zeros(()))

        def loss(self, x1):
            self.losses += 1
            return super().loss(x1)

    best, _ = fitted(Counting(), steps=7, ema=0.9)
    assert best.losses == 7 and best.w != -0.7


def test_average_is_in_words_for_the_records():
    assert numbers(ema=0.999).weights == "EMA 0.999"
    assert numbers(ema=0.0).weights == "last"
    assert numbers(ema=0.999, steps=0).weights == "last"
    stopping = {"patience": 1, "drops": 0, "factor": 1.0}
    assert numbers(ema=0.9, early_stopping=stopping).weights == "EMA 0.9, best validation"
    assert numbers(early_stopping=stopping).weights == "last, best validation"
    assert numbers(early_stopping=stopping, steps=0).weights == "last"


# --- steps ----------------------------------------------------------------------------------------


def test_cosine_schedule_goes_from_one_to_zero():
    cosine = numbers(schedule="cosine", steps=100)
    found = [cosine.learning_rate(0, step / 100) for step in range(101)]
    assert found[0] == 1 and found[50] == pytest.approx(0.5) and found[100] == pytest.approx(0)
    assert found == sorted(found, reverse=True)
    assert found[25] == pytest.approx((1 + math.sqrt(0.5)) / 2)


def test_step_schedule_falls_after_every_so_many_steps():
    falling = numbers(schedule={"kind": "step", "every": 3, "factor": 0.5})
    found = [falling.learning_rate(step, 0.0) for step in range(7)]
    assert found == [1, 1, 1, 0.5, 0.5, 0.5, 0.25]


def test_step_schedule_moves_the_weights():
    best, _ = fitted(Sliding(), steps=7, schedule={"kind": "step", "every": 3, "factor": 0.5})
    close(best.w.item(), -(3 * 0.1 + 3 * 0.05 + 0.025))


def test_adamw_shrinks_the_weights():
    # w <- (1 - lr d) w - lr: a geometric series towards -1 / d.
    best, _ = fitted(Sliding(), steps=6, optimiser="adamw", weight_decay=2.0)
    close(best.w.item(), -(1 - (1 - 0.1 * 2.0) ** 6) / 2.0)
    best, _ = fitted(Sliding(), steps=6, optimiser="adamw", weight_decay=0.0)
    close(best.w.item(), -0.6)


def test_decay_of_adam_is_a_quadratic_penalty():
    class Penalised(Sliding):
        def loss(self, x1):
            return super().loss(x1) + 2.0 * self.w.square() / 2

    penalised, _ = fitted(Penalised(), steps=6)
    decayed, _ = fitted(Sliding(), steps=6, weight_decay=2.0)
    close(decayed.w.item(), penalised.w.item())
    assert abs(decayed.w + 0.6) > 0.01


def test_schedule_moves_the_weights():
    best, _ = fitted(Sliding(), steps=4, schedule="cosine")
    close(best.w.item(), -0.1 * sum((1 + math.cos(math.pi * k / 4)) / 2 for k in range(4)))


class Mean(OnlyTrained):
    """Learns the mean of its rows; counts the rows it sees at once."""

    def __init__(self):
        super().__init__()
        self.w, self.sizes = nn.Parameter(torch.zeros(2)), []

    def loss(self, x1):
        self.sizes.append(len(x1))
        return (x1 - self.w).square().mean()


@pytest.mark.parametrize("parts, sizes", [(1, [5]), (2, [3, 2]), (5, [1] * 5), (9, [1] * 5)])
def test_parts_of_a_batch_have_the_gradient_of_all_of_it(parts, sizes):
    def trained(accumulate):
        torch.manual_seed(0)
        method = Mean()
        given = numbers(batch_size=5, accumulate=accumulate, clip=1.0, optimiser="adamw")
        found, history = fit(method, plain_rows(), given, unseen)
        return found.w.detach(), history[-1].loss, method.sizes[: len(sizes)]

    weights, loss, _ = trained(1)
    found = trained(parts)
    torch.testing.assert_close(found[0], weights, rtol=1e-12, atol=1e-12)
    assert found[1] == pytest.approx(loss, rel=1e-12) and found[2] == sizes


def test_compiled_networks_train_as_they_are():
    program = [sys.executable, Path(__file__).with_name("compiled.py")]
    found = subprocess.run(program, capture_output=True, text=True)
    assert found.stdout == "the same\n", found.stderr


def test_clip_bounds_the_gradient():
    # Clipped to 1, a gradient of 1000 leaves no trace in Adam's moments.
    def gradient(step):
        return 1000.0 if step == 1 else 1.0

    best, _ = fitted(Sliding(gradient), steps=5, clip=1.0)
    assert best.w.item() == pytest.approx(-0.5, rel=1e-5)
    free, _ = fitted(Sliding(gradient), steps=5, clip=None)
    assert abs(free.w.item() + 0.5) > 0.1


def test_batches_are_rows_in_the_coordinates_of_the_method():
    method, rows = Sliding(), plain_rows()
    to_method = Affine(torch.tensor([1.0, 2.0]), torch.tensor([2.0, 4.0]))
    fit(method, rows.within(to_method), numbers(batch_size=7), unseen)
    allowed = (rows.all() - torch.tensor([1.0, 2.0])) / torch.tensor([2.0, 4.0])
    assert torch.equal(method.initial[0], allowed) and method.initial[1] is None
    for batch in method.batches:
        assert batch.shape == (7, 2)
        assert (batch[:, None] == allowed).all(dim=2).any(dim=1).all()
    assert not torch.equal(method.batches[0], method.batches[1])


def test_rows_of_the_base_are_in_the_coordinates_of_the_method():
    method, rows = Sliding(), plain_rows()
    base = Rows(np.full((3, 2), 5.0), None, CPU)
    to_method = Affine(torch.tensor([1.0, 2.0]), torch.tensor([2.0, 4.0]))
    fit(method, rows.within(to_method), numbers(), unseen, base.within(to_method))
    assert torch.equal(method.initial[0], to_method(rows.all()))
    assert torch.equal(method.initial[1], torch.tensor([[2.0, 0.75]]).expand(3, 2))


@pytest.mark.parametrize("bad", [math.nan, math.inf])
def test_a_loss_that_diverges_is_refused_in_words(bad):
    method = Sliding(lambda step: bad if step == 7 else 1.0)
    with pytest.raises(
        FloatingPointError, match=r"step 7 \(budget: 10 steps\).*Lower train.lr \(0.1\).*clip"
    ):
        fitted(method)


def test_same_seed_same_weights(single_precision):
    def weights():
        torch.manual_seed(4)
        method = InterpolantFlow.build((2,), "trigonometric", 16, 2, 2, 1, 1.0, 0.5)
        best, history = fitted(method, steps=30, lr=1e-2, ema=0.9, clip=1.0)
        return [*best.parameters()], [row.loss for row in history]

    (first, first_losses), (second, second_losses) = weights(), weights()
    assert all(torch.equal(a, b) for a, b in zip(first, second, strict=True))
    assert first_losses == second_losses


def test_closed_form_is_fitted_without_steps():
    method = Gaussian.build((2,))
    best, history = fitted(method, steps=0)
    assert history == []
    rows = plain_rows().all()
    torch.testing.assert_close(best.density.means[0], rows.mean(dim=0))


# --- validation -----------------------------------------------------------------------------------


@pytest.mark.parametrize("steps", [1, 2, 5, 49, 500, 5000])
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
    plan = numbers(steps=None, seconds=20.0, schedule="cosine")
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
    assert numbers(steps=12000).budget == "12,000 steps"
    assert numbers(steps=None, seconds=40.0).budget == "40 s"


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


# --- early stopping -------------------------------------------------------------------------------


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


# --- precision ------------------------------------------------------------------------------------


class Watched(Sliding):
    """A linear layer that notes the precision of its products and of its gradients."""

    def __init__(self):
        super().__init__()
        self.layer, self.products, self.backward = nn.Linear(2, 2), set(), set()

    def loss(self, x1):
        product = self.layer(x1)
        self.products.add(product.dtype)
        loss = product.float().square().sum()
        loss.register_hook(lambda _: self.backward.add(torch.is_autocast_enabled("cpu")))
        return loss + self.w.square()


@pytest.mark.parametrize(
    ("precision", "dtype"), [("float32", torch.float32), ("bfloat16", torch.bfloat16)]
)
def test_precision_is_that_of_the_loss_only(single_precision, precision, dtype):
    method = Watched()
    best, _ = fitted(method, precision=precision, ema=0.9)
    assert method.products == {dtype} and method.backward == {False}
    for weights in (*method.parameters(), *best.parameters()):
        assert weights.dtype == torch.float32
    assert all(weights.grad.dtype == torch.float32 for weights in method.parameters())
    # Small steps of float32 weights are not rounded away: bfloat16 has steps of 1/256 near 1.
    assert not torch.equal(method.layer.weight, method.layer.weight.bfloat16().float())


def test_bfloat16_trains_as_well_as_float32(single_precision):
    rows = torch.randn(2000, 2, generator=torch.Generator().manual_seed(0))
    rows[:, 1] += rows[:, 0].square()
    train, held_out = rows[:1500], rows[1500:]

    def validate(method):
        return Validation(
            -method.log_prob(held_out, Tolerance(1e-4, 1e-4)).values.mean().item(), {}
        )

    def nll(seed, precision):
        torch.manual_seed(seed)
        method = InterpolantFlow.build((2,), "trigonometric", 32, 2, 2, 0, 1.0, 1.0)
        given = {"steps": 300, "batch_size": 128, "lr": 5e-3, "ema": 0.95, "schedule": "cosine"}
        training = numbers(**given, precision=precision)
        data = Rows(train.numpy(), None, CPU)
        _, history = fit(method, data, training, validate)
        return history[-1].validation_nll

    plain, low = (
        np.array([nll(seed, precision) for seed in range(4)])
        for precision in ("float32", "bfloat16")
    )
    # The spread of the seeds in float32 is the measure: 4 standard errors of a difference of means.
    error = plain.std(ddof=1) * math.sqrt(2 / len(plain))
    assert abs(low.mean() - plain.mean()) < 4 * error
    assert not np.array_equal(low, plain)


@pytest.mark.parametrize(
    ("precision", "native", "lines"),
    [("bfloat16", False, 1), ("bfloat16", True, 0)] + [("float32", False, 0)],
)
def test_slow_bfloat16_is_said_once(monkeypatch, caplog, precision, native, lines):
    monkeypatch.setattr(torch.cpu, "_is_avx512_bf16_supported", lambda: native)
    monkeypatch.setattr(torch.cpu, "_is_amx_tile_supported", lambda: False)
    fitted(Sliding(), precision=precision)
    assert len(caplog.messages) == lines
    assert all("no native bfloat16" in message for message in caplog.messages)


# --- settings -------------------------------------------------------------------------------------

DECAY = {"kind": "step", "every": 3, "factor": 0.5}
STOP = {"patience": 2, "drops": 0, "factor": 1.0}


@pytest.mark.parametrize(
    ("changes", "place"),
    [
        ({"steps": 1000.0}, "steps"),
        ({"steps": "5"}, "steps"),
        ({"steps": True}, "steps"),
        ({"steps": -1}, "steps"),
        ({"seconds": 0}, "seconds"),
        ({"batch_size": 0}, "batch_size"),
        ({"accumulate": 0}, "accumulate"),
        ({"compile": 1}, "compile"),
        ({"optimiser": "sgd"}, "optimiser"),
        ({"lr": "1e-5"}, "lr"),
        ({"lr": True}, "lr"),
        ({"lr": 0.0}, "lr"),
        ({"lr": math.inf}, "lr"),
        ({"weight_decay": -0.1}, "weight_decay"),
        ({"schedule": "step"}, "schedule"),
        ({"schedule": {**DECAY, "every": 0}}, "schedule.StepDecay.every"),
        ({"schedule": {**DECAY, "every": 3.0}}, "schedule.StepDecay.every"),
        ({"schedule": {**DECAY, "factor": 1.1}}, "schedule.StepDecay.factor"),
        ({"clip": 0.0}, "clip"),
        ({"ema": 1.0}, "ema"),
        ({"precision": "float16"}, "precision"),
        ({"coordinates": "polar"}, "coordinates"),
        ({"validations": 0}, "validations"),
        ({"early_stopping": True}, "early_stopping"),
        ({"early_stopping": {**STOP, "patience": 0}}, "early_stopping.patience"),
        ({"early_stopping": {**STOP, "drop": 1}}, "early_stopping.drop"),
        ({"momentum": 0.9}, "momentum"),
    ],
)
def test_settings_outside_their_ranges_are_refused(changes, place):
    with pytest.raises(ValidationError) as caught:
        numbers(**changes)
    places = [".".join(map(str, error["loc"])) for error in caught.value.errors()]
    assert any(found.startswith(place) for found in places)


def test_settings_at_the_ends_of_their_ranges_are_allowed():
    whole = numbers(steps=0, lr=1, weight_decay=0, clip=None, ema=0, accumulate=1)
    assert (whole.steps, whole.lr, whole.seconds, whole.compile) == (0, 1.0, None, False)
    nested = numbers(schedule={**DECAY, "factor": 1}, early_stopping={**STOP, "factor": 1})
    assert nested == numbers(
        schedule=StepDecay(kind="step", every=3, factor=1.0),
        early_stopping=EarlyStopping(patience=2, drops=0, factor=1.0),
    )


def test_settings_cannot_be_changed():
    with pytest.raises(ValidationError):
        numbers().lr = 1.0


def test_every_setting_has_a_description():
    for model in (Training, StepDecay, EarlyStopping):
        assert all(field.description for field in model.model_fields.values())
