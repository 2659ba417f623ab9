"""Discrepancies between samples and test rows by a kernel: MMD, and the energy distance.

For rows x of one density and y of another both are

    D = E k(x, x') + E k(y, y') - 2 E k(x, y),

estimated without bias by the means over pairs of different rows (Gretton et al., 2012, equation 3).
The kernel of the squared maximum mean discrepancy is Gaussian, that of the energy distance is
``-|x - y|`` (Szekely and Rizzo, 2013; Sejdinovic et al., 2013). So both may be below 0.
"""

import abc
import copy
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from pydantic import PositiveFloat, PositiveInt
from scipy.spatial.distance import cdist, pdist

from benchmark.measure.two_samples import Distance, TwoSamples, jackknife, subsets, training_rows

Kernel = Callable[[np.ndarray], np.ndarray]
"""Of Euclidean distances between rows."""

AT_MOST = 5000
"""Rows of each set by default: the time grows with the square of their number."""
BANDWIDTH_ROWS = 2000
"""Training rows whose distances give the bandwidth."""


class Discrepancy(TwoSamples, abc.ABC):
    """A discrepancy by a kernel, of ``at_most`` samples from as many test rows."""

    def __init__(self, at_most: PositiveInt = AT_MOST) -> None:
        self.at_most = at_most

    @abc.abstractmethod
    def kernel(self, distances: np.ndarray) -> np.ndarray:
        """The kernel at these distances."""

    def distance(self, x: np.ndarray, y: np.ndarray) -> Distance:
        return discrepancy(self.kernel, x, y)


class EnergyDistance(Discrepancy):
    """``2 E|x - y| - E|x - x'| - E|y - y'|``, in the units of the rows."""

    metric, heading = "energy_distance", "Energy distance"

    def kernel(self, distances: np.ndarray) -> np.ndarray:
        return -distances


class MaximumMeanDiscrepancy(Discrepancy):
    """The squared MMD of the kernel ``exp(-|x - y|^2 / (2 h^2))``.

    The bandwidth ``h``, if it is not given, is the median distance of two training rows: the same
    for every method on a data set.
    """

    metric, heading = "mmd_squared", "Squared MMD"
    compared = ("bandwidth", *Discrepancy.compared)

    def __init__(
        self, bandwidth: PositiveFloat | None = None, at_most: PositiveInt = AT_MOST
    ) -> None:
        super().__init__(at_most)
        self.bandwidth = bandwidth

    def on(self, data: Path) -> "MaximumMeanDiscrepancy":
        fixed = copy.copy(self)
        fixed.bandwidth = self.bandwidth or median_distance(training_rows(data, BANDWIDTH_ROWS))
        return fixed

    def protocol(self) -> dict[str, Any]:
        return {"bandwidth": self.bandwidth}

    def kernel(self, distances: np.ndarray) -> np.ndarray:
        assert self.bandwidth is not None, "that of the rows: see on()"
        return gaussian(distances, self.bandwidth)


def gaussian(distances: np.ndarray, bandwidth: float) -> np.ndarray:
    """``exp(-r^2 / (2 h^2))``."""
    return np.exp(-0.5 * (distances / bandwidth) ** 2)


def median_distance(rows: np.ndarray) -> float:
    """The median distance of two different rows. Raises ``ValueError`` where it is 0."""
    median = float(np.median(pdist(rows.astype(float)))) if len(rows) > 1 else 0.0
    if not median > 0:
        raise ValueError(
            f"The median distance of {len(rows)} training rows is {median:g}: no bandwidth of a "
            f"kernel. Give the argument `bandwidth`, in the units of the rows."
        )
    return median


class _Means(NamedTuple):
    """Means of a kernel over pairs: over all, and without the pairs with a row of each subset."""

    every: float
    left_out: np.ndarray

    @classmethod
    def of(cls, sums: np.ndarray, pairs: np.ndarray) -> "_Means":
        """From the sums over the pairs of two subsets, ``[k, k]``, and the numbers of pairs."""
        total, count = _left_out(sums), _left_out(pairs)
        return cls(float(sums.sum() / pairs.sum()), total / np.where(count, count, 1))


def discrepancy(kernel: Kernel, x: np.ndarray, y: np.ndarray) -> Distance:
    """``D`` of the rows ``x``, ``[n, d]``, from ``y``, ``[m, d]``, both at least two.

    The standard error is the jackknife's: one of 20 disjoint subsets of both is left out in turn.
    """
    count = min(len(subsets(x)), len(subsets(y)))
    parts, others = subsets(x, count), subsets(y, count)
    own, theirs = _within(kernel, parts), _within(kernel, others)
    both = _Means.of(*_between(kernel, parts, others))
    left_out = own.left_out + theirs.left_out - 2 * both.left_out
    return Distance(own.every + theirs.every - 2 * both.every, jackknife(left_out), len(x))


def _left_out(sums: np.ndarray) -> np.ndarray:
    """The total without the row and the column of each subset."""
    return np.asarray(sums.sum() - sums.sum(axis=0) - sums.sum(axis=1) + np.diag(sums))


def _within(kernel: Kernel, x: list[np.ndarray]) -> _Means:
    """A row is no pair with itself."""
    (sums, pairs), counts = _between(kernel, x, x), np.diag([len(part) for part in x])
    return _Means.of(sums - counts * kernel(np.zeros(1)), pairs - counts)


def _between(
    kernel: Kernel, x: list[np.ndarray], y: list[np.ndarray]
) -> tuple[np.ndarray, np.ndarray]:
    """Sums over the pairs of two subsets, and the numbers of these pairs."""
    every, starts = np.concatenate(y), np.cumsum([0, *map(len, y[:-1])])
    totals = [np.add.reduceat(kernel(cdist(a, every)).sum(axis=0), starts) for a in x]
    return np.array(totals), np.outer([len(a) for a in x], [len(b) for b in y])
