"""Sliced Wasserstein distance of samples from test rows (Bonneel et al., 2015).

``SW2(p, q)^2`` is the mean, over directions on the unit sphere, of the squared 2-Wasserstein
distance of the projections of ``p`` and ``q``, which sorting gives; computed by POT.
"""

import math
from types import ModuleType
from typing import Any, NamedTuple

import numpy as np
from pydantic import NonNegativeInt, PositiveInt

from benchmark.measure.two_samples import Distance, TwoSamples, jackknife, subsets

ROW_SUBSETS, ERROR_PROJECTIONS = 10, 50
"""Subsets of the rows that are left out in turn, in the first so many projections, for time."""


class SlicedDistance(NamedTuple):
    """A distance, in units of the rows, and its standard error over projections."""

    value: float
    standard_error: float | None


class SlicedWasserstein(TwoSamples):
    """The sliced Wasserstein distance, in ``projections`` drawn by ``seed``, the same for all.

    Its standard error is over projections and over subsets of the rows.
    """

    metric, heading, least = "sliced_wasserstein", "Sliced W2", 0.0
    compared = ("projections", *TwoSamples.compared)
    light, of_files = False, True  # POT imports torch

    def __init__(self, projections: PositiveInt = 200, seed: NonNegativeInt = 0) -> None:
        self.projections, self.seed = projections, seed

    def protocol(self) -> dict[str, Any]:
        return {"projections": self.projections, "seed": self.seed}

    def distance(self, x: np.ndarray, y: np.ndarray) -> Distance:
        value, by_projections = sliced_wasserstein(x, y, self.projections, self.seed)
        by_rows = jackknife(self._left_out(x, y))
        known = [error for error in (by_projections, by_rows) if error is not None]
        return Distance(value, math.hypot(*known) if known else None, len(x))

    def _left_out(self, x: np.ndarray, y: np.ndarray) -> list[float]:
        """The distances without each of the subsets of both."""
        count = min(len(subsets(rows, ROW_SUBSETS)) for rows in (x, y))
        parts, others = subsets(x, count), subsets(y, count)
        kept = [
            [np.concatenate(part[:g] + part[g + 1 :]) for part in (parts, others)]
            for g in range(count if count > 1 else 0)
        ]
        directions = min(self.projections, ERROR_PROJECTIONS)
        return [sliced_wasserstein(x, y, directions, self.seed).value for x, y in kept]


def sliced_wasserstein(x: np.ndarray, y: np.ndarray, projections: int, seed: int) -> SlicedDistance:
    """``SW2`` of the rows ``x``, ``[n, d]``, from ``y``, ``[m, d]``, in float64.

    Both are taken relative to the mean of ``y``. The error of ``SW2^2`` is that of a mean over
    projections, that of its root follows to first order. Raises ``ImportError`` without POT.
    """
    centre = y.mean(axis=0, dtype=float)
    distance, log = _pot().sliced_wasserstein_distance(
        x - centre, y - centre, n_projections=projections, seed=seed, log=True
    )
    squares, value = np.asarray(log["projected_emds"]), float(distance)
    if len(squares) < 2 or not value:
        return SlicedDistance(value, None)
    return SlicedDistance(value, squares.std(ddof=1) / math.sqrt(len(squares)) / (2 * value))


def _pot() -> ModuleType:
    try:
        import ot
    except ImportError as error:
        raise ImportError(
            f"The sliced Wasserstein distance needs POT, which cannot be imported: {error}. "
            f"Install it with `pip install --constraint constraints.txt POT`."
        ) from error
    return ot
