"""The look of every figure, and its files."""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

import matplotlib
import seaborn
from matplotlib.figure import Figure

from benchmark.files import atomic

GREY, PALE = "#6b6b6b", "#f4f4f4"
DENSITY = "mako"
"""Colour map of densities."""


@contextmanager
def theme() -> Iterator[None]:
    """The look of every figure inside a ``with`` block or a decorated function."""
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
                "text.parse_math": False,  # labels are drawn as they are
            },
        )
        yield


def save(figure: Figure, stem: str | Path, suffixes: Iterable[str] = ("png", "pdf")) -> None:
    """The figure as ``<stem>.png`` (150 dots per inch) and ``<stem>.pdf``, or as some of them."""
    for suffix in suffixes:
        with atomic(f"{stem}.{suffix}") as temporary, theme():
            figure.savefig(temporary, dpi=150, bbox_inches="tight")
