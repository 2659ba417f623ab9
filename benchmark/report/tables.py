"""Tables from record files: a tidy frame, its summary over seeds, and formatted tables.

A run without records is a *gap*: it stays in every table, with its reason. Means are ranked only
against means measured under the same protocol (``COMPARED``); controls, which are not trained, are
references, not competitors, and are never ranked.
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np
import pandas as pd

from benchmark.files import atomic
from benchmark.records import records
from benchmark.records.records import FLOOR
from benchmark.records.run import Run
from benchmark.report.significance import LEVEL, Comparison
from benchmark.report.table import DASH, Cell, Table
from benchmark.suite import published

Styles = Mapping[str, Mapping[str, str]]
Comparisons = Mapping[str, Sequence[Comparison]]
"""Data set -> the method with the lowest mean NLL against each other ranked one."""

COMPARED = (
    *("solver", "atol", "rtol", "divergence", "rows", "data", "dequantisation"),
    *("extractor", "resize", "samples", "reference"),
)
"""The keys of a protocol that have to agree before two numbers are ranked."""

IDENTITY = ["suite", "dataset", "method", "seed", "metric"]

TYPES = {
    **dict.fromkeys(["suite", "dataset", "method"], "string"),
    "seed": "Int64",
    "metric": "string",
    "value": "float64",
    "standard_error": "float64",
    "unit": "string",
    "n": "Int64",
    "direction": "string",
    "reason": "string",
    "control": "bool",
}
"""Columns every frame of metrics has; ``protocol.*`` and ``provenance.*`` follow, as text."""

SUMMARY = [
    *("dataset", "method", "metric", "mean", "sd", "n", "runs"),
    *("standard_error", "reasons", "protocols", "control"),
]

LIKELIHOOD = ("nll", "kl", "solver_error", "probe_error")

COSTS = {
    "training_seconds": ("Training\n[s]", 1.0),
    "seconds_per_step": ("Step\n[ms]", 1000.0),
    "nfe_likelihood": ("Likelihood\n[NFE]", 1.0),
    "nodes_likelihood": ("Divergence\n[nodes]", 1.0),
    "nfe_sampling": ("Sampling\n[NFE]", 1.0),
    "samples_per_second": ("Sampling\n[samples/s]", 1.0),
    "peak_memory": ("Memory\n[MiB]", 1.0),
    "parameters": ("Parameters\n", 1.0),
}
"""Metric -> (heading, factor from the record's unit to the heading's)."""

NFE = "nfe_images"
"""Metric: evaluations of the velocity for an image whose features are compared."""

INTERRUPTIONS = ("training_interruptions", "evaluation_interruptions")
"""Metrics that are told in a note, not in a column."""


class Footnotes:
    """Marks ``[a]``, ``[b]``, ...: one for each distinct reason, naming the runs it holds for."""

    def __init__(self) -> None:
        self._runs: dict[str, list[str]] = {}

    def mark(self, where: str, reasons: Mapping[int, str]) -> str:
        """The marks of ``reasons`` (seed -> reason) with a leading space; empty without any."""
        letters = []
        for reason in dict.fromkeys(reasons.values()):
            seeds = [seed for seed, given in reasons.items() if given == reason]
            named = f"{where}, {_count_noun('seed', seeds)}"
            runs = self._runs.setdefault(reason, [])
            runs.extend([named] if named not in runs else [])
            letters.append(_letters(list(self._runs).index(reason)))
        return f" [{', '.join(letters)}]" if letters else ""

    def notes(self) -> list[str]:
        return [
            f"[{_letters(index)}] {'; '.join(runs)}: {reason}."
            for index, (reason, runs) in enumerate(self._runs.items())
        ]


def metrics(
    record_files: Iterable[str | Path],
    gaps: Mapping[Run, str],
    lacking: Mapping[tuple[Run, str], str] = MappingProxyType({}),
) -> pd.DataFrame:
    """One tidy row per record and per gap (metric ``nll``, no value, its reason).

    ``lacking`` maps other metrics of a run to the reason why they have no value. Columns are
    ``TYPES``, then the flattened protocol and provenance as text. Refuses two records of one metric
    of one run, which would count as two seeds.
    """
    rows = [_row(record) for file in record_files for record in records.read(file)]
    missing = {**{(run, "nll"): reason for run, reason in gaps.items()}, **lacking}
    rows += [
        {**asdict(run), "metric": metric, "reason": reason, "control": False}
        for (run, metric), reason in missing.items()
    ]
    frame = pd.DataFrame(rows)
    columns = [*TYPES, *sorted(set(frame.columns) - set(TYPES))]
    frame = frame.reindex(columns=columns)
    frame = frame.astype({name: TYPES.get(name, "string") for name in columns})
    repeated = frame[frame.duplicated(IDENTITY)]
    if len(repeated):
        raise ValueError(
            f"Metrics: found more than one record for {repeated[IDENTITY].to_dict('records')}; "
            f"a run has one record per metric, or is a gap. Remove one of the files or the gap."
        )
    return frame


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
    value, ``standard_error`` (over test rows, mean of the runs), ``reasons`` (seed -> why it has
    no value), ``protocols`` (the distinct ones of its runs) and ``control``.
    """
    known = frame.groupby("dataset", sort=False)["metric"].unique()
    rows = [
        {"dataset": dataset, "method": method, "metric": metric, **_summarise(runs, metric)}
        for (dataset, method), runs in frame.groupby(["dataset", "method"], sort=False)
        for metric in known[str(dataset)]
    ]
    return pd.DataFrame(rows, columns=SUMMARY)


