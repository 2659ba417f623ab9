"""Figure of the validation NLL along the training."""

from collections.abc import Collection, Mapping
from pathlib import Path

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from benchmark.data import dataset
from benchmark.data.description import describe
from benchmark.records.run import Run, data_folder, suite_folder
from benchmark.report import runs
from benchmark.report.asked import Suite
from benchmark.report.figures.axes import log_axis, near_values
from benchmark.report.figures.curves import (
    STEP,
    add_curve_legend,
    curve_datasets,
    draw_curves,
    evaluated,
    histories,
)
from benchmark.report.figures.missing import list_gaps
from benchmark.report.figures.panels import axes_grid, in_order
from benchmark.report.figures.theme import save, theme
from benchmark.report.labels import (
    Labels,
    Styles,
    clock_label,
    labels_of,
    styles_by_clock,
    styles_of,
)


@theme()
def draw(
    frame: pd.DataFrame,
    styles: Styles,
    labels: Labels,
    references: Mapping[str, float],
    missing: Mapping[Run, str],
    elsewhere: Collection[str] = (),
) -> Figure:
    """Validation NLL against steps and against training seconds: mean and range over the seeds.

    ``frame`` has the columns dataset, method, seed, step, seconds, validation_nll (NaN between
    validations) and unit. ``references`` maps a data set to the NLL of its true density. The clocks
    of the methods ``elsewhere`` are of another machine, and marked.
    """
    frame = evaluated(frame, "validation_nll")
    rows = curve_datasets(frame, labels, missing)
    figure, grid = axes_grid(len(rows), 2, size=(3.6, 2.4), sharey="row")
    for name, line in zip(rows, grid, strict=False):
        curves = frame[frame.dataset == name]
        for axes, clock in zip(line, ("step", "seconds"), strict=True):
            draw_curves(axes, curves, (clock, "validation_nll"), styles)
            if name in references:
                axes.axhline(references[name], color="black", linestyle="--", linewidth=1)
        log_axis(line[0], STEP)
        log_axis(line[1], clock_label(elsewhere))
        finite = curves[np.isfinite(curves.validation_nll)].sort_values("step")
        _limit_curves(line[0], finite, references.get(name))
        for axes in line:
            _curves_beyond(axes, finite, styles)
        unit = curves.unit.iloc[0] if len(curves) else "not measured"
        line[0].set_ylabel(f"{labels[name]}\nvalidation NLL [{unit}]")
    list_gaps(figure, missing, styles, labels)
    add_curve_legend(figure, frame, styles_by_clock(styles, elsewhere), bool(references))
    return figure


def _limit_curves(axes: Axes, curves: pd.DataFrame, reference: float | None) -> None:
    """Cut the first descent, which would flatten everything worth comparing."""
    if curves.empty:
        return
    values = curves.validation_nll
    low = min(values.min(), values.min() if reference is None else reference)
    last = curves.groupby(["method", "seed"]).validation_nll.last()
    end = near_values(last, low, noise=0.02 * (values.max() - low)).max()
    high = min(values.max(), end + 2 * (end - low))
    margin = 0.06 * (high - low) or 0.5
    axes.set_ylim(low - margin, high + margin)


def _curves_beyond(axes: Axes, curves: pd.DataFrame, styles: Styles) -> None:
    """Names of the methods all of whose values are above the limits, with the mean of the last.

    In the lower left corner, where falling curves are not; above the true density.
    """
    lowest = curves.groupby("method").validation_nll.min()
    last = curves.groupby(["method", "seed"]).validation_nll.last().groupby("method").mean()
    above = lowest.index[lowest > axes.get_ylim()[1]]
    for number, method in enumerate(in_order(styles, above)):
        axes.annotate(
            f"{styles[method].label} {last[method]:.3g} ↑",
            (0.02, 0.08),
            xycoords="axes fraction",
            xytext=(0, 12 * number),
            textcoords="offset points",
            color=styles[method].colour,
            fontsize="small",
        )


def write(suite: Suite) -> None:
    """The figure of every seed."""
    frame, missing = histories(suite, runs.trained(suite))
    known = {name: _true_nll(data_folder(suite.name, name)) for name in suite.datasets}
    references = {name: nll for name, nll in known.items() if nll is not None}
    styles, labels = styles_of(suite), labels_of(suite)
    figure = draw(frame, styles, labels, references, missing, suite.archives)
    save(figure, suite_folder(suite.name) / "figures" / "learning_curves")


def _true_nll(folder: Path) -> float | None:
    """True NLL of the validation rows of a data set; ``None`` if its density is not known."""
    known = dataset.true_log_prob(folder, "validation") if folder.exists() else None
    return None if known is None else float(describe(folder).nll(known).mean())
