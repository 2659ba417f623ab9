"""Solver of stochastic differential equations with steps of fixed size."""

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
    """Solution of ``dX = drift(t, X) dt + noise(t) dW`` from the first of ``times`` to the last.

    Float64, weak order 1 in the step size, without gradients. ``correct`` is applied at the end of
    each step. Draws from torch's global generator. ``nfe`` counts evaluations of ``drift``.
    """
    x, times = x.double(), times.double()
    with torch.no_grad():
        for t, after in zip(times[:-1], times[1:], strict=True):
            h = after - t
            x = x + h * drift(t, x) + noise(t) * h.abs().sqrt() * torch.randn_like(x)
            x = correct(after, x)
    return Solution(x, len(times) - 1)
