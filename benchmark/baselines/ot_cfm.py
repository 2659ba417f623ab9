"""Conditional flow matching with minibatch optimal transport (Tong et al., 2024)."""

import ot
import torch
from torch import Tensor

from benchmark.densities import Density, StandardNormal
from benchmark.flow import Flow
from benchmark.interpolants import Linear
from benchmark.networks.network import Network
from benchmark.shapes import Batch, PerSample


class OTCFM(Flow):
    """Regresses a network on the velocity of straight lines between optimally paired rows.

    The paper's OT-CFM with ``sigma = 0``. Each row of a batch is used once, so that the ends of
    the path are base and data whatever the size of the batch; only with large batches does the
    coupling come near the optimal one of base and data.
    """

    def __init__(self, network: Network, base: Density) -> None:
        super().__init__()
        self.network, self.base, self.path = network, base, Linear()

    @classmethod
    def build(cls, event: tuple[int, ...], network: Network) -> "OTCFM":
        return cls(network, StandardNormal(torch.Size(event)))

    def velocity(self, t: Tensor, x: Batch) -> Batch:
        return self.network(t, x)

    def divergence(self, t: Tensor, x: Batch) -> PerSample:
        return self.network.divergence(t, x)

    def loss(self, x1: Batch) -> Tensor:
        """``E |v(t, x_t) - (x1 - x0)|^2``, ``t`` uniform, ``(x0, x1)`` from the optimal plan."""
        t, x0 = torch.rand(len(x1)).to(x1), self.base.sample(len(x1))
        x1 = partners(x0, x1)
        error = self.velocity(t, self.path(t, x0, x1)) - self.path.velocity(t, x0, x1)
        return error.square().flatten(1).sum(dim=1).mean()


def partners(x0: Batch, x1: Batch) -> Batch:
    """The rows of ``x1`` in the order in which optimal transport pairs them with those of ``x0``.

    The plan between as many rows of equal weight, for the cost ``|x0 - x1|^2``, is a permutation.
    Exact, by network simplex, on the CPU; its time grows faster than the square of the batch.
    """
    cost = ot.dist(x0.double().flatten(1), x1.double().flatten(1))
    plan = ot.emd([], [], cost, numItermax=10**9)  # [] is uniform; no plan cut short
    return x1[plan.argmax(dim=1)]
