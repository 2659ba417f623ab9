"""FFJORD: a flow trained by maximum likelihood through its ODE (Grathwohl et al., 2019)."""

import math

import torch
from torch import Tensor, nn
from torchdiffeq import odeint_adjoint

from benchmark.densities import Density, StandardNormal
from benchmark.divergence import hutchinson_divergence
from benchmark.flow import Flow
from benchmark.networks.concatsquash import ConcatSquashMLP
from benchmark.shapes import Batch, PositiveFloat, PositiveInt


class _Augmented(nn.Module):
    """``d/dt (x, l) = (v, div v)`` with Hutchinson's estimate from one fixed probe."""

    def __init__(self, network: nn.Module, probe: Tensor) -> None:
        super().__init__()
        self.network, self.probe = network, probe

    def forward(self, t: Tensor, state: tuple[Tensor, Tensor]) -> tuple[Tensor, Tensor]:
        with torch.enable_grad():
            x = state[0] if state[0].requires_grad else state[0].requires_grad_()
            v = self.network(t, x)
            return v, hutchinson_divergence(v, x, self.probe)


class FFJORD(Flow):
    """Maximises the likelihood, with the adjoint and one Gaussian probe per solve.

    ``tolerance`` is that of the solves of the training loss, absolute and relative.
    """

    def __init__(self, network: nn.Module, base: Density, tolerance: float) -> None:
        super().__init__()
        self.network, self.base, self.tolerance = network, base, tolerance

    @classmethod
    def build(
        cls,
        event: tuple[int, ...],
        width: PositiveInt,
        depth: PositiveInt,
        tolerance: PositiveFloat,
    ) -> "FFJORD":
        network = ConcatSquashMLP(math.prod(event), width, depth)
        return cls(network, StandardNormal(torch.Size(event)), tolerance)

    def velocity(self, t: Tensor, x: Batch) -> Batch:
        return self.network(t, x)

    def loss(self, x1: Batch) -> Tensor:
        """Negative log-likelihood in nats: ``-E[ log p0(x0) - int_0^1 div v dt ]``."""
        x, change = odeint_adjoint(
            _Augmented(self.network, torch.randn_like(x1)),
            (x1, x1.new_zeros(len(x1))),
            x1.new_tensor([1.0, 0.0]),
            atol=self.tolerance,
            rtol=self.tolerance,
            method="dopri5",
            options={"max_num_steps": 1000},
        )
        return -(self.base.log_prob(x[-1]) + change[-1]).mean()
