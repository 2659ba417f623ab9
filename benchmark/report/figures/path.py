"""Densities on their way from base to data, still and as a film."""

import textwrap
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.colors import Normalize
from matplotlib.figure import Figure

from benchmark.records.run import suite_folder
from benchmark.report import gaps, runs
from benchmark.report.asked import Suite
from benchmark.report.figures import journey
from benchmark.report.figures.density import Extent, arrays, peak_density
from benchmark.report.figures.film import film_pictures, save_film
from benchmark.report.figures.missing import mark_missing
from benchmark.report.figures.panels import (
    TARGET,
    add_colourbar,
    add_title,
    axes_grid,
    colour_scale,
    hide_axes,
    in_order,
)
from benchmark.report.figures.theme import DENSITY, PALE, save, theme
from benchmark.report.labels import Styles, styles_of

MOMENTS = (0.0, 0.2, 0.4, 0.6, 0.8, 1.0)
"""Times of a path that the still figure shows, or those nearest to them."""


class Frames(NamedTuple):
    """Log-densities in nats on a grid at ``times``: (time, height, width), lowest row first."""

    log_density: np.ndarray
    times: np.ndarray
    extent: Extent


@theme()
def still(paths: Mapping[str, Frames], styles: Styles, missing: Mapping[str, str]) -> Figure:
    """Densities of flows on their way from base to data: a row for each, one colour scale.

    ``paths`` maps flows to their frames, and ``TARGET``, where known, to a single frame;
    ``missing`` maps a flow without frames to the reason.
    """
    methods = in_order(styles, [*paths, *missing])
    known = [TARGET] if TARGET in paths else []
    figure, grid = axes_grid(len(methods), len(MOMENTS) + len(known), size=(1.5, 1.5))
    figure.set_layout_engine("compressed")
    scale = _path_scale(paths)
    for name, line in zip(methods, grid, strict=False):
        moving, still = line[: len(MOMENTS)], line[len(MOMENTS) :]
        for axes, moment in zip(moving, MOMENTS, strict=True):
            _frame(axes, paths.get(name), moment, scale, _window(paths))
        for axes in still:
            _frame(axes, paths[TARGET], 1.0, scale, _window(paths))
        if name in missing:
            _missing_line(list(moving), missing[name])
        label = textwrap.fill(styles[name].label, 14)
        line[0].set_ylabel(label, color=styles[name].colour, fontweight="bold")
    for axes, moment in zip(grid[0], MOMENTS, strict=False):
        axes.set_title(f"t = {moment:g}", fontweight="normal")
    for axes in grid[0, len(MOMENTS) :]:
        add_title(axes, TARGET, styles)
    add_colourbar(figure, scale, list(grid.flat), "density [1 / unit area]")
    return figure


@theme()
def film(
    paths: Mapping[str, Frames], styles: Styles, missing: Mapping[str, str]
) -> list[np.ndarray]:
    """The pictures (height, width, RGB) of ``still`` at every time, its flows side by side."""
    names = [*in_order(styles, [*paths, *missing]), *([TARGET] if TARGET in paths else [])]
    scale, window = _path_scale(paths), _window(paths)

    def draw(axes: Axes, name: str, moment: float) -> None:
        _frame(axes, paths.get(name), moment, scale, window)

    times = max((frames.times for frames in paths.values()), key=len, default=np.ones(1))
    return film_pictures(names, times, draw, styles, missing)


def _at(frames: Frames, moment: float) -> np.ndarray:
    """The density (height, width) at the time nearest to ``moment``."""
    density: np.ndarray = np.exp(frames.log_density[np.abs(frames.times - moment).argmin()])
    return density


def _frame(
    axes: Axes, frames: Frames | None, moment: float, scale: Normalize, window: Extent
) -> None:
    """The density nearest to ``moment``, nothing without frames."""
    if frames is not None:
        axes.imshow(
            _at(frames, moment),
            origin="lower",
            extent=frames.extent,
            cmap=DENSITY,
            norm=scale,
            interpolation="bilinear",
        )
    axes.set(xlim=window[:2], ylim=window[2:], facecolor=colormaps[DENSITY](0))
    hide_axes(axes)


def _missing_line(line: Sequence[Axes], reason: str) -> None:
    """The reason across all panels of a line."""
    for axes in line:
        axes.set_facecolor(PALE)
    middle = line[len(line) // 2]
    middle.set_zorder(1)  # its text lies over its neighbours
    mark_missing(middle, reason, width=80, x=0.0)


def _path_scale(paths: Mapping[str, Frames]) -> Normalize:
    """The scale of the densities at the end of the paths."""
    ends = {name: frames.log_density[-1] for name, frames in paths.items()}
    return colour_scale(peak_density(ends))


def _window(paths: Mapping[str, Frames]) -> Extent:
    """The least window that shows every extent."""
    extents = [frames.extent for frames in paths.values()] or [(0.0, 1.0, 0.0, 1.0)]
    lefts, rights, bottoms, tops = zip(*extents, strict=True)
    return min(lefts), max(rights), min(bottoms), max(tops)


def write(suite: Suite, name: str) -> None:
    """The figure and the film of every flow's first seed on the data set ``name``."""
    paths: dict[str, Any] = {}
    missing: dict[str, str] = {}
    of_images = name in suite.images
    for run in runs.first_runs_on(suite, name):
        reason = gaps.gap(suite, run)
        if suite.is_oracle(run.method) and reason is None and run.density.exists():
            truth = arrays(run.density)
            paths[TARGET] = Frames(truth["log_density"][None], np.ones(1), truth["extent"])
        elif run not in runs.with_path(suite):
            continue
        elif reason := reason or gaps.undrawn(run.path):
            missing[run.method] = reason
        else:
            paths[run.method] = journey.load(run.path) if of_images else Frames(**arrays(run.path))
    drawn: tuple[Any, Any] = (journey.still, journey.film) if of_images else (still, film)
    figure, pictures = (function(paths, styles_of(suite), missing) for function in drawn)
    stem = suite_folder(suite.name) / "figures" / f"path_{name}"
    save(figure, stem)
    save_film(pictures, f"{stem}.gif")
