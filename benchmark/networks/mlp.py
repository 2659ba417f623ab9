"""Multilayer perceptron on ``(t, x)`` with Fourier features of time and of space."""

import math

import torch
from torch import Tensor, nn

from benchmark.networks.network import Network
from benchmark.shapes import Batch


class MLP(Network):
    """``depth`` hidden layers of ``width`` SiLU units; events of any shape are flattened.

    Time, one or one per sample, enters as ``t, cos(pi k t), sin(pi k t)``,
    ``k = 1 .. time_frequencies``; each coordinate as ``x, cos(k x), sin(k x)``,
    ``k = 1 .. space_frequencies``, which lets a small network draw sharp edges.
    """

    time_waves: Tensor
    space_waves: Tensor

    def __init__(
        self, dim: int, width: int, depth: int, time_frequencies: int, space_frequencies: int
    ) -> None:
        super().__init__()
        self.register_buffer("time_waves", math.pi * torch.arange(1, time_frequencies + 1.0))
        self.register_buffer("space_waves", torch.arange(1, space_frequencies + 1.0))
        inputs = dim * (1 + 2 * space_frequencies) + 1 + 2 * time_frequencies
        sizes = [inputs, *[width] * depth]
        hidden = [
            layer
            for before, after in zip(sizes, sizes[1:], strict=False)
            for layer in (nn.Linear(before, after), nn.SiLU())
        ]
        self.layers = nn.Sequential(*hidden, nn.Linear(width, dim))

    def forward(self, t: Tensor, x: Batch) -> Batch:
        time = _features(t.reshape(-1, 1), self.time_waves).expand(len(x), -1)
        inputs = torch.cat([_features(x.flatten(1), self.space_waves), time], dim=1)
        return self.layers(inputs).reshape(x.shape)


def _features(x: Tensor, waves: Tensor) -> Tensor:
    phases = (x.unsqueeze(-1) * waves).flatten(1)
    return torch.cat([x, torch.cos(phases), torch.sin(phases)], dim=1)
