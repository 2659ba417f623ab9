"""Missing results in figures: drawn as missing, each with its reason."""

import textwrap
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from PIL import Image

from benchmark.files import atomic
from benchmark.records.run import Run
from benchmark.report.figures.panels import add_title, axes_rows, hide_axes
from benchmark.report.figures.theme import GREY, PALE, theme
from benchmark.report.labels import Labels, Styles

LISTED = 8
"""Gaps that stand below a figure; more would leave no room for it."""


def mark_missing(axes: Axes, reason: str, width: int = 22, x: float = 0.5) -> None:
    """The reason in an empty panel, in lines of ``width`` characters."""
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


@theme()
def write(files: Sequence[Path], reason: str) -> None:
    """Files of a figure that could not be drawn, a picture first, which say why."""
    figure, (axes,) = axes_rows(1, columns=1, size=(6.0, 2.0))
    hide_axes(axes)
    mark_missing(axes, reason, width=80)
    for file in files:
        with atomic(file) as temporary:
            if file.suffix == ".gif":
                Image.open(files[0]).convert("RGB").save(temporary)
            else:
                figure.savefig(temporary, dpi=100)


def present_panels(
    names: Sequence[str],
    panels: Sequence[Axes],
    styles: Styles,
    gaps: Mapping[str, str],
    width: int = 22,
) -> Iterator[tuple[str, Axes]]:
    """Each name with its panel, which has its title; one with a gap says why and is left out."""
    for name, axes in zip(names, panels, strict=False):
        add_title(axes, name, styles)
        if name in gaps:
            hide_axes(axes)
            mark_missing(axes, gaps[name], width)
        else:
            yield name, axes


def list_gaps(figure: Figure, gaps: Mapping[Run, str], styles: Styles, labels: Labels) -> None:
    """Missing runs and why, below the panels; of many, the first and the number of the others."""
    seeds: dict[tuple[str, str, str], list[str]] = {}
    for run, reason in gaps.items():
        if run.method in styles and run.dataset in labels:
            seeds.setdefault((run.dataset, run.method, reason), []).append(str(run.seed))
    handles = []
    for (dataset, method, reason), missing in list(seeds.items())[:LISTED]:
        where = f"{styles[method].label} on {labels[dataset]}"
        noun = "seeds" if len(missing) > 1 else "seed"
        label = textwrap.fill(f"missing: {where}, {noun} {', '.join(missing)}: {reason}", 90)
        colour = styles[method].colour
        handles.append(Line2D([], [], marker="x", linestyle="", color=colour, label=label))
    if more := len(seeds) - len(handles):
        handles.append(Line2D([], [], linestyle="", label=f"and {more} more: see the tables"))
    if handles:
        figure.legend(
            handles=handles, loc="outside lower center", fontsize="small", labelcolor=GREY
        )
