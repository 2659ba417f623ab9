"""Densities, paths and samples for figures, files in and files out, on a flow that is known."""

import numpy as np
import pytest
import torch
from constant import RUN, density, run, save

from benchmark.baselines.gaussian import Gaussian
from benchmark.baselines.interpolant import InterpolantFlow
from benchmark.data import dataset
from benchmark.jobs import draw
from benchmark.jobs.draw import Drawing
from benchmark.ode import Tolerance

__all__ = ["run"]  # the fixture

CPU = torch.device("cpu")
DRAWING = Drawing(RUN, Tolerance(1e-9, 1e-9), chunk=500, source="digest", points=40, frames=3)


def centres(extent):
    """The centres of the squares of a grid, lowest y first, and their sides."""
    left, right, bottom, top = extent
    sides = (right - left) / 40, (top - bottom) / 40
    along = np.arange(40) + 0.5
    x, y = np.meshgrid(left + sides[0] * along, bottom + sides[1] * along)
    return torch.tensor(np.stack([x, y], axis=-1)), sides


def test_a_density_is_that_of_the_data_on_a_grid_over_all_training_rows(run):
    draw.density(DRAWING, CPU)
    drawn = np.load(run.density)
    left, right, bottom, top = drawn["extent"]
    rows = dataset.rows(run.data, "train")
    for axis, low, high in ((0, left, right), (1, bottom, top)):
        margin = 0.1 * np.ptp(rows[:, axis])
        assert low == pytest.approx(rows[:, axis].min() - margin)
        assert high == pytest.approx(rows[:, axis].max() + margin)
    truth = density(centres(drawn["extent"])[0]).numpy()
    np.testing.assert_allclose(drawn["log_density"], truth, atol=1e-5)  # tolerance of the solver
    assert drawn["source"] == "digest"


def test_of_a_method_without_a_log_density_the_reason_is_kept(run, monkeypatch):
    monkeypatch.setattr(InterpolantFlow, "likelihood_gap", lambda self: "samples only")
    draw.density(DRAWING, CPU)
    drawn = np.load(run.density)
    assert drawn["reason"] == "samples only" and "log_density" not in drawn
    assert drawn["extent"].shape == (4,)


def test_a_path_has_the_densities_of_its_times_in_the_coordinates_of_the_data(run):
    draw.path(DRAWING, CPU)
    drawn = np.load(run.path)
    assert drawn["times"].tolist() == [0.0, 0.5, 1.0] and drawn["source"] == "digest"
    points, (width, height) = centres(drawn["extent"])
    assert width == pytest.approx(height)
    for t, log_density in zip(drawn["times"], drawn["log_density"], strict=True):
        truth = density(points, t).numpy()
        np.testing.assert_allclose(log_density, truth, atol=1e-5)  # tolerance of the solver
        # The square misses 1 % of the base on each axis; the grid is fine enough for 1e-3.
        assert 0.97 < np.exp(log_density).sum() * width * height < 1.001


def test_a_path_shows_all_rows_and_the_base(run):
    draw.path(DRAWING, CPU)
    left, right, bottom, top = np.load(run.path)["extent"]
    rows = dataset.rows(run.data, "train")
    assert left < rows[:, 0].min() and rows[:, 0].max() < right
    assert bottom < rows[:, 1].min() and rows[:, 1].max() < top
    assert bottom < -1 - 2.4 * 2 and top > -1 + 2.4 * 2  # 2.58 standard deviations are 99 %


def test_a_path_is_the_same_at_every_call(run):
    extents = []
    for seed in (1, 2):
        torch.manual_seed(seed)
        draw.path(DRAWING, CPU)
        extents.append(np.load(run.path)["extent"])
    np.testing.assert_array_equal(*extents)


def test_a_closed_form_has_no_path(run):
    save(Gaussian.build((2,)), "benchmark.baselines.gaussian.Gaussian", {})
    with pytest.raises(TypeError, match="Gaussian is no flow: it has no path"):
        draw.path(DRAWING, CPU)
    assert not run.path.exists()
