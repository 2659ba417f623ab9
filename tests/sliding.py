"""A method whose every step is known, and short trainings of it."""

import numpy as np
import pytest
import torch
from plan import OnlyTrained
from torch import nn

from benchmark.rows import Rows
from benchmark.training.loop import Validation, fit
from benchmark.training.settings import Training

CPU = torch.device("cpu")


class Sliding(OnlyTrained):
    """One weight ``w`` from 0, loss ``gradient(step) x w``: Adam moves it by ``-lr`` at each step.

    (The moments of a constant gradient are the gradient and its square.)
    """

    def __init__(self, gradient=lambda step: 1.0, after=lambda step: None):
        super().__init__()
        self.w = nn.Parameter(torch.zeros(()))
        self.gradient, self.after = gradient, after
        self.path, self.batches, self.initial, self.gap = [], [], None, None

    def initialise(self, rows, base=None):
        self.initial = rows.all(), None if base is None else base.all()

    def likelihood_gap(self):
        return self.gap

    def loss(self, x1):
        self.batches.append(x1)
        self.path.append(self.w.item())
        step = len(self.path)
        self.after(step)
        return self.gradient(step) * self.w


def settings(**changes):
    usual = {
        **{"steps": 10, "batch_size": 4, "optimiser": "adam", "lr": 0.1, "weight_decay": 0.0},
        **{"schedule": "constant", "clip": None, "ema": 0.0, "precision": "float32"},
        **{"coordinates": "identity", "validations": 1, "early_stopping": None},
    }
    return Training(**{**usual, **changes})


def plain_rows(n=20):
    return Rows(np.arange(2.0 * n).reshape(n, 2), None, CPU)


def unseen(method):
    return Validation(0.0, {})


def fitted(method, validate=unseen, **changes):
    rows = plain_rows()
    return fit(method, rows, settings(**changes), validate)


def close(found, expected):
    # Adam adds 1e-8 to the root of the second moment.
    assert found == pytest.approx(expected, rel=1e-6)
