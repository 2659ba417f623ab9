"""Rows of a batch: none sees another, whatever their number."""

import math
from collections.abc import Callable, Iterator

import torch
from torch import Tensor

from benchmark.contract.finding import Finding, close, first_wrong
from benchmark.contract.subject import TIGHT, require_likelihood
from benchmark.flow import Flow, Method
from benchmark.shapes import Batch

ALLOWED = (1e-7, 1e-7)
"""Round-off of float64."""
SEES = "a row sees the others of its batch (a mean, a sort or a normalisation over rows)@"
BROADCAST = (
    "times, one a row, meet another axis than that of the rows: reshape them, as per_sample does@"
)


def alone(method: Method, event: tuple[int, ...]) -> Finding:
    """Velocities (of what is no flow: log-densities) of rows together are those of each alone.

    The likelihood sums over rows before it differentiates, which needs this.
    """
    x = torch.randn(4, *event)
    return _alone(method, x, f"of {len(x)} rows together and alone")


def square(method: Method, event: tuple[int, ...]) -> Finding:
    """The same of as many rows as a row has coordinates, and of flows at a time for each row.

    There a missing axis makes no error: ``[n]`` fits the columns of ``[n, n]``.
    """
    n = event[-1] if len(event) > 1 else math.prod(event)
    x, what = torch.randn(n, *event), f"of {n} rows of shape {list(event)}"
    return first_wrong([_alone(method, x, what), *_at_own_times(method, x, what)])


def _alone(method: Method, x: Batch, what: str) -> Finding:
    function, name = _function(method)
    together = function(x)
    each = torch.cat([function(row) for row in torch.split(x, 1)])
    return close(f"{name} {what}", together, each, ALLOWED, SEES + name)


def _function(method: Method) -> tuple[Callable[[Batch], Tensor], str]:
    if isinstance(method, Flow):
        return lambda x: method.velocity(torch.tensor(0.3).to(x), x), "velocity"
    require_likelihood(method)
    return lambda x: method.log_prob(x, TIGHT).values, "log_prob"


def _at_own_times(method: Method, x: Batch, what: str) -> Iterator[Finding]:
    if not isinstance(method, Flow):
        return
    times = (torch.arange(len(x)) + 0.5).to(x) / len(x)
    together = method.velocity(times, x)
    each = [method.velocity(t, row) for t, row in zip(times, torch.split(x, 1), strict=True)]
    words = f"velocity {what}, each at its own time"
    yield close(words, together, torch.cat(each), ALLOWED, BROADCAST + "velocity")
