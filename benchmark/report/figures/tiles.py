"""Images side by side in one panel."""

import numpy as np
from matplotlib.axes import Axes

from benchmark.report.figures.panels import hide_axes


def draw_tiles(axes: Axes, images: np.ndarray, columns: int) -> None:
    """Images (n, channels, height, width), black 0 and white 1, line by line."""
    count, channels, height, width = images.shape
    lines = -(-count // columns)
    tiles = np.ones((lines * columns, channels, height + 1, width + 1))
    tiles[:count, :, :-1, :-1] = np.clip(images, 0, 1)
    grid = tiles.reshape(lines, columns, channels, height + 1, width + 1).transpose(0, 3, 1, 4, 2)
    shown = grid.reshape(lines * (height + 1), columns * (width + 1), channels)[:-1, :-1]
    axes.imshow(shown[..., 0] if channels == 1 else shown, cmap="gray", vmin=0, vmax=1)
    hide_axes(axes)
    axes.set_box_aspect(shown.shape[0] / shown.shape[1])
