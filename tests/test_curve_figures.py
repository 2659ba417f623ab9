"""Figures of curves and of cost: what the artists hold, not how they look."""

import numpy as np
import pandas as pd
from drawing import (
    DATASETS,
    ENTROPY,
    colours_of_lines,
    fake_curves,
    fake_metrics,
    gap,
    texts,
)
from matplotlib.colors import to_hex
from matplotlib.figure import Figure
from reporting import STYLES

from benchmark.report.figures import (
    diagnostics,
    distances,
    learning_curves,
    nll_time,
)
from benchmark.report.figures.missing import list_gaps

__all__ = ["fake_metrics"]  # the fixture


def test_axes_name_quantity_and_unit(fake_metrics):
    curves = learning_curves.draw(fake_curves(), STYLES, DATASETS, {}, {})
    assert curves.axes[0].get_ylabel() == "Rings\nvalidation NLL [nats]"
    assert [axes.get_xlabel() for axes in curves.axes[:2]] == [
        "training step",
        "training time [s]",
    ]
    times = nll_time.draw(fake_metrics(), STYLES, DATASETS)
    assert times.axes[0].get_ylabel() == "test NLL [nats]"
    assert times.axes[0].get_xlabel() == "training time [s]"
    assert {axes.get_xscale() for axes in [*curves.axes, *times.axes]} == {"log"}


def test_learning_curves_are_means_with_their_range():
    frame = pd.DataFrame(
        {
            "dataset": "rings",
            "method": "ffjord",
            "unit": "nats",
            "loss": 0.0,
            "seed": [0, 0, 0, 0, 1, 1, 1],
            "step": [0, 10, 15, 100, 0, 10, 100],
            "seconds": [0.0, 1.0, 1.5, 10.0, 0.0, 3.0, 30.0],
            "validation_nll": [9.0, 4.0, np.nan, 2.0, 9.0, 6.0, 3.0],
        }
    )
    figure = learning_curves.draw(frame, STYLES, DATASETS, {"rings": 1.5}, {})
    steps, seconds = figure.axes
    np.testing.assert_allclose(steps.lines[0].get_xydata(), [[10, 5.0], [100, 2.5]])
    np.testing.assert_allclose(seconds.lines[0].get_xydata(), [[2, 5.0], [20, 2.5]])
    band = steps.collections[0].get_paths()[0].vertices
    assert {(10, 4.0), (10, 6.0), (100, 2.0), (100, 3.0)} <= set(map(tuple, band))
    for axes in figure.axes:
        assert list(axes.lines[1].get_ydata()) == [1.5, 1.5]
        assert axes.lines[1].get_linestyle() == "--"
    assert "FFJORD (n=2)" in texts(figure)


def test_curves_far_above_the_others_are_named_at_the_edge():
    run = {"dataset": "rings", "unit": "nats", "loss": 0.0}
    frame = pd.DataFrame(
        {
            **run,
            "method": [name for name in ("interpolant", "score_sde", "ffjord") for _ in range(4)],
            "seed": [0, 0, 1, 1] * 3,
            "step": [10, 100] * 6,
            "seconds": [1.0, 10.0] * 6,
            "validation_nll": [2, 1, 2, 1.1, 2, 1.2, 2, 1.1, 90, 50, 90, 52],
        }
    )
    for axes in learning_curves.draw(frame, STYLES, DATASETS, {}, {}).axes:
        (label,) = axes.texts
        assert label.get_text() == "FFJORD 51 ↑" and to_hex(label.get_color()) == "#d55e00"
        assert axes.get_ylim()[1] < 50
    frame.loc[frame.validation_nll > 3, "validation_nll"] = 2.0
    assert not any(
        axes.texts for axes in learning_curves.draw(frame, STYLES, DATASETS, {}, {}).axes
    )