def ranking(frame: pd.DataFrame) -> dict[str, list[str]]:
    """Data set -> the methods that may be ranked, lowest mean NLL first; none where there are none.

    They have a likelihood, of all of their seeds, and one protocol.
    """
    cells = summary(frame)
    nll = cells[cells.metric == "nll"].sort_values("mean", kind="stable")
    ranked = {str(dataset): _ranked(column) for dataset, column in nll.groupby("dataset")}
    return {dataset: methods for dataset, methods in ranked.items() if methods}


def nll_table(
    frame: pd.DataFrame, styles: Styles, datasets: Mapping[str, str], comparisons: Comparisons
) -> Table:
    """Negative log-likelihood, and KL divergence where known: methods against data sets.

    ``frame`` is that of ``metrics``, of one suite. ``styles`` and ``datasets`` (name -> label)
    choose and order rows and columns.
    """
    frame = _selected(frame, styles, datasets)
    cells = summary(frame)
    footnotes = Footnotes()
    columns, entries = [], []
    for dataset, label in datasets.items():
        for metric in ("nll", "kl"):
            column = cells[(cells.dataset == dataset) & (cells.metric == metric)]
            if len(column):
                columns.append(f"{label}\n{metric.upper()} [{unit(frame, dataset, metric)}]")
                entries.append(mean_cells(column, styles, label, footnotes, comparisons))
    methods = [name for name in styles if name in set(frame.method)]
    return Table(
        caption=f"Negative log-likelihood on test data, suite {suite_of(frame)}.",
        columns=("Method\n", *columns),
        rows=tuple(
            (Cell(styles[method]["label"]), *(entry.get(method, Cell(DASH)) for entry in entries))
            for method in methods
        ),
        notes=(*nll_notes(frame, styles, datasets, comparisons), *footnotes.notes()),
    )


