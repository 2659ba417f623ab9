"""How far samples spread."""

from collections.abc import Iterable

import numpy as np

from benchmark.measure.measurement import Measurement, Subject
from benchmark.records.records import Metric, Reading


class Mine(Measurement):
    """Standard deviation of the samples of a run, over all rows and coordinates."""

    needs = ("samples",)
    compared = ("samples",)
    light = True

    def take(self, subject: Subject) -> Iterable[Reading]:
        samples = np.load(subject.run.samples)
        n, spread = len(samples), float(samples.std())
        metric = Metric("mine", spread, "", "none", n=n, heading="MINE")
        return [Reading([metric], {"samples": n})]
