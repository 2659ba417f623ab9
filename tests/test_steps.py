"""Steps of a run, files in and files out, on a flow whose densities are known."""

import numpy as np
import pytest
import torch

from benchmark import model, steps
from benchmark.baselines.gaussian import Gaussian
from benchmark.baselines.interpolant import InterpolantFlow
from benchmark.coordinates import Affine
from benchmark.data import dataset
from benchmark.data.dataset import Dataset, Splits
from benchmark.model import Model
from benchmark.ode import Tolerance

NUMBERS = {
    **{"path": "linear", "width": 8, "depth": 1, "time_frequencies": 0, "space_frequencies": 0},
    **{"time_alpha": 1.0, "time_beta": 1.0},
}
SHIFT, SCALE = torch.tensor([5.0, -1.0]), torch.tensor([0.5, 2.0])
VELOCITY = torch.tensor([1.5, -1.0])
"""In the coordinates of the method, everywhere and always: ``p_t = N(t VELOCITY, I)``."""

SETTINGS = {"atol": 1e-9, "rtol": 1e-9, "chunk": 500, "frames": 3, "frame_grid": 40}


class Points(Dataset):
    event = (2,)

    @staticmethod
    def prepare():
        raise NotImplementedError


def save(folder, method, name, numbers):
    stored = {
        **{"class": f"benchmark.baselines.{name}", "numbers": numbers, "event": (2,)},
        **{"validation": {"atol": 1e-3, "rtol": 1e-3}, "weights": "last"},
    }
    model.save(folder, Model(method, Affine(SHIFT, SCALE), Tolerance(1e-3, 1e-3)), stored)


@pytest.fixture
def run(tmp_path):
    """Folders of the data and of a flow of constant velocity."""
    rows = (SHIFT + SCALE * (VELOCITY + torch.randn(300, 2))).numpy()
    dataset.write(tmp_path / "data", Points, Splits(rows, rows, rows), {})
    method = InterpolantFlow.build((2,), **NUMBERS)
    with torch.no_grad():
        for weights in method.parameters():
            weights.zero_()
        method.network.layers[-1].bias.copy_(VELOCITY)
    save(tmp_path, method, "interpolant.InterpolantFlow", NUMBERS)
    return tmp_path / "data", tmp_path


def test_a_path_has_the_densities_of_its_times_in_the_coordinates_of_the_data(run):
    data, folder = run
    steps.path(data, folder, SETTINGS)
    found = np.load(folder / "path.npz")
    assert found["times"].tolist() == [0.0, 0.5, 1.0]
    left, right, bottom, top = found["extent"]
    assert right - left == pytest.approx(top - bottom)
    h = (right - left) / 40
    x, y = np.meshgrid(left + h * (np.arange(40) + 0.5), bottom + h * (np.arange(40) + 0.5))
    points = torch.tensor(np.stack([x, y], axis=-1))
    for t, log_density in zip(found["times"], found["log_density"], strict=True):
        normal = torch.distributions.Normal(SHIFT + SCALE * t * VELOCITY, SCALE)
        truth = normal.log_prob(points).sum(dim=-1).numpy()
        np.testing.assert_allclose(log_density, truth, atol=1e-5)  # tolerance of the solver
        # The square misses 1 % of the base on each axis; the grid is fine enough for 1e-3.
        assert 0.97 < np.exp(log_density).sum() * h**2 < 1.001


def test_a_path_shows_all_rows_and_the_base(run):
    data, folder = run
    steps.path(data, folder, SETTINGS)
    left, right, bottom, top = np.load(folder / "path.npz")["extent"]
    rows = dataset.rows(data, "train")
    assert left < rows[:, 0].min() and rows[:, 0].max() < right
    assert bottom < rows[:, 1].min() and rows[:, 1].max() < top
    assert bottom < -1 - 2.4 * 2 and top > -1 + 2.4 * 2  # 2.58 standard deviations are 99 %


def test_a_path_is_the_same_at_every_call(run):
    data, folder = run
    extents = []
    for seed in (1, 2):
        torch.manual_seed(seed)
        steps.path(data, folder, SETTINGS)
        extents.append(np.load(folder / "path.npz")["extent"])
    np.testing.assert_array_equal(*extents)


def test_a_closed_form_has_no_path(run):
    data, folder = run
    save(folder, Gaussian.build((2,)), "gaussian.Gaussian", {})
    with pytest.raises(TypeError, match="Gaussian is no flow: it has no path"):
        steps.path(data, folder, SETTINGS)
    assert not (folder / "path.npz").exists()
