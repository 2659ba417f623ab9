"""Stochastic-interpolant flow (Albergo and Vanden-Eijnden, 2023): the method under test."""

import math
from typing import Literal

import torch
from torch import Tensor, nn
from torch.distributions import Beta

from benchmark.densities import Density, StandardNormal
from benchmark.flow import Flow
from benchmark.interpolants import Interpolant, Linear, Trigonometric
from benchmark.networks.mlp import MLP
from benchmark.shapes import Batch, NonNegativeInt, PositiveFloat, PositiveInt

PATHS: dict[str, type[Interpolant]] = {"linear": Linear, "trigonometric": Trigonometric}


class InterpolantFlow(Flow):
    """Regresses a network on the velocity of an interpolant, with no ODE solve in training.

    Times are drawn from ``Beta(time_alpha, time_beta)``: (1, 1) is uniform, (1, 0.5) the paper's
    usual choice for tables, with more weight near the target. The minimiser does not depend on it.
    """

    def __init__(
        self, network: nn.Module, path: Interpolant, base: Density, times: tuple[float, float]
    ) -> None:
        super().__init__()
        self.network, self.path, self.base, self.times = network, path, base, times

    @classmethod
    def build(  # noqa: PLR0913 (the numbers of config.yaml)
        cls,
        event: tuple[int, ...],
        path: Literal["linear", "trigonometric"],
        width: PositiveInt,
        depth: PositiveInt,
        time_frequencies: NonNegativeInt,
        space_frequencies: NonNegativeInt,
        time_alpha: PositiveFloat,
        time_beta: PositiveFloat,
    ) -> "InterpolantFlow":
        network = MLP(math.prod(event), width, depth, time_frequencies, space_frequencies)
        base = StandardNormal(torch.Size(event))
        return cls(network, PATHS[path](), base, (time_alpha, time_beta))

    def velocity(self, t: Tensor, x: Batch) -> Batch:
        return self.network(t, x)

    def loss(self, x1: Batch) -> Tensor:
        """``E[ |v(t, x_t)|^2 - 2 (d/dt x_t) . v(t, x_t) ]`` over times and pairs (equation 9)."""
        alpha, beta = x1.new_tensor(self.times)
        t = Beta(alpha, beta).sample((len(x1),))
        x0 = self.base.sample(len(x1))
        v = self.velocity(t, self.path(t, x0, x1))
        return (v * (v - 2 * self.path.velocity(t, x0, x1))).flatten(1).sum(dim=1).mean()
