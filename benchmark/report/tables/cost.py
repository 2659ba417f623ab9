"""The table of the cost of training and evaluation."""

from collections.abc import Collection, Mapping
from typing import Any

import pandas as pd

from benchmark.records.records import COST
from benchmark.report import collected
from benchmark.report.asked import Suite
from benchmark.report.frame import reasons, selected, suite_name, summary
from benchmark.report.labels import ELSEWHERE, Labels, Styles, labels_of, styles_of
from benchmark.report.table import DASH, Cell, Table
from benchmark.report.tables import notes
from benchmark.report.tables.cells import UNITLESS, headings, plain_cell
from benchmark.report.tables.footnotes import Footnotes
from benchmark.report.tables.written import write_table

INTERRUPTIONS = ("training_interruptions", "evaluation_interruptions")
"""Metrics that a note reports, not a column."""


def write(suite: Suite) -> None:
    """The files of the table."""
    frame = collected.read(suite)
    made = table(frame, styles_of(suite), labels_of(suite), suite.archives)
    write_table(suite, COST, made, frame[frame.measurement == COST])


def table(
    frame: pd.DataFrame, styles: Styles, labels: Labels, elsewhere: Collection[str] = ()
) -> Table:
    """Cost of training and evaluation: a row per data set and method.

    The clocks of the methods ``elsewhere`` are of another machine, and marked.
    """
    frame, footnotes = selected(frame, styles, labels), Footnotes()
    own, cells = frame[frame.measurement == COST], summary(frame)
    cells, known = cells[cells.measurement == COST], headings(own)
    rows = []
    for (dataset, method), runs in _by_row(frame, styles, labels):
        where = f"{styles[method].label} on {labels[dataset]}"
        means = cells[(cells.dataset == dataset) & (cells.method == method)]
        named = {row["metric"]: row for row in means.to_dict("records") if row["metric"] in known}
        entries = _cells(runs, {metric: named.get(metric) for metric in known}, where, footnotes)
        label = f"{styles[method].label}{ELSEWHERE * (method in elsewhere)}"
        rows.append((Cell(labels[dataset]), Cell(label), *entries))
    return Table(
        caption=f"Cost of training and evaluation, suite {suite_name(frame)}.",
        columns=("Data set\n", "Method\n", "n\n", *_columns(own, known)),
        rows=tuple(rows),
        notes=(
            *_notes(own[own.heading.notna()], styles, labels),
            *_interruptions(own),
            *_diagnostics(own, styles, labels),
            *footnotes.notes(),
        ),
    )


def _by_row(
    frame: pd.DataFrame, styles: Styles, labels: Labels
) -> list[tuple[tuple[str, str], pd.DataFrame]]:
    """Data set and method of each row, and their runs."""
    pairs = [(dataset, method) for dataset in labels for method in styles]
    rows = [(p, frame[(frame.dataset == p[0]) & (frame.method == p[1])]) for p in pairs]
    return [(pair, runs) for pair, runs in rows if len(runs)]


def _columns(own: pd.DataFrame, known: Mapping[str, str]) -> list[str]:
    """Headings with the unit of each, which is one for all data sets."""
    units = {metric: own.unit[own.metric == metric].dropna().unique() for metric in known}
    if many := {metric: list(several) for metric, several in units.items() if len(several) > 1}:
        raise ValueError(
            f"Table: found the units {many}; a column has one unit. "
            f"Evaluate all methods again with one version of the benchmark."
        )
    return [
        f"{heading}\n" + ("" if units[metric][0] in UNITLESS else f"[{units[metric][0]}]")
        for metric, heading in known.items()
    ]


def _cells(
    runs: pd.DataFrame,
    rows: Mapping[str, Mapping[Any, Any] | None],
    where: str,
    footnotes: Footnotes,
) -> list[Cell]:
    """The count of runs with any cost, then one cell per cost (its row of ``summary``)."""
    costs = runs[(runs.measurement == COST) & runs.heading.notna() & runs.value.notna()]
    measured, total = {int(seed) for seed in costs.seed}, runs.seed.nunique()
    missing = reasons(runs.to_dict("records"), COST, COST, measured)
    count = f"{total}" if len(measured) == total else f"{len(measured)} of {total}"
    cells = [Cell(count + footnotes.mark(where, missing) if measured or missing else DASH)]
    for row in rows.values():
        if row is None:
            cells.append(Cell(DASH))
            continue
        own = {seed: reason for seed, reason in row["reasons"].items() if seed in measured}
        cells.append(Cell(plain_cell(row, len(measured)) + footnotes.mark(where, own)))
    return cells


def _notes(costs: pd.DataFrame, styles: Styles, labels: Labels) -> list[str]:
    """How the clocks ran: everything the protocol and the device say."""
    names = [name for name in costs.columns if name.startswith("protocol.")]
    names += [f"provenance.{key}" for key in ("device", "threads")]
    words = notes.all_stated(costs, [name for name in names if name != "protocol.data"], styles)
    lines = [
        "Mean ± standard deviation over n refits (seeds); no deviation is shown for a single run "
        "or equal values. NFE: evaluations of the velocity. "
        "A dash without a mark: see n, or not applicable.",
        *([f"Measured with {words}."] if words else []),
    ]
    if "provenance.device" in costs and costs["provenance.device"].nunique() > 1:
        lines.append("Times on different devices cannot be compared.")
    return lines + notes.origins(costs, styles, labels)


def _interruptions(costs: pd.DataFrame) -> list[str]:
    """How many runs were interrupted, where any was."""
    counted = costs[costs.metric.isin(INTERRUPTIONS)]
    counts = counted.groupby(["dataset", "method", "seed"]).value.sum()
    counts = counts[counts > 0]
    if counts.empty:
        return []
    verb = "run was" if len(counts) == 1 else "runs were"
    return [
        f"{len(counts)} {verb} interrupted and resumed ({counts.sum():.0f} times in all); clocks "
        f"leave out lost and repeated work."
    ]


def _diagnostics(costs: pd.DataFrame, styles: Styles, labels: Labels) -> list[str]:
    """Methods whose diagnostics failed, and why."""
    failed = costs[(costs.metric == "diagnostics") & costs.reason.notna()]
    return [
        f"No diagnostics of {styles[row['method']].label} on {labels[row['dataset']]}: "
        f"{row['reason']}."
        for row in failed.drop_duplicates(["dataset", "method", "reason"]).to_dict("records")
    ]
