"""Curves along a training: mean and range over the seeds, a row of panels for each data set."""

from collections.abc import Mapping
from typing import Any

import pandas as pd
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from benchmark.data.description import describe
from benchmark.records.run import Run
from benchmark.report import gaps
from benchmark.report.asked import Suite
from benchmark.report.figures.panels import add_legend, in_order
from benchmark.report.labels import Labels, Style, Styles

CURVES = ("dataset", "method", "seed", "step", "seconds", "loss", "validation_nll", "unit")
"""Columns of every frame of learning curves; others are diagnostics of methods."""

HISTORY = {
    **dict.fromkeys(["dataset", "method", "unit"], "object"),
    **dict.fromkeys(["seed", "step"], "int64"),
    **dict.fromkeys(["seconds", "loss", "validation_nll"], "float64"),
}
"""Types of the columns that every training curve has."""

STEP = "training step"


def evaluated(frame: pd.DataFrame, name: str) -> pd.DataFrame:
    """The rows after the first step that have a value of ``name``."""
    return frame[frame[name].notna() & (frame.step > 0)]


def curve_datasets(frame: pd.DataFrame, labels: Labels, missing: Mapping[Run, str]) -> list[str]:
    """Data sets that have curves, or ought to."""
    expected = set(frame.dataset) | {run.dataset for run in missing}
    return [name for name in labels if name in expected]


def draw_curves(
    axes: Axes, curves: pd.DataFrame, quantities: tuple[str, str], styles: Styles
) -> None:
    """A line and a band for each method, of a clock and a quantity.

    Seeds share their evaluations but not their seconds (or steps, where the budget is seconds), so
    these are means over seeds too.
    """
    clock, name = quantities
    for method in in_order(styles, curves.method):
        own = curves[curves.method == method].sort_values("step", kind="stable")
        evaluations = own.groupby(own.groupby("seed").cumcount())
        x, y = evaluations[clock].mean(), evaluations[name]
        colour, marker = styles[method].colour, _marker(styles[method], len(x))
        line: dict[str, Any] = {
            "linestyle": styles[method].dash,
            "linewidth": 1.6,
            "marker": marker,
        }
        axes.plot(x, y.mean(), color=colour, markersize=5, **line)
        if len(x) == 1:
            axes.vlines(x, y.min(), y.max(), color=colour, alpha=0.4)
        axes.fill_between(x, y.min(), y.max(), color=colour, alpha=0.2, linewidth=0)


def add_curve_legend(figure: Figure, frame: pd.DataFrame, styles: Styles, reference: bool) -> None:
    entries: list[tuple[Artist, str]] = []
    for method in in_order(styles, frame.method):
        counts = frame[frame.method == method].groupby("dataset").seed.nunique()
        low, high = counts.min(), counts.max()
        seeds = f"{low}" if low == high else f"{low}–{high}"
        points = int(frame[frame.method == method].groupby(["dataset", "seed"]).size().max())
        look: dict[str, Any] = {
            "linestyle": styles[method].dash,
            "marker": _marker(styles[method], points),
        }
        line = Line2D([], [], color=styles[method].colour, markersize=5, **look)
        entries.append((line, f"{styles[method].label} (n={seeds})"))
    if reference:
        entries.append((Line2D([], [], color="black", linestyle="--"), "true density"))
    add_legend(figure, entries, loc="outside upper center", ncols=min(len(entries), 5) or 1)


def _marker(style: Style, points: int) -> str:
    """That of a curve of one point, which no line shows."""
    return style.marker if points == 1 else ""


def histories(suite: Suite, learned: list[Run]) -> tuple[pd.DataFrame, dict[Run, str]]:
    """The training curves of ``learned``, one under the other, and which are missing and why."""
    missing = gaps.gaps(suite, learned)
    frames = [_history(run) for run in learned if run not in missing]
    frame = pd.concat([pd.DataFrame(columns=list(HISTORY)), *frames])
    return frame.astype(HISTORY), missing


def _history(run: Run) -> pd.DataFrame:
    unit = describe(run.data).unit
    frame = pd.read_csv(run.history)
    return frame.assign(dataset=run.dataset, method=run.method, seed=run.seed, unit=unit)
