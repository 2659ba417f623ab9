"""Multilayer perceptron on ``(t, x)`` with Fourier features of time and of space."""

import math
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from benchmark.networks.network import Network, by_rows, through
from benchmark.shapes import Batch, NonNegativeInt, PerSample, PositiveInt

GATE = math.pi
"""Bound of the gate: paths of the interpolant turn by ``pi / 2`` per unit of time."""


class MLP(Network):
    """``depth`` hidden layers of ``width`` SiLU units; events of any shape are flattened.

    Time, one or one per sample, enters as ``t, cos(pi k t), sin(pi k t)``,
    ``k = 1 .. time_frequencies``; each coordinate as ``x, cos(k x), sin(k x)``,
    ``k = 1 .. space_frequencies``, which lets a small network draw sharp edges.

    ``gated``, the value is ``y + pi tanh(g / pi) x``, ``y`` and ``g`` those of the last layer: a
    factor of each coordinate, however many coordinates there are, need not pass through the hidden
    layers. These see ``x / r``, ``r^2 = 1 + |x|^2 / dim``, so that ``y`` and the factor are
    bounded: every ODE has a solution at all times, wherever it starts.
    """

    time_waves: Tensor
    space_waves: Tensor

    def __init__(
        self,
        event: tuple[int, ...],
        width: PositiveInt,
        depth: PositiveInt,
        time_frequencies: NonNegativeInt,
        space_frequencies: NonNegativeInt,
        gated: bool = False,
    ) -> None:
        super().__init__()
        self.gated, dim = gated, math.prod(event)
        self.register_buffer("time_waves", math.pi * torch.arange(1, time_frequencies + 1.0))
        self.register_buffer("space_waves", torch.arange(1, space_frequencies + 1.0))
        inputs = dim * (1 + 2 * space_frequencies) + 1 + 2 * time_frequencies
        sizes = [inputs, *[width] * depth]
        hidden = [
            layer
            for before, after in zip(sizes, sizes[1:], strict=False)
            for layer in (nn.Linear(before, after), nn.SiLU())
        ]
        self.layers = nn.Sequential(*hidden, nn.Linear(width, dim * (1 + gated)))

    def forward(self, t: Tensor, x: Batch) -> Batch:
        rows = x.flatten(1)
        if not self.gated:
            return self.layers(self._inputs(t, rows)).reshape(x.shape)
        y, g = self.layers(self._inputs(t, rows / _radius(rows))).chunk(2, dim=1)
        return (y + GATE * torch.tanh(g / GATE) * rows).reshape(x.shape)

    @torch.no_grad()
    def divergence(self, t: Tensor, x: Batch) -> PerSample:
        """Trace of the Jacobian in ``x``, by one tangent per coordinate through all layers.

        Cheaper than the trace by reverse mode (`make bench`): each hidden layer is one product over
        ``[batch * dim, width]``, the first layer needs none and the last one only its diagonal.
        Not differentiable.
        """
        last: Any = self.layers[-1]
        return by_rows(self._trace, t, x.flatten(1), last.in_features)

    def _trace(self, t: Tensor, x: Tensor) -> PerSample:
        first, *hidden, last = [layer for layer in self.layers if isinstance(layer, nn.Linear)]
        seen = x / _radius(x) if self.gated else x
        z = first(self._inputs(t, seen))
        tangents = self._input_tangents(first.weight, seen)
        if self.gated:
            tangents = _past_radius(tangents, x)
        tangents = tangents * _silu_slope(z).unsqueeze(1)
        for layer in hidden:
            z = layer(functional.silu(z))
            tangents = through(layer.weight, _silu_slope(z), tangents)
        if not self.gated:
            return tangents.flatten(1) @ last.weight.flatten()
        y, g = last.weight.chunk(2)
        gate = torch.tanh(last(functional.silu(z)).chunk(2, dim=1)[1] / GATE)
        steered = (tangents * g).sum(dim=2) * (1 - gate.square()) * x
        return tangents.flatten(1) @ y.flatten() + (steered + GATE * gate).sum(dim=1)

    def _inputs(self, t: Tensor, x: Tensor) -> Tensor:
        time = _features(t.reshape(-1, 1), self.time_waves).expand(len(x), -1)
        return torch.cat([_features(x, self.space_waves), time], dim=1)

    def _input_tangents(self, weight: Tensor, x: Tensor) -> Tensor:
        """Derivative of the first layer by each coordinate, ``[batch or 1, dim, width]``."""
        dim, waves = x.shape[1], self.space_waves
        plain, cosine, sine = weight.T[: dim * (1 + 2 * len(waves))].split(  # type: ignore[no-untyped-call]
            [dim, dim * len(waves), dim * len(waves)]
        )
        if not len(waves):
            return plain.unsqueeze(0)
        phases = x.unsqueeze(-1) * waves
        slopes = torch.cat([-waves * torch.sin(phases), waves * torch.cos(phases)], dim=2)
        columns = torch.cat([part.reshape(dim, len(waves), -1) for part in (cosine, sine)], dim=1)
        return plain + torch.einsum("bdk,dkh->bdh", slopes, columns)


def _radius(x: Tensor) -> Tensor:
    return (1 + x.square().mean(dim=1, keepdim=True)).sqrt()


def _past_radius(tangents: Tensor, x: Tensor) -> Tensor:
    """Derivatives by ``x``, ``[batch, dim, width]``, of what has ``tangents`` by ``x / r``."""
    r = _radius(x).unsqueeze(2)
    along = (x.unsqueeze(2) * tangents).sum(dim=1, keepdim=True)
    return tangents / r - x.unsqueeze(2) * along / (x.shape[1] * r**3)


def _silu_slope(z: Tensor) -> Tensor:
    sigmoid = torch.sigmoid(z)
    return sigmoid * (1 + z * (1 - sigmoid))


def _features(x: Tensor, waves: Tensor) -> Tensor:
    phases = (x.unsqueeze(-1) * waves).flatten(1)
    return torch.cat([x, torch.cos(phases), torch.sin(phases)], dim=1)
