"""Rectified flow with one reflow (Liu, Gong and Liu, 2022, arXiv:2209.03003)."""

import torch
from torch import Tensor

from benchmark import ode
from benchmark.densities import Density, StandardNormal
from benchmark.flow import Flow
from benchmark.networks.network import Network
from benchmark.ode import Tolerance
from benchmark.shapes import Batch, PerSample, PositiveFloat, PositiveInt, per_sample

TIMES = [(k + 0.5) / 8 for k in range(8)]
"""Times at which the straightness of a path is taken: the midpoint rule."""


class RectifiedFlow(Flow):
    """Regresses a network on straight lines, at last on those between the ends of its own paths.

    ``v = argmin E |x1 - x0 - v(t, x_t)|^2``, ``x_t = (1 - t) x0 + t x1`` (equation 1 of the paper).
    For the first ``first`` losses ``x0`` of the base and a row ``x1`` are independent. Then, in the
    loss and so on the clock, the ODE of this first flow carries ``pairs`` draws ``x0`` of the base
    to their own ``x1``, at ``tolerance``; from there on the network is fitted to these pairs
    (reflow), from the weights that it has. The paths of the second flow are straighter. Its target
    is the law of the first flow instead of the data, so its NLL keeps the error of the first.

    Pairs and the count of losses are buffers: a training that resumes has them.
    """

    x0: Tensor
    x1: Tensor
    losses: Tensor

    def __init__(
        self, network: Network, base: Density, first: int, pairs: Tensor, tolerance: float
    ) -> None:
        super().__init__()
        self.network, self.base = network, base
        self.first, self.tolerance = first, Tolerance(tolerance, tolerance)
        self.register_buffer("x0", pairs)
        self.register_buffer("x1", pairs.clone())
        self.register_buffer("losses", torch.tensor(0))

    @classmethod
    def build(
        cls,
        event: tuple[int, ...],
        network: Network,
        first: PositiveInt,
        pairs: PositiveInt,
        tolerance: PositiveFloat = 1e-3,
    ) -> "RectifiedFlow":
        base = StandardNormal(torch.Size(event))
        return cls(network, base, first, torch.zeros(pairs, *event), tolerance)

    def velocity(self, t: Tensor, x: Batch) -> Batch:
        return self.network(t, x)

    def divergence(self, t: Tensor, x: Batch) -> PerSample:
        return self.network.divergence(t, x)

    def loss(self, x1: Batch) -> Tensor:
        """``E |x1 - x0 - v(t, x_t)|^2``, uniform ``t``; the rows ``x1`` only before the reflow."""
        if self.losses == self.first:
            self._pair()
        x0, x1 = self._coupled(x1)
        self.losses += 1
        t = torch.rand(len(x1)).to(x1)
        x = per_sample(1 - t, x0) * x0 + per_sample(t, x1) * x1
        return (self.velocity(t, x) - (x1 - x0)).square().flatten(1).sum(dim=1).mean()

    @torch.no_grad()
    def diagnostics(self, x1: Batch) -> dict[str, float]:
        """``straightness``: ``E |x(1) - x(0) - v(t, x(t))|^2`` along as many paths of the ODE, the
        mean over ``TIMES``; 0 if they are straight and of constant speed (``S`` of the paper)."""
        velocity, x0 = self._in_double(self.velocity), self.base.sample(len(x1)).double()
        path = ode.solve(velocity, x0, [0.0, *TIMES, 1.0], self.tolerance)
        moving = [velocity(t, x) for t, x in zip(path.new_tensor(TIMES), path[1:-1], strict=True)]
        bend = path[-1] - path[0] - torch.stack(moving)
        return {"straightness": bend.square().flatten(2).sum(dim=2).mean().item()}

    def _coupled(self, x1: Batch) -> tuple[Batch, Batch]:
        """Independent rows, or after the reflow as many of the pairs."""
        if self.losses < self.first:
            return self.base.sample(len(x1)), x1
        drawn = torch.randint(len(self.x0), (len(x1),), device=x1.device)
        return self.x0[drawn], self.x1[drawn]

    @torch.no_grad()
    def _pair(self) -> None:
        """The ends of paths of the flow as it is, in place, as buffers are shared."""
        self.x0.copy_(self.base.sample(len(self.x0)))
        self.x1.copy_(self.transport(self.x0, self.tolerance).values)
