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
from benchmark.model import Model
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
        folder, seed = subject.run.data, subject.run.seed
        test, lines = some(dataset.pass_rows(folder), self.samples), []
        for size in self.tolerances:
            fitted = model.load(subject.run.folder, Tolerance(size, size)).to(subject.device)
            distance, nfe = self._drawn(fitted, seed, test)
            lines.append((size, nfe, distance.value))
            if len(lines) == 1:
                floor = EnergyDistance().distance(training_rows(folder, self.samples), test)
                compared = sizes(np.empty(self.samples), test, describe(folder))
                protocol = {**evaluation.sampling_protocol(fitted), **compared}
                first = Reading(self._metrics(distance, floor, nfe), protocol)
        with atomic(subject.file("csv")) as temporary, temporary.open("w", newline="") as file:
            csv.writer(file, lineterminator="\n").writerows([COLUMNS, *lines])
        yield first

    def _drawn(self, fitted: Model, seed: int, test: np.ndarray) -> tuple[Distance, int]:
        """The distance at a tolerance. Raises ``FloatingPointError`` for rows that are none."""
        values, nfe = evaluation.draw(fitted, 0, self.samples, seed)
        x = values.cpu().numpy()
        if bad := int((~np.isfinite(x)).any(axis=1).sum()):
            size = fitted.tolerance.atol
            raise FloatingPointError(f"tolerance {size:g}: {bad} of {len(x)} samples not finite")
        return EnergyDistance().distance(x, test), nfe

    def _metrics(self, distance: Distance, floor: Distance, nfe: int) -> list[Metric]:
        return [
            _metric("sampled_energy", distance, "Energy distance"),
            _metric("sampled_energy_floor", floor),
            Metric("nfe_samples", nfe, "", "none", n=self.samples, heading="NFE"),
        ]


def _metric(name: str, distance: Distance, heading: str | None = None) -> Metric:
    value, error, n = distance
    return Metric(name, value, "", standard_error=error, n=n, heading=heading)
