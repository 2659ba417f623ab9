"""The training loop, on methods whose every step is known."""

import math

import numpy as np
import pytest
import torch
from torch import nn

from benchmark import training
from benchmark.baselines.gaussian import Gaussian
from benchmark.baselines.interpolant import InterpolantFlow
from benchmark.coordinates import Affine
from benchmark.flow import Method
from benchmark.training import Clock, Rows, Training, coordinates, fit

CPU = torch.device("cpu")


class Sliding(Method):
    """One weight ``w`` from 0, loss ``gradient(step) x w``: Adam moves it by ``-lr`` at each step.

    (The moments of a constant gradient are the gradient and its square.)
    """

    def __init__(self, gradient=lambda step: 1.0, after=lambda step: None):
        super().__init__()
        self.w = nn.Parameter(torch.zeros(()))
        self.gradient, self.after = gradient, after
        self.path, self.batches, self.initial = [], [], None

    @classmethod
    def build(cls, event):
        return cls()

    def initialise(self, x1, x0=None):
        self.initial = x1

    def loss(self, x1):
        self.batches.append(x1)
        self.path.append(self.w.item())
        step = len(self.path)
        self.after(step)
        return self.gradient(step) * self.w

    def log_prob(self, x, tolerance, t=1.0):
        raise NotImplementedError

    def sample(self, n, tolerance):
        raise NotImplementedError

    def protocol(self, tolerance):
        raise NotImplementedError


def numbers(**changes):
    usual = {
        **{"steps": 10, "batch_size": 4, "lr": 0.1, "schedule": "constant", "clip": None},
        **{"ema": 0.0, "coordinates": "identity", "validations": 1},
    }
    return Training(**{**usual, **changes})


def plain_rows(n=20):
    return Rows(np.arange(2.0 * n).reshape(n, 2), None, CPU)


def fitted(method, validate=lambda method: 0.0, **changes):
    rows = plain_rows()
    return fit(method, rows, Affine.identity((2,)), numbers(**changes), validate)


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


def test_average_is_in_words_for_the_records():
    assert numbers(ema=0.999).weights == "EMA 0.999"
    assert numbers(ema=0.0).weights == "last"
    assert numbers(ema=0.999, steps=0).weights == "last"


# --- steps ----------------------------------------------------------------------------------------


def test_cosine_schedule_goes_from_one_to_zero():
    cosine = numbers(schedule="cosine", steps=100)
    found = [cosine.learning_rate(step) for step in range(101)]
    assert found[0] == 1 and found[50] == pytest.approx(0.5) and found[100] == pytest.approx(0)
    assert found == sorted(found, reverse=True)
    assert found[25] == pytest.approx((1 + math.sqrt(0.5)) / 2)


def test_schedule_moves_the_weights():
    best, _ = fitted(Sliding(), steps=4, schedule="cosine")
    close(best.w.item(), -0.1 * sum((1 + math.cos(math.pi * k / 4)) / 2 for k in range(4)))


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
    fit(method, rows, to_method, numbers(batch_size=7), lambda method: 0.0)
    allowed = (rows.all() - torch.tensor([1.0, 2.0])) / torch.tensor([2.0, 4.0])
    assert torch.equal(method.initial, allowed)
    for batch in method.batches:
        assert batch.shape == (7, 2)
        assert (batch[:, None] == allowed).all(dim=2).any(dim=1).all()
    assert not torch.equal(method.batches[0], method.batches[1])


@pytest.mark.parametrize("bad", [math.nan, math.inf])
def test_a_loss_that_diverges_is_refused_in_words(bad):
    method = Sliding(lambda step: bad if step == 7 else 1.0)
    with pytest.raises(FloatingPointError, match=r"step 7 of 10.*Lower train.lr \(0.1\).*clip"):
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
    found = sorted(numbers(steps=steps, validations=validations).validation_steps())
    assert found[-1] == steps and found[0] >= 1
    assert len(found) == validations or steps <= 49 and len(found) < validations


def test_validation_steps_are_even_in_the_logarithm():
    found = sorted(numbers(steps=5000, validations=6).validation_steps())
    ratios = [b / a for a, b in zip(found, found[1:], strict=False)]
    assert found[0] == 100 and ratios == pytest.approx([50**0.2] * 5, rel=0.01)


def test_nothing_to_validate_without_steps():
    assert numbers(steps=0).validation_steps() == set()


def test_history_has_losses_and_validations_of_the_averaged_weights():
    seen = []

    def validate(method):
        seen.append(method.w.item())
        return float(len(seen))

    best, history = fitted(Sliding(), validate, steps=400, lr=1e-3, ema=0.9, validations=3)
    validated = [row for row in history if row.validation_nll is not None]
    assert {row.step for row in validated} == numbers(steps=400, validations=3).validation_steps()
    assert [row.validation_nll for row in validated] == [1.0, 2.0, 3.0]
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

    monkeypatch.setattr(training.time, "perf_counter", lambda: now[0])

    def validate(method):
        spend(1000.0)
        return 0.0

    method = Sliding(after=lambda step: spend(2.0))
    _, history = fitted(method, validate, steps=300, validations=5)
    assert [row.seconds for row in history] == [2.0 * row.step for row in history]


def test_clock_can_be_paused(monkeypatch):
    now = [5.0]
    monkeypatch.setattr(training.time, "perf_counter", lambda: now[0])
    clock = Clock(CPU)
    now[0] = 8.0
    assert clock.pause() == 3.0
    now[0] = 100.0
    clock.resume()
    now[0] = 101.0
    assert clock.pause() == 4.0


# --- rows -----------------------------------------------------------------------------------------


def test_integer_rows_are_dequantised_anew_at_every_draw():
    pixels = np.arange(17, dtype=np.uint8).repeat(1000)[:, None]
    rows = Rows(pixels, 17, CPU)
    first, second = rows.all(), rows.all()
    for x in (first, second):
        # (k + u) / 17: the levels are where they were, and the noise is uniform in each.
        assert torch.equal(torch.floor(17 * x).flatten(), torch.tensor(pixels).flatten().double())
        noise = 17 * x - torch.floor(17 * x)
        assert abs(noise.mean() - 0.5) < 4 * noise.std() / math.sqrt(len(x))
        assert abs(noise.std() - math.sqrt(1 / 12)) < 0.01
    assert first.min() >= 0 and first.max() < 1 and not torch.equal(first, second)
    drawn = rows.draw(5000)
    levels = torch.bincount(torch.floor(17 * drawn).long().flatten(), minlength=17)
    expected = 5000 / 17
    assert ((levels - expected).abs() < 5 * math.sqrt(expected)).all() and len(levels) == 17


def test_real_rows_are_as_they_are():
    rows = plain_rows()
    assert torch.equal(rows.all(), torch.arange(40.0).reshape(20, 2))
    drawn = rows.draw(1000)
    assert (drawn[:, 1] - drawn[:, 0] == 1).all() and len(drawn[:, 0].unique()) == 20


def test_coordinates_of_the_config():
    x = torch.randn(50, 2) * 3 + 1
    assert torch.equal(coordinates("identity", x)(x), x)
    assert torch.equal(coordinates("standardised", x)(x), Affine.standardising(x)(x))


def test_coordinates_lie_where_the_rows_lie():
    x = torch.empty(3, 2, device="meta")  # stands for a GPU
    assert coordinates("identity", x).shift.device == x.device
