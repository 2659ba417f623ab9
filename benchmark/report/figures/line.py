"""Figure of rows of one number: learned densities over a histogram of the data."""

from collections.abc import Mapping

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from benchmark.report.figures.histogram import note_outside
from benchmark.report.figures.missing import present_panels
from benchmark.report.figures.panels import axes_rows, in_order
from benchmark.report.figures.theme import GREY, theme
from benchmark.report.labels import Styles

FILL = "#d0d0d0"
FEW = 50
"""Test rows below which a learned density is drawn as points, not as a curve."""

Curve = tuple[np.ndarray, np.ndarray]
"""Rows, each a number, and the log-densities there in nats."""


@theme()
def numbers(
    target: np.ndarray,
    samples: Mapping[str, np.ndarray],
    densities: Mapping[str, Curve],
    styles: Styles,
    missing: Mapping[str, str],
) -> Figure:
    """A panel for each method: data (filled), samples (steps) and learned density, on one axis.

    ``target`` are rows of the data, ``densities`` are those learned, at the test rows; a method
    without one has its samples alone.
    """
    methods = in_order(styles, [*samples, *missing])
    figure, panels = axes_rows(len(methods), columns=3, size=(3.2, 2.3))
    edges, top = bins(target), 0.0
    shown = list(present_panels(methods, panels, styles, missing, width=34))
    for name, axes in shown:
        colour = styles[name].colour
        heights = shares(target, edges)
        axes.stairs(heights, edges, color=FILL, fill=True)
        axes.stairs(shares(samples[name], edges), edges, color=colour, alpha=0.5, linewidth=1)
        if name in densities:
            _curve(axes, *densities[name], colour)
        note_outside(axes, samples[name][:, None], (edges,))
        top = max(top, 1.6 * float(np.max(heights)))
    for _, axes in shown:
        axes.set(xlim=(edges[0], edges[-1]), ylim=(0, top), ylabel="density")
    handles = [
        Patch(color=FILL, label="data"),
        Line2D([], [], color=GREY, alpha=0.5, linewidth=1, label="samples"),
        Line2D([], [], color=GREY, linewidth=1.6, label="learned density at the test rows"),
    ]
    figure.legend(handles=handles, loc="outside lower center", ncols=3)
    return figure


def bins(target: np.ndarray) -> np.ndarray:
    """Edges of bins over the data, but for the outermost 1 %, with a margin of 15 %."""
    low, high = np.quantile(target, [0.005, 0.995])
    margin = 0.15 * (high - low) or 0.5
    count = int(np.clip(np.sqrt(len(target)), 10, 80))
    return np.linspace(low - margin, high + margin, count + 1)


def shares(rows: np.ndarray, edges: np.ndarray) -> np.ndarray:
    """Density in each bin, in which rows outside of the edges count as mass."""
    counts, _ = np.histogram(rows, edges)
    density: np.ndarray = counts / (len(rows) * np.diff(edges))
    return density


def _curve(axes: Axes, rows: np.ndarray, log_density: np.ndarray, colour: str) -> None:
    order = np.argsort(rows)
    marker = "o" if len(rows) < FEW else ""
    axes.plot(rows[order], np.exp(log_density[order]), color=colour, lw=1.6, marker=marker, ms=3)
