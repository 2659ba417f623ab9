"""Neural spline flow (Durkan et al., 2019), by zuko: a discrete flow, as a reference."""

from typing import Any

import torch
from torch import Tensor
from zuko.flows import NSF

from benchmark.flow import Method
from benchmark.likelihood import Likelihood
from benchmark.ode import Solution, Tolerance
from benchmark.shapes import Batch, PositiveInt


class SplineFlow(Method):
    """Maximises ``log p(x) = log N(f(x); 0, I) + log |det df/dx|``, exact with no ODE to solve.

    ``f`` is a chain of coupling layers (the paper's RQ-NSF (C)): rational-quadratic splines on
    ``[-5, 5]`` in each coordinate, the identity beyond. Data should be standardised.
    """

    requires = ("vectors",)

    def __init__(self, flow: NSF) -> None:
        super().__init__()
        self.flow = flow

    @classmethod
    def build(
        cls,
        event: tuple[int, ...],
        transforms: PositiveInt,
        width: PositiveInt,
        depth: PositiveInt,
        bins: PositiveInt,
    ) -> "SplineFlow":
        hidden = [width] * depth
        # Two passes: half of the coordinates, then the other half given the first (coupling).
        return cls(NSF(*event, transforms=transforms, passes=2, bins=bins, hidden_features=hidden))

    def loss(self, x1: Batch) -> Tensor:
        """Negative log-likelihood in nats."""
        return -self.flow().log_prob(x1).mean()

    def log_prob(self, x: Batch, tolerance: Tolerance, t: float = 1.0) -> Likelihood:
        if t != 1.0:
            raise ValueError(f"SplineFlow is a discrete flow: it has no density at t = {t}.")
        dtype = next(self.parameters()).dtype
        with torch.set_grad_enabled(x.requires_grad):
            return Likelihood(self.flow().log_prob(x.to(dtype)).double(), 0, 0)

    @torch.no_grad()
    def sample(self, n: int, tolerance: Tolerance) -> Solution:
        return Solution(self.flow().sample((n,)).double(), 0)

    def protocol(self, tolerance: Tolerance) -> dict[str, Any]:
        return {"solver": "none (discrete flow)"}
