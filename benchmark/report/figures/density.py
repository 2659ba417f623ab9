"""Figure of densities in the plane."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import Normalize
from matplotlib.figure import Figure

from benchmark.records.records import NLL, read
from benchmark.records.run import DRAWINGS, Run, suite_folder
from benchmark.report import gaps, runs
from benchmark.report.asked import Suite
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
from benchmark.report.figures.theme import DENSITY, save, theme
from benchmark.report.labels import Labels, Styles, labels_of, styles_of

Extent = tuple[float, float, float, float]
"""Left, right, bottom and top edge of an image, in data units."""


@theme()
def draw(
    extents: Mapping[str, Extent],
    log_densities: Mapping[str, Mapping[str, np.ndarray]],
    styles: Styles,
    labels: Labels,
    captions: Mapping[tuple[str, str], str],
    missing: Mapping[tuple[str, str], str],
) -> Figure:
    """Densities in the plane: a row for each data set, the truth first, one colour scale in a row.

    ``log_densities`` maps a data set to ``TARGET`` (where known) and methods, each (height,
    width) in nats, the first row at the bottom of the data set's extent. ``captions`` (NLL, KL)
    and ``missing`` are for pairs of data set and method; a pair that is in neither has no panel.
    """
    rows = [name for name in labels if name in log_densities]
    present = [name for known in log_densities.values() for name in known]
    methods = in_order(styles, [*present, *(method for _, method in missing)])
    figure, grid = axes_grid(len(rows), 1 + len(methods), size=(1.9, 2.0))
    for dataset, line in zip(rows, grid, strict=False):
        known = log_densities[dataset]
        scale = colour_scale(peak_density(known))
        for name, axes in zip([TARGET, *methods], line, strict=True):
            if name in known:
                _density(axes, known[name], extents[dataset], scale)
                axes.set_xlabel(captions.get((dataset, name), ""), fontsize="small")
            elif name == TARGET or (dataset, name) in missing:
                mark_missing(axes, missing.get((dataset, name), "density not known"))
            hide_axes(axes)
        line[0].set_ylabel(labels[dataset], fontweight="bold")
        add_colourbar(figure, scale, list(line), "density [1 / unit area]")
    for name, axes in zip([TARGET, *methods], grid[0], strict=True):
        add_title(axes, name, styles)
    return figure


def _density(axes: Axes, log_density: np.ndarray, extent: Extent, scale: Normalize) -> None:
    density = np.exp(log_density)
    axes.imshow(density, origin="lower", extent=extent, cmap=DENSITY, norm=scale)


def peak_density(log_densities: Mapping[str, np.ndarray]) -> float:
    """Top of the colour scale: the peak of the truth, else the median peak of the methods."""
    if TARGET in log_densities:
        return float(np.exp(log_densities[TARGET].max()))
    peaks = [np.exp(values.max()) for values in log_densities.values()]
    return float(np.median(peaks)) if peaks else 1.0


def write(suite: Suite) -> None:
    """The figure of the first seed of every method on every data set of the plane."""
    names = runs.planes(suite)
    extents: dict[str, Extent] = {}
    log_densities: dict[str, dict[str, np.ndarray]] = {name: {} for name in names}
    captions: dict[tuple[str, str], str] = {}
    missing: dict[tuple[str, str], str] = {}
    drawn = DRAWINGS["density"]
    for run in (run for name in names for run in runs.first_runs_with(suite, name, drawn)):
        key = TARGET if suite.is_oracle(run.method) else run.method
        if reason := gaps.gap(suite, run) or gaps.undrawn(run.density):
            missing[run.dataset, key] = reason
            continue
        stored = arrays(run.density)
        extents[run.dataset] = stored["extent"]
        if "reason" in stored:
            missing[run.dataset, key] = str(stored["reason"])
            continue
        log_densities[run.dataset][key] = stored["log_density"]
        captions[run.dataset, key] = _caption(run)
    figure = draw(extents, log_densities, styles_of(suite), labels_of(suite), captions, missing)
    save(figure, suite_folder(suite.name) / "figures" / "density")


def arrays(file: Path) -> dict[str, Any]:
    """The arrays of an ``npz`` that are drawn, and its ``extent`` as a tuple."""
    with np.load(file) as stored:
        drawn = {name: array for name, array in stored.items() if name != "source"}
    return {**drawn, "extent": tuple(drawn["extent"].tolist())}


def _caption(run: Run) -> str:
    """The columns of the table of the NLL, as far as the run has them."""
    shown = [record for record in read(run.measurement(NLL)) if record["heading"] is not None]
    known = [record for record in shown if record["value"] is not None]
    return "  ".join(f"{record['heading']} {record['value']:.3f}" for record in known)