def quality_table(
    frame: pd.DataFrame,
    floors: Mapping[str, Sequence[Mapping[str, Any]]],
    distances: Mapping[str, tuple[str, str]],
    styles: Styles,
    datasets: Mapping[str, str],
    against: Mapping[str, str],
) -> Table:
    """Distances of samples from training images; below, those of test images, the floor.

    ``floors`` has the records of the floor, and ``distances`` what the Fréchet and the kernel
    distance are called, of every data set of images; ``against`` what data sets with published
    results are called there. See ``nll_table`` for the rest.
    """
    frame = _selected(frame, styles, {name: datasets[name] for name in distances})
    cells = summary(frame)
    footnotes = Footnotes()
    columns: list[str] = []
    entries: list[dict[str, Cell]] = []
    for dataset, names in distances.items():
        label, floor = datasets[dataset], _values(floors.get(dataset, ()))
        for metric in names:
            column = cells[(cells.dataset == dataset) & (cells.metric == metric)]
            columns.append(f"{label}\n{metric.upper()}")
            entries.append(_quality_cells(column, floor.get(metric), styles, label, footnotes))
        column = cells[(cells.dataset == dataset) & (cells.metric == NFE)]
        columns.append(f"{label}\nNFE")
        entries.append({m: Cell(_cost(row, 1.0, row["n"])) for m, row in _by_method(column)})
    labels = {name: styles[name]["label"] for name in styles if name in set(frame.method)}
    labels[FLOOR] = "Test images (floor)"
    return Table(
        caption=f"Distance of samples from training images, suite {suite_of(frame)}.",
        columns=("Method\n", *columns),
        rows=tuple(
            (Cell(label), *(entry.get(method, Cell(DASH)) for entry in entries))
            for method, label in labels.items()
        ),
        notes=(
            *_quality_notes(frame, floors, distances, styles, datasets),
            *_published_distances(distances, datasets, against),
            *footnotes.notes(),
        ),
    )


def cost_table(frame: pd.DataFrame, styles: Styles, datasets: Mapping[str, str]) -> Table:
    """Cost of training and evaluation: a row per data set and method; see ``nll_table``."""
    frame = _selected(frame, styles, datasets)
    costs = frame[frame.metric.isin(list(COSTS)) | frame.reason.notna()]
    cells = summary(frame)
    footnotes = Footnotes()
    rows = []
    for dataset, label in datasets.items():
        for method in styles:
            runs = frame[(frame.dataset == dataset) & (frame.method == method)]
            if len(runs):
                where = f"{styles[method]['label']} on {label}"
                own = cells[(cells.dataset == dataset) & (cells.method == method)]
                known = {row["metric"]: row for row in own.to_dict("records")}
                entries = _cost_cells(runs, known, where, footnotes)
                rows.append((Cell(label), Cell(styles[method]["label"]), *entries))
    return Table(
        caption=f"Cost of training and evaluation, suite {suite_of(frame)}.",
        columns=("Data set\n", "Method\n", "n\n", *(heading for heading, _ in COSTS.values())),
        rows=tuple(rows),
        notes=(
            *_cost_notes(costs, styles, datasets),
            *_interruptions(frame),
            *footnotes.notes(),
        ),
    )


# Rows and their summary


def _row(record: Mapping[str, Any]) -> dict[str, Any]:
    flat = {key: value for key, value in record.items() if not isinstance(value, Mapping)}
    protocol = _flat("protocol", record["protocol"])
    control = protocol.get("protocol.trained") == "false"
    provenance = _flat("provenance", record["provenance"])
    return {**flat, "control": control, **protocol, **provenance}


def _flat(prefix: str, mapping: Mapping[str, Any]) -> dict[str, str]:
    """Nested keys joined by dots; values as text, because a type must not depend on the runs."""
    flat: dict[str, str] = {}
    for key, value in mapping.items():
        if isinstance(value, Mapping):
            flat |= _flat(f"{prefix}.{key}", value)
        elif value is not None:
            flat[f"{prefix}.{key}"] = value if isinstance(value, str) else json.dumps(value)
    return flat


def _summarise(runs: pd.DataFrame, metric: str) -> dict[str, Any]:
    found = runs[(runs.metric == metric) & runs.value.notna()]
    compared = [f"protocol.{key}" for key in COMPARED]
    protocols = found.reindex(columns=compared).rename(columns=lambda name: name.split(".")[1])
    return {
        "mean": found.value.mean(),
        "sd": found.value.std(ddof=1),
        "n": len(found),
        "runs": runs.seed.nunique(),
        "standard_error": found.standard_error.mean(),
        "reasons": _reasons(runs, metric, {int(seed) for seed in found.seed}),
        "protocols": tuple(
            dict.fromkeys(
                tuple(f"{key} {value}" for key, value in row.dropna().items())
                for _, row in protocols.iterrows()
            )
        ),
        "control": bool(found.control.any()),
    }


