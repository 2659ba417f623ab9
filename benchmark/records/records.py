"""Records: one measured number each, with what it needs to be believed.

A record says which run it is of, which measurement made it, the number (or the reason why there is
none), the ``protocol`` (how it was measured: two records may be ranked against each other only if
their protocols agree in the keys ``compared``) and the ``provenance`` (what made it, where, when).
"""

import hashlib
import json
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict

from benchmark.records.run import Run
from benchmark.records.stored import StoredFile

NLL, COST, DISTANCES = "nll", "cost", "distances"
"""Names of the measurements of every suite; that of the first is its metric, too."""
FLOOR = "floor"
"""Stands for a method in records of test rows compared with training rows."""

CLEAR = 5.0
"""Standard errors by which a number of an audit differs from what it should be, before it is said.

Many, as importance weights are far from normal.
"""

KNOWN = {
    **dict.fromkeys((NLL, "kl", "solver_error", "probe_error"), NLL),
    "training_seconds": COST,
}
"""Metrics that tables and figures know by their names -> the measurement that has them."""

Direction = Literal["lower", "higher", "none"]


@dataclass(frozen=True)
class Metric:
    """One number of a run. A number that was not computed is ``None`` and says why in ``reason``.

    ``n`` counts what was averaged (test rows, timed repetitions); ``standard_error`` is that of
    the mean over these ``n``, in ``unit``. A metric with a ``heading`` is a column of the tables.
    ``least`` is the lowest value that it can have: a lower one, or one that is not finite, is
    recorded as missing, with that reason.
    """

    metric: str
    value: float | None
    unit: str
    direction: Direction = "lower"
    standard_error: float | None = None
    n: int | None = None
    reason: str | None = None
    heading: str | None = None
    least: float = -math.inf

    def __post_init__(self) -> None:
        if (self.value is None) == (self.reason is None):
            raise ValueError(
                f"Metric {self.metric!r}: found value={self.value}, reason={self.reason!r}; "
                f"a metric has either a value or a reason why it is missing."
            )


@dataclass(frozen=True)
class Reading:
    """Metrics that share a protocol and a provenance; without one, that of their measurement."""

    metrics: Sequence[Metric]
    protocol: Mapping[str, Any]
    provenance: Mapping[str, Any] | None = None


@dataclass(frozen=True)
class Source:
    """The measurement that makes records: its name, and the keys in which protocols must agree."""

    measurement: str
    compared: Sequence[str] = ()
    provenance: Mapping[str, Any] = field(default_factory=dict)


class Record(BaseModel):
    """One metric of one run, as it is stored."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    suite: str
    dataset: str
    method: str
    seed: int
    measurement: str
    metric: str
    heading: str | None
    value: float | None
    standard_error: float | None
    unit: str
    n: int | None
    direction: Direction
    reason: str | None
    compared: list[str]
    protocol: dict[str, Any]
    provenance: dict[str, Any]


class RecordFile(StoredFile):
    """The records of one measurement of one run."""

    records: list[Record]


def write(path: str | Path, run: Run, source: Source, readings: Iterable[Reading]) -> None:
    """Write the record file of a measurement of ``run``.

    Raises ``ValueError`` for names of metrics that are not its own.
    """
    records = [
        _record(run, source, reading, metric) for reading in readings for metric in reading.metrics
    ]
    _check_names(source.measurement, [record.metric for record in records])
    RecordFile(records=records).save(path)


def read(path: str | Path) -> list[dict[str, Any]]:
    """The records of one file. Raises ``ValueError`` in words for anything else."""
    return [record.model_dump() for record in RecordFile.load(path).records]


def config_hash(config: dict[str, Any]) -> str:
    """First 16 hex digits of the SHA-256 of a config section, independent of key order."""
    return hashlib.sha256(json.dumps(config, sort_keys=True).encode()).hexdigest()[:16]


def _check_names(measurement: str, metrics: Sequence[str]) -> None:
    for name in metrics:
        if metrics.count(name) > 1:
            raise ValueError(f"{measurement}: found the metric {name!r} twice; rename one.")
        if KNOWN.get(name, measurement) != measurement:
            raise ValueError(
                f"{measurement}: found the metric {name!r}, which is one of {KNOWN[name]}; allowed "
                f"is a name of its own."
            )


def _record(run: Run, source: Source, reading: Reading, metric: Metric) -> Record:
    provenance = source.provenance if reading.provenance is None else reading.provenance
    stored = asdict(_possible(metric))
    del stored["least"]
    return Record(
        **asdict(run),
        **stored,
        measurement=source.measurement,
        compared=list(source.compared),
        protocol=dict(reading.protocol),
        provenance=dict(provenance),
    )


def _possible(metric: Metric) -> Metric:
    """The metric, without a value or an error that no such number can have."""
    error = metric.standard_error
    if error is not None and not (math.isfinite(error) and error >= 0):
        metric = replace(metric, standard_error=None)
    if metric.value is None or math.isfinite(metric.value) and metric.value >= metric.least:
        return metric
    least = f", below {metric.least:g}" if metric.value < metric.least else ""
    reason = f"found {metric.value:g}{least}, which no {metric.metric.replace('_', ' ')} can be"
    return replace(metric, value=None, standard_error=None, reason=reason)
