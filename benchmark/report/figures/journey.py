"""Images on their way from noise to data, still and as a film."""

from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from benchmark.report.figures.film import film_pictures
from benchmark.report.figures.missing import present_panels
from benchmark.report.figures.panels import axes_rows, in_order
from benchmark.report.figures.theme import theme
from benchmark.report.figures.tiles import draw_tiles
from benchmark.report.labels import Styles


class Journey(NamedTuple):
    """Images on their way from noise to data: (time, n, channels, height, width), and ``times``."""

    images: np.ndarray
    times: np.ndarray


@theme()
def still(journeys: Mapping[str, Journey], styles: Styles, missing: Mapping[str, str]) -> Figure:
    """Images of each flow on their way from noise to data: a line for each, time to the right."""
    methods = in_order(styles, [*journeys, *missing])
    figure, panels = axes_rows(len(methods), columns=1, size=(6.5, 3.1))
    for name, axes in present_panels(methods, panels, styles, missing, width=60):
        journey = journeys[name]
        moments = np.linspace(0, 1, 11)
        chosen = [int(np.abs(journey.times - moment).argmin()) for moment in moments]
        shown = journey.images[chosen, :5].swapaxes(0, 1)
        draw_tiles(axes, shown.reshape(-1, *shown.shape[2:]), columns=len(chosen))
        axes.set_xticks((np.arange(len(chosen)) + 0.5) * (shown.shape[4] + 1))
        axes.set_xticklabels([f"{journey.times[index]:.1f}" for index in chosen], fontsize="small")
        axes.tick_params(bottom=False)
        axes.set_xlabel("t", fontsize="small")
    return figure


@theme()
def film(
    journeys: Mapping[str, Journey], styles: Styles, missing: Mapping[str, str]
) -> list[np.ndarray]:
    """The pictures (height, width, RGB) of ``still`` at every time, the flows side by side."""

    def draw(axes: Axes, name: str, moment: float) -> None:
        journey = journeys[name]
        draw_tiles(axes, journey.images[np.abs(journey.times - moment).argmin(), :36], columns=6)

    times = max((journey.times for journey in journeys.values()), key=len, default=np.ones(1))
    return film_pictures(in_order(styles, [*journeys, *missing]), times, draw, styles, missing)


def load(file: Path) -> Journey:
    """The journey that an ``npz`` holds, whose images are integers up to 255."""
    with np.load(file) as stored:
        return Journey(stored["images"] / 255, stored["times"])
