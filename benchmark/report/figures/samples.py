"""Figure of samples: histograms of numbers or points, or images."""

import math
from collections.abc import Mapping
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure

from benchmark.data import dataset
from benchmark.data.description import Description, describe
from benchmark.records import arrays
from benchmark.records.run import SAMPLES, Run, data_folder, suite_folder
from benchmark.report import gaps, runs
from benchmark.report.asked import Suite
from benchmark.report.figures.histogram import (
    bin_count,
    bin_edges,
    draw_histogram,
    histogram_scale,
    in_plane,
    note_share,
)
from benchmark.report.figures.line import Curve, numbers
from benchmark.report.figures.missing import mark_missing, present_panels
from benchmark.report.figures.panels import (
    TARGET,
    add_colourbar,
    add_title,
    axes_grid,
    axes_rows,
    hide_axes,
    in_order,
)
from benchmark.report.figures.sampled import sampled
from benchmark.report.figures.theme import save, theme
from benchmark.report.figures.tiles import draw_tiles
from benchmark.report.labels import Styles, styles_of

PICTURES = 36
"""Images of each method in a panel."""
FEW = 100
"""Test rows that are too few for a histogram: the training rows are the target instead."""

Ends = tuple[np.ndarray, np.ndarray]
"""Rows of the base and of the target, each ``[n, 2]``."""


@theme()
def points(
    target: np.ndarray,
    samples: Mapping[str, np.ndarray],
    styles: Styles,
    missing: Mapping[str, str],
) -> Figure:
    """Histograms of points in the plane, on one grid and colour scale: the target, then methods.

    ``target`` (n, 2) gives the limits; ``samples`` maps a method to (m, 2), ``missing`` a method
    without samples to the reason. The share of samples outside the limits is written below. Rows of
    more columns are shown in the plane of the two leading principal components of the target.
    """
    methods = in_order(styles, [*samples, *missing])
    figure, panels = axes_rows(1 + len(methods), columns=4, size=(2.2, 2.3))
    shown = in_plane({TARGET: target, **samples})
    target = shown[TARGET]
    edges = bin_edges(target, bins=bin_count(min(map(len, shown.values()))))
    scale = histogram_scale([target], edges)
    for name, axes in zip([TARGET, *methods], panels, strict=False):
        add_title(axes, name, styles)
        if name in shown:
            draw_histogram(axes, shown[name], edges, scale)
        else:
            mark_missing(axes, missing[name])
            hide_axes(axes)
    add_colourbar(figure, scale, panels, "density [1 / unit area]")
    return figure


@theme()
def between(
    ends: Ends,
    forward: Mapping[str, np.ndarray],
    backward: Mapping[str, np.ndarray],
    styles: Styles,
    missing: Mapping[str, str],
) -> Figure:
    """Points of the plane on their way between two data sets, on one grid and colour scale.

    ``ends`` are rows of the base and of the target. Above, ``forward`` from the base has to look
    like the target, on its right; below, ``backward`` from the target like the base.
    """
    methods = in_order(styles, [*forward, *backward, *missing])
    figure, grid = axes_grid(2, 2 + len(methods), size=(1.9, 2.0))
    figure.set_layout_engine("compressed")
    shown = [*ends, *forward.values(), *backward.values()]
    edges = bin_edges(np.concatenate(ends), bins=bin_count(min(map(len, shown))))
    scale = histogram_scale(ends, edges)
    names = ("Base", "Target")
    for line, (start, end), samples in zip(
        grid, [(0, 1), (1, 0)], [forward, backward], strict=True
    ):
        line[0].set_ylabel(f"t: {start} → {end}", fontweight="bold")
        for axes, side in ((line[0], start), (line[-1], end)):
            axes.set_title(names[side], color="black")
            draw_histogram(axes, ends[side], edges, scale)
        for name, axes in zip(methods, line[1:-1], strict=True):
            add_title(axes, name, styles)
            if name in samples:
                draw_histogram(axes, samples[name], edges, scale)
            else:
                mark_missing(axes, missing[name])
                hide_axes(axes)
    add_colourbar(figure, scale, list(grid.flat), "density [1 / unit area]")
    return figure


@theme()
def images(
    target: np.ndarray,
    samples: Mapping[str, np.ndarray],
    shape: tuple[int, int, int],
    styles: Styles,
    missing: Mapping[str, str],
) -> Figure:
    """The first ``PICTURES`` of the target and of each method, on the grey scale of the target.

    Arrays are (n, ...) with the elements of ``shape`` (channels, height, width) in each row. Below
    is the share of values outside [0, 1], the range of dequantised images, of all samples.
    """
    methods = in_order(styles, [*samples, *missing])
    figure, panels = axes_rows(1 + len(methods), columns=4, size=(2.4, 2.6))
    low, high = float(target.min()), float(target.max())
    images = {TARGET: target, **samples}
    for name, axes in present_panels([TARGET, *methods], panels, styles, missing):
        shown = (images[name][:PICTURES].reshape(-1, *shape) - low) / (high - low)
        draw_tiles(axes, shown, columns=6)
        if 0 <= low and high <= 1:
            outside = ~((images[name] >= 0) & (images[name] <= 1))
            note_share(axes, outside, "of values outside [0, 1]")
    return figure


def write(suite: Suite, name: str) -> None:
    """The figure of the first seed of every method on the data set ``name``."""
    fits = runs.first_runs_with(suite, name, SAMPLES)
    drawn, missing = sampled(suite, fits)
    samples = {run.method: rows for run, rows in drawn.items()}
    data, styles = data_folder(suite.name, name), styles_of(suite)
    description, target = describe(data), dataset.rows(data, "test")
    if description.base is not None and suite.event(name) == (2,):
        ends = dataset.rows(data, "base_test"), target
        figure = _both_ways(suite, ends, drawn, missing)
    elif description.picture is not None:
        real = dataset.dequantise(target[:PICTURES], description.levels, seed=0)
        figure = images(real, samples, description.picture, styles, missing)
    elif math.prod(description.event) == 1:
        curves = {run.method: _curve(run) for run in drawn}
        known = {method: curve for method, curve in curves.items() if not np.isnan(curve[1]).all()}
        flat = {method: rows.flatten() for method, rows in samples.items()}
        rows = _target(data, description).flatten()
        figure = numbers(rows, flat, known, styles, missing)
    else:
        figure = points(_target(data, description), samples, styles, missing)
    save(figure, suite_folder(suite.name) / "figures" / f"samples_{name}")


def _target(folder: Path, data: Description) -> np.ndarray:
    """Rows for a histogram: the test rows, or the training rows where these are few."""
    split = "test" if data.rows["test"] >= FEW else "train"
    return dataset.dequantise(dataset.rows(folder, split), data.levels, seed=0)


def _curve(run: Run) -> Curve:
    """The test rows of a run as they were measured, and its log-densities there."""
    rows = dataset.pass_rows(run.data)
    return rows.flatten(), arrays.log_prob(run.log_prob, len(rows))


def _both_ways(
    suite: Suite, ends: Ends, drawn: Mapping[Run, np.ndarray], missing: Mapping[str, str]
) -> Figure:
    """Samples beside the test rows carried back, of a data set with rows of the base."""
    forward = {run.method: rows for run, rows in drawn.items()}
    back = [run for run in drawn if run.samples_base.exists()]
    backward = {run.method: np.load(run.samples_base)["samples"] for run in back}
    reasons = {run.method: gaps.undrawn(run.samples_base) for run in drawn}
    lacking = {method: reason for method, reason in reasons.items() if reason is not None}
    return between(ends, forward, backward, styles_of(suite), {**missing, **lacking})
