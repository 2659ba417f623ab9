"""The NLL of a fit on Gaussian rows beside its closed form."""

import copy
import math
from collections.abc import Sequence

import torch
from torch import Tensor

from benchmark.contract.finding import Finding
from benchmark.contract.subject import require_likelihood
from benchmark.densities import Density
from benchmark.flow import Flow, Method
from benchmark.model import Model
from benchmark.shapes import Batch, PerSample

ROWS, LEAST = 1000, 50
"""Coordinates of all rows together, and rows, that the NLL is a mean over."""
ALLOWED = 0.05
"""Nats a coordinate by which a short fit may miss the entropy."""
SIGMAS = 5.0


class Turned(Flow):
    """A flow with its velocity turned round in a span of time, to find where a sign is wrong."""

    def __init__(self, flow: Flow, span: tuple[float, float]) -> None:
        super().__init__()
        self.flow, self.base, self.span = flow, flow.base, span
        self.breaks = sorted({*flow.breaks, *span} - {0.0, 1.0})

    @classmethod
    def build(cls, event: tuple[int, ...], flow: Flow, span: tuple[float, float]) -> "Turned":
        return cls(flow, span)

    def velocity(self, t: Tensor, x: Batch) -> Batch:
        return self._sign(t) * self.flow.velocity(t, x)

    def divergence(self, t: Tensor, x: Batch) -> PerSample:
        return self._sign(t) * self.flow.divergence(t, x)

    def loss(self, x1: Batch) -> Tensor:
        return self.flow.loss(x1)

    def _sign(self, t: Tensor) -> int:
        return -1 if self.span[0] <= float(t) < self.span[1] else 1


SPANS = {"at all times": (0.0, 2.0), "for t < 1/2": (0.0, 0.5), "for t > 1/2": (0.5, 2.0)}


def excess(model: Model, density: Density, event: Sequence[int]) -> tuple[float, float]:
    """``E log p_true - log p`` over rows of the density, nats a row, and its standard error."""
    torch.manual_seed(1)
    n = max(LEAST, ROWS // math.prod(event))
    x = density.sample(n)
    difference = density.log_prob(x) - model.log_prob(x.reshape(-1, *event))
    return difference.mean().item(), (difference.std() / math.sqrt(n)).item()


def closed_form(model: Model, density: Density, event: tuple[int, ...]) -> Finding:
    """The NLL is the entropy of the density: above it by no more than a short fit, never below."""
    require_likelihood(model.method)
    gap, error = excess(model, density, event)
    entropy = -density.log_prob(density.sample(100_000)).mean().item()
    allowed = ALLOWED * math.prod(event)
    said = (
        f"the NLL after a short fit is {entropy + gap:.3f} nats where {entropy:.3f} is the least; "
        f"the difference {gap:.3f} ± {error:.3f} (allowed {allowed:.2g})"
    )
    if gap < -SIGMAS * error - 1e-3:
        return Finding(False, f"{said}: no density can be better than the true one", ("log_prob",))
    if gap <= allowed:
        return Finding(True, said)
    return Finding(False, f"{said}{_reason(model, density, event)}", ("velocity", "loss"))


def _reason(model: Model, density: Density, event: tuple[int, ...]) -> str:
    """Whether the velocity has the wrong sign somewhere."""
    found = {words: _turned(model, density, event, span) for words, span in SPANS.items()}
    words, best = min(found.items(), key=lambda item: item[1])
    if best <= ALLOWED * math.prod(event):
        return f": the velocity has the wrong sign {words} (turned round there, {best:.3f})"
    return ": loss and velocity do not belong together, or it learns slower than this"


def _turned(
    model: Model, density: Density, event: tuple[int, ...], span: tuple[float, float]
) -> float:
    method: Method = copy.deepcopy(model.method)
    if not isinstance(method, Flow):
        return math.inf
    turned = Model(Turned(method, span), model.coordinates, model.tolerance)
    found = excess(turned, density, event)[0]
    return found if math.isfinite(found) else math.inf
