"""Flow matching along straight lines (Lipman et al., 2023)."""

import torch
from torch import Tensor

from benchmark.densities import Density, StandardNormal
from benchmark.flow import Flow
from benchmark.networks.network import Network
from benchmark.shapes import Batch, per_sample


class Mine(Flow):
    """Regresses a network on ``x1 - x0``."""

    def __init__(self, network: Network, base: Density) -> None:
        super().__init__()
        self.network, self.base = network, base

    @classmethod
    def build(cls, event: tuple[int, ...], network: Network) -> "Mine":
        return cls(network, StandardNormal(torch.Size(event)))

    def velocity(self, t: Tensor, x: Batch) -> Batch:
        return self.network(t, x)

    def loss(self, x1: Batch) -> Tensor:
        t, x0 = torch.rand(len(x1)).to(x1), self.base.sample(len(x1))
        x = per_sample(1 - t, x0) * x0 + per_sample(t, x1) * x1
        return (self.velocity(t, x) - (x1 - x0)).square().flatten(1).sum(dim=1).mean()
