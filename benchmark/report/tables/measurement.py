"""The table of a further measurement: methods against data sets, with the columns of its records.

Means are in bold where they are the best, in the direction of their metric, among the methods
measured under one protocol.
"""

import json
import math

import pandas as pd

from benchmark.records.records import FLOOR
from benchmark.report import collected
from benchmark.report.asked import Suite
from benchmark.report.frame import selected, suite_name
from benchmark.report.labels import Labels, Styles, labels_of, styles_of
from benchmark.report.numbers import mean_sd
from benchmark.report.table import DASH, Cell, Table
from benchmark.report.tables import notes
from benchmark.report.tables.cells import decimals, mean_cells, plain_cell
from benchmark.report.tables.columns import Column, columns, method_rows, methods_of
from benchmark.report.tables.footnotes import Footnotes
from benchmark.report.tables.written import write_table

EXPLAINED = (
    "Mean ± standard deviation over n refits (seeds); a single run has no standard deviation. "
    "A dash without a mark: not applicable to this data set.",
    "Bold: best mean among the methods measured under one protocol, without a test of "
    "significance. Controls, which are not trained, are references and are not ranked.",
)
EXPLAINED_FLOOR = "Floor: the same number of training rows instead of samples, by the same code."


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
    floors = {column.metric: floor_of(column.metric) for column in shown}
    known = bool(own[own.metric.isin(list(floors.values()))].value.notna().any())
    entries = [
        {**cells(column, styles, footnotes), FLOOR: _floor_cell(own, column)} for column in shown
    ]
    return Table(
        caption=f"{title}, suite {suite_name(frame)}.",
        columns=("Method\n", *(column.heading for column in shown)),
        rows=method_rows(
            {**methods_of(frame, styles), **({FLOOR: "Floor"} if known else {})}, entries
        ),
        notes=(
            *EXPLAINED,
            *([EXPLAINED_FLOOR] if known else []),
            *(line for column in shown for line in _protocol(own, column, styles)),
            *_beside(own[~own.metric.isin(list(floors.values()))], labels),
            *(n for c in shown for n in notes.ranks(c.means, styles, c.heading_in_line)),
            *notes.origins(own, styles, labels),
            *footnotes.notes(),
        ),
    )


def cells(column: Column, styles: Styles, footnotes: Footnotes) -> dict[str, Cell]:
    """Method -> cell. A metric without a direction is context: each number has its own decimals."""
    if set(column.means.direction.dropna()) != {"none"}:
        return mean_cells(column.means, styles, column.label, footnotes, {})
    made = {}
    for row in column.means.to_dict("records"):
        where = f"{styles[row['method']].label} on {column.label}"
        mark = footnotes.mark(where, row["reasons"])
        made[row["method"]] = Cell(plain_cell(row, row["n"]) + mark)
    return made


def floor_of(metric: str) -> str:
    """The name of the floor of a metric: what it is of training rows."""
    return f"{metric}_{FLOOR}"


def _floor_cell(own: pd.DataFrame, column: Column) -> Cell:
    """The floor on a data set; its range, where methods drew other numbers of samples."""
    values = own.value[(own.dataset == column.dataset) & (own.metric == floor_of(column.metric))]
    ends = dict.fromkeys([values.min(), values.max()]) if values.notna().any() else {}
    texts = (mean_sd(end, math.nan, decimals(column.means)) for end in ends)
    return Cell(" to ".join(dict.fromkeys(texts)) or DASH)


def _protocol(own: pd.DataFrame, column: Column, styles: Styles) -> list[str]:
    """The part of the protocol that had to agree, and the standard error, in words, if any."""
    runs = own[(own.dataset == column.dataset) & (own.metric == column.metric)]
    keys = dict.fromkeys(key for keys in runs.compared.dropna() for key in json.loads(keys))
    stated = notes.all_stated(runs, [f"protocol.{key}" for key in keys], styles)
    errors = runs.standard_error.dropna()
    typical = [f"standard error of one run typically {errors.median():.2g}"] if len(errors) else []
    words = [*filter(None, [stated]), *typical]
    if runs.value.isna().all():
        words = ["not measured"]
    return [f"{column.heading_in_line}: {'; '.join(words)}."] if words else []


def _beside(own: pd.DataFrame, labels: Labels) -> list[str]:
    """The range of each metric that is no column, over all runs."""
    other = own[own.heading.isna() & own.value.notna()]
    lines = []
    for (dataset, metric), rows in other.groupby(["dataset", "metric"], sort=False):
        ends = dict.fromkeys(f"{end:.3g}" for end in (rows.value.min(), rows.value.max()))
        name = str(metric).replace("_", " ")
        lines.append(f"{labels[str(dataset)]}: {name} {' to '.join(ends)}.")
    return lines
