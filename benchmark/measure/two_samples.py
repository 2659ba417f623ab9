"""Distance of samples from test rows, beside the same distance of training rows, the floor.

The samples may be of any program: nothing but ``samples.npy`` is read.
"""

import abc
import math
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, ClassVar, NamedTuple

import numpy as np

from benchmark.data import dataset
from benchmark.data.description import Description, describe
from benchmark.measure.measurement import Measurement, Subject
from benchmark.records import arrays
from benchmark.records.records import Direction, Metric, Reading

TRAIN_NOISE = 2
"""Seed of the noise that dequantises training rows, other than those of held-out rows."""
SUBSETS = 20
"""Subsets that are left out in turn, of whose results the spread gives the standard error."""


class Distance(NamedTuple):
    """A distance between two sets of rows, its standard error, and the ``n`` rows it is of."""

    value: float
    standard_error: float | None
    n: int


class TwoSamples(Measurement, abc.ABC):
    """A distance of samples from the test rows, and beside it its floor.

    Both are in the coordinates of the prepared rows, dequantised if they are integers. The floor is
    the distance of as many training rows, drawn at random, from the same test rows.
    """

    needs = ("samples",)
    requires = ("vectors",)
    compared: ClassVar[tuple[str, ...]] = ("samples", "rows", "data")
    light = True
    metric: ClassVar[str]
    """Name of the distance; that of the floor is ``<metric>_floor``."""
    heading: ClassVar[str]
    direction: ClassVar[Direction] = "lower"
    least: ClassVar[float] = -math.inf
    """The lowest value that the distance can have; one without bias may be below 0."""
    at_most: int | None = None
    """The number of rows of each set that are compared, drawn at random; all where ``None``."""

    @abc.abstractmethod
    def distance(self, x: np.ndarray, y: np.ndarray) -> Distance:
        """The distance of rows ``x``, ``[n, d]``, from ``y``, ``[m, d]``."""

    def on(self, data: Path) -> "TwoSamples":
        """This measurement with what it takes from the prepared rows ``data``."""
        return self

    def protocol(self) -> dict[str, Any]:
        """How it is measured, beyond the numbers of rows."""
        return {}

    def take(self, subject: Subject) -> Iterable[Reading]:
        folder, data = subject.run.data, describe(subject.run.data)
        samples = self._some(arrays.drawn(subject.run.samples, data.event, data.levels))
        test = self._some(dataset.pass_rows(folder))
        fixed = self.on(folder)
        metrics = [
            fixed._metric(self.metric, samples, test, self.heading),
            fixed._metric(f"{self.metric}_floor", training_rows(folder, len(samples)), test),
        ]
        yield Reading(metrics, {**fixed.protocol(), **sizes(samples, test, data)})

    def _some(self, rows: np.ndarray) -> np.ndarray:
        return rows if self.at_most is None else some(rows, self.at_most)

    def _metric(
        self, name: str, x: np.ndarray, y: np.ndarray, heading: str | None = None
    ) -> Metric:
        bad = int((~np.isfinite(x)).any(axis=1).sum())
        if bad:
            reason = f"{bad} of {len(x)} samples are not finite"
            return Metric(name, None, "", n=len(x), reason=reason, heading=heading)
        value, error, n = self.distance(x, y)
        return Metric(
            *(name, value, "", self.direction),
            standard_error=error, n=n, heading=heading, least=self.least,
        )  # fmt: skip


def sizes(samples: np.ndarray, test: np.ndarray, data: Description) -> dict[str, Any]:
    """The part of a protocol that says how many rows were compared, and with which."""
    return {"samples": len(samples), "rows": len(test), "data": data.hash}


def training_rows(folder: Path, n: int) -> np.ndarray:
    """At most ``n`` training rows, drawn at random, dequantised if they are integers."""
    own = some(dataset.rows(folder, "train"), n)
    return dataset.dequantise(own, describe(folder).levels, TRAIN_NOISE)


def some(rows: np.ndarray, n: int) -> np.ndarray:
    """At most ``n`` of the rows, always the same, drawn at random and in their order."""
    chosen = np.random.default_rng(0).permutation(len(rows))[:n]
    return np.asarray(rows[np.sort(chosen)])


def subsets(rows: np.ndarray, count: int = SUBSETS) -> list[np.ndarray]:
    """Disjoint subsets of rows in a random order, float64; fewer where there are few rows."""
    order = np.random.default_rng(1).permutation(len(rows))
    parts = np.array_split(rows[order].astype(float), max(1, min(count, len(rows) // 2)))
    return list(parts)


def jackknife(left_out: Sequence[float] | np.ndarray) -> float | None:
    """Standard error of a statistic from its values without each of k disjoint subsets.

    ``se^2 = (k - 1) / k sum_g (s_g - mean s)^2`` (Efron, 1982); ``None`` for fewer than two.
    """
    k = len(left_out)
    return float(math.sqrt((k - 1) * np.var(left_out))) if k > 1 else None
