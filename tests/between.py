"""A flow between two densities that are known by rows only, as a user's package would have it."""

import torch
from torch import nn

from benchmark.densities import Density
from benchmark.flow import Flow
from benchmark.shapes import PositiveInt


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
    def build(cls, event: tuple[int, ...], base_rows: PositiveInt):
        return cls(base_rows, event)

    def initialise(self, rows, base=None):
        self.base.rows.copy_(base.all())
        self.speed.data.copy_(rows.all().mean(dim=0) - self.base.rows.mean(dim=0))

    def likelihood_gap(self):
        return "the base is known by samples only"

    def velocity(self, t, x):
        return self.speed.expand_as(x)

    def loss(self, x1):
        return 0 * self.speed.sum()