def _reasons(runs: pd.DataFrame, metric: str, measured: set[int]) -> dict[int, str]:
    """Seed -> why ``metric`` has no value: its own reason, else why the run has no NLL."""
    given: dict[int, str] = {}
    for name in ("nll", metric):
        said = runs[(runs.metric == name) & runs.reason.notna()]
        given |= dict(zip(said.seed, said.reason, strict=True))
    missing = sorted({int(seed) for seed in runs.seed} - measured)
    if measured:
        return {seed: given.get(seed, "not recorded") for seed in missing}
    return {seed: given[seed] for seed in missing if seed in given}


def _selected(frame: pd.DataFrame, styles: Styles, datasets: Mapping[str, str]) -> pd.DataFrame:
    if frame.suite.nunique() > 1:
        raise ValueError(
            f"Table: found the suites {sorted(frame.suite.unique())}; a table shows one suite. "
            f"Select the rows of one suite first."
        )
    frame = frame[frame.method.isin(list(styles)) & frame.dataset.isin(list(datasets))]
    order = {name: position for position, name in enumerate(styles)}
    return frame.sort_values("method", key=lambda names: names.map(order), kind="stable")


def suite_of(frame: pd.DataFrame) -> str:
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


# Cells


def mean_cells(
    column: pd.DataFrame,
    styles: Styles,
    label: str,
    footnotes: Footnotes,
    comparisons: Comparisons,
) -> dict[str, Cell]:
    """Method -> cell of a column of ``summary``, all with the same number of decimals."""
    places = decimals(column)
    best = _best(column)
    compared = comparisons.get(column.dataset.iloc[0], ())
    tied = {c.other for c in compared if c.best == best and c.verdict == "tied"}
    cells = {}
    for row in column.to_dict("records"):
        mark = footnotes.mark(f"{styles[row['method']]['label']} on {label}", row["reasons"])
        number = mean_sd(row["mean"], row["sd"], places)
        text = f"{number} {_count(row['n'], row['runs'])}" if row["n"] else DASH
        method = row["method"]
        cells[method] = Cell(text + mark, bold=method == best, underlined=method in tied)
    return cells


def _ranked(column: pd.DataFrame) -> list[str]:
    """Methods that may be ranked: the one largest group under equal protocols, without gaps."""
    groups: dict[tuple[str, ...], list[str]] = {}
    for row in column[(column.n == column.runs) & ~column.control].to_dict("records"):
        if len(row["protocols"]) == 1:
            groups.setdefault(row["protocols"][0], []).append(row["method"])
    sizes = sorted((len(group) for group in groups.values()), reverse=True)
    if not sizes or sizes[0] < 2 or sizes.count(sizes[0]) > 1:
        return []
    return max(groups.values(), key=len)


def _best(column: pd.DataFrame) -> str | None:
    means = column[column.method.isin(_ranked(column))].set_index("method")["mean"]
    return None if means.empty else str(means.idxmin())


def _quality_cells(
    column: pd.DataFrame,
    floor: float | None,
    styles: Styles,
    label: str,
    footnotes: Footnotes,
) -> dict[str, Cell]:
    """Method -> cell of a column of distances, the floor among them."""
    found = mean_cells(column, styles, label, footnotes, {}) if len(column) else {}
    text = DASH if floor is None else mean_sd(floor, float("nan"), decimals(column))
    return {**found, FLOOR: Cell(text)}


def _values(found: Iterable[Mapping[str, Any]]) -> dict[str, Any]:
    return {record["metric"]: record["value"] for record in found}


def _by_method(column: pd.DataFrame) -> list[tuple[str, dict[Any, Any]]]:
    return [(row["method"], row) for row in column.to_dict("records")]


