"""Cells of means over seeds, and the columns that records make."""

from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from benchmark.report.labels import Styles
from benchmark.report.numbers import count, mean_sd, places
from benchmark.report.ranking import best
from benchmark.report.significance import Comparison
from benchmark.report.table import DASH, Cell
from benchmark.report.tables.footnotes import Footnotes

Comparisons = Mapping[str, Sequence[Comparison]]
"""Data set -> the method with the lowest mean NLL against each other ranked one."""

UNITLESS = ("", "1")


def mean_cells(
    column: pd.DataFrame,
    styles: Styles,
    label: str,
    footnotes: Footnotes,
    comparisons: Comparisons,
) -> dict[str, Cell]:
    """Method -> cell of a column of ``summary``, all with the same number of decimals."""
    shown, first = decimals(column), best(column)
    compared = comparisons.get(column.dataset.iloc[0], ())
    tied = {c.other for c in compared if c.best == first and c.verdict == "tied"}
    cells = {}
    for row in column.to_dict("records"):
        method = row["method"]
        mark = footnotes.mark(f"{styles[method].label} on {label}", row["reasons"])
        number = mean_sd(row["mean"], row["sd"], shown)
        text = f"{number} {count(row['n'], row['runs'])}" if row["n"] else DASH
        cells[method] = Cell(text + mark, bold=method == first, underlined=method in tied)
    return cells


def plain_cell(row: Mapping[Any, Any], measured: int) -> str:
    """A mean that decides its decimals alone, with its count where that is below ``measured``."""
    if not row["n"]:
        return DASH
    partial = f" {count(row['n'], measured)}" if row["n"] < measured else ""
    return mean_sd(row["mean"], row["sd"], None) + partial


def decimals(column: pd.DataFrame) -> int:
    """Two digits of the typical spread of a column, at least one of the smallest; 3 for none."""
    spreads = column.sd if column.sd.gt(0).any() else column.standard_error
    spreads = spreads[spreads > 0]
    if spreads.empty:
        return 3
    return min(max(places(spreads.median(), 2), places(spreads.min(), 1), 0), 6)


def headings(frame: pd.DataFrame) -> dict[str, str]:
    """Metric -> heading of the records that are columns, in the order of their files.

    The run with most of them gives the order; what it lacks follows.
    """
    columns = frame[frame.heading.notna()]
    runs = [own for _, own in columns.groupby(["dataset", "method", "seed"], sort=False)]
    runs.sort(key=len, reverse=True)
    ordered = pd.concat([columns.iloc[:0], *runs]).drop_duplicates("metric")
    return dict(zip(ordered.metric, ordered.heading, strict=True))


def bracketed(text: str, unit: str) -> str:
    """``text [unit]``, or the text of what has no unit."""
    return text if unit in UNITLESS else f"{text} [{unit}]"
