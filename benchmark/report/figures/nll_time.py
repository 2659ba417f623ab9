"""Figure of the test NLL against training time."""

from collections.abc import Collection, Mapping
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from benchmark.records.records import COST, NLL
from benchmark.records.run import Run, suite_folder
from benchmark.report import collected
from benchmark.report.asked import Suite
from benchmark.report.figures.axes import log_axis, near_values
from benchmark.report.figures.missing import list_gaps
from benchmark.report.figures.panels import axes_rows, in_order
from benchmark.report.figures.theme import save, theme
from benchmark.report.frame import RUN
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
    frame: pd.DataFrame, styles: Styles, labels: Labels, elsewhere: Collection[str] = ()
) -> Figure:
    """Test NLL against training time, a panel per data set, from the frame of metrics.

    A large point is the mean over n seeds with its standard deviation, small points are the seeds;
    controls are dashed lines. What lies far off is named at the edge with its value; below stands
    in words which runs have no place on the axes, and why. The clocks of the methods ``elsewhere``
    are of another machine, and marked.
    """
    frame = frame[frame.method.isin(list(styles))]
    names = [name for name in labels if name in set(frame.dataset)]
    figure, panels = axes_rows(len(names), columns=3, size=(3.6, 3.0))
    for dataset, axes in zip(names, panels, strict=False):
        here = frame[frame.dataset == dataset]
        nll, runs = here[here.metric == "nll"], _runs(here)
        references = nll[nll.control & nll.value.notna()]
        axes.set_ylim(*_limits(runs, references.value, nll.standard_error.mean()))
        _time_axis(axes, runs.training_seconds, clock_label(elsewhere))
        _points(axes, runs, styles_by_clock(styles, elsewhere))
        _references(axes, references, styles)
        units = [*nll.unit.dropna(), "not measured"]
        axes.set_ylabel(f"test NLL [{units[0]}]")
        axes.set_title(f"{labels[dataset]} (n = {_most_seeds(runs)})")
    list_gaps(figure, _gaps_of(frame), styles, labels)
    return figure


def _runs(frame: pd.DataFrame) -> pd.DataFrame:
    """Columns method, seed, nll, training_seconds: the learned runs that have a place."""
    learned = frame[~frame.control & frame.metric.isin(["nll", "training_seconds"])]
    wide = learned.pivot(index=["method", "seed"], columns="metric", values="value")
    wide = wide.reindex(columns=["nll", "training_seconds"])
    return wide[wide.nll.notna() & (wide.training_seconds > 0)].reset_index()


def _most_seeds(runs: pd.DataFrame) -> int:
    return int(runs.groupby("method").size().max()) if len(runs) else 0


def _limits(runs: pd.DataFrame, references: pd.Series, noise: float) -> tuple[float, float]:
    """Range of NLL of the learned methods, but for outliers, and of the references near them."""
    means = runs.groupby("method").nll.mean()
    kept = near_values(means, min([*means, *references], default=0.0), noise).index
    values = runs.nll[runs.method.isin(kept)] if len(runs) else references
    low, high = (values.min(), values.max()) if len(values) else (0.0, 1.0)
    near = references[references <= high + (high - low)]
    low, high = min([low, *near]), max([high, *near])
    margin = 0.12 * (high - low) or 0.5
    return low - margin, high + margin


def _time_axis(axes: Axes, seconds: pd.Series, label: str) -> None:
    """Logarithmic, with room for labels to the right of the points."""
    log_axis(axes, label)
    if len(seconds):
        decades = max(np.log10(seconds.max() / seconds.min()), 1.0)
        axes.set_xlim(seconds.min() / 10 ** (0.12 * decades), seconds.max() * 10 ** (0.6 * decades))


