"""The table of the NLL, and of the KL divergence where the true density is known."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

import pandas as pd

from benchmark.records.records import NLL
from benchmark.report import audits, collected, doubts
from benchmark.report.asked import Suite
from benchmark.report.frame import selected, suite_name, summary
from benchmark.report.labels import Labels, Styles, labels_of, styles_of
from benchmark.report.numbers import upper
from benchmark.report.significance import LEVEL, Comparison, Verdict
from benchmark.report.table import Cell, Table
from benchmark.report.tables import notes
from benchmark.report.tables.cells import Comparisons, mean_cells
from benchmark.report.tables.columns import Column, columns, method_rows, methods_of
from benchmark.report.tables.footnotes import Footnotes
from benchmark.report.tables.written import write_table

UNTOLD: Mapping[Verdict, str] = {
    "n too small to tell": "too few refits or test rows to tell",
    "no spread to tell by": "no spread over refits or test rows to tell by",
}
"""Verdicts that leave it open which method is better, in the words of a note."""


def write(suite: Suite) -> None:
    """The files of the table."""
    frame = collected.read(suite)
    compared = collected.comparisons(suite, frame)
    made = table(frame, styles_of(suite), labels_of(suite), compared)
    made = replace(made, notes=(*made.notes, *doubts.notes(suite, frame, suite.datasets)))
    write_table(suite, NLL, made, frame[frame.measurement == NLL])


def table(frame: pd.DataFrame, styles: Styles, labels: Labels, comparisons: Comparisons) -> Table:
    """Negative log-likelihood, and KL divergence where known: methods against data sets.

    ``frame`` is that of ``metrics``, of one suite. ``styles`` and ``labels`` choose and order rows
    and columns.
    """
    frame, footnotes = selected(frame, styles, labels), Footnotes()
    shown = columns(frame, NLL, "NLL", labels)
    entries = [
        _marked(
            mean_cells(c.means, styles, c.label, footnotes, comparisons),
            *(c, frame, styles, footnotes),
        )
        for c in shown
    ]
    return Table(
        caption=f"Negative log-likelihood on test data, suite {suite_name(frame)}.",
        columns=("Method\n", *(column.heading for column in shown)),
        rows=method_rows(methods_of(frame, styles), entries),
        notes=(
            *nll_notes(frame, styles, labels, comparisons),
            *audits.notes(frame, styles, labels),
            *footnotes.notes(),
        ),
    )


def _marked(
    cells: dict[str, Cell],
    column: Column,
    frame: pd.DataFrame,
    styles: Styles,
    footnotes: Footnotes,
) -> dict[str, Cell]:
    """The cells of the NLL, marked where an audit found something wrong."""
    wrong = audits.marks(frame, column.dataset) if column.metric == NLL else {}
    missing = dict(zip(column.means.method, column.means.reasons, strict=True))
    marked = dict(cells)
    for method, reasons in wrong.items():
        shown = {seed: why for seed, why in reasons.items() if seed not in missing[method]}
        mark = footnotes.mark(f"{styles[method].label} on {column.label}", shown)
        marked[method] = cells[method]._replace(text=cells[method].text + mark)
    return marked


def nll_notes(
    frame: pd.DataFrame, styles: Styles, labels: Labels, comparisons: Comparisons
) -> list[str]:
    """Notes on means, marks and ranks, and on how the NLL of each data set was measured."""
    cells = summary(frame)
    lines = [
        "Mean ± standard deviation over n refits (seeds); a single run has no standard deviation. "
        "A dash without a mark: not applicable to this data set.",
        "Bold: lowest mean among the methods measured under one protocol. Underlined: not "
        f"significantly different from the best (paired tests: p > {LEVEL}; the larger p-value of "
        "two paired t tests of the NLL, over test rows and over refits, with Holm's correction for "
        "the comparisons on the data set). Controls, which are not trained, are references and are "
        "not ranked.",
    ]
    for dataset, label in labels.items():
        column = cells[(cells.dataset == dataset) & (cells.metric == NLL)]
        lines += _measurement(frame[frame.dataset == dataset], styles, label)
        lines += notes.ranks(column, styles, label)
        lines += _untold(comparisons.get(dataset, ()), styles, label)
    return lines + notes.origins(frame[frame.measurement == NLL], styles, labels)


def _measurement(runs: pd.DataFrame, styles: Styles, label: str) -> list[str]:
    """Test rows, their standard error and the solver's, in words."""
    nll = runs[(runs.metric == NLL) & runs.value.notna()]
    if nll.empty:
        return []
    unit = nll.unit.iloc[0]
    words = [f"{_span(nll.n)} test rows"]
    if nll.standard_error.notna().any():
        typical = nll.standard_error.median()
        words.append(f"standard error over test rows typically {typical:.2g} {unit}")
    for metric, what in (
        ("solver_error", "solver error"),
        ("probe_error", "standard error over probes and passes"),
    ):
        values = runs.value[runs.metric == metric]
        if values.notna().any():
            words.append(f"{what} at most {upper(values.max()):.1g} {unit}")
    return [f"{label}: {'; '.join(words)}.", *_without_error(runs, styles, label)]


def _without_error(runs: pd.DataFrame, styles: Styles, label: str) -> list[str]:
    """Methods that solve an ODE and have an NLL, but not the error of the solver, and why."""
    known = runs[(runs.metric == NLL) & runs.value.notna()].set_index(["method", "seed"]).index
    solved = ~runs.reindex(columns=["protocol.solver"])["protocol.solver"].fillna(
        "none"
    ).str.startswith("none")
    own = runs[(runs.metric == "solver_error") & runs.reason.notna() & solved]
    own = own[own.set_index(["method", "seed"]).index.isin(known)]
    reasons = own.drop_duplicates(["method", "reason"]).to_dict("records")
    words = [f"{styles[row['method']].label} ({row['reason']})" for row in reasons]
    return [f"{label}: no solver error of {'; '.join(words)}."] if words else []


def _span(counts: pd.Series) -> str:
    low, high = counts.min(), counts.max()
    return f"{low}" if low == high else f"{low} to {high}"


def _untold(comparisons: Sequence[Comparison], styles: Styles, label: str) -> list[str]:
    """Methods of which it cannot be told whether they differ from the best, and why."""
    lines = []
    for verdict, why in UNTOLD.items():
        others = [styles[c.other].label for c in comparisons if c.verdict == verdict]
        if others:
            best = styles[comparisons[0].best].label
            lines.append(f"{label}: {why} whether {', '.join(others)} and {best} differ.")
    return lines
