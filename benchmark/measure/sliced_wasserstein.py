"""Sliced Wasserstein distance of samples from test rows (Bonneel et al., 2015).

``SW2(p, q)^2`` is the mean, over directions on the unit sphere, of the squared 2-Wasserstein
distance of the projections of ``p`` and ``q``, which sorting gives; computed by POT.
"""

import math
from collections.abc import Iterable
from pathlib import Path
from types import ModuleType
from typing import NamedTuple

import numpy as np
from pydantic import NonNegativeInt, PositiveInt

from benchmark.data import dataset
from benchmark.data.description import describe
from benchmark.measure.measurement import Measurement, Subject
from benchmark.records import arrays
from benchmark.records.records import Metric, Reading

TRAIN_NOISE = 2
"""Seed of the noise that dequantises training rows, other than those of held-out rows."""


class SlicedDistance(NamedTuple):
    """A distance, in units of the rows, and its standard error over projections."""

    value: float
    standard_error: float | None


class SlicedWasserstein(Measurement):
    """The sliced Wasserstein distance of samples from the test rows, and beside it its floor.

    Both are in the coordinates of the prepared rows, dequantised if they are integers. The floor is
    the distance of as many training rows, drawn at random, from the same test rows, in the same
    ``projections``, drawn by ``seed``.
    """

    needs = ("samples",)
    requires = ("vectors",)
    compared = ("projections", "samples", "rows", "data")

    def __init__(self, projections: PositiveInt = 200, seed: NonNegativeInt = 0) -> None:
        self.projections, self.seed = projections, seed

    def take(self, subject: Subject) -> Iterable[Reading]:
        folder, data = subject.run.data, describe(subject.run.data)
        samples = arrays.drawn(subject.run.samples, data.event, data.levels)
        test, train = self._rows(folder, len(samples))
        floor = self._metric("sliced_wasserstein_floor", train, test)
        distance = self._metric("sliced_wasserstein", samples, test, "Sliced W2")
        protocol = {
            "projections": self.projections,
            "seed": self.seed,
            "samples": len(samples),
            "rows": len(test),
            "data": data.hash,
            "standard_error": "over projections",
        }
        yield Reading([distance, floor], protocol)

    def _rows(self, folder: Path, n: int) -> tuple[np.ndarray, np.ndarray]:
        """The test rows, and at most ``n`` training rows."""
        levels, train = describe(folder).levels, dataset.rows(folder, "train")
        some = np.random.default_rng(self.seed).permutation(len(train))[:n]
        own = dataset.dequantise(train[np.sort(some)], levels, TRAIN_NOISE)
        return dataset.pass_rows(folder), own

    def _metric(
        self, name: str, x: np.ndarray, y: np.ndarray, heading: str | None = None
    ) -> Metric:
        bad = int((~np.isfinite(x)).any(axis=1).sum())
        if bad:
            reason = f"{bad} of {len(x)} samples are not finite"
            return Metric(name, None, "", n=len(x), reason=reason, heading=heading)
        distance = sliced_wasserstein(x, y, self.projections, self.seed)
        error = distance.standard_error
        return Metric(
            *(name, distance.value, ""), standard_error=error, n=len(x), heading=heading, least=0.0
        )


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
