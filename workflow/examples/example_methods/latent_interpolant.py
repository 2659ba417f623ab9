"""Stochastic interpolant with a latent (Albergo, Boffi, Vanden-Eijnden, 2023, arXiv:2303.08797)."""

from typing import Any

import torch
from torch import Tensor

from benchmark.densities import Density, StandardNormal
from benchmark.flow import Flow
from benchmark.networks.network import Network, NetworkMaker
from benchmark.ode import Solution, Tolerance
from benchmark.sde import euler_maruyama
from benchmark.shapes import (
    Batch,
    NonNegativeFloat,
    PerSample,
    PositiveFloat,
    PositiveInt,
    Time,
    per_sample,
)


class LatentInterpolant(Flow):
    """Learns velocity and denoiser of ``x_t = (1 - t) x0 + t x1 + gamma(t) z``, ``z ~ N(0, I)``.

    ``gamma(t) = scale t (1 - t)`` vanishes at the ends, which are base and data. The velocity is
    ``b(t, x) = E[x1 - x0 + gamma' z | x_t = x]``, the denoiser ``eta(t, x) = E[z | x_t = x]``, each
    a network; the score is ``-eta / gamma``. ODE and likelihood need ``b`` alone. The SDE
    ``dX = (b - epsilon eta) dt + sqrt(2 epsilon gamma) dW`` has the same densities for every
    ``epsilon >= 0`` (section 2 of the paper, with ``epsilon gamma`` as its diffusion coefficient,
    so that the drift is finite at the ends).
    """

    def __init__(
        self, networks: tuple[Network, Network], base: Density, scale: float, sde: tuple[float, int]
    ) -> None:
        super().__init__()
        (self.network, self.denoiser), self.base = networks, base
        self.scale, (self.epsilon, self.steps) = scale, sde

    @classmethod
    def build(
        cls,
        event: tuple[int, ...],
        network: NetworkMaker,
        scale: PositiveFloat = 1.0,
        epsilon: NonNegativeFloat = 0.0,
        steps: PositiveInt = 500,
    ) -> "LatentInterpolant":
        """Samples are drawn by the ODE where ``epsilon`` is 0, else by ``steps`` of the SDE."""
        base = StandardNormal(torch.Size(event))
        return cls((network(), network()), base, scale, (epsilon, steps))

    def gamma(self, t: Time) -> Time:
        return self.scale * t * (1 - t)

    def velocity(self, t: Time, x: Batch) -> Batch:
        return self.network(t, x)

    def divergence(self, t: Time, x: Batch) -> PerSample:
        return self.network.divergence(t, x)

    def score(self, t: Time, x: Batch) -> Batch:
        """``grad log rho_t(x)``, inside (0, 1)."""
        return -self.denoiser(t, x) / per_sample(self.gamma(t), x)

    def loss(self, x1: Batch) -> Tensor:
        """``E |b - (x1 - x0 + gamma' z)|^2 + E |eta - z|^2``, uniform ``t``."""
        t, x0 = torch.rand(len(x1)).to(x1), self.base.sample(len(x1))
        z = torch.randn_like(x1)
        moving: Any = torch.func.jvp(self.gamma, (t,), (torch.ones_like(t),))
        gamma, rate = moving
        x = per_sample(1 - t, x0) * x0 + per_sample(t, x1) * x1 + per_sample(gamma, z) * z
        ahead = self.velocity(t, x) - (x1 - x0 + per_sample(rate, z) * z)
        latent = self.denoiser(t, x) - z
        return (ahead.square() + latent.square()).flatten(1).sum(dim=1).mean()

    def sample(
        self,
        n: int,
        tolerance: Tolerance,
        epsilon: float | None = None,
        steps: int | None = None,
    ) -> Solution:
        """By the ODE where ``epsilon`` is 0, else by the SDE; both by default as built. Its NFE
        counts both networks."""
        epsilon, steps = (
            self.epsilon if epsilon is None else epsilon,
            steps or self.steps,
        )
        if epsilon == 0:
            return super().sample(n, tolerance)
        velocity, denoiser = self._in_double(self.velocity), self._in_double(self.denoiser)
        x0 = self.base.sample(n)
        times = torch.linspace(0, 1, steps + 1, dtype=torch.float64, device=x0.device)
        drawn = euler_maruyama(
            lambda t, x: velocity(t, x) - epsilon * denoiser(t, x),
            lambda t: (2 * epsilon * self.gamma(t)).sqrt(),
            *(x0, times),
        )
        return Solution(drawn.values, 2 * drawn.nfe)

    def protocol(self, tolerance: Tolerance) -> dict[str, Any]:
        sampler = f"Euler-Maruyama, epsilon {self.epsilon} gamma, {self.steps} steps"
        return {**super().protocol(tolerance), **({"sampler": sampler} if self.epsilon else {})}
