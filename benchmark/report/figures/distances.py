"""Figure of distances of samples from training images against NFE."""

from collections.abc import Mapping
from typing import Any

import pandas as pd
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from benchmark.records.records import DISTANCES
from benchmark.records.run import Run, suite_folder
from benchmark.report import collected, gaps
from benchmark.report.asked import Suite
from benchmark.report.figures.axes import log_axis, plain_ticks
from benchmark.report.figures.missing import list_gaps
from benchmark.report.figures.panels import add_legend, axes_rows, in_order
from benchmark.report.figures.theme import GREY, save, theme
from benchmark.report.labels import Labels, Style, Styles, labels_of, styles_of

CURVES = ["tolerance", "nfe", "distance", "kernel_distance", "dataset", "method", "seed"]
"""Columns of a frame of distances against NFE."""


@theme()
def draw(
    curves: pd.DataFrame,
    floors: Mapping[str, float],
    metrics: Mapping[str, str],
    styles: Styles,
    labels: Labels,
    missing: Mapping[Run, str],
) -> Figure:
    """Distance of samples from the training images against NFE, a line for each fit.

    ``curves`` has columns ``dataset, method, seed, tolerance, nfe, distance``; ``metrics`` says
    what the distance of a data set is called, and ``floors`` that of its test images.
    """
    names = [name for name in labels if name in metrics]
    figure, panels = axes_rows(len(names), columns=3, size=(4.0, 3.2))
    for dataset, axes in zip(names, panels, strict=False):
        here = curves[curves.dataset == dataset]
        for (method, _), line in here.groupby(["method", "seed"], sort=False):
            look, line = _look(styles[str(method)]), line.sort_values("nfe")
            axes.plot(line.nfe, line.distance, **look)
        if dataset in floors:
            axes.axhline(floors[dataset], color=GREY, ls="--", lw=1)
            axes.annotate(
                *("test images", (1, floors[dataset])),
                xycoords=("axes fraction", "data"), ha="right", va="bottom", color=GREY,
                fontsize="small",
            )  # fmt: skip
        log_axis(axes, "NFE for an image")
        axes.set(yscale="log", ylabel=metrics[dataset])
        plain_ticks(axes.yaxis)
        axes.set_title(labels[dataset])
    shown = in_order(styles, curves.method)
    lines = [(Line2D([], [], **_look(styles[name])), styles[name].label) for name in shown]
    add_legend(figure, lines, loc="outside lower center", ncols=4)
    list_gaps(figure, missing, styles, labels)
    return figure


def _look(style: Style) -> dict[str, Any]:
    return {
        **{"color": style.colour, "linestyle": style.dash, "linewidth": 1.2},
        **{"marker": style.marker, "markersize": 4},
    }


def write(suite: Suite) -> None:
    """The figure of every seed."""
    fits = [run for run in suite.runs if run.dataset in suite.images]
    missing = gaps.gaps(suite, fits)
    whole = [run for run in fits if run not in missing]
    reasons = {run: gaps.measurement_gap(suite, run, DISTANCES) for run in whole}
    missing |= {run: reason for run, reason in reasons.items() if reason is not None}
    curves = [_curve(run) for run in whole if run not in missing]
    first = collected.floors(suite).drop_duplicates("dataset").set_index("dataset")
    figure = draw(
        pd.concat([pd.DataFrame(columns=CURVES), *curves]),
        {str(name): value for name, value in first.value.items()},
        {name: first.metric.get(name, "distance") for name in suite.images},
        styles_of(suite),
        labels_of(suite),
        missing,
    )
    save(figure, suite_folder(suite.name) / "figures" / "distances")


def _curve(run: Run) -> pd.DataFrame:
    curve = pd.read_csv(run.measurement(DISTANCES, "csv"))
    return curve.assign(dataset=run.dataset, method=run.method, seed=run.seed)
