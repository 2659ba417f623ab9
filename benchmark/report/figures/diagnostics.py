"""Figure of what methods record of themselves along their training."""

from collections.abc import Mapping

import pandas as pd
from matplotlib.figure import Figure

from benchmark.records.run import Run, suite_folder
from benchmark.report import runs
from benchmark.report.asked import Suite
from benchmark.report.figures.axes import log_axis
from benchmark.report.figures.curves import (
    CURVES,
    STEP,
    add_curve_legend,
    curve_datasets,
    draw_curves,
    evaluated,
    histories,
)
from benchmark.report.figures.missing import list_gaps
from benchmark.report.figures.panels import axes_grid
from benchmark.report.figures.theme import save, theme
from benchmark.report.labels import Labels, Styles, labels_of, styles_of

DIAGNOSTICS = {
    "path_length": "path length E |vₜ(xₜ)|²",
    "monitor": "convergence monitor\n(0 at the optimum)",
}
"""Axis labels of diagnostics, which come first; others are called by their name."""


@theme()
def draw(frame: pd.DataFrame, styles: Styles, labels: Labels, missing: Mapping[Run, str]) -> Figure:
    """The diagnostics of methods against steps, a column each: mean and range over seeds.

    ``frame`` has the columns dataset, method, seed, step and one for each diagnostic (NaN where
    it was not evaluated).
    """
    own = [name for name in frame.columns if name not in CURVES]
    names = sorted(own, key=lambda name: [*DIAGNOSTICS, *own].index(name))
    rows = curve_datasets(frame, labels, missing)
    figure, grid = axes_grid(len(rows), max(len(names), 1), size=(3.6, 2.4))
    for dataset, line in zip(rows, grid, strict=False):
        for axes, name in zip(line, names, strict=False):
            curves = evaluated(frame[frame.dataset == dataset], name)
            draw_curves(axes, curves, ("step", name), styles)
            log_axis(axes, STEP)
            axes.set_ylabel(DIAGNOSTICS.get(name, name))
            axes.set_title(labels[dataset])
    list_gaps(figure, missing, styles, labels)
    add_curve_legend(figure, frame, styles, reference=False)
    return figure


def write(suite: Suite) -> None:
    """The figure of every seed."""
    frame, missing = histories(suite, runs.diagnosed(suite))
    figure = draw(frame, styles_of(suite), labels_of(suite), missing)
    save(figure, suite_folder(suite.name) / "figures" / "diagnostics")
