"""Figures of samples, densities, learning curves and cost, from arrays and tidy frames.

A method has one colour in every figure, that of its style (name -> label and colour, in the
order of the panels). What is missing is drawn as missing, with its reason.
"""

import textwrap
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import matplotlib
import numpy as np
import pandas as pd
import seaborn
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Normalize, PowerNorm
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter
from PIL import Image

from benchmark.files import atomic
from benchmark.records.run import Run

Styles = Mapping[str, Mapping[str, str]]

PICTURES = 36
"""Images of each method in a panel."""

Extent = tuple[float, float, float, float]
"""Left, right, bottom and top edge of an image, in data units."""

TARGET = "target"
"""Name of the true density among those of the methods."""

MOMENTS = (0.0, 0.2, 0.4, 0.6, 0.8, 1.0)
"""Times of a path that the still figure shows, or those nearest to them."""

FRAME, PAUSE = 80, 1500
"""Milliseconds that a film shows a picture, and its first and its last."""

CURVES = ("dataset", "method", "seed", "step", "seconds", "loss", "validation_nll", "unit")
"""Columns of every frame of learning curves; others are diagnostics of methods."""

DIAGNOSTICS = {
    "path_length": r"path length $\mathrm{E}\,|v_t(x_t)|^2$",
    "monitor": "convergence monitor\n(0 at the optimum)",
}
"""Axis labels of diagnostics, which come first; others are called by their name."""

STEP = "training step"

GREY, PALE = "#6b6b6b", "#f4f4f4"
DENSITY = "mako"


class Frames(NamedTuple):
    """Log-densities in nats on a grid at ``times``: (time, height, width), lowest row first."""

    log_density: np.ndarray
    times: np.ndarray
    extent: Extent


class Journey(NamedTuple):
    """Images on their way from noise to data: (time, n, channels, height, width), and ``times``."""

    images: np.ndarray
    times: np.ndarray


@contextmanager
def style() -> Iterator[None]:
    """The look of every figure, for the time of the block (also a decorator)."""
    with matplotlib.rc_context():
        seaborn.set_theme(
            context="paper",
            style="ticks",
            rc={
                "font.sans-serif": ["DejaVu Sans"],
                "axes.grid": True,
                "axes.spines.right": False,
                "axes.spines.top": False,
                "axes.titleweight": "bold",
                "grid.color": "#ececec",
                "legend.frameon": False,
                "pdf.fonttype": 42,
            },
        )
        yield


def save(figure: Figure, stem: str | Path) -> None:
    """The figure as ``<stem>.png`` (150 dots per inch) and ``<stem>.pdf``."""
    for suffix in ("png", "pdf"):
        with atomic(f"{stem}.{suffix}") as temporary, style():
            figure.savefig(temporary, dpi=150, bbox_inches="tight")


