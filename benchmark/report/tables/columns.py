"""Columns of a table of methods against data sets, one for each metric that its records name."""

from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

import pandas as pd

from benchmark.report.frame import summary, unit
from benchmark.report.labels import Labels, Styles
from benchmark.report.table import DASH, Cell
from benchmark.report.tables.cells import bracketed, headings


class Column(NamedTuple):
    """A metric on a data set: its heading and its rows of ``summary``."""

    dataset: str
    label: str
    metric: str
    heading: str
    means: pd.DataFrame

    @property
    def heading_in_line(self) -> str:
        """The heading on one line, for notes."""
        return self.heading.replace("\n", ", ")


def columns(frame: pd.DataFrame, measurement: str, title: str, labels: Labels) -> list[Column]:
    """The columns of a measurement, data set by data set.

    ``title`` is the heading on a data set where no run has a value.
    """
    own, means = frame[frame.measurement == measurement], summary(frame)
    means = means[means.measurement == measurement]
    known = {**headings(own), measurement: headings(own).get(measurement, title)}
    return [
        Column(
            *(name, label, metric),
            heading=f"{label}\n{bracketed(known[metric], unit(own, name, metric))}",
            means=means[(means.dataset == name) & (means.metric == metric)],
        )
        for name, label in labels.items()
        for metric in _metrics(own[own.dataset == name], known, measurement)
    ]


def method_rows(
    methods: Mapping[str, str], entries: Sequence[Mapping[str, Cell]]
) -> tuple[tuple[Cell, ...], ...]:
    """A row for each of ``methods`` (name -> label), a cell for each column of ``entries``."""
    return tuple(
        (Cell(label), *(entry.get(method, Cell(DASH)) for entry in entries))
        for method, label in methods.items()
    )


def methods_of(frame: pd.DataFrame, styles: Styles) -> dict[str, str]:
    """Labels of the methods of a frame, in the order of the suite."""
    present = set(frame.method)
    return {name: style.label for name, style in styles.items() if name in present}


def _metrics(own: pd.DataFrame, known: Iterable[str], measurement: str) -> list[str]:
    """Metrics that are columns on a data set, or the measurement itself where it is missing."""
    named = set(own.metric[own.heading.notna()])
    if not named:
        return [measurement] if len(own) else []
    return [metric for metric in known if metric in named]