def test_curves_of_seeds_with_other_steps_are_means_of_their_evaluations():
    run = {"dataset": "rings", "method": "ffjord", "unit": "nats", "loss": 0.0}
    evaluated = {"step": [8, 100, 12, 120], "seconds": [1.0, 10.0, 1.0, 10.0]}
    frame = pd.DataFrame(
        {**run, "seed": [0, 0, 1, 1], **evaluated, "validation_nll": [4.0, 2.0, 6.0, 3.0]}
    )
    steps, seconds = learning_curves.draw(frame, STYLES, DATASETS, {}, {}).axes
    np.testing.assert_allclose(steps.lines[0].get_xydata(), [[10, 5.0], [110, 2.5]])
    np.testing.assert_allclose(seconds.lines[0].get_xydata(), [[1, 5.0], [10, 2.5]])


def test_diagnostics_are_means_with_their_range_a_column_each():
    frame = pd.DataFrame(
        {
            **{"dataset": "rings", "method": "ffjord", "unit": "nats", "loss": 0.0},
            **{"seconds": 1.0, "validation_nll": np.nan},
            "seed": [0, 0, 0, 1, 1],
            "step": [10, 15, 100, 10, 100],
            "path_length": [4.0, np.nan, 2.0, 6.0, 3.0],
            "own": [0.0, np.nan, -1.0, 1.0, -3.0],
        }
    )
    missing = {gap("moons", "ot_flow", 1): "diverged"}
    figure = diagnostics.draw(frame, STYLES, DATASETS, missing)
    lengths, own, *rest = figure.axes
    np.testing.assert_allclose(lengths.lines[0].get_xydata(), [[10, 5.0], [100, 2.5]])
    np.testing.assert_allclose(own.lines[0].get_xydata(), [[10, 0.5], [100, -2.0]])
    band = own.collections[0].get_paths()[0].vertices
    assert {(10, 0.0), (10, 1.0), (100, -1.0), (100, -3.0)} <= set(map(tuple, band))
    assert "path length" in lengths.get_ylabel() and own.get_ylabel() == "own"
    assert all(colours_of_lines(axes) == {"#d55e00"} for axes in (lengths, own))
    assert not any(axes.lines for axes in rest) and len(rest) == 2
    said = texts(figure)
    assert "FFJORD (n=2)" in said and "missing: OT-Flow on Moons, seed 1: diverged" in said


def test_nll_against_time_holds_means_deviations_and_seeds(fake_metrics):
    frame = fake_metrics()
    axes = nll_time.draw(frame, STYLES, DATASETS).axes[0]
    own = frame[(frame.dataset == "rings") & (frame.method == "ffjord")]
    nll = own.value[own.metric == "nll"].to_numpy()
    seconds = own.value[own.metric == "training_seconds"].to_numpy()
    lines = [line for line in axes.lines if to_hex(line.get_color()) == "#d55e00"]
    (seeds,) = [line for line in lines if len(line.get_xdata()) == 3]
    np.testing.assert_allclose(seeds.get_xydata(), np.stack([seconds, nll], axis=1))
    (mean,) = [line for line in lines if line.get_marker() == "o"]
    np.testing.assert_allclose(mean.get_xydata(), [[seconds.mean(), nll.mean()]])
    bars = [bar.get_segments()[0] for bar in axes.collections]
    half = [bar[1, 1] - nll.mean() for bar in bars if np.isclose(bar[0, 0], seconds.mean())]
    np.testing.assert_allclose(half, [nll.std(ddof=1)])


def test_a_far_reference_does_not_flatten_the_methods_but_is_named(fake_metrics):
    figure = nll_time.draw(fake_metrics(), STYLES, DATASETS)
    low, high = figure.axes[0].get_ylim()
    assert low < 2.75 and high < 3.1
    assert "Gaussian 3.65 ↑" in texts(figure) and "True density" in texts(figure)


def test_names_of_a_far_and_of_a_near_reference_do_not_overlap(fake_metrics):
    frame = fake_metrics()
    high = nll_time.draw(frame, STYLES, {"rings": "Rings"}).axes[0].get_ylim()[1]
    near = (frame.method == "oracle") & (frame.metric == "nll")
    frame.loc[near, "value"] = high - 0.02
    figure = nll_time.draw(frame, STYLES, {"rings": "Rings"})
    figure.draw_without_rendering()
    found = {text.get_text(): text.get_window_extent() for text in figure.axes[0].texts}
    assert not found["Gaussian 3.65 ↑"].overlaps(found["True density"])


