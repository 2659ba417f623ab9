"""The tidy frame of the records of a suite, its summary over seeds, and its files.

A run without records is a *gap*: it stays in the frame, with its reason. So does a measurement
that a run lacks, as a metric with the name of the measurement and without a value.
"""

import json
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np
import pandas as pd

from benchmark.files import atomic
from benchmark.records import records
from benchmark.records.records import NLL
from benchmark.records.run import Run
from benchmark.report.labels import Labels, Styles

RUN = ["suite", "dataset", "method", "seed"]
IDENTITY = [*RUN, "measurement", "metric"]

TYPES = {
    **dict.fromkeys(["suite", "dataset", "method"], "string"),
    "seed": "Int64",
    **dict.fromkeys(["measurement", "metric", "heading"], "string"),
    "value": "float64",
    "standard_error": "float64",
    "unit": "string",
    "n": "Int64",
    **dict.fromkeys(["direction", "reason", "compared"], "string"),
    "control": "bool",
}
"""Columns every frame of metrics has; ``protocol.*`` and ``provenance.*`` follow, as text.

``compared`` is a JSON list: the keys of the protocol that have to agree before two are ranked.
"""

SUMMARY = [
    *("dataset", "method", "measurement", "metric", "direction", "mean", "sd", "n", "runs"),
    *("standard_error", "solver_error", "reasons", "protocols", "control"),
]


def metrics(
    record_files: Iterable[str | Path],
    gaps: Mapping[Run, str],
    lacking: Mapping[tuple[Run, str], str] = MappingProxyType({}),
) -> pd.DataFrame:
    """One tidy row per record and per gap (metric ``nll``, no value, its reason).

    ``lacking`` maps other measurements of a run to the reason why there are none. Columns are
    ``TYPES``, then the flattened protocol and provenance as text. Refuses two records of one metric
    of one run, which would count as two seeds.
    """
    rows = [_row(record) for file in record_files for record in records.read(file)]
    missing = {**{(run, NLL): reason for run, reason in gaps.items()}, **lacking}
    rows += [
        {**asdict(run), "measurement": name, "metric": name, "reason": reason, "control": False}
        for (run, name), reason in missing.items()
    ]
    frame = pd.DataFrame(rows)
    columns = [*TYPES, *sorted(set(frame.columns) - set(TYPES))]
    frame = frame.reindex(columns=columns)
    frame = frame.astype({name: TYPES.get(name, "string") for name in columns})
    _refuse_repeated(frame)
    # Not every protocol says that nothing was trained.
    return frame.assign(control=frame.groupby(RUN).control.transform("any").astype(bool))


def write_metrics(frame: pd.DataFrame, csv: str | Path, parquet: str | Path) -> None:
    """The frame of ``metrics`` as text (17 digits where needed) and as Parquet (typed)."""
    with atomic(csv) as temporary:
        frame.to_csv(temporary, index=False)
    with atomic(parquet) as temporary:
        frame.to_parquet(temporary, engine="pyarrow", index=False)


def read_metrics(parquet: str | Path) -> pd.DataFrame:
    """The frame that ``write_metrics`` wrote, with the same types."""
    return pd.read_parquet(parquet, engine="pyarrow")


def summary(frame: pd.DataFrame) -> pd.DataFrame:
    """One row per data set, method and metric known for the data set: a mean over seeds.

    ``mean``, ``sd`` (n - 1 in the denominator; missing for one run), ``n`` of ``runs`` with a
    value, ``standard_error`` (over test rows, mean of the runs), ``solver_error`` (of an NLL: the
    largest of solver and probes, NaN where it is not known), ``reasons`` (seed -> why it has no
    value), ``protocols`` (the distinct ones of its runs) and ``control``.
    """
    pairs = frame.drop_duplicates(["dataset", "measurement", "metric"])
    known = list(zip(pairs.dataset, pairs.measurement, pairs.metric, strict=True))
    rows = [
        _summarise(runs, measurement, metric)
        for runs in _by_method(frame)
        for dataset, measurement, metric in known
        if dataset == runs[0]["dataset"]
    ]
    return pd.DataFrame(rows, columns=SUMMARY)


def selected(frame: pd.DataFrame, styles: Styles, labels: Labels) -> pd.DataFrame:
    """The rows of these methods and data sets, by method; refuses rows of two suites."""
    if frame.suite.nunique() > 1:
        raise ValueError(
            f"Table: found the suites {sorted(frame.suite.unique())}; a table shows one suite. "
            f"Select the rows of one suite first."
        )
    frame = frame[frame.method.isin(list(styles)) & frame.dataset.isin(list(labels))]
    order = {name: position for position, name in enumerate(styles)}
    return frame.sort_values("method", key=lambda names: names.map(order), kind="stable")


