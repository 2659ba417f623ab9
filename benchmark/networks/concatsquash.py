"""The network of FFJORD: layers gated and shifted by time."""

import torch
from torch import Tensor, nn

from benchmark.networks.network import Network
from benchmark.shapes import Batch


class ConcatSquash(nn.Module):
    """``(W x + b) * sigmoid(g t + c) + h t`` (Grathwohl et al., 2019, released code)."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.linear = nn.Linear(inputs, outputs)
        self.gate = nn.Linear(1, outputs)
        self.shift = nn.Linear(1, outputs, bias=False)

    def forward(self, t: Tensor, x: Tensor) -> Tensor:
        t = t.reshape(-1, 1)
        return self.linear(x) * torch.sigmoid(self.gate(t)) + self.shift(t)


class ConcatSquashMLP(Network):
    """``depth`` hidden layers of ``width`` tanh units; events of any shape are flattened."""

    def __init__(self, dim: int, width: int, depth: int) -> None:
        super().__init__()
        sizes = [dim, *[width] * depth, dim]
        self.layers = nn.ModuleList(
            ConcatSquash(inputs, outputs) for inputs, outputs in zip(sizes, sizes[1:], strict=False)
        )

    def forward(self, t: Tensor, x: Batch) -> Batch:
        hidden = x.flatten(1)
        for layer in self.layers[:-1]:
            hidden = torch.tanh(layer(t, hidden))
        return self.layers[-1](t, hidden).reshape(x.shape)
