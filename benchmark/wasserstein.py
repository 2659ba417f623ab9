"""A bound on the Wasserstein distance between the densities of two velocities at ``t = 1``.

``W2^2(rho_1, rho_1 hat) <= exp(1 + 2 K) H``, with ``H = int_0^1 E |v_hat - v|^2 dt`` under the
densities of ``v``, and ``K`` a Lipschitz constant of ``v_hat(t, .)`` at all times (Albergo and
Vanden-Eijnden, 2023, proposition 3).
"""

import math
from typing import NamedTuple

import torch
from torch import Tensor

from benchmark.shapes import Batch, PerSample, Velocity


class Mean(NamedTuple):
    """A Monte Carlo estimate of a mean, and its standard error."""

    value: float
    standard_error: float


def velocity_error(estimate: Velocity, exact: Velocity, t: PerSample, x: Batch) -> Mean:
    """Monte Carlo estimate of ``H``.

    ``t`` is uniform in [0, 1], and ``x`` is drawn from the density of ``exact`` at ``t``, e.g. by
    ``MixtureVelocity.draw``.
    """
    with torch.no_grad():
        squares = (estimate(t, x) - exact(t, x)).square().flatten(1).sum(dim=1)
    return Mean(squares.mean().item(), squares.std().item() / math.sqrt(len(x)))


def largest_slope(velocity: Velocity, t: PerSample, x: Batch) -> float:
    """The largest spectral norm of the Jacobian in ``x`` over the points ``(t, x)``.

    A lower bound on the Lipschitz constant, which is the supremum over all points; exact for a
    field that is affine in ``x``, except for times that are not sampled. Costs one derivative per
    coordinate.
    """
    flat = x.flatten(1)

    def field(flat: Tensor) -> Tensor:
        return velocity(t, flat.reshape(x.shape)).flatten(1)

    with torch.no_grad():
        columns = [
            torch.func.jvp(field, (flat,), (direction.expand_as(flat).contiguous(),))[1]
            for direction in torch.eye(flat.shape[1]).to(flat)
        ]
        return torch.linalg.matrix_norm(torch.stack(columns, dim=2), ord=2).max().item()


def squared_distance_bound(error: float, lipschitz: float) -> float:
    """Upper bound on ``W2^2``, given ``H`` and ``K``."""
    return math.exp(1 + 2 * lipschitz) * error
