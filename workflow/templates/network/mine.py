"""A small network on vectors."""

import torch
from torch import Tensor, nn

from benchmark.networks.network import Network
from benchmark.shapes import Batch, PositiveInt


class Mine(Network):
    """One hidden layer on ``(t, x)``."""

    takes = ("vectors",)

    def __init__(self, event: tuple[int, ...], width: PositiveInt) -> None:
        super().__init__()
        dim = event[0]
        self.layers = nn.Sequential(nn.Linear(dim + 1, width), nn.SiLU(), nn.Linear(width, dim))

    def forward(self, t: Tensor, x: Batch) -> Batch:
        return self.layers(torch.cat([x, t.reshape(-1, 1).expand(len(x), 1)], dim=1))