def test_references_at_one_place_share_a_label(fake_metrics):
    frame = fake_metrics()
    near = (frame.method == "gaussian") & (frame.metric == "nll")
    frame.loc[near, "value"] = frame.dataset[near].map(ENTROPY) + 1e-4
    figure = nll_time.draw(frame, STYLES, {"rings": "Rings"})
    labels = [text.get_text() for text in figure.axes[0].texts]
    assert "Gaussian, True density" in labels and "True density" not in labels


def test_a_far_method_is_named_at_the_edge(fake_metrics):
    frame = fake_metrics()
    off = (frame.method == "ot_flow") & (frame.metric == "nll")
    frame.loc[off, "value"] += 5
    figure = nll_time.draw(frame, STYLES, DATASETS)
    assert figure.axes[0].get_ylim()[1] < 3.2
    assert "OT-Flow 7.86 ↑" in texts(figure)


def test_a_method_without_its_training_time_stands_in_words(fake_metrics):
    frame = fake_metrics()
    timed = frame.metric == "training_seconds"
    frame = frame[~(timed & (frame.method == "ot_flow"))].copy()
    frame.loc[(frame.metric == "training_seconds") & (frame.method == "ffjord"), "value"] = 0.0
    figure = nll_time.draw(frame, STYLES, {"rings": "Rings"})
    said = texts(figure)
    assert "OT-Flow on Rings, seeds 0, 1, 2: its training time is not stated" in said
    assert "FFJORD on Rings, seeds 0, 1, 2: its training took no time" in said
    assert "Gaussian on Rings" not in said
    assert {"#d55e00", "#009e73"}.isdisjoint(colours_of_lines(figure.axes[0]))


def test_many_gaps_below_a_figure_leave_room_for_it():
    gaps = {gap("rings", "ot_flow", seed): f"reason {seed}" for seed in range(20)}
    figure = Figure(layout="constrained")
    list_gaps(figure, gaps, STYLES, DATASETS)
    assert texts(figure).count("reason") == 8 and "and 12 more: see the tables" in texts(figure)


def test_quality_is_a_line_for_each_fit_above_the_floor():
    rows = [(0.1, 10, 8.0, 0), (0.01, 20, 4.0, 0), (0.1, 12, 7.0, 1), (0.01, 22, 3.0, 1)]
    curves = pd.DataFrame(rows, columns=["tolerance", "nfe", "distance", "seed"])
    curves = curves.assign(dataset="rings", method="ffjord")
    gaps = {gap("rings", "ot_flow", 0): "diverged"}
    panels = {"rings": distances.Panel("fid", 2.0)}
    figure = distances.draw(curves, panels, distances.IMAGES, STYLES, DATASETS, gaps)
    (axes,) = figure.axes
    assert axes.get_yscale() == "log" and axes.get_xlabel() == "NFE for an image"
    first, second, floor = axes.lines
    assert first.get_xydata().tolist() == [[10, 8], [20, 4]]
    assert second.get_xydata().tolist() == [[12, 7], [22, 3]]
    assert set(floor.get_ydata()) == {2.0} and axes.get_ylabel() == "fid"
    assert "diverged" in texts(figure)


def test_distances_below_zero_are_on_a_linear_part_of_the_axis():
    rows = [(0.1, 10, 0.3, 0), (0.01, 20, -0.002, 0)]
    curves = pd.DataFrame(rows, columns=["tolerance", "nfe", "distance", "seed"])
    curves = curves.assign(dataset="rings", method="ffjord")
    panels = {"rings": distances.Panel("Energy distance", -0.001)}
    figure = distances.draw(curves, panels, distances.VECTORS, STYLES, DATASETS, {})
    (axes,) = figure.axes
    assert axes.get_yscale() == "symlog" and axes.yaxis.get_transform().linthresh == 0.002
    assert axes.get_xlabel() == "NFE for a sample" and "training rows" in texts(figure)
