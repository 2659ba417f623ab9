"""The table of published and measured numbers. Methods that are only published are its context."""

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, replace
from typing import Any

import pandas as pd

from benchmark.files import write_json
from benchmark.records.records import NLL
from benchmark.records.run import suite_folder
from benchmark.report import collected, doubts
from benchmark.report.asked import Suite
from benchmark.report.frame import suite_name, summary, unit
from benchmark.report.labels import Labels, Styles, labels_of, styles_of
from benchmark.report.reproduction import (
    Against,
    Row,
    Verdict,
    against_of,
    marked,
    signed,
)
from benchmark.report.table import DASH, Cell, Table
from benchmark.report.tables.cells import Comparisons, decimals, mean_cells
from benchmark.report.tables.columns import method_rows
from benchmark.report.tables.footnotes import Footnotes
from benchmark.report.tables.nll import nll_notes
from benchmark.report.tables.written import write_table
from benchmark.suite import published
from benchmark.suite.published import LABELS, UPPER_BOUNDS, Published, explained, varied

NOT_PUBLISHED = "not published"
NOT_RUN = "not run in this suite"


def write(suite: Suite, name: str, *datasets: str) -> None:
    """The files of the table ``name`` of ``datasets``, and its rows (JSON)."""
    frame = collected.collect(suite, [run for run in suite.runs if run.dataset in datasets])
    against = {name: known for name, known in against_of(suite).items() if name in datasets}
    styles, compared = styles_of(suite), collected.comparisons(suite, frame)
    made = table(frame, styles, labels_of(suite), against, compared)
    made = replace(made, notes=(*made.notes, *doubts.notes(suite, frame, datasets)))
    write_table(suite, name, made, frame[frame.measurement == NLL])
    stem = suite_folder(suite.name) / "tables" / name
    write_json(f"{stem}.json", [asdict(row) for row in rows(frame, styles, against)])


def rows(frame: pd.DataFrame, styles: Styles, against: Mapping[str, Against]) -> list[Row]:
    """Data set by data set the methods of the suite, then those that are only published.

    ``frame`` is that of ``metrics``.
    """
    return list(_rows(frame, styles, against))


def table(
    frame: pd.DataFrame,
    styles: Styles,
    labels: Labels,
    against: Mapping[str, Against],
    comparisons: Comparisons,
) -> Table:
    """Four columns per data set of ``against``: published, measured, difference, verdict."""
    compared = rows(frame, styles, against)
    names = {**LABELS, **{name: style.label for name, style in styles.items()}}
    shown = {name: labels[name] for name in against}
    footnotes = Footnotes()
    columns: list[str] = []
    entries: list[dict[str, Cell]] = []
    for dataset, label in shown.items():
        own = [row for row in compared if row.dataset == dataset]
        columns += _headings(label, unit(frame, dataset, NLL))
        entries += _entries(own, frame, styles, label, footnotes, comparisons)
    return Table(
        caption=f"Published and measured NLL on test data, suite {suite_name(frame)}.",
        columns=("Method\n", *columns),
        rows=method_rows({row.method: names[row.method] for row in compared}, entries),
        notes=(
            *_notes(compared, styles, shown, against),
            *nll_notes(frame, styles, shown, comparisons),
            *footnotes.notes(),
        ),
    )


# Rows


def _rows(frame: pd.DataFrame, styles: Styles, against: Mapping[str, Against]) -> Iterator[Row]:
    cells = summary(frame)
    nll = cells[cells.metric == NLL]
    means = {(row["dataset"], row["method"]): row for row in nll.to_dict("records")}
    for dataset, other in against.items():
        known = published.results(NLL)[other.published]
        ours = {varied(method) for method in styles}
        for method in (*styles, *(name for name in known if name not in ours)):
            mean, value = means.get((dataset, method)), known.get(varied(method))
            if mean is not None or value is not None:
                yield _row(dataset, method, mean, value, other.tolerance)


