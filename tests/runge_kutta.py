"""The classical Runge-Kutta method, for tests that integrate by other means than the library."""

from collections.abc import Callable
from typing import Any


def runge_kutta(rates: Callable, state: Any, start: Any, end: Any, steps: int) -> Any:
    """The state at ``end`` of ``d state / ds = rates(s, state)``, in equal steps."""
    h = (end - start) / steps
    for step in range(steps):
        s = start + step * h
        k1 = rates(s, state)
        k2 = rates(s + h / 2, state + h / 2 * k1)
        k3 = rates(s + h / 2, state + h / 2 * k2)
        k4 = rates(s + h, state + h * k3)
        state = state + h / 6 * (k1 + 2 * k2 + 2 * k3 + k4)
    return state
