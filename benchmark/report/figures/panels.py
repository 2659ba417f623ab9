"""Panels of a figure: their layout, titles and colours.

A method has one colour in every figure, that of its style, and styles give the order of panels.
"""

import textwrap
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Normalize, PowerNorm
from matplotlib.figure import Figure

from benchmark.report.figures.theme import DENSITY
from benchmark.report.labels import Style, Styles

TARGET = "target"
"""Name of the true density among those of the methods."""


def axes_grid(
    rows: int, columns: int, size: tuple[float, float], **shared: Any
) -> tuple[Figure, np.ndarray]:
    """A figure and its axes (rows, columns), each of about ``size`` inches; at least one."""
    rows = max(rows, 1)
    figure = Figure(figsize=(size[0] * columns, size[1] * rows))
    figure.set_layout_engine("constrained", w_pad=0.07, h_pad=0.07)
    return figure, figure.subplots(rows, columns, squeeze=False, **shared)


def axes_rows(count: int, columns: int, size: tuple[float, float]) -> tuple[Figure, list[Axes]]:
    """``count`` axes in rows that are as equal as possible; what is left over is removed."""
    lines = -(-count // columns)
    figure, grid = axes_grid(lines, max(-(-count // max(lines, 1)), 1), size)
    for axes in grid.flat[count:]:
        axes.remove()
    return figure, list(grid.flat[:count])


def in_order(styles: Styles, present: Iterable[str]) -> list[str]:
    """Methods of ``styles`` that are ``present``, in the order of ``styles``."""
    present = set(present)
    return [name for name in styles if name in present]


def add_title(axes: Axes, name: str, styles: Styles) -> None:
    """The label of a method, or of the target, in its colour."""
    style = {TARGET: Style("Target", "black"), **styles}[name]
    axes.set_title(textwrap.fill(style.label, 24), color=style.colour)


def add_legend(figure: Figure, entries: Sequence[tuple[Artist, str]], **where: Any) -> None:
    """A legend of artists and their names, whatever signs these begin with."""
    handles, names = [artist for artist, _ in entries], [name for _, name in entries]
    # A legend leaves out what begins with an underscore.
    legend = figure.legend(handles, [f" {name}" for name in names], **where)
    for text, name in zip(legend.get_texts(), names, strict=True):
        text.set_text(name)


def hide_axes(axes: Axes) -> None:
    """A square panel without ticks, grid and frame."""
    axes.set(xticks=[], yticks=[])
    axes.set_box_aspect(1)
    axes.grid(False)
    axes.spines[:].set_visible(False)


def colour_scale(top: float) -> Normalize:
    """Colours from zero to ``top``, growing like a root so that thin structure stays visible."""
    return PowerNorm(0.6, 0, top)


def add_colourbar(figure: Figure, scale: Normalize, panels: Sequence[Axes], label: str) -> None:
    """One bar for all panels; its point says that higher values share the last colour."""
    colours = ScalarMappable(norm=scale, cmap=DENSITY)
    bar = figure.colorbar(colours, ax=list(panels), extend="max", shrink=0.8, aspect=20, pad=0.01)
    bar.set_label(label, fontsize="small")
    bar.outline.set_visible(False)
