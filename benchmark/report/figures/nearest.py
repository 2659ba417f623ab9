"""Figure of samples above the training images nearest to them."""

from collections.abc import Mapping

import numpy as np
from matplotlib.figure import Figure

from benchmark.data import dataset
from benchmark.data.description import describe
from benchmark.records.run import SAMPLES, data_folder, suite_folder
from benchmark.report import runs
from benchmark.report.asked import Suite
from benchmark.report.figures.missing import present_panels
from benchmark.report.figures.panels import axes_rows, in_order
from benchmark.report.figures.sampled import sampled
from benchmark.report.figures.theme import save, theme
from benchmark.report.figures.tiles import draw_tiles
from benchmark.report.labels import Styles, styles_of

ROWS_AT_ONCE = 10_000
"""Training images that samples are compared with at a time."""


@theme()
def draw(
    samples: Mapping[str, np.ndarray],
    neighbours: Mapping[str, np.ndarray],
    styles: Styles,
    missing: Mapping[str, str],
) -> Figure:
    """Samples of each method above the training images nearest to them, two lines of them.

    Arrays are (n, channels, height, width), black 0 and white 1, the n-th of ``neighbours`` nearest
    to the n-th of ``samples``.
    """
    methods = in_order(styles, [*samples, *missing])
    figure, panels = axes_rows(len(methods), columns=1, size=(6.5, 3.4))
    for name, axes in present_panels(methods, panels, styles, missing, width=60):
        pairs = [samples[name], neighbours[name]]
        lines = [images[start : start + 8] for start in (0, 8) for images in pairs]
        draw_tiles(axes, np.concatenate(lines), columns=8)
        axes.set_yticks((np.arange(4) + 0.5) * (samples[name].shape[2] + 1))
        axes.set_yticklabels(["sample", "nearest"] * 2, fontsize="small")
        axes.tick_params(left=False)
    return figure


def write(suite: Suite, name: str) -> None:
    """The figure of every method's first seed on the data set ``name``."""
    fits, folder = runs.first_runs_with(suite, name, SAMPLES), data_folder(suite.name, name)
    drawn, missing = sampled(suite, fits)
    description, train = describe(folder), dataset.rows(folder, "train")
    assert description.levels is not None and description.picture is not None
    samples: dict[str, np.ndarray] = {}
    neighbours: dict[str, np.ndarray] = {}
    for run, rows in drawn.items():
        chosen = train[nearest_rows(rows[:16] * description.levels - 0.5, train)]
        samples[run.method] = rows[:16].reshape(-1, *description.picture)
        neighbours[run.method] = chosen.reshape(-1, *description.picture) / (description.levels - 1)
    figure = draw(samples, neighbours, styles_of(suite), missing)
    save(figure, suite_folder(suite.name) / "figures" / f"nearest_{name}")


def nearest_rows(x: np.ndarray, rows: np.ndarray) -> np.ndarray:
    """Index of the nearest of ``rows`` to each of ``x``, in the Euclidean distance of pixels."""
    best, index = np.full(len(x), np.inf), np.zeros(len(x), dtype=int)
    flat = x.reshape(len(x), -1)
    for start in range(0, len(rows), ROWS_AT_ONCE):
        part = rows[start : start + ROWS_AT_ONCE].reshape(-1, flat.shape[1]).astype(np.float64)
        squares = (part**2).sum(axis=1) - 2 * flat @ part.T  # less |x|^2, the same for all rows
        nearer = squares.min(axis=1) < best
        index[nearer] = start + squares.argmin(axis=1)[nearer]
        best = np.minimum(best, squares.min(axis=1))
    return index
