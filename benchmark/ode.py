"""Solver of the probability flow ODE: torchdiffeq's adaptive Dormand-Prince method.

The state is float64 whatever the precision of the velocity, so that the trajectory loses no digits
in the solver.
"""

import itertools
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torchdiffeq import odeint

from benchmark.section import Tolerances
from benchmark.shapes import Batch, Velocity

SOLVER = "dopri5"
MAX_STEPS = 10_000
EVALUATIONS_PER_STEP = 6
"""Evaluations of the velocity in a solver step."""
BREAK_OFFSET = 1e-6
"""Distance in time from a jump of the velocity at which its one-sided value is evaluated."""


@dataclass(frozen=True)
class Tolerance:
    """Error tolerance of an adaptive solver per step, ``atol + rtol |x|``, and the divergence.

    ``probes`` is the number of random probes of Hutchinson's estimate of the divergence in the
    likelihood; 0 means the exact divergence.
    """

    atol: float
    rtol: float
    probes: int = 0

    def __post_init__(self) -> None:
        if not (self.atol > 0 and self.rtol > 0 and self.probes >= 0):
            raise ValueError(
                f"Tolerances must be positive and probes not negative: atol={self.atol}, "
                f"rtol={self.rtol}, probes={self.probes}."
            )

    @classmethod
    def of(cls, section: Tolerances) -> "Tolerance":
        """That of a section of a config."""
        return cls(section.atol, section.rtol, section.probes or 0)

    def tightened(self, factor: float) -> "Tolerance":
        """The tolerance divided by ``factor``, with the same probes."""
        return replace(self, atol=self.atol / factor, rtol=self.rtol / factor)


class Solution(NamedTuple):
    """Values of an ODE solve, and its number of evaluations of the velocity (NFE)."""

    values: Tensor
    nfe: int


class CountCalls:
    """A velocity that counts its own evaluations."""

    def __init__(self, velocity: Velocity) -> None:
        self.velocity, self.nfe = velocity, 0

    def __call__(self, t: Tensor, x: Tensor) -> Tensor:
        self.nfe += 1
        return self.velocity(t, x)


def transport(
    velocity: Velocity,
    x: Batch,
    tolerance: Tolerance,
    span: tuple[float, float] = (0.0, 1.0),
    breaks: Sequence[float] = (),
) -> Solution:
    """The points to which the flow carries ``x`` over ``span``, forward or backward in time.

    ``breaks`` are times at which the velocity jumps: no solver step crosses one.
    """
    counted, x = CountCalls(velocity), x.double()
    for start, end in pieces(span, breaks):
        x = solve(counted, x, (start, end), tolerance, breaks)[-1]
    return Solution(x, counted.nfe)


def pieces(span: tuple[float, float], breaks: Sequence[float]) -> list[tuple[float, float]]:
    """Intervals between the ``breaks`` inside ``span``, in its direction; none if it is empty."""
    low, high = min(span), max(span)
    if low == high:
        return []
    inner = sorted(time for time in breaks if low < time < high)
    times = [low, *inner, high]
    intervals = list(zip(times, times[1:], strict=False))
    return intervals if span[0] <= span[1] else [(end, start) for start, end in reversed(intervals)]


def solve(
    dynamics: Any,
    state: Any,
    times: Sequence[float],
    tolerance: Tolerance,
    breaks: Sequence[float] = (),
) -> Any:
    """States at the monotone ``times``, from ``state`` at the first; float64, without gradients.

    ``state`` is a tensor or a tuple of tensors. At an end of ``times`` that is one of ``breaks``,
    the dynamics are those on the inner side. Raises ``FloatingPointError`` if no solution is found
    within ``MAX_STEPS`` steps.
    """
    low, high = min(times[0], times[-1]), max(times[0], times[-1])
    first, last = low + BREAK_OFFSET * (low in breaks), high - BREAK_OFFSET * (high in breaks)
    evaluations = itertools.count(1)

    def inside(t: Tensor, state: Any) -> Any:
        # Counted here because the solver's own count restarts at each of the times.
        if next(evaluations) > EVALUATIONS_PER_STEP * MAX_STEPS:
            raise _without_solution(times, tolerance, "")
        # Before its first step the solver probes 0.01 |x| / |v| ahead, which may lie beyond.
        return dynamics(t.clamp(first, last), state)

    grid = torch.tensor(times, dtype=torch.float64, device=state[0].device)
    try:
        with torch.no_grad():
            return odeint(
                inside,
                state,
                grid,
                atol=tolerance.atol,
                rtol=tolerance.rtol,
                method=SOLVER,
                # Forces a step to end here, so that none goes beyond, outside of [0, 1].
                options={"step_t": grid[-1:]},
            )
    except AssertionError as failure:  # raised by torchdiffeq
        raise _without_solution(times, tolerance, f": {str(failure)[:200]}") from failure


def _without_solution(times: Sequence[float], tolerance: Tolerance, why: str) -> FloatingPointError:
    return FloatingPointError(
        f"The ODE from t = {times[0]} to t = {times[-1]} has no solution at {tolerance} "
        f"within {MAX_STEPS} steps{why}"
    )
