"""The likelihood engine of every flow.

``log p_t(x) = log p0(x_0) - int_0^t div v(s, x_s) ds`` (Chen et al., 2018, theorem 1). The
log-determinant does not feed back into the trajectory, so the trajectory is solved alone, which is
cheap, and the divergence, which is not, is integrated along it by a quadrature of few nodes.

Some rows of a batch, the pilots, tell which quadrature. Their divergence is resolved in time by a
Chebyshev series, and the Gauss-Legendre rule is the smallest whose error against that series is
within ``STEPS`` times the tolerance of a solver step, in root mean square over the pilots. The
mean of the error is taken off every row. Rows whose divergence is rougher in time than the pilots'
get a series of their own; a divergence that no series resolves is integrated inside the ODE.
"""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Float
from numpy.polynomial import chebyshev, legendre
from torch import Tensor

from benchmark import ode
from benchmark.divergence import Probes, hutchinson_estimates
from benchmark.ode import Tolerance
from benchmark.shapes import Batch, PerSample, Velocity

PILOTS = 32
"""Rows that choose the quadrature of their batch. A batch of up to twice as many is resolved."""

TERMS = (48, 96, 192)
"""Terms of a Chebyshev series in time, and nodes it takes, that are tried in this order."""

LEAST = 8
"""Nodes of the smallest rule: fewer would not see that a row is rougher than the pilots."""

STEPS = 4
"""Solver steps whose tolerance the quadrature may spend: a third of those of a joint solve."""

PATH = 10.0
"""How many times as tightly as asked the trajectory is solved, to leave the error to the nodes."""

ROUGH = 2.0
"""How many times as rough as the roughest pilot a row is that gets a series of its own."""


class Likelihood(NamedTuple):
    """Log-densities in nats, float64, and what they took.

    ``nfe`` counts evaluations of the velocity, ``nodes`` those of the divergence, each the mean
    over rows; ``standard_error`` is that of each value due to random probes of the divergence, in
    nats, ``None`` where the divergence is exact or has one probe.
    """

    values: Tensor
    nfe: float
    nodes: float
    standard_error: Tensor | None = None


class Field(NamedTuple):
    """A velocity, its exact divergence, and the times inside (0, 1) at which they jump.

    With ``probes``, which stay with their row, the divergence is Hutchinson's estimate by each.
    """

    velocity: Velocity
    divergence: Velocity
    breaks: Sequence[float] = ()
    probes: Probes | None = None

    def estimates(self, t: Tensor, x: Batch) -> Float[Tensor, "batch probes"]:
        """The divergence by each probe; in one column if it is exact."""
        if self.probes is None:
            return self.divergence(t, x).unsqueeze(1)
        return hutchinson_estimates(self.velocity, t, x, self.probes)

    def rows(self, which: Tensor) -> "Field":
        """The field on some rows of the batch."""
        return self if self.probes is None else self._replace(probes=self.probes[which])


class _Series(NamedTuple):
    """Ends of trajectories, and the divergence along them: [terms, batch, probes] on [-1, 1]."""

    x: Batch
    coefficients: Tensor

    def integral(self) -> Tensor:
        return _combine(_integrals(len(self.coefficients)), self.coefficients)


class _Rule(NamedTuple):
    """Gauss-Legendre nodes and weights, their mean error, and the roughness they can take."""

    nodes: np.ndarray
    weights: np.ndarray
    correction: Tensor
    roughness: Tensor


class _Integral(NamedTuple):
    """Ends of trajectories, and minus the divergence integrated along them, [batch, probes]."""

    x: Batch
    change: Tensor


def log_prob(
    field: Field,
    base_log_prob: Callable[[Batch], PerSample],
    x: Batch,
    tolerance: Tolerance,
    t: float = 1.0,
) -> Likelihood:
    """Log-density in nats at time ``t`` of the flow of ``field``."""
    end, change, spent = x.double(), x.new_zeros(1, 1).double(), Counter[str]()
    for span in ode.pieces((t, 0.0), field.breaks):
        part = _Piece(field, span, tolerance, spent).integral(end)
        end, change = part.x, change + part.change
    probes = change.shape[1]
    error = change.std(dim=1) / probes**0.5 if probes > 1 else None
    nfe, nodes = (spent[name] / len(x) for name in ("velocity", "divergence"))
    return Likelihood(base_log_prob(end) + change.mean(dim=1), nfe, nodes, error)


