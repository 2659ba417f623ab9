"""The network of FFJORD: layers gated and shifted by time."""

import math
from collections.abc import Callable
from typing import Any, Literal

import torch
from torch import Tensor, nn
from torch.nn import functional

from benchmark.networks.network import Network, by_rows, through
from benchmark.shapes import Batch, PerSample, PositiveInt

Activation = Callable[[Tensor], Tensor]


ACTIVATIONS: dict[str, tuple[Activation, Activation]] = {
    "tanh": (torch.tanh, lambda value: 1 - value.square()),
    "softplus": (functional.softplus, lambda value: -torch.expm1(-value)),
}
"""Name -> (the activation, its derivative as a function of its value)."""


class ConcatSquash(nn.Module):
    """``(W x + b) * sigmoid(g t + c) + h t`` (Grathwohl et al., 2019, released code)."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.linear = nn.Linear(inputs, outputs)
        self.gate = nn.Linear(1, outputs)
        self.shift = nn.Linear(1, outputs, bias=False)

    def forward(self, t: Tensor, x: Tensor) -> Tensor:
        return self.linear(x) * self.opened(t) + self.shift(t.reshape(-1, 1))

    def opened(self, t: Tensor) -> Tensor:
        """``sigmoid(g t + c)``, ``[1, outputs]`` for one time or ``[batch, outputs]``."""
        return torch.sigmoid(self.gate(t.reshape(-1, 1)))


class ConcatSquashMLP(Network):
    """``depth`` hidden layers of ``width`` units; events of any shape are flattened."""

    layers: Any

    def __init__(
        self,
        event: tuple[int, ...],
        width: PositiveInt,
        depth: PositiveInt,
        activation: Literal["tanh", "softplus"] = "tanh",
    ) -> None:
        super().__init__()
        dim = math.prod(event)
        sizes = [dim, *[width] * depth, dim]
        self.layers = nn.ModuleList(
            ConcatSquash(inputs, outputs) for inputs, outputs in zip(sizes, sizes[1:], strict=False)
        )
        self.activation, self.slope = ACTIVATIONS[activation]

    def forward(self, t: Tensor, x: Batch) -> Batch:
        hidden = x.flatten(1)
        for layer in self.layers[:-1]:
            hidden = self.activation(layer(t, hidden))
        return self.layers[-1](t, hidden).reshape(x.shape)

    @torch.no_grad()
    def divergence(self, t: Tensor, x: Batch) -> PerSample:
        """Trace of the Jacobian in ``x``, not differentiable.

        One tangent per coordinate goes through all layers, each one product over ``[batch * dim,
        width]``; two hidden layers at one time take one over ``[batch, width]``.
        """
        x = x.flatten(1)
        if len(self.layers) == 3 and not t.ndim:
            return self._bilinear_trace(t, x)
        return by_rows(self._trace, t, x, self.layers[-1].linear.in_features)

    def _trace(self, t: Tensor, x: Tensor) -> PerSample:
        _, *hidden, last = self.layers
        slope, *slopes = self._slopes(t, x)
        tangents = self._input_tangents(t) * slope.unsqueeze(1)
        for layer, slope in zip(hidden, slopes, strict=True):
            tangents = through(layer.linear.weight, slope, tangents)
        return tangents.flatten(1) @ last.linear.weight.flatten()

    def _bilinear_trace(self, t: Tensor, x: Tensor) -> PerSample:
        """``tr(G3 W3 S2 W2 S1 W1) = s1' (W2' * W1 G3 W3) s2``, of diagonal ``S`` and ``G``."""
        _, middle, last = self.layers
        slope1, slope2 = self._slopes(t, x)
        form = middle.linear.weight.T * (self._input_tangents(t)[0].T @ last.linear.weight)
        return ((slope1 @ form) * slope2).sum(dim=1)

    def _slopes(self, t: Tensor, x: Tensor) -> list[Tensor]:
        """Derivative of each hidden unit by its ``W x``, ``[batch, width]`` of each layer."""
        slopes, hidden = [], x
        for layer in self.layers[:-1]:
            hidden = self.activation(layer(t, hidden))
            slopes.append(self.slope(hidden) * layer.opened(t))
        return slopes

    def _input_tangents(self, t: Tensor) -> Tensor:
        """``W x`` of the first layer by each coordinate, times the last layer's gate of it.

        ``[batch or 1, dim, width]``. The trace pairs each output with the input of its index, so
        that the gate of the one may stand at the other.
        """
        return self.layers[-1].opened(t).unsqueeze(-1) * self.layers[0].linear.weight.T