def _points(axes: Axes, runs: pd.DataFrame, styles: Styles) -> None:
    """Each method as seeds, mean and standard deviation, labelled; far above, at the edge."""
    low, high = axes.get_ylim()
    top = high - 0.1 * (high - low)
    labels: dict[str, tuple[float, float, str]] = {}
    for method in in_order(styles, runs.method):
        own, colour = runs[runs.method == method], styles[method].colour
        seconds, mean, sd = own.training_seconds.mean(), own.nll.mean(), own.nll.std(ddof=1)
        far = mean > high
        height = top if far else mean
        if not far:
            axes.plot(own.training_seconds, own.nll, ".", color=colour, alpha=0.5, markersize=5)
            axes.errorbar(seconds, mean, None if np.isnan(sd) else sd, color=colour, capsize=3)
        marker = "^" if far else styles[method].marker
        axes.plot(seconds, height, marker, color=colour, markersize=7, markeredgecolor="white")
        count = f" (n={len(own)})" if len(own) < _most_seeds(runs) else ""
        value = f" {mean:.3g} ↑" if far else ""
        labels[method] = (seconds, height, f"{styles[method].label}{value}{count}")
    gap = 0.07 * (high - low)
    heights = _spread({name: label[1] for name, label in labels.items()}, gap)
    for method, (seconds, _, text) in labels.items():
        level = runs.training_seconds[(runs.nll - heights[method]).abs() < gap / 2]
        beyond = level[level < 2 * seconds].max()  # points that the label would cover
        place = (np.nanmax([seconds, beyond]), heights[method])
        _beside(axes, text, place, styles[method].colour)


def _beside(axes: Axes, text: str, point: tuple[float, float], colour: str) -> None:
    axes.annotate(text, point, xytext=(8, 0), textcoords="offset points", color=colour, va="center")


def _spread(positions: Mapping[str, float], gap: float) -> dict[str, float]:
    """Positions moved upward as little as makes neighbours at least ``gap`` apart."""
    spread: dict[str, float] = {}
    last = -np.inf
    for name, position in sorted(positions.items(), key=lambda item: item[1]):
        last = max(position, last + gap)
        spread[name] = last
    return spread


def _references(axes: Axes, references: pd.DataFrame, styles: Styles) -> None:
    """Lines of the controls; if labels would overlap, they share one, in the first's colour."""
    low, high = axes.get_ylim()
    crowded = bool((references.value > high).any())
    ordered = references.sort_values("value", kind="stable")
    apart = ordered.value.diff() > 0.06 * (high - low)
    for _, together in ordered.groupby(apart.cumsum()):
        methods = in_order(styles, together.method)
        label = ", ".join(styles[method].label for method in methods)
        _reference(axes, together.value.mean(), label, styles[methods[0]].colour, crowded)


def _reference(axes: Axes, value: float, label: str, colour: str, crowded: bool) -> None:
    """A dashed line with its name, or its name and value at the edge beyond which it lies.

    Where another is beyond the upper edge, ``crowded``, a line near that has its name below.
    """
    low, high = axes.get_ylim()
    inside = value <= high
    if inside:
        axes.axhline(value, color=colour, linestyle="--", linewidth=1)
    highest = high - 0.15 * (high - low) if crowded else high
    above = inside and (low + high) / 2 < value <= highest
    axes.annotate(
        label if inside else f"{label} {value:.3g} ↑",
        (0.98, min(value, high)),
        ha="right",
        xycoords=("axes fraction", "data"),
        xytext=(0, 2 if above else -2),
        textcoords="offset points",
        va="bottom" if above else "top",
        color=colour,
        fontsize="small",
    )


def _gaps_of(frame: pd.DataFrame) -> dict[Run, str]:
    """Runs that have no place on the axes, and why."""
    runs: Any = frame.groupby(RUN, sort=False)
    return {Run(*key): why for key, rows in runs if (why := _unplaced(rows)) is not None}


def _unplaced(run: pd.DataFrame) -> str | None:
    """Why the rows of a run have no place on the axes; ``None`` if they have, or are a line."""
    reasons = run.dropna(subset="reason").set_index("metric").reason
    seconds = run.value[run.metric == "training_seconds"].dropna()
    if NLL in reasons:
        return str(reasons[NLL])
    if run.control.any() or (seconds > 0).any():
        return None
    if len(seconds):
        return "its training took no time, and the axis is logarithmic"
    stated = reasons.get(COST, "its training time is not stated")
    return str(reasons.get("training_seconds", stated))


def write(suite: Suite) -> None:
    """The figure, without data sets whose density is not measured."""
    labels = labels_of(suite)
    known = {name: label for name, label in labels.items() if not suite.has_base(name)}
    figure = draw(collected.read(suite), styles_of(suite), known, suite.archives)
    save(figure, suite_folder(suite.name) / "figures" / "nll_time")
