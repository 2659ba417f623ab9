"""Steps of a run, files in and files out, on a flow whose densities are known."""

import numpy as np
import pytest
import torch
from plan import plan
from torch import nn

from benchmark import model
from benchmark.baselines.gaussian import Gaussian
from benchmark.baselines.interpolant import InterpolantFlow
from benchmark.coordinates import Affine
from benchmark.data import dataset
from benchmark.data.dataset import Dataset, Splits
from benchmark.densities import Density
from benchmark.files import read_json, write_json
from benchmark.flow import Flow
from benchmark.jobs import steps
from benchmark.measure.metrics import write_nll
from benchmark.model import Model
from benchmark.ode import Tolerance
from benchmark.records.run import Run

CPU = torch.device("cpu")

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
        **{"coordinates": "standardised", "weights": "last"},
        "validation": {"atol": 1e-3, "rtol": 1e-3},
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
    steps.path(data, folder, SETTINGS, CPU)
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
    steps.path(data, folder, SETTINGS, CPU)
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
        steps.path(data, folder, SETTINGS, CPU)
        extents.append(np.load(folder / "path.npz")["extent"])
    np.testing.assert_array_equal(*extents)


def test_a_closed_form_has_no_path(run):
    data, folder = run
    save(folder, Gaussian.build((2,)), "gaussian.Gaussian", {})
    with pytest.raises(TypeError, match="Gaussian is no flow: it has no path"):
        steps.path(data, folder, SETTINGS, CPU)
    assert not (folder / "path.npz").exists()


# --- between two data sets ------------------------------------------------------------------------


class Drawn(Density):
    """Known by its rows only."""

    def __init__(self, rows):
        super().__init__()
        self.register_buffer("rows", rows)

    def sample(self, n):
        return self.rows[torch.randint(len(self.rows), (n,))]

    def log_prob(self, x):
        raise AssertionError("has no density")


class Between(Flow):
    """Moves the mean of the base to that of the data."""

    accepts = ("base",)

    def __init__(self, rows, event):
        super().__init__()
        self.base, self.speed = Drawn(torch.zeros(rows, *event)), nn.Parameter(torch.zeros(event))

    @classmethod
    def build(cls, event, base_rows):
        return cls(base_rows, event)

    def initialise(self, rows, base=None):
        self.base.rows.copy_(base.all())
        self.speed.data.copy_(rows.all().mean(dim=0) - self.base.rows.mean(dim=0))

    def likelihood_gap(self):
        return "its base is known by samples only"

    def velocity(self, t, x):
        return self.speed.expand_as(x)

    def loss(self, x1):
        return 0 * self.speed.sum()


TRAINING = plan(
    2, 4, 1.0, schedule="constant", clip=None, ema=0.0, coordinates="standardised"
).model_dump()
RUN = Run("toy", "points", "between", 0)


@pytest.fixture
def between(tmp_path):
    """Folders of the data (base around (9, 9), target around (0, 3)) and of a fit between them."""
    target, base = torch.tensor([2.0, 0.5]) * torch.randn(400, 2) + torch.tensor([0.0, 3.0]), 9
    base = 0.1 * torch.randn(60, 2) + 9
    rows = Splits(target[:300].numpy(), target[300:350].numpy(), target[350:].numpy())
    ends = Splits(base[:40].numpy(), base[40:50].numpy(), base[50:].numpy())
    dataset.write(tmp_path / "data", Points, rows, {"test": np.zeros(50)}, ends)
    numbers = {"class": f"{__name__}.Between", "model": {}, "train": TRAINING}
    settings = {"atol": 1e-6, "rtol": 1e-6, "config": "hash"}
    steps.train(RUN, numbers, settings, tmp_path / "data", tmp_path, CPU)
    measured = {**settings, "chunk": 30, "tight_rows": 5, "samples": 70}
    steps.evaluate(RUN, numbers, measured, tmp_path / "data", tmp_path, CPU)
    steps.backward(tmp_path / "data", tmp_path, measured, CPU)
    return tmp_path / "data", tmp_path


def shift(data):
    means = [dataset.rows(data, split).mean(axis=0) for split in ("base", "train")]
    return means[1] - means[0]


def test_samples_are_rows_of_the_base_carried_forward_and_test_rows_carried_back(between):
    data, folder = between
    base, samples = dataset.rows(data, "base"), np.load(folder / "samples.npy")
    origin = samples - shift(data)
    nearest = np.abs(origin[:, None] - base[None]).max(axis=2).min(axis=1)
    assert samples.shape == (70, 2) and nearest.max() < 1e-5  # samples are float32
    back = np.load(folder / "samples_base.npy")
    np.testing.assert_allclose(back, dataset.rows(data, "test") - shift(data), atol=1e-5)


def test_a_method_without_likelihood_has_a_reason_and_its_costs(between):
    data, folder = between
    assert np.isnan(np.load(folder / "log_prob.npy")).all()
    assert len(np.load(folder / "log_prob.npy")) == 50
    write_nll(RUN, data, folder)
    reason = "its base is known by samples only"
    found = {record["metric"]: record for record in read_json(folder / "nll.json")}
    assert set(found) == {"nll", "kl", "solver_error", "nfe_likelihood", "nodes_likelihood"}
    assert all(r["value"] is None and r["reason"] == reason for r in found.values())
    costs = {record["metric"]: record for record in read_json(folder / "cost.json")}
    assert costs["likelihood_seconds"]["reason"] == reason
    assert costs["sampling_seconds"]["value"] > 0 and costs["nfe_sampling"]["value"] > 0
    curve = (folder / "training.csv").read_text().splitlines()
    assert [line.split(",")[3] for line in curve] == ["validation_nll", "", ""]


def test_diagnostics_of_the_fit_are_recorded_with_its_costs(run):
    data, folder = run
    stored = read_json(folder / "model.json")
    training = {"steps": 1, "seconds": 1.0, "precision": "float32", "peak_memory": 1.0}
    training["interruptions"] = 3
    write_json(folder / "model.json", {**stored, "training": training, "provenance": {}})
    numbers = {"class": "benchmark.baselines.interpolant.InterpolantFlow"}
    measured = {**SETTINGS, "tight_rows": 1, "samples": 5, "config": "hash", "chunk": 40}
    steps.evaluate(RUN, numbers, measured, data, folder, CPU)
    costs = {record["metric"]: record for record in read_json(folder / "cost.json")}
    # The velocity is the same everywhere.
    length = costs["path_length"]
    assert length["value"] == pytest.approx(VELOCITY.square().sum().item())
    assert (length["n"], length["direction"]) == (40, "none") and "monitor" in costs
    assert length["protocol"]["trained"] is True


def test_a_user_carries_points_both_ways(between):
    data, folder = between
    flow, x = model.load(folder), torch.tensor([[9.0, 9.0], [8.0, 7.0]])
    forward, moved = flow.transport(x), torch.from_numpy(shift(data)).double()
    torch.testing.assert_close(forward, x + moved, atol=1e-5, rtol=0)
    torch.testing.assert_close(flow.transport(forward, 1.0, 0.5), x + moved / 2, atol=1e-5, rtol=0)
