"""The table of a further measurement: methods against data sets, with the columns of its records.

Means are in bold where they are the best, in the direction of their metric, among the methods
measured under one protocol.
"""

import json

import pandas as pd

from benchmark.report import collected
from benchmark.report.asked import Suite
from benchmark.report.frame import selected, suite_name
from benchmark.report.labels import Labels, Styles, labels_of, styles_of
from benchmark.report.table import Cell, Table
from benchmark.report.tables import notes
from benchmark.report.tables.cells import mean_cells, plain_cell
from benchmark.report.tables.columns import Column, columns, method_rows, methods_of
from benchmark.report.tables.footnotes import Footnotes
from benchmark.report.tables.written import write_table

EXPLAINED = (
    "Mean ± standard deviation over n refits (seeds); a single run has no standard deviation. "
    "A dash without a mark: not applicable to this data set.",
    "Bold: best mean among the methods measured under one protocol, without a test of "
    "significance. Controls, which are not trained, are references and are not ranked.",
)


def write(suite: Suite, name: str) -> None:
    """The files of the table."""
    frame, label = collected.read(suite), suite.measurement_label(name)
    made = table(frame, name, label, styles_of(suite), labels_of(suite))
    write_table(suite, name, made, frame[frame.measurement == name])


def table(
    frame: pd.DataFrame, measurement: str, title: str, styles: Styles, labels: Labels
) -> Table:
    """The metrics of ``measurement`` that have headings; see ``nll.table``."""
    frame, footnotes = selected(frame, styles, labels), Footnotes()
    shown = columns(frame, measurement, title, labels)
    own = frame[frame.measurement == measurement]
    return Table(
        caption=f"{title}, suite {suite_name(frame)}.",
        columns=("Method\n", *(column.heading for column in shown)),
        rows=method_rows(
            methods_of(frame, styles), [cells(column, styles, footnotes) for column in shown]
        ),
        notes=(
            *EXPLAINED,
            *(_protocol(own, column, styles) for column in shown),
            *_beside(own, labels),
            *(n for c in shown for n in notes.ranks(c.means, styles, c.heading_in_line)),
            *notes.origins(own, styles, labels),
            *footnotes.notes(),
        ),
    )


def cells(column: Column, styles: Styles, footnotes: Footnotes) -> dict[str, Cell]:
    """Method -> cell. A metric without a direction is context: each number has its own decimals."""
    if set(column.means.direction.dropna()) == {"none"}:
        rows = column.means.to_dict("records")
        return {row["method"]: Cell(plain_cell(row, row["n"])) for row in rows}
    return mean_cells(column.means, styles, column.label, footnotes, {})


def _protocol(own: pd.DataFrame, column: Column, styles: Styles) -> str:
    """The part of the protocol that had to agree, in words."""
    runs = own[(own.dataset == column.dataset) & (own.metric == column.metric)]
    keys = dict.fromkeys(key for keys in runs.compared.dropna() for key in json.loads(keys))
    words = notes.all_stated(runs, [f"protocol.{key}" for key in keys], styles)
    return f"{column.heading_in_line}: {words or 'not measured'}."


def _beside(own: pd.DataFrame, labels: Labels) -> list[str]:
    """The range of each metric that is no column, over all runs."""
    other = own[own.heading.isna() & own.value.notna()]
    lines = []
    for (dataset, metric), rows in other.groupby(["dataset", "metric"], sort=False):
        ends = dict.fromkeys(f"{end:.3g}" for end in (rows.value.min(), rows.value.max()))
        name = str(metric).replace("_", " ")
        lines.append(f"{labels[str(dataset)]}: {name} {' to '.join(ends)}.")
    return lines
