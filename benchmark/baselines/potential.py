"""The potential of OT-Flow, with its gradient and the trace of its Hessian in closed form.

``Phi(s) = w . N(s) + s' A' A s / 2 + b . s`` over ``s = (x, t)``, with the residual network
``u0 = sigma(K0 s + b0)``, ``N = u0 + sigma(K1 u0 + b1)``, ``sigma(z) = |z| + log(1 + e^(-2|z|))``,
whose derivative is ``tanh`` (Onken et al., 2021, equations 12-15; their constant c has no effect).
"""

from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional

from benchmark.shapes import PerSample


def _sigma(z: Tensor) -> Tensor:
    return z.abs() + functional.softplus(-2 * z.abs())


class Derivatives(NamedTuple):
    """Derivatives of ``Phi`` at points: gradient and Laplacian in ``x``, and the one in ``t``."""

    gradient: Tensor
    time: PerSample
    laplacian: PerSample


class Potential(nn.Module):
    """``Phi`` on ``dim`` coordinates and time, ``width`` units, a quadratic term of ``rank``."""

    def __init__(self, dim: int, width: int, rank: int) -> None:
        super().__init__()
        self.opening = nn.Linear(dim + 1, width)
        self.residual = nn.Linear(width, width)
        self.readout = nn.Parameter(torch.ones(width))
        self.quadratic = nn.Parameter(torch.empty(rank, dim + 1))
        self.linear = nn.Parameter(torch.zeros(dim + 1))
        nn.init.xavier_uniform_(self.quadratic)

    def forward(self, t: Tensor, x: Tensor) -> PerSample:
        """``Phi`` at points ``x`` of shape ``[batch, dim]``."""
        s = self._joined(t, x)
        u0 = _sigma(self.opening(s))
        network = u0 + _sigma(self.residual(u0))
        quadratic = (s @ self.quadratic.T).square().sum(dim=1) / 2
        return network @ self.readout + quadratic + s @ self.linear

    def gradient(self, t: Tensor, x: Tensor) -> Tensor:
        """Gradient in ``x``, ``[batch, dim]``: all that the velocity needs."""
        s = self._joined(t, x)
        slope0, _, back = self._sweep(s)
        return self._gradient(s, slope0 * back)[:, : x.shape[1]]

    def derivatives(self, t: Tensor, x: Tensor) -> Derivatives:
        """Gradient and Laplacian, at the cost of a few products per layer and no autograd.

        The largest, over ``[batch * dim, width]``, is the Jacobian of the residual layer.
        """
        s, dim = self._joined(t, x), x.shape[1]
        slope0, slope1, back = self._sweep(s)
        gradient = self._gradient(s, slope0 * back)

        weight = self.opening.weight[:, :dim]
        bend0 = (1 - slope0.square()) * back
        bend1 = (1 - slope1.square()) * self.readout
        tangents = slope0.unsqueeze(1) * weight.T
        jacobian = (tangents.flatten(0, 1) @ self.residual.weight.T).view_as(tangents)
        laplacian = (
            bend0 @ weight.square().sum(dim=1)
            + (bend1 * jacobian.square().sum(dim=1)).sum(dim=1)
            + self.quadratic[:, :dim].square().sum()
        )
        return Derivatives(gradient[:, :dim], gradient[:, dim], laplacian)

    def _sweep(self, s: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """``sigma'`` of the two layers, and the derivative of ``w . N`` by ``u0``."""
        z0 = self.opening(s)
        slope0 = torch.tanh(z0)
        slope1 = torch.tanh(self.residual(_sigma(z0)))
        return slope0, slope1, self.readout + (slope1 * self.readout) @ self.residual.weight

    def _gradient(self, s: Tensor, back: Tensor) -> Tensor:
        """Gradient in ``s``, from the derivative ``back`` of ``w . N`` by ``K0 s + b0``."""
        return back @ self.opening.weight + s @ self.quadratic.T @ self.quadratic + self.linear

    def _joined(self, t: Tensor, x: Tensor) -> Tensor:
        return torch.cat([x, t.reshape(-1, 1).expand(len(x), 1)], dim=1)
