"""Labels and looks of methods and data sets, in the order of the suite."""

import colorsys
from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace

from benchmark.report.asked import Suite

Dash = str | tuple[float, tuple[float, ...]]
"""A line style of matplotlib."""

DASHES: tuple[Dash, ...] = (
    *("-", (0.0, (4.0, 1.5)), (0.0, (1.2, 1.2))),
    (0.0, (6.0, 1.5, 1.2, 1.5)),
)
MARKERS = ("o", "s", "D", "v", "P", "X", "*")
ELSEWHERE, DAGGER = " (another machine)", "†"
"""Marks of methods from archives, whose clocks are of another machine, in tables and figures."""
SHADES = 5
"""How many shades of one colour there are."""


@dataclass(frozen=True)
class Style:
    """The name of a method in tables and figures, and its look in every figure."""

    label: str
    colour: str
    dash: Dash = DASHES[0]
    marker: str = MARKERS[0]


Styles = Mapping[str, Style]
"""Method -> style, in the order of rows and panels."""

Labels = Mapping[str, str]
"""Data set -> its name in tables and figures, in the order of columns and rows."""


def styles_of(suite: Suite) -> Styles:
    """Label and look of each method of a suite.

    Methods of one colour, such as the variants of a grid, are told apart by shade, dash and marker.
    """
    seen: dict[str, int] = {}
    styles = {}
    for name, entry in suite.methods.items():
        place = seen[entry.colour.lower()] = seen.get(entry.colour.lower(), -1) + 1
        dash, marker = DASHES[place % len(DASHES)], MARKERS[place % len(MARKERS)]
        styles[name] = Style(entry.label, shade(entry.colour, place), dash, marker)
    return styles


def styles_by_clock(styles: Styles, elsewhere: Collection[str]) -> Styles:
    """Styles, with a mark on the methods ``elsewhere``, whose clocks are of another machine."""
    return {
        name: replace(style, label=f"{style.label}{DAGGER * (name in elsewhere)}")
        for name, style in styles.items()
    }


def clock_label(elsewhere: Collection[str]) -> str:
    """The label of an axis of training time."""
    explained = f"\n({DAGGER}: of another machine)" if elsewhere else ""
    return f"training time [s]{explained}"


def shade(colour: str, place: int) -> str:
    """The colour, ``#rrggbb``, lighter or darker by the more the higher ``place`` is, from 0 on."""
    red, green, blue = (int(colour[start : start + 2], 16) / 255 for start in (1, 3, 5))
    hue, light, saturation = colorsys.rgb_to_hls(red, green, blue)
    others = sorted((0.15 + 0.15 * step for step in range(SHADES)), key=lambda x: -abs(x - light))
    lightness = [light, *others[: SHADES - 1]][place % SHADES]
    shaded = colorsys.hls_to_rgb(hue, lightness, saturation)
    return "#" + "".join(f"{round(255 * part):02x}" for part in shaded)


def labels_of(suite: Suite) -> Labels:
    """Label of each data set of a suite."""
    return {name: entry.label for name, entry in suite.datasets.items()}
