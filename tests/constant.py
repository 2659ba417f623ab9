"""A flow of constant velocity as a fitted run: its densities are known at all times."""

import pytest
import torch

from benchmark import model
from benchmark.coordinates import Affine
from benchmark.data import dataset
from benchmark.data.dataset import Dataset, Splits
from benchmark.model import Model
from benchmark.ode import Tolerance
from benchmark.records.model_file import ModelFile
from benchmark.records.run import Run

RUN = Run("toy", "points", "any", 0)
KIND = "benchmark.baselines.interpolant.InterpolantFlow"
NETWORK = {"width": 8, "depth": 1, "time_frequencies": 0, "space_frequencies": 0}
ARGUMENTS = {"network": {"class": "benchmark.networks.mlp.MLP", **NETWORK}, "path": "linear"}
SHIFT, SCALE = torch.tensor([5.0, -1.0]), torch.tensor([0.5, 2.0])
VELOCITY = torch.tensor([1.5, -1.0])
"""In the coordinates of the method, everywhere and always: ``p_t = N(t VELOCITY, I)``."""


class Points(Dataset):
    event = (2,)

    @staticmethod
    def prepare():
        raise NotImplementedError


def save(method, kind, arguments):
    """Write a method as the fitted model of ``RUN``."""
    stored = {
        **{"class": kind, "arguments": arguments, "event": (2,), "weights": "last"},
        **{"coordinates": "standardised", "validation": {"atol": 1e-3, "rtol": 1e-3}},
        "training": {
            **{"steps": 1, "seconds": 1.0, "lr": 1.0, "precision": "float32"},
            **{"processes": 1, "peak_memory": 1.0, "interruptions": 3},
        },
    }
    fitted = Model(method, Affine(SHIFT, SCALE), Tolerance(1e-3, 1e-3))
    model.save(RUN.folder, fitted, ModelFile.model_validate(stored))


@pytest.fixture
def run(tmp_path, monkeypatch):
    """A run whose model is the flow."""
    rows = (SHIFT + SCALE * (VELOCITY + torch.randn(300, 2))).numpy()
    monkeypatch.chdir(tmp_path)
    RUN.folder.mkdir(parents=True)
    dataset.write(RUN.data, Points, Splits(rows, rows, rows), {})
    method = model.build(KIND, (2,), ARGUMENTS)
    with torch.no_grad():
        for weights in method.parameters():
            weights.zero_()
        method.network.layers[-1].bias.copy_(VELOCITY)
    save(method, KIND, ARGUMENTS)
    return RUN


def density(x, t=1.0):
    """The log-density in nats of rows ``x`` at time ``t``."""
    return torch.distributions.Normal(SHIFT + SCALE * t * VELOCITY, SCALE).log_prob(x).sum(dim=-1)