@dataclass(frozen=True)
class _Piece:
    """A span of time in which the velocity does not jump; ``spent`` counts rows evaluated."""

    field: Field
    span: tuple[float, float]
    tolerance: Tolerance
    spent: Counter[str]

    @property
    def half(self) -> float:
        """Length of the span on [-1, 1]: negative, since it runs backward."""
        return (self.span[1] - self.span[0]) / 2

    def of(self, which: Tensor) -> "_Piece":
        """The piece for some rows of the batch."""
        return replace(self, field=self.field.rows(which))

    def integral(self, x: Batch) -> _Integral:
        if len(x) <= 2 * PILOTS:
            return self.resolved(x)
        order = torch.randperm(len(x), generator=torch.Generator().manual_seed(0)).to(x.device)
        pilots = self.of(order[:PILOTS]).series(x[order[:PILOTS]])
        if pilots is None:
            return self.joint(x)
        rule = self.rule(pilots)
        end, values = self.along(x, rule.nodes)
        change = self.half * (_combine(rule.weights, values) + rule.correction)
        rough = (_roughness(values) > rule.roughness).any(dim=1)
        if rough.any():
            end[rough], change[rough] = self.of(rough).resolved(x[rough])
        return _Integral(end, change)

    def resolved(self, x: Batch) -> _Integral:
        """By a series for every row, or where there is none by the joint solve."""
        series = self.series(x)
        if series is None:
            return self.joint(x)
        return _Integral(series.x, self.half * series.integral())

    def joint(self, x: Batch) -> _Integral:
        """With the divergence inside the state: evaluated at every stage of the solver."""
        probes = self.field.probes

        def dynamics(t: Tensor, state: tuple[Tensor, Tensor]) -> tuple[Tensor, Tensor]:
            return self.velocity(t, state[0]), self.divergence(t, state[0])

        state = (x, x.new_zeros(len(x), 1 if probes is None else probes.shape[1]))
        path = ode.solve(dynamics, state, self.span, self.tolerance, self.field.breaks)
        return _Integral(path[0][-1], path[1][-1])

    def series(self, x: Batch) -> _Series | None:
        """The divergence as a Chebyshev series in time whose last terms are within tolerance."""
        for terms in TERMS:
            nodes = chebyshev.chebpts1(terms)
            end, values = self.along(x, nodes)
            fit = 2 / terms * chebyshev.chebvander(nodes, terms - 1)
            fit[:, 0] /= 2
            series = _Series(end, _combine(fit.T, values))
            last = series.coefficients[-4:].square().mean().sqrt()
            if last <= self.allowed(series):
                return series
        return None

    def rule(self, pilots: _Series) -> _Rule:
        """The smallest whose error over the pilots deviates from its mean by what is allowed."""
        terms, allowed = len(pilots.coefficients), self.allowed(pilots)
        for count in range(LEAST, terms + 1):
            nodes, weights = legendre.leggauss(count)
            basis = chebyshev.chebvander(nodes, terms - 1)
            error = _combine(_integrals(terms) - weights @ basis, pilots.coefficients)
            if error.std() <= allowed:
                break
        roughest = _roughness(_combine(basis, pilots.coefficients)).max()
        return _Rule(nodes, weights, error.mean(), torch.maximum(ROUGH * roughest, allowed))

    def allowed(self, series: _Series) -> Tensor:
        """Error that an integral over [-1, 1] may have."""
        size = series.integral().square().mean().sqrt()
        return STEPS * (self.tolerance.atol / abs(self.half) + self.tolerance.rtol * size)

    def along(self, x: Batch, nodes: np.ndarray) -> tuple[Batch, Tensor]:
        """Ends of the trajectories, and the divergence at ``nodes`` of [-1, 1]."""
        times = [self.span[0], *(self.span[0] + self.half * (1 + nodes)), self.span[1]]
        tolerance = self.tolerance.tightened(PATH)
        path = ode.solve(self.velocity, x, times, tolerance, self.field.breaks)
        moments = zip(path.new_tensor(times)[1:-1], path[1:-1], strict=True)
        return path[-1], torch.stack([self.divergence(t, state) for t, state in moments])

    def velocity(self, t: Tensor, x: Batch) -> Batch:
        self.spent["velocity"] += len(x)
        return self.field.velocity(t, x)

    def divergence(self, t: Tensor, x: Batch) -> Tensor:
        self.spent["divergence"] += len(x)
        return self.field.estimates(t, x)


def _roughness(values: Tensor) -> Tensor:
    """Size of the last two Legendre coefficients of ``values`` at Gauss-Legendre nodes."""
    nodes, weights = legendre.leggauss(len(values))
    last = legendre.legvander(nodes, len(nodes) - 1)[:, -2:] * weights[:, None]
    return _combine((len(nodes) * last).T, values).square().sum(dim=0).sqrt()


def _integrals(terms: int) -> np.ndarray:
    """Integrals over [-1, 1] of the Chebyshev polynomials: ``2 / (1 - k^2)`` for even k."""
    k = np.arange(terms)
    return np.where(k % 2, 0.0, 2 / np.where(k % 2, 1.0, 1.0 - k**2))


def _combine(matrix: np.ndarray, values: Tensor) -> Tensor:
    """Linear combinations along the first axis of ``values``, by rows of ``matrix``."""
    return torch.tensordot(torch.as_tensor(matrix).to(values), values, dims=1)