def save_film(pictures: Sequence[np.ndarray], file: str | Path) -> None:
    """Pictures (height, width, RGB) as a GIF that loops, with a pause at both ends."""
    frames = [Image.fromarray(picture) for picture in pictures]
    # One palette: colours chosen picture by picture would flicker.
    sheet = Image.fromarray(np.concatenate(pictures[:: max(1, len(pictures) // 8)]))
    palette = sheet.quantize(method=Image.Quantize.MAXCOVERAGE, kmeans=1)
    frames = [frame.quantize(palette=palette, dither=Image.Dither.NONE) for frame in frames]
    durations = [PAUSE, *[FRAME] * (len(frames) - 2), PAUSE]
    with atomic(file) as temporary:
        frames[0].save(
            temporary, save_all=True, append_images=frames[1:], duration=durations, loop=0
        )


@style()
def samples_2d(
    target: np.ndarray, samples: Mapping[str, np.ndarray], styles: Styles, gaps: Mapping[str, str]
) -> Figure:
    """Histograms of points in the plane, on one grid and colour scale: the target, then methods.

    ``target`` (n, 2) gives the limits; ``samples`` maps a method to (m, 2), ``gaps`` a method
    without samples to the reason. The share of samples outside the limits is written below. Rows of
    more columns are shown in the plane of the two leading principal components of the target.
    """
    methods = _shown(styles, [*samples, *gaps])
    figure, panels = _panels(1 + len(methods), columns=4, size=(2.2, 2.3))
    points = _in_plane({TARGET: target, **samples})
    target = points[TARGET]
    edges = _edges(target, bins=_bins(min(len(found) for found in points.values())))
    scale = _histogram_scale([target], edges)
    for name, axes in zip([TARGET, *methods], panels, strict=False):
        _title(axes, name, styles)
        if name in points:
            _points_histogram(axes, points[name], edges, scale)
        else:
            _missing(axes, gaps[name])
            _bare(axes)
    _colourbar(figure, scale, panels, "density [1 / unit area]")
    return figure


@style()
def samples_between(
    ends: tuple[np.ndarray, np.ndarray],
    forward: Mapping[str, np.ndarray],
    backward: Mapping[str, np.ndarray],
    styles: Styles,
    gaps: Mapping[str, str],
) -> Figure:
    """Points of the plane on their way between two data sets, on one grid and colour scale.

    ``ends`` are rows of the base and of the target. Above, ``forward`` from the base has to look
    like the target, on its right; below, ``backward`` from the target like the base.
    """
    methods = _shown(styles, [*forward, *backward, *gaps])
    figure, grid = _grid(2, 2 + len(methods), size=(1.9, 2.0))
    figure.set_layout_engine("compressed")
    shown = [*ends, *forward.values(), *backward.values()]
    edges = _edges(np.concatenate(ends), bins=_bins(min(map(len, shown))))
    scale = _histogram_scale(ends, edges)
    names = ("Base", "Target")
    for line, (start, end), found in zip(grid, [(0, 1), (1, 0)], [forward, backward], strict=True):
        line[0].set_ylabel(f"$t$: {start} → {end}", fontweight="bold")
        for axes, side in ((line[0], start), (line[-1], end)):
            axes.set_title(names[side], color="black")
            _points_histogram(axes, ends[side], edges, scale)
        for name, axes in zip(methods, line[1:-1], strict=True):
            _title(axes, name, styles)
            if name in found:
                _points_histogram(axes, found[name], edges, scale)
            else:
                _missing(axes, gaps[name])
                _bare(axes)
    _colourbar(figure, scale, list(grid.flat), "density [1 / unit area]")
    return figure


@style()
def samples_images(
    target: np.ndarray,
    samples: Mapping[str, np.ndarray],
    shape: tuple[int, int, int],
    styles: Styles,
    gaps: Mapping[str, str],
) -> Figure:
    """The first ``PICTURES`` of the target and of each method, on the grey scale of the target.

    Arrays are (n, ...) with the elements of ``shape`` (channels, height, width) in each row.
    """
    methods = _shown(styles, [*samples, *gaps])
    figure, panels = _panels(1 + len(methods), columns=4, size=(2.4, 2.6))
    low, high = float(target.min()), float(target.max())
    images = {TARGET: target, **samples}
    for name, axes in _present([TARGET, *methods], panels, styles, gaps):
        shown = (images[name][:PICTURES].reshape(-1, *shape) - low) / (high - low)
        _tiles(axes, shown, columns=6)
    return figure


@style()
def nearest(
    samples: Mapping[str, np.ndarray],
    neighbours: Mapping[str, np.ndarray],
    styles: Styles,
    gaps: Mapping[str, str],
) -> Figure:
    """Samples of each method above the training images nearest to them, two lines of them.

    Arrays are (n, channels, height, width), black 0 and white 1, the n-th of ``neighbours`` nearest
    to the n-th of ``samples``.
    """
    methods = _shown(styles, [*samples, *gaps])
    figure, panels = _panels(len(methods), columns=1, size=(6.5, 3.4))
    for name, axes in _present(methods, panels, styles, gaps, width=60):
        pairs = [samples[name], neighbours[name]]
        lines = [found[start : start + 8] for start in (0, 8) for found in pairs]
        _tiles(axes, np.concatenate(lines), columns=8)
        axes.set_yticks((np.arange(4) + 0.5) * (samples[name].shape[2] + 1))
        axes.set_yticklabels(["sample", "nearest"] * 2, fontsize="small")
        axes.tick_params(left=False)
    return figure


@style()
def journeys(journeys: Mapping[str, Journey], styles: Styles, gaps: Mapping[str, str]) -> Figure:
    """Images of each flow on their way from noise to data: a line for each, time to the right."""
    methods = _shown(styles, [*journeys, *gaps])
    figure, panels = _panels(len(methods), columns=1, size=(6.5, 3.1))
    for name, axes in _present(methods, panels, styles, gaps, width=60):
        found = journeys[name]
        moments = np.linspace(0, 1, 11)
        chosen = [int(np.abs(found.times - moment).argmin()) for moment in moments]
        shown = found.images[chosen, :5].swapaxes(0, 1)
        _tiles(axes, shown.reshape(-1, *shown.shape[2:]), columns=len(chosen))
        axes.set_xticks((np.arange(len(chosen)) + 0.5) * (shown.shape[4] + 1))
        axes.set_xticklabels([f"{found.times[index]:.1f}" for index in chosen], fontsize="small")
        axes.tick_params(bottom=False)
        axes.set_xlabel("$t$", fontsize="small")
    return figure


@style()
def journeys_film(
    journeys: Mapping[str, Journey], styles: Styles, gaps: Mapping[str, str]
) -> list[np.ndarray]:
    """The pictures (height, width, RGB) of ``journeys`` at every time, the flows side by side."""

    def draw(axes: Axes, name: str, moment: float) -> None:
        found = journeys[name]
        _tiles(axes, found.images[np.abs(found.times - moment).argmin(), :36], columns=6)

    times = max((found.times for found in journeys.values()), key=len, default=np.ones(1))
    return _film(_shown(styles, [*journeys, *gaps]), times, draw, styles, gaps)


@style()
def quality(
    curves: pd.DataFrame,
    floors: Mapping[str, float],
    metrics: Mapping[str, str],
    styles: Styles,
    datasets: Mapping[str, str],
    gaps: Mapping[Run, str],
) -> Figure:
    """Distance of samples from the training images against NFE, a line for each fit.

    ``curves`` has columns ``dataset, method, seed, tolerance, nfe, distance``; ``metrics`` says
    what the distance of a data set is called, and ``floors`` that of its test images.
    """
    names = [name for name in datasets if name in metrics]
    figure, panels = _panels(len(names), columns=3, size=(4.0, 3.2))
    for dataset, axes in zip(names, panels, strict=False):
        here = curves[curves.dataset == dataset]
        for (method, _), line in here.groupby(["method", "seed"], sort=False):
            colour, line = styles[str(method)]["colour"], line.sort_values("nfe")
            axes.plot(line.nfe, line.distance, color=colour, marker="o", ms=4, lw=1.2)
        if dataset in floors:
            axes.axhline(floors[dataset], color=GREY, ls="--", lw=1)
            axes.annotate(
                *("test images", (1, floors[dataset])),
                xycoords=("axes fraction", "data"), ha="right", va="bottom", color=GREY,
                fontsize="small",
            )  # fmt: skip
        _log_axis(axes, "NFE for an image")
        axes.set(yscale="log", ylabel=metrics[dataset])
        _plain(axes.yaxis)
        axes.set_title(datasets[dataset])
    shown = _shown(styles, curves.method)
    lines = [Line2D([], [], color=styles[name]["colour"], marker="o", ms=4) for name in shown]
    labels = [styles[name]["label"] for name in shown]
    figure.legend(lines, labels, loc="outside lower center", ncols=4)
    _list_gaps(figure, gaps, styles, datasets)
    return figure


@style()
def densities(
    extents: Mapping[str, Extent],
    log_densities: Mapping[str, Mapping[str, np.ndarray]],
    styles: Styles,
    datasets: Mapping[str, str],
    captions: Mapping[tuple[str, str], str],
    gaps: Mapping[tuple[str, str], str],
) -> Figure:
    """Densities in the plane: a row for each data set, the truth first, one colour scale in a row.

    ``log_densities`` maps a data set to ``TARGET`` (where known) and methods, each (height,
    width) in nats, the first row at the bottom of the data set's extent. ``captions`` (NLL, KL)
    and ``gaps`` are for pairs of data set and method; a pair that is in neither has no panel.
    """
    rows = [name for name in datasets if name in log_densities]
    present = [name for found in log_densities.values() for name in found]
    methods = _shown(styles, [*present, *(method for _, method in gaps)])
    figure, grid = _grid(len(rows), 1 + len(methods), size=(1.9, 2.0))
    for dataset, line in zip(rows, grid, strict=False):
        found = log_densities[dataset]
        scale = _scale(_peak(found))
        for name, axes in zip([TARGET, *methods], line, strict=True):
            if name in found:
                _density(axes, found[name], extents[dataset], scale)
                axes.set_xlabel(captions.get((dataset, name), ""), fontsize="small")
            elif name == TARGET or (dataset, name) in gaps:
                _missing(axes, gaps.get((dataset, name), "density not known"))
            _bare(axes)
        line[0].set_ylabel(datasets[dataset], fontweight="bold")
        _colourbar(figure, scale, list(line), "density [1 / unit area]")
    for name, axes in zip([TARGET, *methods], grid[0], strict=True):
        _title(axes, name, styles)
    return figure


@style()
def path(paths: Mapping[str, Frames], styles: Styles, gaps: Mapping[str, str]) -> Figure:
    """Densities of flows on their way from base to data: a row for each, one colour scale.

    ``paths`` maps flows to their frames, and ``TARGET``, where known, to a single frame; ``gaps``
    maps a flow without frames to the reason.
    """
    methods = _shown(styles, [*paths, *gaps])
    known = [TARGET] if TARGET in paths else []
    figure, grid = _grid(len(methods), len(MOMENTS) + len(known), size=(1.5, 1.5))
    figure.set_layout_engine("compressed")
    scale = _path_scale(paths)
    for name, line in zip(methods, grid, strict=False):
        moving, still = line[: len(MOMENTS)], line[len(MOMENTS) :]
        for axes, moment in zip(moving, MOMENTS, strict=True):
            _frame(axes, paths.get(name), moment, scale, _window(paths))
        for axes in still:
            _frame(axes, paths[TARGET], 1.0, scale, _window(paths))
        if name in gaps:
            _missing_line(list(moving), gaps[name])
        label = textwrap.fill(styles[name]["label"], 14)
        line[0].set_ylabel(label, color=styles[name]["colour"], fontweight="bold")
    for axes, moment in zip(grid[0], MOMENTS, strict=False):
        axes.set_title(f"$t$ = {moment:g}", fontweight="normal")
    for axes in grid[0, len(MOMENTS) :]:
        _title(axes, TARGET, styles)
    _colourbar(figure, scale, list(grid.flat), "density [1 / unit area]")
    return figure


@style()
def path_film(
    paths: Mapping[str, Frames], styles: Styles, gaps: Mapping[str, str]
) -> list[np.ndarray]:
    """The pictures (height, width, RGB) of ``path`` at every time, its flows side by side."""
    names = [*_shown(styles, [*paths, *gaps]), *([TARGET] if TARGET in paths else [])]
    scale, window = _path_scale(paths), _window(paths)

    def draw(axes: Axes, name: str, moment: float) -> None:
        _frame(axes, paths.get(name), moment, scale, window)

    times = max((frames.times for frames in paths.values()), key=len, default=np.ones(1))
    return _film(names, times, draw, styles, gaps)


@style()
def learning_curves(
    frame: pd.DataFrame,
    styles: Styles,
    datasets: Mapping[str, str],
    references: Mapping[str, float],
    gaps: Mapping[Run, str],
) -> Figure:
    """Validation NLL against steps and against training seconds: mean and range over the seeds.

    ``frame`` has the columns dataset, method, seed, step, seconds, validation_nll (NaN between
    validations) and unit. ``references`` maps a data set to the NLL of its true density.
    """
    frame = _evaluated(frame, "validation_nll")
    rows = _curve_rows(frame, datasets, gaps)
    figure, grid = _grid(len(rows), 2, size=(3.6, 2.4), sharey="row")
    for dataset, line in zip(rows, grid, strict=False):
        curves = frame[frame.dataset == dataset]
        for axes, clock in zip(line, ("step", "seconds"), strict=True):
            _curves(axes, curves, (clock, "validation_nll"), styles)
            if dataset in references:
                axes.axhline(references[dataset], color="black", linestyle="--", linewidth=1)
        _log_axis(line[0], STEP)
        _log_axis(line[1], "training time [s]")
        finite = curves[np.isfinite(curves.validation_nll)].sort_values("step")
        _limit_curves(line[0], finite, references.get(dataset))
        for axes in line:
            _curves_beyond(axes, finite, styles)
        unit = curves.unit.iloc[0] if len(curves) else "not measured"
        line[0].set_ylabel(f"{datasets[dataset]}\nvalidation NLL [{unit}]")
    _list_gaps(figure, gaps, styles, datasets)
    _curve_legend(figure, frame, styles, bool(references))
    return figure


@style()
def diagnostics(
    frame: pd.DataFrame, styles: Styles, datasets: Mapping[str, str], gaps: Mapping[Run, str]
) -> Figure:
    """What methods record of themselves against steps, a column each: mean and range over seeds.

    ``frame`` has the columns dataset, method, seed, step and one for each diagnostic (NaN where
    it was not evaluated).
    """
    found = [name for name in frame.columns if name not in CURVES]
    names = sorted(found, key=lambda name: [*DIAGNOSTICS, *found].index(name))
    rows = _curve_rows(frame, datasets, gaps)
    figure, grid = _grid(len(rows), max(len(names), 1), size=(3.6, 2.4))
    for dataset, line in zip(rows, grid, strict=False):
        for axes, name in zip(line, names, strict=False):
            curves = _evaluated(frame[frame.dataset == dataset], name)
            _curves(axes, curves, ("step", name), styles)
            _log_axis(axes, STEP)
            axes.set_ylabel(DIAGNOSTICS.get(name, name))
            axes.set_title(datasets[dataset])
    _list_gaps(figure, gaps, styles, datasets)
    _curve_legend(figure, frame, styles, reference=False)
    return figure


@style()
def nll_against_time(frame: pd.DataFrame, styles: Styles, datasets: Mapping[str, str]) -> Figure:
    """Test NLL against training time, a panel per data set, from the frame of metrics.

    A large point is the mean over seeds with its standard deviation, small points are the seeds;
    controls are dashed lines. What lies far off is named at the edge with its value.
    """
    frame = frame[frame.method.isin(list(styles))]
    names = [name for name in datasets if name in set(frame.dataset)]
    figure, panels = _panels(len(names), columns=3, size=(3.6, 3.0))
    for dataset, axes in zip(names, panels, strict=False):
        here = frame[frame.dataset == dataset]
        nll, runs = here[here.metric == "nll"], _runs(here)
        references = nll[nll.control & nll.value.notna()]
        axes.set_ylim(*_limits(runs, references.value, nll.standard_error.mean()))
        _time_axis(axes, runs.training_seconds)
        _points(axes, runs, styles)
        _references(axes, references, styles)
        units = [*nll.unit.dropna(), "not measured"]
        axes.set_ylabel(f"test NLL [{units[0]}]")
        axes.set_title(f"{datasets[dataset]} (n = {_most_seeds(runs)} seeds)")
    _list_gaps(figure, _gaps_of(frame), styles, datasets)
    return figure


# Panels


def _grid(
    rows: int, columns: int, size: tuple[float, float], **shared: Any
) -> tuple[Figure, np.ndarray]:
    """A figure and its axes (rows, columns), each of about ``size`` inches; at least one."""
    rows = max(rows, 1)
    figure = Figure(figsize=(size[0] * columns, size[1] * rows))
    figure.set_layout_engine("constrained", w_pad=0.07, h_pad=0.07)
    return figure, figure.subplots(rows, columns, squeeze=False, **shared)


def _panels(count: int, columns: int, size: tuple[float, float]) -> tuple[Figure, list[Axes]]:
    """``count`` axes in rows that are as equal as possible; what is left over is removed."""
    lines = -(-count // columns)
    figure, grid = _grid(lines, max(-(-count // max(lines, 1)), 1), size)
    for axes in grid.flat[count:]:
        axes.remove()
    return figure, list(grid.flat[:count])


def _shown(styles: Styles, present: Iterable[str]) -> list[str]:
    """Methods of ``styles`` that are ``present``, in the order of ``styles``."""
    present = set(present)
    return [name for name in styles if name in present]


def _title(axes: Axes, name: str, styles: Styles) -> None:
    known = {TARGET: {"label": "Target", "colour": "black"}, **styles}[name]
    axes.set_title(textwrap.fill(known["label"], 24), color=known["colour"])


def _bare(axes: Axes) -> None:
    axes.set(xticks=[], yticks=[])
    axes.set_box_aspect(1)
    axes.grid(False)
    axes.spines[:].set_visible(False)


def _missing(axes: Axes, reason: str, width: int = 22, x: float = 0.5) -> None:
    text = axes.text(
        *(x, 0.5, f"missing:\n{textwrap.fill(reason, width)}"),
        transform=axes.transAxes,
        ha="center",
        va="center",
        color=GREY,
        fontsize="small",
    )
    text.set_in_layout(False)  # it may be wider than its panel
    axes.set_facecolor(PALE)


def _present(
    names: Sequence[str],
    panels: Sequence[Axes],
    styles: Styles,
    gaps: Mapping[str, str],
    width: int = 22,
) -> Iterator[tuple[str, Axes]]:
    """Each name with its panel, which has its title; one with a gap says why and is left out."""
    for name, axes in zip(names, panels, strict=False):
        _title(axes, name, styles)
        if name in gaps:
            _bare(axes)
            _missing(axes, gaps[name], width)
        else:
            yield name, axes


def _scale(top: float) -> Normalize:
    """Colours from zero to ``top``, growing like a root so that thin structure stays visible."""
    return PowerNorm(0.6, 0, top)


def _colourbar(figure: Figure, scale: Normalize, panels: Sequence[Axes], label: str) -> None:
    """One bar for all panels; its point says that higher values share the last colour."""
    colours = ScalarMappable(norm=scale, cmap=DENSITY)
    bar = figure.colorbar(colours, ax=list(panels), extend="max", shrink=0.8, aspect=20, pad=0.01)
    bar.set_label(label, fontsize="small")
    bar.outline.set_visible(False)


# Samples and densities


def _bins(count: int) -> int:
    """Bins along one axis: few enough that noise of counting does not pass for structure."""
    return int(np.clip(np.sqrt(count) / 1.5, 24, 160))


def _in_plane(points: Mapping[str, np.ndarray]) -> Mapping[str, np.ndarray]:
    """Coordinates on the two leading principal axes of the target, less its most remote 2 %."""
    target = points[TARGET]
    if target.shape[1] == 2:
        return points
    centre, axes = target.mean(axis=0), np.linalg.eigh(np.cov(target.T))[1][:, :-3:-1]
    shown = {name: (found - centre) @ axes for name, found in points.items()}
    distance = np.abs(shown[TARGET]).max(axis=1)
    return {**shown, TARGET: shown[TARGET][distance <= np.quantile(distance, 0.98)]}


def _edges(target: np.ndarray, bins: int) -> tuple[np.ndarray, np.ndarray]:
    """Edges of square bins over the target, with a margin of 5 %."""
    low, high = target.min(axis=0), target.max(axis=0)
    centre, half = (low + high) / 2, 0.55 * (high - low).max()
    x, y = (np.linspace(middle - half, middle + half, bins + 1) for middle in centre)
    return x, y


def _histogram(points: np.ndarray, edges: tuple[np.ndarray, np.ndarray]) -> np.ndarray:
    """Density (x, y) in which points outside the edges count as mass."""
    counts, _, _ = np.histogram2d(points[:, 0], points[:, 1], bins=edges)
    area = (edges[0][1] - edges[0][0]) * (edges[1][1] - edges[1][0])
    density: np.ndarray = counts / (len(points) * area)
    return density


def _histogram_scale(
    targets: Sequence[np.ndarray], edges: tuple[np.ndarray, np.ndarray]
) -> Normalize:
    """Up to nearly the highest bin of any of the targets."""
    heights = [_histogram(target, edges) for target in targets]
    return _scale(max(float(np.quantile(found[found > 0], 0.98)) for found in heights))


def _points_histogram(
    axes: Axes, points: np.ndarray, edges: tuple[np.ndarray, np.ndarray], scale: Normalize
) -> None:
    heights = _histogram(points, edges)
    axes.pcolormesh(*edges, heights.T, cmap=DENSITY, norm=scale, rasterized=True)
    _outside(axes, points, edges)
    _bare(axes)


def _outside(axes: Axes, points: np.ndarray, edges: tuple[np.ndarray, np.ndarray]) -> None:
    low, high = (np.array([edge[end] for edge in edges]) for end in (0, -1))
    share = 1 - np.mean(np.all((points >= low) & (points <= high), axis=1))
    if share > 0:
        axes.set_xlabel(f"{100 * share:.2g} % outside", color=GREY, fontsize="small")


def _tiles(axes: Axes, images: np.ndarray, columns: int) -> None:
    """Images (n, channels, height, width), black 0 and white 1, line by line."""
    count, channels, height, width = images.shape
    lines = -(-count // columns)
    tiles = np.ones((lines * columns, channels, height + 1, width + 1))
    tiles[:count, :, :-1, :-1] = np.clip(images, 0, 1)
    grid = tiles.reshape(lines, columns, channels, height + 1, width + 1).transpose(0, 3, 1, 4, 2)
    shown = grid.reshape(lines * (height + 1), columns * (width + 1), channels)[:-1, :-1]
    axes.imshow(shown[..., 0] if channels == 1 else shown, cmap="gray", vmin=0, vmax=1)
    _bare(axes)
    axes.set_box_aspect(shown.shape[0] / shown.shape[1])


def _density(axes: Axes, log_density: np.ndarray, extent: Extent, scale: Normalize) -> None:
    density = np.exp(log_density)
    axes.imshow(density, origin="lower", extent=extent, cmap=DENSITY, norm=scale)


def _peak(log_densities: Mapping[str, np.ndarray]) -> float:
    """Top of the colour scale: the peak of the truth, else the median peak of the methods."""
    if TARGET in log_densities:
        return float(np.exp(log_densities[TARGET].max()))
    peaks = [np.exp(found.max()) for found in log_densities.values()]
    return float(np.median(peaks)) if peaks else 1.0


# Paths


def _film(
    names: Sequence[str],
    times: np.ndarray,
    draw: Callable[[Axes, str, float], None],
    styles: Styles,
    gaps: Mapping[str, str],
) -> list[np.ndarray]:
    """Pictures at ``times`` of panels that ``draw`` fills, one for each name without a gap."""
    figure, panels = _panels(len(names), columns=6, size=(1.9, 2.3))
    figure.set_dpi(100)
    canvas = FigureCanvasAgg(figure)
    shown = list(_present(names, panels, styles, gaps))
    for name, axes in shown:
        draw(axes, name, 0.0)
    clock = figure.suptitle(_clock(0.0))
    canvas.draw()  # type: ignore[no-untyped-call]
    figure.set_layout_engine("none")  # laid out once, for all pictures
    pictures = []
    for moment in times:
        clock.set_text(_clock(moment))
        for name, axes in shown:
            for image in list(axes.images):
                image.remove()
            draw(axes, name, moment)
        canvas.draw()  # type: ignore[no-untyped-call]
        picture = canvas.buffer_rgba()  # type: ignore[no-untyped-call]
        pictures.append(np.array(picture)[..., :3])
    return pictures


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
    _bare(axes)


def _missing_line(line: Sequence[Axes], reason: str) -> None:
    """The reason across all panels of a line."""
    for axes in line:
        axes.set_facecolor(PALE)
    middle = line[len(line) // 2]
    middle.set_zorder(1)  # its text lies over its neighbours
    _missing(middle, reason, width=80, x=0.0)


def _path_scale(paths: Mapping[str, Frames]) -> Normalize:
    """The scale of the densities at the end of the paths."""
    return _scale(_peak({name: frames.log_density[-1] for name, frames in paths.items()}))


def _window(paths: Mapping[str, Frames]) -> Extent:
    """The least window that shows every extent."""
    extents = [frames.extent for frames in paths.values()] or [(0.0, 1.0, 0.0, 1.0)]
    lefts, rights, bottoms, tops = zip(*extents, strict=True)
    return min(lefts), max(rights), min(bottoms), max(tops)


def _clock(moment: float) -> str:
    """A bar from base to data that fills up, and the time."""
    done = round(30 * moment)
    return f"base {'━' * done}●{'─' * (30 - done)} data    $t$ = {moment:.2f}"


# Learning curves


def _evaluated(frame: pd.DataFrame, name: str) -> pd.DataFrame:
    """The rows after the first step that have a value of ``name``."""
    return frame[frame[name].notna() & (frame.step > 0)]


def _curve_rows(
    frame: pd.DataFrame, datasets: Mapping[str, str], gaps: Mapping[Run, str]
) -> list[str]:
    """Data sets that have curves, or ought to."""
    expected = set(frame.dataset) | {run.dataset for run in gaps}
    return [name for name in datasets if name in expected]


def _curves(axes: Axes, curves: pd.DataFrame, quantities: tuple[str, str], styles: Styles) -> None:
    """Seeds share their evaluations but not their seconds (or steps, where the budget is seconds),
    so these are means over seeds too."""
    clock, name = quantities
    for method in _shown(styles, curves.method):
        own = curves[curves.method == method].sort_values("step", kind="stable")
        evaluations = own.groupby(own.groupby("seed").cumcount())
        x, y = evaluations[clock].mean(), evaluations[name]
        colour = styles[method]["colour"]
        axes.plot(x, y.mean(), color=colour, linewidth=1.6)
        axes.fill_between(x, y.min(), y.max(), color=colour, alpha=0.2, linewidth=0)


def _near(values: pd.Series, base: float, noise: float) -> pd.Series:
    """Those that lie at most 8 times as far above ``base`` as is typical, or as ``noise``."""
    above = values - base
    typical = above[above > 0].quantile(0.5, interpolation="lower")
    near: pd.Series = values[above <= 8 * np.nanmax([typical, noise, 0.0])]
    return near


def _limit_curves(axes: Axes, curves: pd.DataFrame, reference: float | None) -> None:
    """Cut the first descent, which would flatten everything worth comparing."""
    if curves.empty:
        return
    values = curves.validation_nll
    low = min(values.min(), values.min() if reference is None else reference)
    last = curves.groupby(["method", "seed"]).validation_nll.last()
    end = _near(last, low, noise=0.02 * (values.max() - low)).max()
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
    for number, method in enumerate(_shown(styles, above)):
        axes.annotate(
            f"{styles[method]['label']} {last[method]:.3g} ↑",
            (0.02, 0.08),
            xycoords="axes fraction",
            xytext=(0, 12 * number),
            textcoords="offset points",
            color=styles[method]["colour"],
            fontsize="small",
        )


def _curve_legend(figure: Figure, frame: pd.DataFrame, styles: Styles, reference: bool) -> None:
    handles = []
    for method in _shown(styles, frame.method):
        counts = frame[frame.method == method].groupby("dataset").seed.nunique()
        low, high = counts.min(), counts.max()
        seeds = f"{low}" if low == high else f"{low}–{high}"
        label = f"{styles[method]['label']} (n={seeds})"
        handles.append(Line2D([], [], color=styles[method]["colour"], label=label))
    if reference:
        handles.append(Line2D([], [], color="black", linestyle="--", label="true density"))
    figure.legend(handles=handles, loc="outside upper center", ncols=min(len(handles), 5) or 1)


def _log_axis(axes: Axes, label: str) -> None:
    axes.set_xscale("log")
    axes.set_xlabel(label)
    _plain(axes.xaxis)


def _plain(axis: Axis) -> None:
    """Ticks of a logarithmic axis at 1, 2, 5, 10, ... as plain numbers, thousands as k."""
    axis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0)))
    axis.set_major_formatter(FuncFormatter(lambda x, _: f"{x:g}" if x < 1e3 else f"{x / 1e3:g}k"))
    axis.set_minor_formatter(NullFormatter())


# NLL against time


def _runs(frame: pd.DataFrame) -> pd.DataFrame:
    """Columns method, seed, nll, training_seconds: the learned runs that have both numbers."""
    learned = frame[~frame.control & frame.metric.isin(["nll", "training_seconds"])]
    wide = learned.pivot(index=["method", "seed"], columns="metric", values="value")
    wide = wide.reindex(columns=["nll", "training_seconds"])
    return wide.dropna().reset_index()


def _most_seeds(runs: pd.DataFrame) -> int:
    return int(runs.groupby("method").size().max()) if len(runs) else 0


def _limits(runs: pd.DataFrame, references: pd.Series, noise: float) -> tuple[float, float]:
    """Range of NLL of the learned methods, but for outliers, and of the references near them."""
    means = runs.groupby("method").nll.mean()
    kept = _near(means, min([*means, *references], default=0.0), noise).index
    values = runs.nll[runs.method.isin(kept)] if len(runs) else references
    low, high = (values.min(), values.max()) if len(values) else (0.0, 1.0)
    near = references[references <= high + (high - low)]
    low, high = min([low, *near]), max([high, *near])
    margin = 0.12 * (high - low) or 0.5
    return low - margin, high + margin


def _time_axis(axes: Axes, seconds: pd.Series) -> None:
    """Logarithmic, with room for labels to the right of the points."""
    _log_axis(axes, "training time [s]")
    if len(seconds):
        decades = max(np.log10(seconds.max() / seconds.min()), 1.0)
        axes.set_xlim(seconds.min() / 10 ** (0.12 * decades), seconds.max() * 10 ** (0.6 * decades))


def _points(axes: Axes, runs: pd.DataFrame, styles: Styles) -> None:
    """Each method as seeds, mean and standard deviation, labelled; far above, at the edge."""
    low, high = axes.get_ylim()
    top = high - 0.1 * (high - low)
    labels: dict[str, tuple[float, float, str]] = {}
    for method in _shown(styles, runs.method):
        own, colour = runs[runs.method == method], styles[method]["colour"]
        seconds, mean, sd = own.training_seconds.mean(), own.nll.mean(), own.nll.std(ddof=1)
        far = mean > high
        height = top if far else mean
        if not far:
            axes.plot(own.training_seconds, own.nll, ".", color=colour, alpha=0.5, markersize=5)
            axes.errorbar(seconds, mean, None if np.isnan(sd) else sd, color=colour, capsize=3)
        marker = "^" if far else "o"
        axes.plot(seconds, height, marker, color=colour, markersize=7, markeredgecolor="white")
        count = f" (n={len(own)})" if len(own) < _most_seeds(runs) else ""
        value = f" {mean:.3g} ↑" if far else ""
        labels[method] = (seconds, height, f"{styles[method]['label']}{value}{count}")
    gap = 0.07 * (high - low)
    heights = _spread({name: label[1] for name, label in labels.items()}, gap)
    for method, (seconds, _, text) in labels.items():
        level = runs.training_seconds[(runs.nll - heights[method]).abs() < gap / 2]
        beyond = level[level < 2 * seconds].max()  # points that the label would cover
        place = (np.nanmax([seconds, beyond]), heights[method])
        _beside(axes, text, place, styles[method]["colour"])


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
    """Those whose labels would overlap share a label, and the colour of the first."""
    low, high = axes.get_ylim()
    crowded = bool((references.value > high).any())
    ordered = references.sort_values("value", kind="stable")
    apart = ordered.value.diff() > 0.06 * (high - low)
    for _, together in ordered.groupby(apart.cumsum()):
        methods = _shown(styles, together.method)
        label = ", ".join(styles[method]["label"] for method in methods)
        _reference(axes, together.value.mean(), label, styles[methods[0]]["colour"], crowded)


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


# What is missing


def _gaps_of(frame: pd.DataFrame) -> dict[Run, str]:
    gaps = frame[(frame.metric == "nll") & frame.reason.notna()].to_dict("records")
    return {
        Run(gap["suite"], gap["dataset"], gap["method"], gap["seed"]): gap["reason"] for gap in gaps
    }


def _list_gaps(
    figure: Figure, gaps: Mapping[Run, str], styles: Styles, datasets: Mapping[str, str]
) -> None:
    """Missing runs and why, below the panels."""
    seeds: dict[tuple[str, str, str], list[str]] = {}
    for run, reason in gaps.items():
        if run.method in styles and run.dataset in datasets:
            seeds.setdefault((run.dataset, run.method, reason), []).append(str(run.seed))
    handles = []
    for (dataset, method, reason), missing in seeds.items():
        where = f"{styles[method]['label']} on {datasets[dataset]}"
        noun = "seeds" if len(missing) > 1 else "seed"
        label = textwrap.fill(f"missing: {where}, {noun} {', '.join(missing)}: {reason}", 90)
        colour = styles[method]["colour"]
        handles.append(Line2D([], [], marker="x", linestyle="", color=colour, label=label))
    if handles:
        figure.legend(
            handles=handles, loc="outside lower center", fontsize="small", labelcolor=GREY
        )
