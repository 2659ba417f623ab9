"""A method to be checked: its class, its arguments, and the shape of a row."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from benchmark import model
from benchmark.contract.finding import DoesNotApply
from benchmark.flow import Flow, Method
from benchmark.ode import Tolerance
from benchmark.shapes import Batch

TIGHTER = Tolerance(1e-9, 1e-9)
TIGHT = Tolerance(1e-8, 1e-8)
FINE = Tolerance(1e-6, 1e-6)
ROUGH = Tolerance(1e-4, 1e-4)

NOISE = 0.2
"""Deviation of the noise on the weights: no network is small, no gate is at its start."""


@dataclass(frozen=True)
class Subject:
    """A method as a config names it, for rows of the shape ``event``."""

    kind: str
    arguments: Mapping[str, Any]
    event: tuple[int, ...]

    def build(self) -> Method:
        """The unfitted method."""
        return model.build(self.kind, self.event, dict(self.arguments))

    def perturbed(self) -> Method:
        """The method with random weights."""
        method = self.build()
        with torch.no_grad():
            for weights in method.parameters():
                weights.add_(NOISE * torch.randn_like(weights))
        return method


@contextmanager
def precision(dtype: torch.dtype) -> Iterator[None]:
    """A context of this default precision, with the seed 0."""
    before = torch.get_default_dtype()
    torch.set_default_dtype(dtype)
    torch.manual_seed(0)
    try:
        yield
    finally:
        torch.set_default_dtype(before)


def flow_of(method: Method) -> Flow:
    """The method, a flow; raises ``DoesNotApply`` for any other."""
    if not isinstance(method, Flow):
        raise DoesNotApply("it is no flow, and has no velocity")
    return method


def require_likelihood(method: Method) -> None:
    """Raises ``DoesNotApply`` for a method without log-density."""
    gap = method.likelihood_gap()
    if gap is not None:
        raise DoesNotApply(f"it has no log-density ({gap})")


def require_loss(method: Method) -> None:
    """Raises ``DoesNotApply`` for a method that is not trained."""
    if not method.trained:
        raise DoesNotApply("it is not trained (trained = False)")


def evaluated(method: Method, x: Batch) -> Tensor:
    """What a method says of rows: log-densities or, where it has none, velocities at t = 0.3."""
    if method.likelihood_gap() is None:
        return method.log_prob(x, ROUGH).values.detach()
    with torch.no_grad():
        return flow_of(method).velocity(torch.tensor(0.3).to(x), x)
