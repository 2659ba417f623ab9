"""Solves of stochastic differential equations, in steps of fixed size."""

from collections.abc import Callable

import torch
from torch import Tensor

from benchmark.ode import Solution
from benchmark.shapes import Batch, Velocity


def euler_maruyama(
    drift: Velocity,
    noise: Callable[[Tensor], Tensor],
    x: Batch,
    times: Tensor,
    correct: Callable[[Tensor, Batch], Batch] = lambda t, x: x,
) -> Solution:
    """``dX = drift(t, X) dt + noise(t) dW`` from the first of ``times`` to the last, float64.

    Weak order 1 in the step. ``correct`` is applied after each step, at its end. Draws from
    torch's global generator; no gradients. ``nfe`` counts evaluations of ``drift``.
    """
    x, times = x.double(), times.double()
    with torch.no_grad():
        for t, after in zip(times[:-1], times[1:], strict=True):
            h = after - t
            x = x + h * drift(t, x) + noise(t) * h.abs().sqrt() * torch.randn_like(x)
            x = correct(after, x)
    return Solution(x, len(times) - 1)
