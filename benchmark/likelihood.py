"""The likelihood engine of every flow."""

from collections.abc import Callable, Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from benchmark import ode
from benchmark.ode import CountCalls, Tolerance
from benchmark.shapes import Batch, PerSample, Velocity


class Likelihood(NamedTuple):
    """Log-densities in nats, float64, and what they took.

    ``nfe`` counts evaluations of the velocity, ``nodes`` those of the divergence (per row, the
    mean); ``standard_error`` is that of each value due to random probes of the divergence, in
    nats, ``None`` where the divergence is exact.
    """

    values: Tensor
    nfe: int
    nodes: float
    standard_error: Tensor | None = None


class Field(NamedTuple):
    """A velocity, its divergence, and the times inside (0, 1) at which they jump."""

    velocity: Velocity
    divergence: Velocity
    breaks: Sequence[float] = ()


def log_prob(
    field: Field,
    base_log_prob: Callable[[Batch], PerSample],
    x: Batch,
    tolerance: Tolerance,
    t: float = 1.0,
) -> Likelihood:
    """Log-density in nats at time ``t`` of the flow of ``field``.

    ``log p_t(x) = log p0(x_0) - int_0^t div v(s, x_s) ds`` (Chen et al., 2018, theorem 1).
    """
    counted = CountCalls(field.velocity)

    def dynamics(t: Tensor, state: tuple[Tensor, Tensor]) -> tuple[Tensor, Tensor]:
        x, _ = state
        return counted(t, x), field.divergence(t, x)

    state = (x.double(), x.new_zeros(len(x), dtype=torch.float64))
    for span in ode.pieces((t, 0.0), field.breaks):
        path = ode.solve(dynamics, state, span, tolerance, field.breaks)
        state = (path[0][-1], path[1][-1])
    x, change = state
    return Likelihood(base_log_prob(x) + change, counted.nfe, counted.nfe)
