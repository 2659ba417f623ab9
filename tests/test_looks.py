"""Methods of one colour, as the variants of a grid are, look different in every figure."""

from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from drawing import fake_curves, fake_metrics
from matplotlib.colors import to_hex, to_rgb
from reported import FakeSuite

from benchmark.report.figures import distances, learning_curves, nll_time
from benchmark.report.labels import shade, styles_of

__all__ = ["fake_metrics"]  # the fixture

COLOURS = ["#0072b2", "#0072B2", "#d55e00", "#0072b2", "#0072b2"]
NAMES = ["interpolant", "ffjord", "gaussian", "ot_flow", "score_sde"]


@pytest.fixture
def styles():
    entries = zip(NAMES, COLOURS, strict=True)
    methods = {name: SimpleNamespace(label=name, colour=colour) for name, colour in entries}
    return styles_of(FakeSuite({}, methods, []))


def apart(colour, other):
    return np.abs(np.subtract(to_rgb(colour), to_rgb(other))).max()


def test_equal_colours_have_shades_dashes_and_markers(styles):
    assert styles["interpolant"].colour == "#0072b2" and styles["gaussian"].colour == "#d55e00"
    assert styles["interpolant"].dash == styles["gaussian"].dash == "-"
    alike = [styles[name] for name in NAMES if name != "gaussian"]
    for what in ("colour", "dash", "marker"):
        assert len({getattr(style, what) for style in alike}) == len(alike)


@pytest.mark.parametrize("colour", ["#000000", "#ffffff", "#7f7f7f", "#0072b2", "#e69f00"])
def test_shades_are_far_from_each_other_and_from_white(colour):
    shades = [shade(colour, place) for place in range(5)]
    assert shades[0] == colour
    assert min(apart(a, b) for i, a in enumerate(shades) for b in shades[:i]) > 0.1
    assert all(apart(other, "#ffffff") > 0.2 for other in shades[1:])


def looks(lines):
    return {(to_hex(line.get_color()), line.get_linestyle()) for line in lines}


def test_curves_of_one_colour_are_told_apart(styles, fake_metrics):
    labels = {"rings": "Rings"}
    learned = [name for name in NAMES if name != "gaussian"]
    curves = learning_curves.draw(fake_curves(labels), styles, labels, {}, {})
    assert len(looks(curves.axes[0].lines)) == len(learned)
    (legend,) = curves.legends
    assert looks(legend.get_lines()) == looks(curves.axes[0].lines)

    frame = pd.DataFrame({"nfe": [10, 20], "distance": [2.0, 1.0], "seed": 0, "dataset": "rings"})
    frame = pd.concat([frame.assign(method=name) for name in learned])
    panels = {"rings": distances.Panel("fid")}
    drawn = distances.draw(frame, panels, distances.IMAGES, styles, labels, {})
    assert len({line.get_marker() for line in drawn.axes[0].lines}) == len(learned)
    assert len(looks(drawn.axes[0].lines)) == len(learned)

    (axes,) = nll_time.draw(fake_metrics(labels, methods=learned), styles, labels).axes
    means = [line for line in axes.lines if line.get_markersize() == 7]
    assert len({line.get_marker() for line in means}) == len(learned)


def test_a_curve_of_one_validation_is_a_point(styles):
    labels = {"rings": "Rings"}
    frame = fake_curves(labels, ["interpolant", "ffjord"])
    last = frame[frame.step == frame.step.max()]
    figure = learning_curves.draw(last, styles, labels, {}, {})
    for axes in figure.axes:
        assert [line.get_marker() for line in axes.lines] == ["o", "s"]
        low, high = axes.get_ylim()
        assert all(low < line.get_ydata()[0] < high for line in axes.lines)
