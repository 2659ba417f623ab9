"""MeanFlow (Geng, Deng, Bai, Kolter and He, 2025, arXiv:2505.13447): samples in one step."""

import math
from typing import Any

import torch
from torch import Tensor, nn

from benchmark.densities import Density, StandardNormal
from benchmark.flow import Method
from benchmark.likelihood import Likelihood
from benchmark.ode import Solution, Tolerance
from benchmark.shapes import Batch, PerSample, PositiveInt, per_sample

INSTANT = 0.75
"""Share of a batch with ``r = t``, as in most experiments of the paper."""
GAP = "samples are those of a map of few steps, whose density is not known"


class MeanVelocity(nn.Module):
    """``u(x, t, r)``: ``depth`` hidden layers of ``width`` SiLU units on ``x, t, r`` and waves of
    them, ``cos(k x)`` and ``sin(k x)``, ``k = 1 .. frequencies``."""

    waves: Tensor

    def __init__(self, dim: int, width: int, depth: int, frequencies: int) -> None:
        super().__init__()
        self.register_buffer("waves", torch.arange(1, frequencies + 1.0))
        sizes = [(dim + 2) * (1 + 2 * frequencies), *[width] * depth]
        hidden = [
            layer
            for before, after in zip(sizes, sizes[1:], strict=False)
            for layer in (nn.Linear(before, after), nn.SiLU())
        ]
        self.layers = nn.Sequential(*hidden, nn.Linear(width, dim))

    def forward(self, x: Batch, t: PerSample, r: PerSample) -> Batch:
        given = torch.cat([x, math.pi * t[:, None], math.pi * r[:, None]], dim=1)
        phases = (given.unsqueeze(-1) * self.waves).flatten(1)
        return self.layers(torch.cat([given, phases.cos(), phases.sin()], dim=1))


class MeanFlow(Method):
    """Learns the mean velocity ``u(x_t, t, r)`` of a flow from time ``t`` to ``r``.

    ``u = 1 / (r - t) int_t^r v(s, x_s) ds`` (equation 3 of the paper, whose time runs the other
    way), so that ``x_r = x_t + (r - t) u(x_t, t, r)`` in one step (equation 12). Its derivative in
    ``t`` is the identity ``u = v + (r - t) du/dt``, ``du/dt = (v . grad + d_t) u`` (equations 6 and
    8), the target of a regression with ``x1 - x0`` in place of ``v``, along
    ``x_t = (1 - t) x0 + t x1`` (equations 9 to 11). Its square is not weighted, so that its minimum
    is a conditional mean. The times are uniform and sorted, ``t <= r``; a share of them has
    ``r = t``, where the loss is that of flow matching.

    The likelihood is a gap: the ODE of ``u(x, t, t)`` has one, but the samples, in ``steps`` equal
    steps, are not of that density.
    """

    requires = ("vectors",)

    def __init__(self, network: nn.Module, base: Density, steps: int) -> None:
        super().__init__()
        self.network, self.base, self.steps = network, base, steps

    @classmethod
    def build(
        cls,
        event: tuple[int, ...],
        width: PositiveInt,
        depth: PositiveInt,
        frequencies: PositiveInt,
        steps: PositiveInt = 1,
    ) -> "MeanFlow":
        network = MeanVelocity(event[0], width, depth, frequencies)
        return cls(network, StandardNormal(torch.Size(event)), steps)

    def loss(self, x1: Batch) -> Tensor:
        """``E |u - stopgrad(v + (r - t) du/dt)|^2``, with ``v = x1 - x0``."""
        x0, (t, r) = self.base.sample(len(x1)), self._times(x1)
        x, v = per_sample(1 - t, x0) * x0 + per_sample(t, x1) * x1, x1 - x0
        tangents = (v, torch.ones_like(t), torch.zeros_like(r))
        moving: Any = torch.func.jvp(self.network, (x, t, r), tangents)
        u, rate = moving
        target = (v + per_sample(r - t, x) * rate).detach()
        return (u - target).square().flatten(1).sum(dim=1).mean()

    def likelihood_gap(self) -> str:
        return GAP

    def log_prob(self, x: Batch, tolerance: Tolerance, t: float = 1.0) -> Likelihood:
        raise TypeError(f"MeanFlow has no log-density: {GAP}.")

    @torch.no_grad()
    def sample(self, n: int, tolerance: Tolerance, steps: int | None = None) -> Solution:
        """In ``steps`` equal steps, by default as many as built with."""
        x, steps = self.base.sample(n), steps or self.steps
        for t, r in zip(times := torch.linspace(0, 1, steps + 1).to(x), times[1:], strict=False):
            x = x + (r - t) * self.network(x, t.expand(n), r.expand(n))
        return Solution(x.double(), steps)

    def protocol(self, tolerance: Tolerance) -> dict[str, Any]:
        return {"solver": "none (few-step map)", "sampler": f"MeanFlow, steps: {self.steps}"}

    def _times(self, x1: Batch) -> tuple[PerSample, PerSample]:
        t, r = torch.rand(2, len(x1)).to(x1).sort(dim=0).values
        return t, torch.where(torch.rand(len(x1)).to(x1) < INSTANT, t, r)
