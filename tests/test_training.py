"""The training loop, on methods whose every step is known."""

import math
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from plan import OnlyTrained
from sliding import CPU, Sliding, close, fitted, plain_rows, settings, unseen
from torch import nn

from benchmark.baselines.gaussian import Gaussian
from benchmark.baselines.interpolant import Draws, InterpolantFlow, PathSettings
from benchmark.coordinates import Affine
from benchmark.networks.mlp import MLP
from benchmark.rows import Rows
from benchmark.training.loop import fit

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
    assert settings(ema=0.999).weights == "EMA 0.999"
    assert settings(ema=0.0).weights == "last"
    assert settings(ema=0.999, steps=0).weights == "last"
    stopping = {"patience": 1, "drops": 0, "factor": 1.0}
    assert settings(ema=0.9, early_stopping=stopping).weights == "EMA 0.9, best validation"
    assert settings(early_stopping=stopping).weights == "last, best validation"
    assert settings(early_stopping=stopping, steps=0).weights == "last"


# --- steps ----------------------------------------------------------------------------------------


def test_cosine_schedule_goes_from_one_to_zero():
    cosine = settings(schedule="cosine", steps=100)
    found = [cosine.learning_rate(0, step / 100) for step in range(101)]
    assert found[0] == 1 and found[50] == pytest.approx(0.5) and found[100] == pytest.approx(0)
    assert found == sorted(found, reverse=True)
    assert found[25] == pytest.approx((1 + math.sqrt(0.5)) / 2)


def test_step_schedule_falls_after_every_so_many_steps():
    falling = settings(schedule={"kind": "step", "every": 3, "factor": 0.5})
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
        given = settings(batch_size=5, accumulate=accumulate, clip=1.0, optimiser="adamw")
        found, history = fit(method, plain_rows(), given, unseen)
        return found.w.detach(), history[-1].loss, method.sizes[: len(sizes)]

    weights, loss, _ = trained(1)
    found = trained(parts)
    torch.testing.assert_close(found[0], weights, rtol=1e-12, atol=1e-12)
    assert found[1] == pytest.approx(loss, rel=1e-12) and found[2] == sizes


@pytest.mark.slow
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
    fit(method, rows.within(to_method), settings(batch_size=7), unseen)
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
    fit(method, rows.within(to_method), settings(), unseen, base.within(to_method))
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
        method = InterpolantFlow.build(
            (2,), MLP((2,), 16, 2, 2, 1), PathSettings("trigonometric"), Draws(1.0, 0.5)
        )
        best, history = fitted(method, steps=30, lr=1e-2, ema=0.9, clip=1.0)
        return [*best.parameters()], [row.loss for row in history]

    (first, first_losses), (second, second_losses) = weights(), weights()
    assert all(torch.equal(a, b) for a, b in zip(first, second, strict=True))
    assert first_losses == second_losses


def test_closed_form_is_fitted_without_steps():
    rows = Rows(np.random.default_rng(0).normal(size=(20, 2)), None, CPU)
    best, history = fit(Gaussian.build((2,)), rows, settings(steps=0), unseen)
    assert history == []
    torch.testing.assert_close(best.density.means[0], rows.all().mean(dim=0))
