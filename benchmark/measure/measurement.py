"""A measurement: numbers of one fitted run, from its files.

One of your own is a class in any package, named in a suite as ``package.module.Class``::

    class Spread(Measurement):
        needs = ("samples",)
        compared = ("samples",)

        def take(self, subject):
            samples = np.load(subject.run.samples)
            spread = Metric("spread", float(samples.std()), "", heading="Spread")
            return [Reading([spread], {"samples": len(samples)})]

Its arguments, if any, are those of its constructor, checked by their annotations.
"""

from __future__ import annotations

import abc
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from benchmark.records import provenance, records
from benchmark.records.records import Reading, Source
from benchmark.records.run import Run

if TYPE_CHECKING:
    import torch


@dataclass(frozen=True)
class Subject:
    """A run to be measured, and what its records say of the code that measures it.

    ``measurement`` is the name under which the suite has it; ``source`` is the digest of the code,
    ``config`` the hash of all that the numbers depend on in the config; ``downloads`` is the folder
    of fetched files. ``device`` is ``None`` for a measurement that computes on none (``light``).
    """

    measurement: str
    run: Run
    source: str
    config: str
    downloads: Path = Path("results/downloads")
    device: torch.device | None = None

    def file(self, suffix: str) -> Path:
        """A file of this measurement: ``json`` has its records, see ``Measurement.writes``."""
        return self.run.measurement(self.measurement, suffix)

    def provenance(self, measurement: Measurement, **more: Any) -> dict[str, Any]:
        """The provenance of numbers that ``measurement`` computes now; see ``provenance.of``."""
        kind = type(measurement)
        classes = [f"{kind.__module__}.{kind.__qualname__}"]
        return provenance.of_classes(classes, self.source, self.config, **more)

    def derived(self, provenance: Mapping[str, Any]) -> dict[str, Any]:
        """The provenance of numbers that come from a file with a provenance of its own."""
        return {**provenance, "measurement": self.source}


class Measurement(abc.ABC):
    """Numbers of a run: which of its files they need, and how they are taken."""

    needs: ClassVar[tuple[str, ...]] = ()
    """The files it reads, beside the prepared data: names of properties of ``Run``."""
    requires: ClassVar[tuple[str, ...]] = ()
    """The data sets it takes: ``"vectors"`` (events of one axis), ``"images"`` (of three),
    ``"picture"`` (integer rows that can be displayed as images)."""
    compared: ClassVar[tuple[str, ...]] = ()
    """The keys of a protocol that must agree before two of its numbers are ranked."""
    writes: ClassVar[tuple[str, ...]] = ()
    """Suffixes of the files it writes beside its records, at ``Subject.file(suffix)``."""
    curve: ClassVar[bool] = False
    """Whether its file ``csv`` has a distance against NFE, ``tolerance, nfe, distance``, which a
    figure shows."""
    of_files: ClassVar[bool] = False
    """Whether it can do with the files of another program, without a model, as light ones can."""
    light: ClassVar[bool] = False
    """Whether it takes seconds and no model: it then runs where Snakemake runs, without torch."""

    @abc.abstractmethod
    def take(self, subject: Subject) -> Iterable[Reading]:
        """The numbers, in the order of their columns."""


def measure(measurement: Measurement, subject: Subject) -> None:
    """Write the records of a measurement of one run, ``<run>/measurements/<name>.json``."""
    readings = list(measurement.take(subject))
    source = Source(subject.measurement, measurement.compared, subject.provenance(measurement))
    records.write(subject.file("json"), subject.run, source, readings)