def suite_name(frame: pd.DataFrame) -> str:
    """Name of the suite of a frame of ``metrics``."""
    return str(frame.suite.iloc[0]) if len(frame) else "(no runs)"


def unit(frame: pd.DataFrame, dataset: str, metric: str) -> str:
    """The unit of a metric on a data set; refuses two."""
    rows = frame[(frame.dataset == dataset) & (frame.metric == metric)]
    units = list(rows.unit.dropna().unique())
    if len(units) > 1:
        raise ValueError(
            f"Table: found the units {units} for {metric} on {dataset}; a column has one unit. "
            f"Evaluate all methods again with one version of the benchmark."
        )
    return units[0] if units else "not measured"


def reasons(
    runs: Sequence[Mapping[Any, Any]], measurement: str, metric: str, measured: set[int]
) -> dict[int, str]:
    """Seed -> why ``metric`` has no value: its own reason, else why the run has no NLL.

    ``runs`` are all rows of a method on a data set, ``measured`` the seeds that have a value.
    """
    given = {
        row["seed"]: row["reason"]
        for name in (NLL, measurement, metric)
        for row in runs
        if row["metric"] == name and isinstance(row["reason"], str)
    }
    missing = sorted({row["seed"] for row in runs} - measured)
    if measured:
        return {seed: given.get(seed, "not recorded") for seed in missing}
    return {seed: given[seed] for seed in missing if seed in given}


def _row(record: Mapping[str, Any]) -> dict[str, Any]:
    flat = {key: value for key, value in record.items() if not isinstance(value, Mapping)}
    protocol = _flat("protocol", record["protocol"])
    provenance = _flat("provenance", record["provenance"])
    control = protocol.get("protocol.trained") == "false"
    compared = json.dumps(record["compared"])
    return {**flat, "compared": compared, "control": control, **protocol, **provenance}


def _flat(prefix: str, mapping: Mapping[str, Any]) -> dict[str, str]:
    """Nested keys joined by dots; values as text, because a type must not depend on the runs."""
    flat: dict[str, str] = {}
    for key, value in mapping.items():
        if isinstance(value, Mapping):
            flat |= _flat(f"{prefix}.{key}", value)
        elif value is not None:
            flat[f"{prefix}.{key}"] = value if isinstance(value, str) else json.dumps(value)
    return flat


def _refuse_repeated(frame: pd.DataFrame) -> None:
    repeated = frame[frame.duplicated(IDENTITY)]
    if len(repeated):
        raise ValueError(
            f"Metrics: found more than one record for {repeated[IDENTITY].to_dict('records')}; "
            f"a run has one record per metric, or is a gap. Remove one of the files or the gap."
        )


def _by_method(frame: pd.DataFrame) -> list[list[dict[Any, Any]]]:
    """The rows of each method on each data set."""
    groups = frame.groupby(["dataset", "method"], sort=False)
    return [runs.to_dict("records") for _, runs in groups]


def _summarise(runs: Sequence[Mapping[Any, Any]], measurement: str, metric: str) -> dict[str, Any]:
    """A row of ``summary`` from all rows of a method on a data set."""
    own = [r for r in runs if (r["measurement"], r["metric"]) == (measurement, metric)]
    known = [row for row in own if not math.isnan(row["value"])]
    values = pd.Series([row["value"] for row in known], dtype=float)
    return {
        "dataset": runs[0]["dataset"],
        "method": runs[0]["method"],
        "measurement": measurement,
        "metric": metric,
        "direction": known[0]["direction"] if known else None,
        "mean": values.mean(),
        "sd": values.std(ddof=1),
        "n": len(known),
        "runs": len({row["seed"] for row in runs}),
        "standard_error": pd.Series([r["standard_error"] for r in known], dtype=float).mean(),
        "solver_error": _solver_error(runs) if measurement == NLL else math.nan,
        "reasons": reasons(runs, measurement, metric, {row["seed"] for row in known}),
        "protocols": tuple(dict.fromkeys(map(_protocol, known))),
        "control": any(row["control"] for row in known),
    }


def _solver_error(runs: Sequence[Mapping[Any, Any]]) -> float:
    solver, probes = (
        [row["value"] for row in runs if row["metric"] == name]
        for name in ("solver_error", "probe_error")
    )
    return float(np.max(solver) + np.max([0.0, *probes])) if solver else math.nan


def _protocol(row: Mapping[Any, Any]) -> tuple[str, ...]:
    """The part of the protocol of a record that has to agree, in words."""
    values = {key: row.get(f"protocol.{key}") for key in json.loads(row["compared"])}
    return tuple(f"{key} {value}" for key, value in values.items() if isinstance(value, str))