def _row(
    dataset: str,
    method: str,
    mean: Mapping[Any, Any] | None,
    value: Published | None,
    tolerance: float,
) -> Row:
    measured = mean["mean"] if mean and mean["n"] else None
    difference = measured - value.value if measured is not None and value else None
    verdict, reason = _verdict(mean, value, difference, tolerance)
    return Row(
        *(dataset, method),
        published=value.value if value else None,
        status=value.status if value else None,
        measured=measured,
        sd=mean["sd"] if mean and not math.isnan(mean["sd"]) else None,
        n=mean["n"] if mean else 0,
        difference=difference,
        tolerance=tolerance,
        verdict=verdict,
        reason=reason,
    )


def _verdict(
    mean: Mapping[Any, Any] | None,
    value: Published | None,
    difference: float | None,
    tolerance: float,
) -> tuple[Verdict | None, str | None]:
    """The verdict, and the reason where nothing is compared or something is missing."""
    if value is None:
        return None, NOT_PUBLISHED
    if mean is None:
        return None, NOT_RUN
    if difference is None or mean["n"] < mean["runs"]:
        return "missing", "; ".join(dict.fromkeys(mean["reasons"].values()))
    if abs(difference) <= tolerance:
        return "within", None
    return ("better" if difference < 0 else "worse"), None


# Cells


def _headings(label: str, unit: str) -> list[str]:
    heads = ("published", f"measured [{unit}]", "difference", "verdict")
    return [f"{label}\n{head}" for head in heads]


def _entries(
    own: Sequence[Row],
    frame: pd.DataFrame,
    styles: Styles,
    label: str,
    footnotes: Footnotes,
    comparisons: Comparisons,
) -> list[dict[str, Cell]]:
    """Method -> cell, of each of the four columns of the data set of the rows ``own``."""
    cells = summary(frame[frame.dataset == own[0].dataset])
    column = cells[cells.metric == NLL]
    means = mean_cells(column, styles, label, footnotes, comparisons)
    shown = decimals(column)
    return [
        {row.method: Cell(marked(row)) for row in own},
        {row.method: means.get(row.method, Cell(DASH)) for row in own},
        {row.method: Cell(signed(row.difference, shown)) for row in own},
        {row.method: Cell(row.verdict or _nothing(row)) for row in own},
    ]


def _nothing(row: Row) -> str:
    return NOT_PUBLISHED if row.reason == NOT_PUBLISHED else DASH


# Notes


def _notes(
    compared: Sequence[Row],
    styles: Styles,
    labels: Labels,
    against: Mapping[str, Against],
) -> list[str]:
    shown = [row for row in compared if row.status is not None]
    tolerances = [f"{label} {against[name].tolerance:g}" for name, label in labels.items()]
    return [
        *_origin(shown, against),
        "Difference: measured less published. Verdict: within the tolerance, or better (lower) or "
        "worse (higher) than published by more, either of which is out of tolerance; missing: not "
        "measured by every seed.",
        f"The tolerances are ours, in the unit of the NLL: {', '.join(tolerances)}.",
        *(_beside(label, against[name]) for name, label in labels.items()),
        *_variants({row.method for row in shown if row.method in styles}, styles),
    ]


def _origin(shown: Iterable[Row], against: Mapping[str, Against]) -> list[str]:
    """Where the published numbers come from, what their marks mean, and which are bounds."""
    known = published.results(NLL)
    pairs = [(known[against[row.dataset].published][varied(row.method)], row) for row in shown]
    sources = sorted({value.source for value, _ in pairs})
    marks = explained(value.status for value, _ in pairs)
    bounds = sorted({LABELS[row.method] for _, row in pairs if row.method in UPPER_BOUNDS})
    return [
        *([f"Published: test NLL from {', '.join(sources)}. {marks}"] if sources else []),
        *([f"Upper bounds: {', '.join(bounds)}."] if bounds else []),
    ]


def _beside(label: str, other: Against) -> str:
    remark = f": {other.remark.rstrip('.')}" if other.remark else ""
    return f"{label} stands beside the published {other.published}{remark}."


def _variants(methods: Iterable[str], styles: Styles) -> list[str]:
    variants = [name for name in styles if name in methods and name != varied(name)]
    labels = [styles[name].label for name in variants]
    return [f"Beside the number of the method they vary: {', '.join(labels)}."] if labels else []
