"""Figure of distances of samples from training images against NFE."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from benchmark.records import records
from benchmark.records.records import DISTANCES, FLOOR
from benchmark.records.run import Run, suite_folder
from benchmark.report import collected, gaps, runs
from benchmark.report.asked import Suite
from benchmark.report.figures.axes import log_axis, plain_ticks
from benchmark.report.figures.missing import list_gaps
from benchmark.report.figures.panels import add_legend, axes_rows, in_order
from benchmark.report.figures.theme import GREY, save, theme
from benchmark.report.labels import Labels, Style, Styles, labels_of, styles_of

CURVES = ["tolerance", "nfe", "distance", "kernel_distance", "dataset", "method", "seed"]
"""Columns of a frame of distances against NFE."""


class Panel(NamedTuple):
    """A data set in the figure: what its distance is called, and its floor, if that is known."""

    metric: str
    floor: float | None = None


class Words(NamedTuple):
    """What the NFE is counted for, and what the floor is the distance of."""

    sample: str
    floor: str


IMAGES, VECTORS = Words("an image", "test images"), Words("a sample", "training rows")


@theme()
def draw(
    curves: pd.DataFrame,
    panels: Mapping[str, Panel],
    words: Words,
    styles: Styles,
    labels: Labels,
    missing: Mapping[Run, str],
) -> Figure:
    """Distance of samples from the data against NFE, a line for each fit.

    ``curves`` has columns ``dataset, method, seed, tolerance, nfe, distance``.
    """
    names = [name for name in labels if name in panels]
    figure, rows = axes_rows(len(names), columns=3, size=(4.0, 3.2))
    for dataset, axes in zip(names, rows, strict=False):
        here, panel = curves[curves.dataset == dataset], panels[dataset]
        for (method, _), line in here.groupby(["method", "seed"], sort=False):
            look, line = _look(styles[str(method)]), line.sort_values("nfe")
            axes.plot(line.nfe, line.distance, **look)
        if panel.floor is not None:
            _draw_floor(axes, panel.floor, words.floor)
        log_axis(axes, f"NFE for {words.sample}")
        _scale_distances(axes, pd.concat([here.distance, pd.Series([panel.floor], dtype=float)]))
        axes.set(ylabel=panel.metric, title=labels[dataset])
    shown = in_order(styles, curves.method)
    lines = [(Line2D([], [], **_look(styles[name])), styles[name].label) for name in shown]
    add_legend(figure, lines, loc="outside lower center", ncols=4)
    list_gaps(figure, missing, styles, labels)
    return figure


def _draw_floor(axes: Axes, floor: float, label: str) -> None:
    axes.axhline(floor, color=GREY, ls="--", lw=1)
    axes.annotate(
        *(label, (1, floor)),
        xycoords=("axes fraction", "data"), ha="right", va="bottom", color=GREY,
        fontsize="small",
    )  # fmt: skip


def _scale_distances(axes: Axes, values: pd.Series) -> None:
    """A logarithmic axis; linear where estimates without bias are below 0, which is their noise."""
    noise = -values.min()
    if noise >= 0:
        axes.set_yscale("symlog", linthresh=max(noise, 1e-12))
        return
    axes.set_yscale("log")
    plain_ticks(axes.yaxis)


def _look(style: Style) -> dict[str, Any]:
    return {
        **{"color": style.colour, "linestyle": style.dash, "linewidth": 1.2},
        **{"marker": style.marker, "markersize": 4},
    }


def write(suite: Suite) -> None:
    """The figure of every seed, of images by their features."""
    fits = [run for run in suite.runs if run.dataset in suite.images]
    first = collected.floors(suite).drop_duplicates("dataset").set_index("dataset")
    floors = {str(name): float(value) for name, value in first.value.items()}
    panels = {
        name: Panel(first.metric.get(name, "distance"), floors.get(name)) for name in suite.images
    }
    _write(suite, DISTANCES, fits, panels, IMAGES)


def write_curve(suite: Suite, name: str) -> None:
    """The figure of every seed, of a further measurement that has a curve."""
    names = {run.dataset for run in runs.measured(suite, name)}
    fits = [run for run in suite.runs if run.dataset in names]
    panels = {dataset: Panel(suite.measurement_label(name)) for dataset in names}
    for run in fits:
        if gaps.measurement_gap(suite, run, name) is None:
            made = {record["metric"]: record for record in records.read(run.measurement(name))}
            metric = next(iter(made.values()))
            floor = made.get(f"{metric['metric']}_{FLOOR}", {}).get("value")
            panels[run.dataset] = Panel(metric["heading"], floor)
    _write(suite, name, fits, panels, VECTORS)


def _write(
    suite: Suite, name: str, fits: Sequence[Run], panels: Mapping[str, Panel], words: Words
) -> None:
    missing = gaps.gaps(suite, fits)
    whole = [run for run in fits if run not in missing]
    reasons = {run: gaps.measurement_gap(suite, run, name) for run in whole}
    missing |= {run: reason for run, reason in reasons.items() if reason is not None}
    curves = [_curve(run, name) for run in whole if run not in missing]
    every = pd.concat([pd.DataFrame(columns=CURVES), *curves])
    figure = draw(every, panels, words, styles_of(suite), labels_of(suite), missing)
    stem = DISTANCES if name == DISTANCES else f"nfe_{name}"
    save(figure, suite_folder(suite.name) / "figures" / stem)


def _curve(run: Run, name: str) -> pd.DataFrame:
    curve = pd.read_csv(run.measurement(name, "csv"))
    return curve.assign(dataset=run.dataset, method=run.method, seed=run.seed)