def _cost_cells(
    runs: pd.DataFrame, known: Mapping[Any, Any], where: str, footnotes: Footnotes
) -> list[Cell]:
    """The count of runs with any cost, then one cell per cost."""
    costs = runs[runs.metric.isin(list(COSTS))]
    measured = {int(seed) for seed in costs.seed[costs.value.notna()]}
    total = runs.seed.nunique()
    reasons = _reasons(runs, "nll", measured)
    count = f"{total}" if len(measured) == total else f"{len(measured)} of {total}"
    cells = [Cell(count + footnotes.mark(where, reasons) if measured or reasons else DASH)]
    for metric, (_, factor) in COSTS.items():
        row = known.get(metric, {"n": 0, "reasons": {}})
        own = {seed: why for seed, why in row["reasons"].items() if seed in measured}
        cells.append(Cell(_cost(row, factor, len(measured)) + footnotes.mark(where, own)))
    return cells


def _cost(row: Mapping[str, Any], factor: float, measured: int) -> str:
    if not row["n"]:
        return DASH
    partial = f" {_count(row['n'], measured)}" if row["n"] < measured else ""
    return mean_sd(factor * row["mean"], factor * row["sd"], None) + partial


# Numbers


def _places(number: float, significant: int) -> int:
    """Decimals that show ``number`` with so many significant digits; negative above them."""
    exponent = int(f"{number:.{significant - 1}e}".split("e")[1])
    return significant - 1 - exponent


def decimals(column: pd.DataFrame) -> int:
    """Two digits of the typical spread of a column, at least one of the smallest; 3 for none."""
    spreads = column.sd if column.sd.gt(0).any() else column.standard_error
    spreads = spreads[spreads > 0]
    if spreads.empty:
        return 3
    return min(max(_places(spreads.median(), 2), _places(spreads.min(), 1), 0), 6)


def mean_sd(mean: float, sd: float, decimals: int | None) -> str:
    """``3.512 ± 0.012``; no sd for one run. ``decimals`` None: decided by this number alone."""
    if decimals is None and not sd > 1e-12 * abs(mean):  # equal values, up to rounding
        return _number(mean, 0 if mean == round(mean) else max(_places(abs(mean), 3), 0))
    places = _places(sd, 2) if decimals is None else decimals
    return _number(mean, places) + (f" ± {_number(sd, places)}" if pd.notna(sd) else "")


def _number(number: float, places: int) -> str:
    return f"{round(number, places):z,.{max(places, 0)}f}"


def _count(n: int, runs: int) -> str:
    return f"(n={n})" if n == runs else f"(n={n} of {runs})"


def _count_noun(noun: str, items: Iterable[Any]) -> str:
    items = [str(item) for item in items]
    return f"{noun}{'s' if len(items) > 1 else ''} {', '.join(items)}"


def _letters(index: int) -> str:
    """a, b, ..., z, aa, ab, ..."""
    head, last = divmod(index, 26)
    return (_letters(head - 1) if head else "") + chr(ord("a") + last)


# Notes


def nll_notes(
    frame: pd.DataFrame, styles: Styles, datasets: Mapping[str, str], comparisons: Comparisons
) -> list[str]:
    """What means, marks and ranks are, and how the NLL of each data set was measured."""
    cells = summary(frame)
    notes = [
        "Mean ± standard deviation over n refits (seeds); a single run has no standard deviation. "
        "A dash without a mark: not applicable to this data set.",
        "Bold: lowest mean among the methods measured under one protocol. Underlined: cannot be "
        f"told from it (p > {LEVEL}; the larger p-value of two paired t tests of the NLL, over "
        "test rows and over refits, with Holm's correction for the comparisons on the data set). "
        "Controls, which are not trained, are references and are not ranked.",
    ]
    for dataset, label in datasets.items():
        column = cells[(cells.dataset == dataset) & (cells.metric == "nll")]
        notes += _measurement(frame[frame.dataset == dataset], label)
        notes += _disagreement(column, styles, label)
        notes += _too_few(comparisons.get(dataset, ()), styles, label)
    return notes + _provenance(frame[frame.metric.isin(LIKELIHOOD)], styles, datasets)


