"""Closed-form velocities between mixtures of Gaussians, along any interpolant."""

from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from benchmark.densities import GaussianMixture
from benchmark.interpolants import Interpolant
from benchmark.networks.network import Network
from benchmark.shapes import Batch, PerSample, Time


class MixtureVelocity(Network):
    """The velocity ``E[d/dt x_t | x_t = x]`` from one Gaussian mixture to another.

    Given the components i of the base and j of the target, ``x_t`` is distributed as ``N(m, C)``
    with ``m = alpha m_i + beta m_j``, ``C = alpha^2 C_i + beta^2 C_j``, and its velocity is
    ``m' + C' C^-1 (x - m) / 2``. The velocity is the mean of these over the pairs (i, j), weighted
    by their probability given ``x`` (Albergo and Vanden-Eijnden, 2023, appendix C).
    """

    def __init__(self, base: GaussianMixture, target: GaussianMixture, path: Interpolant) -> None:
        super().__init__()
        self.base, self.target, self.path = base, target, path

    def forward(self, t: Time, x: Batch) -> Batch:
        t = t.reshape(-1)
        moments: Any = torch.func.jvp(self._moments, (t,), (torch.ones_like(t),))
        (means, covariances), (d_means, d_covariances) = moments
        gains = torch.linalg.solve(covariances, d_covariances / 2).mT  # both are symmetric
        centred = x.unsqueeze(1) - means
        whitener = torch.linalg.inv(torch.linalg.cholesky(covariances))
        whitened = torch.einsum("bkij,bkj->bki", whitener, centred)
        log_scale = whitener.diagonal(dim1=2, dim2=3).log().sum(dim=2)
        log_joint = self._weights().log() + log_scale - whitened.square().sum(dim=2) / 2
        velocities = d_means + torch.einsum("bkij,bkj->bki", gains, centred)
        return torch.einsum("bk,bki->bi", log_joint.softmax(dim=1), velocities)

    def marginal(self, t: Float[Tensor, ""]) -> GaussianMixture:
        """The density of ``x_t``."""
        means, covariances = self._moments(t.reshape(1))
        return GaussianMixture(self._weights(), means[0], torch.linalg.cholesky(covariances[0]))

    def draw(self, n: int) -> tuple[PerSample, Batch]:
        """``n`` uniform times, and a point ``x_t`` at each."""
        x0, x1 = self.base.sample(n), self.target.sample(n)
        t = torch.rand(n, dtype=x0.dtype, device=x0.device)
        return t, self.path(t, x0, x1)

    def _weights(self) -> Tensor:
        return torch.outer(self.base.weights, self.target.weights).flatten()

    def _moments(self, t: PerSample) -> tuple[Tensor, Tensor]:
        """Means ``[batch, pairs, D]`` and covariances ``[batch, pairs, D, D]``."""
        alpha, beta = (c.reshape(-1, 1, 1, 1) for c in self.path.coefficients(t))
        base, target = self.base.factors, self.target.factors
        means = alpha * self.base.means[:, None] + beta * self.target.means
        alpha, beta = alpha.unsqueeze(-1), beta.unsqueeze(-1)
        covariances = alpha**2 * (base @ base.mT)[:, None] + beta**2 * (target @ target.mT)
        return means.flatten(1, 2), covariances.flatten(1, 2)
