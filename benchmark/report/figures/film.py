"""Films: pictures of panels that change with time, and their GIF."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from PIL import Image

from benchmark.files import atomic
from benchmark.report.figures.missing import present_panels
from benchmark.report.figures.panels import axes_rows
from benchmark.report.labels import Styles

FRAME, PAUSE = 80, 1500
"""Milliseconds that a film shows a picture, and its first and its last."""


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


def film_pictures(
    names: Sequence[str],
    times: np.ndarray,
    draw: Callable[[Axes, str, float], None],
    styles: Styles,
    missing: Mapping[str, str],
) -> list[np.ndarray]:
    """Pictures at ``times`` of panels that ``draw`` fills, one for each name without a gap."""
    figure, panels = axes_rows(len(names), columns=6, size=(1.9, 2.3))
    figure.set_dpi(100)
    canvas = FigureCanvasAgg(figure)
    shown = list(present_panels(names, panels, styles, missing))
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


def _clock(moment: float) -> str:
    """A bar from base to data that fills up, and the time."""
    done = round(30 * moment)
    return f"base {'━' * done}●{'─' * (30 - done)} data    t = {moment:.2f}"
