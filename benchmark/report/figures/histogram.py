"""Histograms of points in the plane, on one grid and one colour scale."""

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import Normalize

from benchmark.report.figures.panels import TARGET, colour_scale, hide_axes
from benchmark.report.figures.theme import DENSITY, GREY


def in_plane(points: Mapping[str, np.ndarray]) -> Mapping[str, np.ndarray]:
    """Coordinates on the two leading principal axes of the target, less its most remote 2 %."""
    target = points[TARGET]
    if target.shape[1] == 2:
        return points
    centre, axes = target.mean(axis=0), np.linalg.eigh(np.cov(target.T))[1][:, :-3:-1]
    shown = {name: (rows - centre) @ axes for name, rows in points.items()}
    distance = np.abs(shown[TARGET]).max(axis=1)
    return {**shown, TARGET: shown[TARGET][distance <= np.quantile(distance, 0.98)]}


def bin_count(count: int) -> int:
    """Bins along one axis: few enough that noise of counting does not pass for structure."""
    return int(np.clip(np.sqrt(count) / 1.5, 24, 160))


def bin_edges(target: np.ndarray, bins: int) -> tuple[np.ndarray, np.ndarray]:
    """Edges of square bins over the target, with a margin of 5 %."""
    low, high = target.min(axis=0), target.max(axis=0)
    centre, half = (low + high) / 2, 0.55 * (high - low).max() or 0.5
    x, y = (np.linspace(middle - half, middle + half, bins + 1) for middle in centre)
    return x, y


def histogram_scale(
    targets: Sequence[np.ndarray], edges: tuple[np.ndarray, np.ndarray]
) -> Normalize:
    """Up to nearly the highest bin of any of the targets."""
    heights = [_histogram(target, edges) for target in targets]
    return colour_scale(max(float(np.quantile(height[height > 0], 0.98)) for height in heights))


def draw_histogram(
    axes: Axes, points: np.ndarray, edges: tuple[np.ndarray, np.ndarray], scale: Normalize
) -> None:
    """The density of points, and below it the share of them that lies outside the edges."""
    heights = _histogram(points, edges)
    axes.pcolormesh(*edges, heights.T, cmap=DENSITY, norm=scale, rasterized=True)
    note_outside(axes, points, edges)
    hide_axes(axes)


def _histogram(points: np.ndarray, edges: tuple[np.ndarray, np.ndarray]) -> np.ndarray:
    """Density (x, y) in which points outside the edges count as mass."""
    counts, _, _ = np.histogram2d(points[:, 0], points[:, 1], bins=edges)
    area = (edges[0][1] - edges[0][0]) * (edges[1][1] - edges[1][0])
    density: np.ndarray = counts / (len(points) * area)
    return density


def note_outside(axes: Axes, points: np.ndarray, edges: tuple[np.ndarray, ...]) -> None:
    """The share of points outside the edges of bins, on each axis, below the panel."""
    low, high = (np.array([edge[end] for edge in edges]) for end in (0, -1))
    note_share(axes, ~np.all((points >= low) & (points <= high), axis=1), "outside")


def note_share(axes: Axes, which: np.ndarray, of_what: str) -> None:
    """The share of ``which`` (truth values) in percent, below the panel, unless it is zero."""
    if which.any():
        percent = float(f"{100 * which.mean():.2g}")
        axes.set_xlabel(f"{percent:g} % {of_what}", color=GREY, fontsize="small")
