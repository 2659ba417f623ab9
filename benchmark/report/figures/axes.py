"""Axes with logarithmic scales, and limits that outliers do not stretch."""

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter


def log_axis(axes: Axes, label: str) -> None:
    axes.set_xscale("log")
    axes.set_xlabel(label)
    plain_ticks(axes.xaxis)


def plain_ticks(axis: Axis) -> None:
    """Ticks of a logarithmic axis at 1, 2, 5, 10, ... as plain numbers, thousands as k."""
    axis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0)))
    axis.set_major_formatter(FuncFormatter(lambda x, _: f"{x:g}" if x < 1e3 else f"{x / 1e3:g}k"))
    axis.set_minor_formatter(NullFormatter())


def near_values(values: pd.Series, base: float, noise: float) -> pd.Series:
    """The values at most 8 times as far above ``base`` as is typical, or as ``noise``."""
    above = values - base
    typical = above[above > 0].quantile(0.5, interpolation="lower")
    near: pd.Series = values[above <= 8 * np.nanmax([typical, noise, 0.0])]
    return near
