"""Energy distance of samples from test rows against the evaluations of the velocity they took."""

import csv
from collections.abc import Iterable
from typing import Annotated

import numpy as np
from pydantic import Field, PositiveFloat, PositiveInt

from benchmark import model
from benchmark.data import dataset
from benchmark.data.description import describe
from benchmark.files import atomic
from benchmark.measure import evaluation
from benchmark.measure.discrepancy import EnergyDistance
from benchmark.measure.measurement import Measurement, Subject
from benchmark.measure.two_samples import Distance, sizes, some, training_rows
from benchmark.ode import Tolerance
from benchmark.records.records import Metric, Reading

COLUMNS = ("tolerance", "nfe", "distance")
Tolerances = Annotated[list[PositiveFloat], Field(min_length=1)]


class SampleCurve(Measurement):
    """The energy distance at each of some tolerances of the ODE, and the NFE of a sample.

    All start from the same noise. Records are of the first tolerance, the file ``csv`` has all.
    """

    needs = ("weights", "model")
    requires = ("vectors",)
    compared = ("solver", "atol", "rtol", "samples", "rows", "data")
    writes = ("csv",)
    curve = True

    def __init__(self, tolerances: Tolerances, samples: PositiveInt = 2000) -> None:
        self.tolerances, self.samples = tolerances, samples

    def take(self, subject: Subject) -> Iterable[Reading]:
        test = some(dataset.pass_rows(subject.run.data), self.samples)
        lines = []
        for size in self.tolerances:
            distance, nfe = self._taken(subject, size, test)
            lines.append((size, nfe, distance.value))
            if len(lines) == 1:
                first = self._reading(subject, distance, nfe, test)
        with atomic(subject.file("csv")) as temporary, temporary.open("w", newline="") as file:
            csv.writer(file, lineterminator="\n").writerows([COLUMNS, *lines])
        yield first

    def _taken(self, subject: Subject, size: float, test: np.ndarray) -> tuple[Distance, int]:
        """The distance at a tolerance. Raises ``FloatingPointError`` for rows that are none."""
        fitted = model.load(subject.run.folder, Tolerance(size, size)).to(subject.device)
        values, nfe = evaluation.draw(fitted, 0, self.samples, subject.run.seed)
        x = values.cpu().numpy()
        if bad := int((~np.isfinite(x)).any(axis=1).sum()):
            raise FloatingPointError(f"tolerance {size:g}: {bad} of {len(x)} samples not finite")
        return EnergyDistance().distance(x, test), nfe

    def _reading(self, subject: Subject, distance: Distance, nfe: int, test: np.ndarray) -> Reading:
        folder = subject.run.data
        floor = EnergyDistance().distance(training_rows(folder, self.samples), test)
        first = self.tolerances[0]
        fitted = model.load(subject.run.folder, Tolerance(first, first))
        solved = fitted.method.protocol(fitted.tolerance)
        protocol = {
            **{key: value for key, value in solved.items() if key != "divergence"},
            "trained": fitted.method.trained,
            **sizes(np.empty(self.samples), test, describe(folder)),
        }
        metrics = [
            _metric("sampled_energy", distance, "Energy distance"),
            _metric("sampled_energy_floor", floor),
            Metric("nfe_samples", nfe, "", "none", n=self.samples, heading="NFE"),
        ]
        return Reading(metrics, protocol)


def _metric(name: str, distance: Distance, heading: str | None = None) -> Metric:
    value, error, n = distance
    return Metric(name, value, "", standard_error=error, n=n, heading=heading)