def _measurement(runs: pd.DataFrame, label: str) -> list[str]:
    """Test rows, their standard error and the solver's, in words."""
    nll = runs[(runs.metric == "nll") & runs.value.notna()]
    if nll.empty:
        return []
    unit = nll.unit.iloc[0]
    words = [f"{_span(nll.n)} test rows"]
    if nll.standard_error.notna().any():
        typical = nll.standard_error.median()
        words.append(f"standard error over test rows typically {typical:.2g} {unit}")
    solver = runs.value[runs.metric == "solver_error"]
    if solver.notna().any():
        words.append(f"solver error at most {_upper(solver.max()):.1g} {unit}")
    probes = runs.value[runs.metric == "probe_error"]
    if probes.notna().any():
        words.append(
            f"standard error over probes and passes at most {_upper(probes.max()):.1g} {unit}"
        )
    return [f"{label}: {'; '.join(words)}."]


def _upper(value: float) -> float:
    """The next number above with one significant digit."""
    step = 10.0 ** np.floor(np.log10(value)) if value else 1.0
    return float(np.ceil(value / step) * step)


def _span(counts: pd.Series) -> str:
    low, high = counts.min(), counts.max()
    return f"{low}" if low == high else f"{low} to {high}"


def _disagreement(column: pd.DataFrame, styles: Styles, label: str) -> list[str]:
    """Learned methods that cannot be compared, and what sets them apart."""
    learned = column[(column.n > 0) & ~column.control]
    protocols = dict(zip(learned.method, learned.protocols, strict=True))
    distinct = {protocol for used in protocols.values() for protocol in used}
    if len(distinct) < 2:
        return []
    shared = set.intersection(*map(set, distinct))
    apart = []
    for method, used in protocols.items():
        own = [item for protocol in used for item in protocol if item not in shared]
        mixed = "seeds differ: " if len(used) > 1 else ""
        apart.append(f"{styles[method]['label']} ({mixed}{', '.join(own)})")
    ranked = [styles[method]["label"] for method in _ranked(column)]
    verdict = f"only {', '.join(ranked)} are ranked" if ranked else "none are ranked"
    return [f"{label}: protocols differ, {verdict}: {'; '.join(apart)}."]


def _too_few(comparisons: Sequence[Comparison], styles: Styles, label: str) -> list[str]:
    """Methods whose refits are too few for a test against the best."""
    untold = [c for c in comparisons if c.verdict == "n too small to tell"]
    if not untold:
        return []
    others = ", ".join(styles[c.other]["label"] for c in untold)
    return [
        f"{label}: fewer than two refits, too few to tell whether {others} and "
        f"{styles[untold[0].best]['label']} differ."
    ]


def _provenance(frame: pd.DataFrame, styles: Styles, datasets: Mapping[str, str]) -> list[str]:
    """Commits; a warning where seeds of one column come from different or uncommitted source."""
    columns = ["dataset", "method", "metric", "value"]
    origins = [f"provenance.{key}" for key in ("commit", "source", "dirty")]
    frame = frame.reindex(columns=columns + origins).dropna(subset="value")
    commits = [commit[:12] for commit in frame["provenance.commit"].dropna().unique()]
    notes = [f"{_count_noun('Commit', commits)}."] if commits else []
    dirty = []
    for (dataset, method), runs in frame.groupby(["dataset", "method"], sort=False):
        where = f"{styles[str(method)]['label']} on {datasets[str(dataset)]}"
        # Per metric: rules that measure different things depend on different source files.
        if (runs.groupby("metric")["provenance.source"].nunique() > 1).any():
            hashes = ", ".join(sorted(runs["provenance.source"].dropna().unique()))
            notes.append(f"{where}: seeds come from different versions of the source ({hashes}).")
        if (runs["provenance.dirty"] == "true").any():
            dirty.append(where)
    return notes + ([f"Uncommitted changes when measured: {'; '.join(dirty)}."] if dirty else [])


