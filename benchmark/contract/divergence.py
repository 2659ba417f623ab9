"""The divergence of a velocity: exact, or an unbiased estimate."""

import copy
import math

import torch
from torch import Tensor

from benchmark.contract.finding import DoesNotApply, Finding, bounded
from benchmark.contract.subject import flow_of, require_likelihood
from benchmark.flow import Flow, Method
from benchmark.shapes import Batch

ALLOWED = 1e-10
"""Round-off of a few hundred products, relative where beta / deviation is large."""
LEAST = 1e-2
"""Some trace has to be larger than this, or nothing was told."""
DRAWS = 500
"""Calls over which an estimate is averaged."""
LOOK = ("divergence", "velocity")


def divergence(method: Method, event: tuple[int, ...]) -> Finding:
    """``divergence(t, x)`` is the trace of the Jacobian of the velocity, or its mean is."""
    flow, x = flow_of(method), torch.randn(4, *event)
    require_likelihood(flow)  # there it is of no use
    gap, largest = 0.0, 0.0
    for t in torch.tensor([0.0, 0.37, 1.0]):
        fresh = copy.deepcopy(flow)
        found, trace = flow.divergence(t, x), traces(flow, t, x)
        off = ((found - trace).abs() / (1 + trace.abs())).max().item()
        if not off <= ALLOWED:
            return _estimate(flow, fresh, t, x, trace)
        gap, largest = max(gap, off), max(largest, trace.abs().max().item())
    if largest <= LEAST:
        raise DoesNotApply(f"the velocity hardly depends on x (divergences up to {largest:.2g})")
    return bounded("divergence and trace of the Jacobian differ by", gap, ALLOWED, "", *LOOK)


def traces(flow: Flow, t: Tensor, x: Batch) -> Tensor:
    """The trace of the Jacobian of the velocity at each row, by automatic differentiation."""
    dim = math.prod(x.shape[1:])

    def velocity(row: Tensor) -> Tensor:
        return flow.velocity(t, row[None])[0]

    rows = [torch.func.jacrev(velocity)(row).reshape(dim, dim).trace() for row in x]
    return torch.stack(rows).detach()


def _estimate(flow: Flow, fresh: Flow, t: Tensor, x: Batch, trace: Tensor) -> Finding:
    """Whether the mean over calls is the trace, and if it is not, why."""
    first, second = flow.divergence(t, x), flow.divergence(t, x)
    if torch.equal(first, second):
        torch.manual_seed(1)
        kept = not torch.equal(fresh.divergence(t, x), first)
        fault = (
            "it is drawn once and kept: draw a probe at every call"
            if kept
            else "it is not that of this velocity"
        )
        worst = (first - trace).abs().max().item()
        what = f"at t = {t:.2g} divergence and trace of the Jacobian, at every call, differ by"
        return bounded(what, worst, ALLOWED, fault, *LOOK)
    draws = torch.stack([flow.divergence(t, x).detach() for _ in range(DRAWS)])
    error = (draws.std(dim=0) / math.sqrt(DRAWS)).clamp_min(1e-12)
    sigmas = ((draws.mean(dim=0) - trace).abs() / error).max().item()
    what = f"the mean of {DRAWS} estimates differs from the trace, in standard errors, by"
    return bounded(what, sigmas, 5.0, "the estimate is biased", *LOOK)
