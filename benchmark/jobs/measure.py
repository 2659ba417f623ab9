"""The job that makes one measurement on one run."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmark import names, parts
from benchmark.measure import measurement
from benchmark.measure.measurement import Subject
from benchmark.records.run import Run


@dataclass(frozen=True)
class Measuring:
    """A measurement by the name and the class that the suite has for it, on a run."""

    name: str
    kind: str
    arguments: dict[str, Any]
    run: Run
    config: str
    source: str
    downloads: Path


def light(measuring: Measuring) -> None:
    """A measurement that computes on no device."""
    on_device(measuring, None)


def on_device(measuring: Measuring, device: Any) -> None:
    """Write the records of a measurement: ``measurements/<name>.json``.

    ``device`` is a ``torch.device`` or ``None``: this module is imported where there is no torch.
    """
    kind = names.load(measuring.kind)
    taken = kind(**parts.convert(kind, measuring.arguments))
    subject = Subject(
        *(measuring.name, measuring.run, measuring.source, measuring.config),
        downloads=measuring.downloads,
        device=device,
    )
    measurement.measure(taken, subject)
