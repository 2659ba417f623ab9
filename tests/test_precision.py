"""The precision of a training."""

import math

import numpy as np
import pytest
import torch
from sliding import CPU, Sliding, fitted, settings
from torch import nn

from benchmark.baselines.interpolant import InterpolantFlow, PathSettings
from benchmark.networks.mlp import MLP
from benchmark.ode import Tolerance
from benchmark.rows import Rows
from benchmark.training.loop import Validation, fit


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


@pytest.mark.slow
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
        method = InterpolantFlow.build((2,), MLP((2,), 32, 2, 2, 0), PathSettings("trigonometric"))
        given = {"steps": 300, "batch_size": 128, "lr": 5e-3, "ema": 0.95, "schedule": "cosine"}
        training = settings(**given, precision=precision)
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
