"""Probability flow ODE: transport and log-density for any velocity field.

The state is held in float64 whatever the precision of the velocity, so that neither the
trajectory nor the integral of the divergence loses digits in the solver.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torchdiffeq import odeint

from benchmark.shapes import Batch, PerSample, Velocity

SOLVER = "dopri5"
MAX_STEPS = 10_000


@dataclass(frozen=True)
class Tolerance:
    """Error an adaptive solver may make per step: ``atol + rtol |x|``."""

    atol: float
    rtol: float

    def __post_init__(self) -> None:
        if not (self.atol > 0 and self.rtol > 0):
            raise ValueError(f"Tolerances must be positive: atol={self.atol}, rtol={self.rtol}.")

    def tightened(self, factor: float) -> "Tolerance":
        """The tolerance divided by ``factor``."""
        return Tolerance(self.atol / factor, self.rtol / factor)


class Solution(NamedTuple):
    """Values of an ODE solve, and the number of evaluations of the velocity it took (NFE)."""

    values: Tensor
    nfe: int


class CountCalls:
    """A velocity that counts its own evaluations."""

    def __init__(self, velocity: Velocity) -> None:
        self.velocity, self.nfe = velocity, 0

    def __call__(self, t: Tensor, x: Tensor) -> Tensor:
        self.nfe += 1
        return self.velocity(t, x)


def transport(velocity: Velocity, x0: Batch, tolerance: Tolerance) -> Solution:
    """Samples at ``t = 1`` of the flow that starts from ``x0`` at ``t = 0``."""
    counted = CountCalls(velocity)
    return Solution(_solve(counted, x0.double(), 0.0, 1.0, tolerance), counted.nfe)


def log_prob(
    velocity: Velocity,
    divergence: Velocity,
    base_log_prob: Callable[[Batch], PerSample],
    x1: Batch,
    tolerance: Tolerance,
) -> Solution:
    """Log-density in nats of ``x1`` under the flow of ``velocity``.

    Integrates the probability flow ODE from ``t = 1`` to ``t = 0``:
    ``log p1(x1) = log p0(x0) - int_0^1 div v(t, x_t) dt`` (Chen et al., 2018, theorem 1).
    """
    counted = CountCalls(velocity)

    def dynamics(t: Tensor, state: tuple[Tensor, Tensor]) -> tuple[Tensor, Tensor]:
        x, _ = state
        return counted(t, x), divergence(t, x)

    start = (x1.double(), x1.new_zeros(len(x1), dtype=torch.float64))
    x, change = _solve(dynamics, start, 1.0, 0.0, tolerance)
    return Solution(base_log_prob(x) + change, counted.nfe)


def _solve(dynamics: Any, state: Any, start: float, end: float, tolerance: Tolerance) -> Any:
    """The state at ``end``; ``step_t`` keeps the solver from stepping beyond, outside [0, 1]."""
    device = state[0].device

    def inside(t: Tensor, state: Any) -> Any:
        # Before its first step the solver probes 0.01 |x| / |v| ahead, which may lie beyond.
        return dynamics(t.clamp(0, 1), state)

    times = torch.tensor([start, end], dtype=torch.float64, device=device)
    try:
        with torch.no_grad():
            path = odeint(
                inside,
                state,
                times,
                atol=tolerance.atol,
                rtol=tolerance.rtol,
                method=SOLVER,
                options={"step_t": times[1:], "max_num_steps": MAX_STEPS},
            )
    except AssertionError as failure:  # torchdiffeq's way to say so
        raise FloatingPointError(
            f"The ODE from t = {start} to t = {end} has no solution at {tolerance} "
            f"within {MAX_STEPS} steps: {str(failure)[:200]}"
        ) from failure
    return tuple(part[-1] for part in path) if isinstance(path, tuple) else path[-1]
