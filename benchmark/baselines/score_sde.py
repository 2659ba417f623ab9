"""Score-based diffusion through its probability flow ODE (Song et al., 2021), VP schedule.

The paper runs from data at ``s = 0`` to noise at ``s = 1``:
``dx = -beta x / 2 ds + sqrt(beta) dW``, ``beta(s) = beta_min + s (beta_max - beta_min)``.
Here ``s = 1 - t (1 - s_min)``: the flow stops at ``s_min``, where the density is that of the data
with noise of variance ``1 - exp(-int_0^s_min beta)`` added.
"""

import math

import torch
from torch import Tensor, nn

from benchmark.densities import Density, StandardNormal
from benchmark.flow import Flow
from benchmark.networks.mlp import MLP
from benchmark.shapes import (
    Batch,
    NonNegativeInt,
    PerSample,
    PositiveFloat,
    PositiveInt,
    Time,
    per_sample,
)


class ScoreSDE(Flow):
    """Learns the noise ``z`` in ``x_s = exp(-B/2) x + sqrt(1 - exp(-B)) z``, ``B = int_0^s beta``.

    The score is then ``-z / sqrt(1 - exp(-B))``.
    """

    def __init__(
        self, network: nn.Module, base: Density, beta_min: float, beta_max: float, s_min: float
    ) -> None:
        super().__init__()
        self.network, self.base = network, base
        self.beta_min, self.beta_max, self.s_min = beta_min, beta_max, s_min

    @classmethod
    def build(  # noqa: PLR0913 (the numbers of config.yaml)
        cls,
        event: tuple[int, ...],
        width: PositiveInt,
        depth: PositiveInt,
        time_frequencies: NonNegativeInt,
        space_frequencies: NonNegativeInt,
        beta_min: PositiveFloat,
        beta_max: PositiveFloat,
        s_min: PositiveFloat,
    ) -> "ScoreSDE":
        network = MLP(math.prod(event), width, depth, time_frequencies, space_frequencies)
        return cls(network, StandardNormal(torch.Size(event)), beta_min, beta_max, s_min)

    def beta(self, s: Time) -> Time:
        """Rate of the diffusion at ``s``."""
        return self.beta_min + s * (self.beta_max - self.beta_min)

    def kernel(self, s: Time) -> tuple[Time, Time]:
        """Mean factor and standard deviation of ``x_s`` given ``x`` at ``s = 0``."""
        integral = self.beta_min * s + (self.beta_max - self.beta_min) * s.square() / 2
        return torch.exp(-integral / 2), torch.sqrt(-torch.expm1(-integral))

    def score(self, s: Time, x: Batch) -> Batch:
        """``grad log p_s(x)``, learned."""
        _, deviation = self.kernel(s)
        return -self.network(s, x) / per_sample(deviation, x)

    def velocity(self, t: Tensor, x: Batch) -> Batch:
        """``(1 - s_min) beta (x + score) / 2``: the probability flow in ``s``, backward."""
        s = 1 - t * (1 - self.s_min)
        return per_sample((1 - self.s_min) * self.beta(s) / 2, x) * (x + self.score(s, x))

    def loss(self, x1: Batch) -> Tensor:
        """Denoising score matching weighted by the variance: ``E |z_hat - z|^2``."""
        s: PerSample = self.s_min + (1 - self.s_min) * torch.rand_like(x1.flatten(1)[:, 0])
        mean, deviation = self.kernel(s)
        z = torch.randn_like(x1)
        noisy = per_sample(mean, x1) * x1 + per_sample(deviation, x1) * z
        return (self.network(s, noisy) - z).square().flatten(1).sum(dim=1).mean()