def _published_distances(
    distances: Mapping[str, tuple[str, str]],
    datasets: Mapping[str, str],
    against: Mapping[str, str],
) -> list[str]:
    """Published FIDs, for context: of other code, and of other numbers of images."""
    notes, statuses = [], []
    for name, (metric, _) in distances.items():
        found = published.results(metric).get(against.get(name, ""), {})
        words = [
            f"{published.LABELS[method]} {value.value:g}{published.MARKS[value.status]}"
            for method, value in found.items()
        ]
        statuses += [value.status for value in found.values()]
        if words:
            notes.append(
                f"{datasets[name]}: published {metric.upper()}, by other code (of the resizing, on "
                f"which it depends, papers say little): {', '.join(words)}."
            )
    return [*notes, published.explained(statuses)] if notes else []


def _quality_notes(
    frame: pd.DataFrame,
    floors: Mapping[str, Sequence[Mapping[str, Any]]],
    distances: Mapping[str, tuple[str, str]],
    styles: Styles,
    datasets: Mapping[str, str],
) -> list[str]:
    """What the distances are, and how the images were drawn."""
    notes = [
        "Mean ± standard deviation over n refits (seeds). Bold: lowest mean among the methods "
        "measured under one protocol, without a test of significance. NFE: evaluations of the "
        "velocity for one image. The floor is the distance of test images from the training "
        "images by the same code; a set of samples of another size has another bias.",
    ]
    keys = ("extractor", "resize", "reference", "samples", "noise", "solver", "atol", "rtol")
    for dataset, names in distances.items():
        label, floor = datasets[dataset], floors.get(dataset, ())
        runs = frame[(frame.dataset == dataset) & (frame.metric == names[0])]
        stated = [f"protocol.{key}" for key in keys if f"protocol.{key}" in runs]
        words = [_stated(runs, name, styles) for name in stated]
        notes.append(f"{label}: {'; '.join(word for word in words if word) or 'not measured'}.")
        notes += [f"{label}: floor of {record['n']:,} test images." for record in floor[:1]]
        if right := _values(floor).get("classifier_accuracy"):
            notes.append(f"{label}: the classifier tells {right:.1%} of the test images right.")
    compared = [name for names in distances.values() for name in names]
    return notes + _provenance(frame[frame.metric.isin(compared)], styles, datasets)


def _cost_notes(frame: pd.DataFrame, styles: Styles, datasets: Mapping[str, str]) -> list[str]:
    """How the clocks ran: everything the protocol and the device say."""
    stated = [name for name in frame.columns if name.startswith("protocol.")]
    stated += [f"provenance.{key}" for key in ("device", "threads") if f"provenance.{key}" in frame]
    words = [_stated(frame, name, styles) for name in stated if name != "protocol.data"]
    notes = [
        "Mean ± standard deviation over n refits (seeds); no deviation is shown for a single run "
        "or equal values. NFE: evaluations of the velocity. "
        "A dash without a mark: see n, or not applicable.",
        *([f"Measured with {'; '.join(word for word in words if word)}."] if any(words) else []),
    ]
    if "provenance.device" in frame and frame["provenance.device"].nunique() > 1:
        notes.append("Times on different devices cannot be compared.")
    return notes + _provenance(frame, styles, datasets)


def _interruptions(frame: pd.DataFrame) -> list[str]:
    """How many runs were interrupted, where any was."""
    counted = frame[frame.metric.isin(INTERRUPTIONS)]
    counts = counted.groupby(["dataset", "method", "seed"]).value.sum()
    counts = counts[counts > 0]
    if counts.empty:
        return []
    verb = "run was" if len(counts) == 1 else "runs were"
    return [
        f"{len(counts)} {verb} interrupted and went on ({counts.sum():.0f} times in all); clocks "
        f"leave out lost and repeated work."
    ]


def _stated(frame: pd.DataFrame, name: str, styles: Styles) -> str:
    """``key: value``; with several values, each names its methods."""
    known = frame.dropna(subset=[name, "value"])
    values = {
        str(value): [styles[method]["label"] for method in rows.method.unique()]
        for value, rows in known.groupby(name, sort=False)
    }
    if len(values) > 1:
        words = [f"{value} ({', '.join(methods)})" for value, methods in values.items()]
    else:
        words = list(values)
    return f"{name.split('.', 1)[1]}: {', '.join(words)}" if words else ""
