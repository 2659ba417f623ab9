"""FFJORD: a flow trained by maximum likelihood through its ODE (Grathwohl et al., 2019).

Blocks follow each other, each with a network ``f`` and an end time ``T``, both learned. As in the
paper a block runs from its data end at ``u = 0`` to its base end at ``u = 1``, along
``dx/du = T f(T u, x)``. Block ``k`` of ``B``, counted from the base, fills the benchmark's times
``[k / B, (k + 1) / B]``: there ``u = k + 1 - B t``, and the velocity is ``-B T f(T u, x)``.
"""

from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.attention import SDPBackend, sdpa_kernel
from torchdiffeq import odeint_adjoint

from benchmark.densities import Density, StandardNormal
from benchmark.divergence import hutchinson_divergence
from benchmark.flow import Flow
from benchmark.networks.network import Network, NetworkMaker
from benchmark.ode import Tolerance
from benchmark.shapes import Batch, PerSample, PositiveFloat, PositiveInt, Time

MAX_STEPS = 1000
"""Largest number of steps of a training solve, per block."""


class _Block(nn.Module):
    """``dx/du = T f(T u, x)`` on [0, 1], with ``T = root^2`` from 1."""

    def __init__(self, network: Network) -> None:
        super().__init__()
        self.network, self.root = network, nn.Parameter(torch.ones(()))

    @property
    def end_time(self) -> Tensor:
        return self.root.square()

    def forward(self, u: Tensor, x: Batch) -> Batch:
        return self.end_time * self.network(self.end_time * u, x)

    def divergence(self, u: Tensor, x: Batch) -> PerSample:
        return self.end_time * self.network.divergence(self.end_time * u, x)

    def augmented(self, probe: Batch) -> Callable:
        """``d/du (x, l) = (v, div v)`` with Hutchinson's estimate from one fixed probe."""

        def dynamics(u: Tensor, state: tuple[Tensor, Tensor]) -> tuple[Tensor, Tensor]:
            # The solve forward has no gradients, the adjoint's backward those of its own state.
            x = state[0] if torch.is_grad_enabled() else state[0].detach().requires_grad_()
            # The fast kernels of attention have no second derivative.
            with torch.enable_grad(), sdpa_kernel(SDPBackend.MATH):
                v = self(u, x)
                return v, hutchinson_divergence(v, x, probe)

        return dynamics


class FFJORD(Flow):
    """Maximises the likelihood, with the adjoint and one Gaussian probe per solve.

    ``tolerance`` is that of the solves of the training loss. At a time between two blocks,
    ``velocity`` is that of the later one.
    """

    blocks: Any
    edges: Tensor

    def __init__(self, networks: Iterable[Network], base: Density, tolerance: Tolerance) -> None:
        super().__init__()
        self.blocks = nn.ModuleList(map(_Block, networks))
        self.base, self.tolerance = base, tolerance
        self.breaks = [k / len(self.blocks) for k in range(1, len(self.blocks))]
        self.register_buffer("edges", torch.tensor(self.breaks), persistent=False)

    @classmethod
    def build(
        cls,
        event: tuple[int, ...],
        network: NetworkMaker,
        atol: PositiveFloat,
        rtol: PositiveFloat,
        blocks: PositiveInt = 1,
    ) -> "FFJORD":
        """``network`` is made once for each of the ``blocks``."""
        networks = (network() for _ in range(blocks))
        return cls(networks, StandardNormal(torch.Size(event)), Tolerance(atol, rtol))

    @property
    def end_times(self) -> Tensor:
        """``T`` of each block, from the base to the data."""
        return torch.stack([block.end_time for block in self.blocks])

    def velocity(self, t: Time, x: Batch) -> Batch:
        return -len(self.blocks) * self._blockwise(_Block.forward, t, x)

    def divergence(self, t: Time, x: Batch) -> PerSample:
        return -len(self.blocks) * self._blockwise(_Block.divergence, t, x)

    def _blockwise(self, function: Callable, t: Time, x: Batch) -> Tensor:
        """``function(block, u, x)`` of the block that each time lies in."""
        block = torch.bucketize(t, self.edges, right=True)
        u = block + 1 - len(self.blocks) * t
        if not t.ndim:
            return function(self.blocks[int(block)], u, x)
        rows = {k: torch.nonzero(block == k).flatten() for k in torch.unique(block).tolist()}
        values = [function(self.blocks[k], u[chosen], x[chosen]) for k, chosen in rows.items()]
        return torch.cat(values)[torch.cat(list(rows.values())).argsort()]

    def loss(self, x1: Batch) -> Tensor:
        """Negative log-likelihood in nats: ``-E[ log p0(x0) + sum_blocks int_0^1 div du ]``."""
        state: Any = (x1, x1.new_zeros(len(x1)))
        for block in reversed(self.blocks):
            path = self._solved(block, state)
            state = tuple(values[-1] for values in path)
        x0, log_det = state
        return -(self.base.log_prob(x0) + log_det).mean()

    def _solved(self, block: Any, state: Any) -> Any:
        return odeint_adjoint(
            block.augmented(torch.randn_like(state[0])),
            state,
            state[0].new_tensor([0.0, 1.0]),
            atol=self.tolerance.atol,
            rtol=self.tolerance.rtol,
            method="dopri5",
            options={"max_num_steps": MAX_STEPS},
            adjoint_params=tuple(block.parameters()),
        )
