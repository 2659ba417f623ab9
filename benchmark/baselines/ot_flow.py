"""OT-Flow: a flow along the gradient of a potential, with transport costs (Onken et al., 2021).

The paper runs from data at ``s = 0`` to the base at ``s = 1`` with velocity ``-grad Phi``; here
``t = 1 - s``, so that the velocity is ``grad Phi(x, 1 - t)`` and its divergence the Laplacian.
"""

import math

import torch
from torch import Tensor

from benchmark.baselines.potential import Potential
from benchmark.densities import Density, StandardNormal
from benchmark.flow import Flow
from benchmark.networks.network import by_rows
from benchmark.shapes import Batch, PerSample, PositiveFloat, PositiveInt


class OTFlow(Flow):
    """Likelihood, transport cost and Hamilton-Jacobi penalty, by Runge-Kutta steps of fixed size.

    ``likelihood`` and ``hamilton_jacobi`` are the paper's weights alpha_2 and alpha_3, with
    alpha_1 = 1; ``solver_steps`` is the number of Runge-Kutta steps of the training loss;
    ``clamp`` bounds the size of every weight before each step of the training, as the released
    code does at 1.5.

    It takes no network: its loss and its likelihood rest on the gradient and the Laplacian of a
    potential in closed form, so that the potential (``Potential``, of ``width`` units) is its own.
    """

    requires = ("vectors",)

    def __init__(
        self,
        potential: Potential,
        base: Density,
        likelihood: float,
        hamilton_jacobi: float,
        solver_steps: int,
        clamp: float,
    ) -> None:
        super().__init__()
        self.potential, self.base = potential, base
        self.likelihood, self.hamilton_jacobi = likelihood, hamilton_jacobi
        self.solver_steps, self.clamp = solver_steps, clamp

    @classmethod
    def build(
        cls,
        event: tuple[int, ...],
        width: PositiveInt,
        likelihood: PositiveFloat,
        hamilton_jacobi: PositiveFloat,
        solver_steps: PositiveInt,
        clamp: PositiveFloat = math.inf,
    ) -> "OTFlow":
        potential = Potential(event[0], width, rank=min(10, event[0] + 1))
        base = StandardNormal(torch.Size(event))
        return cls(potential, base, likelihood, hamilton_jacobi, solver_steps, clamp)

    def velocity(self, t: Tensor, x: Batch) -> Batch:
        return self.potential.gradient(1 - t, x)

    def divergence(self, t: Tensor, x: Batch) -> PerSample:
        return by_rows(self._laplacian, 1 - t, x, self.potential.readout.numel())

    def _laplacian(self, s: Tensor, x: Tensor) -> PerSample:
        return self.potential.derivatives(s, x).laplacian

    def loss(self, x1: Batch) -> Tensor:
        """``E[ L + alpha_2 C + alpha_3 R ]`` of a batch (equation 9).

        ``L`` is the transport cost, ``C`` the negative log-likelihood in nats, ``R`` the violation
        of the Hamilton-Jacobi-Bellman equation along the trajectories.
        """
        if math.isfinite(self.clamp):
            self._clamp()
        zero = x1.new_zeros(len(x1), 1)
        state = torch.cat([x1, zero, zero, zero], dim=1)
        h = 1 / self.solver_steps
        for step in range(self.solver_steps):
            state = self._runge_kutta_step(x1.new_tensor(step * h), h, state)
        x, (log_det, cost, violation) = state[:, :-3], state[:, -3:].unbind(dim=1)
        nll = -(self.base.log_prob(x) + log_det)
        return (cost + self.likelihood * nll + self.hamilton_jacobi * violation).mean()

    @torch.no_grad()
    def _clamp(self) -> None:
        for weights in self.parameters():
            weights.clamp_(-self.clamp, self.clamp)

    def _runge_kutta_step(self, s: Tensor, h: float, state: Tensor) -> Tensor:
        k1 = self._dynamics(s, state)
        k2 = self._dynamics(s + h / 2, state + h / 2 * k1)
        k3 = self._dynamics(s + h / 2, state + h / 2 * k2)
        k4 = self._dynamics(s + h, state + h * k3)
        return state + h / 6 * (k1 + 2 * k2 + 2 * k3 + k4)

    def _dynamics(self, s: Tensor, state: Tensor) -> Tensor:
        """Derivative in the paper's time of ``(x, log-determinant, cost, violation)``."""
        phi = self.potential.derivatives(s, state[:, :-3])
        cost = phi.gradient.square().sum(dim=1) / 2
        violation = (cost - phi.time).abs()
        rates = torch.stack([-phi.laplacian, cost, violation], dim=1)
        return torch.cat([-phi.gradient, rates], dim=1)
