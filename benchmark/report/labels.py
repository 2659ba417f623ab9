"""Labels and colours of methods and data sets, in the order of the suite."""

from collections.abc import Mapping
from dataclasses import dataclass

from benchmark.report.asked import Suite


@dataclass(frozen=True)
class Style:
    """The name of a method in tables and figures, and its colour in every figure."""

    label: str
    colour: str


Styles = Mapping[str, Style]
"""Method -> style, in the order of rows and panels."""

Labels = Mapping[str, str]
"""Data set -> its name in tables and figures, in the order of columns and rows."""


def styles_of(suite: Suite) -> Styles:
    """Label and colour of each method of a suite."""
    return {name: Style(entry.label, entry.colour) for name, entry in suite.methods.items()}


def labels_of(suite: Suite) -> Labels:
    """Label of each data set of a suite."""
    return {name: entry.label for name, entry in suite.datasets.items()}
