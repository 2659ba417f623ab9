"""Figure of the training rows of a data set: columns and their correlations, or images."""

import textwrap

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from benchmark.data.description import Description
from benchmark.report.figures.panels import axes_rows, hide_axes
from benchmark.report.figures.theme import theme
from benchmark.report.figures.tiles import draw_tiles

ROWS, COLUMNS, PICTURES = 20_000, 11, 36
"""Rows, columns and images that are drawn at most."""
BINS, NAMED = 60, 12
"""Bins of a histogram; columns whose names stand beside their correlations."""
CORRELATION = "RdBu_r"
"""Colour map of correlations."""


@theme()
def draw(train: np.ndarray, described: Description) -> Figure:
    """The figure of training rows ``[n, *event]``."""
    shown = np.asarray(train[:: -(-len(train) // ROWS)])
    if described.picture is not None:
        return _images(shown, described, described.picture)
    if shown.ndim == 2 and described.levels is None:
        return _table(shown.astype(float), described)
    figure, (axes,) = axes_rows(1, columns=1, size=(3.4, 2.4))
    _levels(axes, shown, described)
    return figure


def _table(rows: np.ndarray, described: Description) -> Figure:
    """Histograms of the first columns, and the correlations of all of them."""
    columns = described.event[0]
    names = described.columns or tuple(map(str, range(columns)))
    shown = min(columns, COLUMNS)
    figure, panels = axes_rows(shown + (columns > 1), columns=4, size=(2.3, 1.9))
    for axes, name, values in zip(panels, names, rows.T, strict=False):
        _histogram(axes, *np.histogram(values, bins=BINS))
        axes.set_title(_short(name))
    if columns > 1:
        _correlations(panels[-1], rows, names)
    return figure


def _correlations(axes: Axes, rows: np.ndarray, names: tuple[str, ...]) -> None:
    with np.errstate(all="ignore"):  # a constant has no correlation, and stays white
        matrix = np.corrcoef(rows.T)
    drawn = axes.imshow(matrix, cmap=CORRELATION, vmin=-1, vmax=1)
    axes.figure.colorbar(drawn, ax=axes, shrink=0.8)
    axes.set_title("correlation")
    axes.grid(False)
    few = names if len(names) <= NAMED else ()
    axes.set(xticks=[], yticks=range(len(few)), yticklabels=[_short(name, 12) for name in few])


def _images(rows: np.ndarray, described: Description, shape: tuple[int, int, int]) -> Figure:
    figure, (tiles, counts) = axes_rows(2, columns=2, size=(3.4, 2.6))
    pictures = rows[:PICTURES].reshape(-1, *shape).astype(float)
    low, high = pictures.min(), pictures.max()
    draw_tiles(tiles, (pictures - low) / (high - low or 1.0), columns=6)
    tiles.set_title("first rows")
    hide_axes(tiles)
    _levels(counts, rows, described)
    return figure


def _levels(axes: Axes, rows: np.ndarray, described: Description) -> None:
    """How often each grey level occurs, or values of real numbers."""
    counts = described.facts.levels if described.facts else ()
    if counts:
        _histogram(axes, np.array(counts), np.arange(len(counts) + 1) - 0.5)
    else:
        _histogram(axes, *np.histogram(rows.reshape(-1)[: ROWS * BINS], bins=BINS))
    axes.set_title("grey levels" if counts else "values")


def _histogram(axes: Axes, counts: np.ndarray, edges: np.ndarray) -> None:
    """Counts on a logarithmic scale from one half on, so that single rows are seen."""
    axes.stairs(np.log10(np.maximum(counts, 0.5)), edges, baseline=np.log10(0.5), fill=True)
    powers = range(0, int(np.log10(counts.max())) + 1)
    axes.set_yticks(powers, [f"{10**power:,}" for power in powers])
    axes.locator_params(axis="x", nbins=4)
    axes.grid(False)


def _short(name: str, width: int = 24) -> str:
    return textwrap.shorten(name, width, placeholder="...") or name[:width]
