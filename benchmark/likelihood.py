"""The likelihood of a flow: the change of log-density along its trajectories.

``log p_t(x) = log p0(x_0) - int_0^t div v(s, x_s) ds`` (Chen et al., 2018, theorem 1). The
log-determinant does not feed back into the trajectory, so the trajectory, which is cheap, is solved
alone, and the divergence, which is expensive, is integrated along it by a quadrature of few nodes.

Some rows of a batch, the pilots, determine the quadrature. Their divergence is resolved in time by
a Chebyshev series, and the quadrature is the smallest Gauss-Legendre rule whose error against that
series is within ``QUADRATURE_TOLERANCE_FACTOR`` times the tolerance of a solver step, in root mean
square over the pilots. The mean error is subtracted from every row. Rows whose divergence is
rougher in time than that of the pilots get a series of their own; a divergence that no series
resolves is integrated inside the ODE.
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
from torch.nn.attention import SDPBackend, sdpa_kernel

from benchmark import ode
from benchmark.divergence import Probes, hutchinson_divergence, hutchinson_estimates
from benchmark.ode import Tolerance
from benchmark.shapes import Batch, PerSample, Velocity

PILOTS = 32
"""Rows that determine the quadrature of their batch. In a batch of at most twice as many, every row
gets a series."""

SERIES_TERMS = (48, 96, 192)
"""Numbers of terms of a Chebyshev series in time (and of its nodes), tried in this order."""

MIN_NODES = 8
"""Nodes of the smallest rule: fewer could not detect a row that is rougher than the pilots."""

QUADRATURE_TOLERANCE_FACTOR = 4
"""Error allowed to the quadrature, in tolerances of a solver step; a joint solve takes about three
times as many steps."""

TRAJECTORY_TIGHTENING = 10.0
"""Factor by which the tolerance of the trajectory is tightened, so that the nodes dominate the
error."""

ROUGHNESS_FACTOR = 2.0
"""Roughness, relative to the roughest pilot, above which a row gets a series of its own."""


class Likelihood(NamedTuple):
    """Log-densities in nats, float64, and their cost.

    ``nfe`` and ``nodes`` are the numbers of evaluations of the velocity and of the divergence,
    means over rows. ``standard_error`` is the error of each value due to random probes of the
    divergence, in nats; ``None`` if the divergence is exact or has only one probe.
    """

    values: Tensor
    nfe: float
    nodes: float
    standard_error: Tensor | None = None


class Drawn(NamedTuple):
    """Samples ``[n, *event]`` and their log-densities in nats ``[n]``, both float64."""

    values: Tensor
    log_prob: Tensor


class Field(NamedTuple):
    """A velocity, its exact divergence, and the times inside (0, 1) at which they jump.

    With ``probes``, which belong to the rows, the divergence is Hutchinson's estimate for each.
    """

    velocity: Velocity
    divergence: Velocity
    breaks: Sequence[float] = ()
    probes: Probes | None = None

    def estimates(self, t: Tensor, x: Batch) -> Float[Tensor, "batch probes"]:
        """The divergence for each probe; a single column if it is exact."""
        if self.probes is None:
            return self.divergence(t, x).unsqueeze(1)
        return hutchinson_estimates(self.velocity, t, x, self.probes)

    def rows(self, which: Tensor) -> "Field":
        """The field for some rows of the batch."""
        return self if self.probes is None else self._replace(probes=self.probes[which])


class _Series(NamedTuple):
    """Ends of trajectories, and Chebyshev coefficients ``[terms, batch, probes]``, on [-1, 1], of
    the divergence along them."""

    x: Batch
    coefficients: Tensor

    def integral(self) -> Tensor:
        return _combine(_integrals(len(self.coefficients)), self.coefficients)


class _Rule(NamedTuple):
    """Gauss-Legendre nodes and weights, their mean error, and the largest roughness allowed."""

    nodes: np.ndarray
    weights: np.ndarray
    correction: Tensor
    roughness: Tensor


class _Integral(NamedTuple):
    """Ends of trajectories, and integrals of the divergence along them, ``[batch, probes]``.

    From data to base the time runs backward, and the sign of the integral is that of time.
    """

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
    spent = Counter[str]()
    end, change = _carried(field, x, (t, 0.0), tolerance, spent)
    probes = change.shape[1]
    error = change.std(dim=1) / probes**0.5 if probes > 1 else None
    nfe, nodes = (spent[name] / len(x) for name in ("velocity", "divergence"))
    return Likelihood(base_log_prob(end) + change.mean(dim=1), nfe, nodes, error)


def push(
    field: Field, base_log_prob: Callable[[Batch], PerSample], x0: Batch, tolerance: Tolerance
) -> Drawn:
    """The rows to which the flow of ``field`` carries rows ``x0`` of the base, and their
    log-densities, ``log p1(x1) = log p0(x0) - int_0^1 div v(s, x_s) ds``, in one solve."""
    x1, change = _carried(field, x0, (0.0, 1.0), tolerance, Counter[str]())
    return Drawn(x1, base_log_prob(x0.double()) - change.mean(dim=1))


def _carried(
    field: Field, x: Batch, span: tuple[float, float], tolerance: Tolerance, spent: Counter[str]
) -> "_Integral":
    """Ends of the trajectories over ``span``, and the integrals of the divergence along them."""
    end, change = x.double(), x.new_zeros(1, 1).double()
    for piece in ode.pieces(span, field.breaks):
        part = _Piece(field, piece, tolerance, spent).integral(end)
        end, change = part.x, change + part.change
    return _Integral(end, change)


def score(
    velocity: Velocity,
    base_log_prob: Callable[[Batch], PerSample],
    x: Batch,
    tolerance: Tolerance,
    breaks: Sequence[float] = (),
) -> Batch:
    """``grad log p_1`` at rows ``x``, float64: the likelihood differentiated by its adjoint.

    Along a trajectory ``ds/dt = -(dv/dx)^T s - grad div v``, from the score of the base (Chen et
    al., 2018, appendix B). The divergence is exact: one second derivative for each coordinate.
    """
    tolerance = tolerance.tightened(TRAJECTORY_TIGHTENING)
    start = ode.transport(velocity, x, tolerance, (1.0, 0.0), breaks).values
    with torch.enable_grad():
        at = start.detach().requires_grad_()
        (slope,) = torch.autograd.grad(base_log_prob(at).sum(), at)

    def dynamics(t: Tensor, state: tuple[Tensor, Tensor]) -> tuple[Tensor, Tensor]:
        return _adjoint(velocity, t, *state)

    state = start, slope.double()
    for span in ode.pieces((0.0, 1.0), breaks):
        path = ode.solve(dynamics, state, span, tolerance, breaks)
        state = path[0][-1], path[1][-1]
    return state[1]


def _adjoint(velocity: Velocity, t: Tensor, x: Batch, s: Batch) -> tuple[Batch, Batch]:
    """The velocity, and the rate of the score ``s`` along it."""
    # The fast kernels of attention have no second derivative.
    with torch.enable_grad(), sdpa_kernel(SDPBackend.MATH):
        x = x.detach().requires_grad_()
        v = velocity(t, x) + 0 * x  # so that it depends on x, even if it is constant
        total = (v * s).sum()
        for unit in torch.eye(x[0].numel()).to(x):
            probe = unit.reshape(x.shape[1:]).expand_as(x)
            total = total + hutchinson_divergence(v, x, probe).sum()
        (slope,) = torch.autograd.grad(total, x)
    return v.detach(), -slope


@dataclass(frozen=True)
class _Piece:
    """A span of time without a jump of the velocity; ``spent`` counts the rows evaluated."""

    field: Field
    span: tuple[float, float]
    tolerance: Tolerance
    spent: Counter[str]

    @property
    def half(self) -> float:
        """Half the length of the span: negative, since it runs backward."""
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
        """The integral by a series for every row, or by the joint solve if there is none."""
        series = self.series(x)
        if series is None:
            return self.joint(x)
        return _Integral(series.x, self.half * series.integral())

    def joint(self, x: Batch) -> _Integral:
        """The integral with the divergence in the state of the ODE, evaluated at every stage."""
        probes = self.field.probes

        def dynamics(t: Tensor, state: tuple[Tensor, Tensor]) -> tuple[Tensor, Tensor]:
            return self.velocity(t, state[0]), self.divergence(t, state[0])

        state = (x, x.new_zeros(len(x), 1 if probes is None else probes.shape[1]))
        path = ode.solve(dynamics, state, self.span, self.tolerance, self.field.breaks)
        return _Integral(path[0][-1], path[1][-1])

    def series(self, x: Batch) -> _Series | None:
        """The divergence as a Chebyshev series in time; ``None`` if its last terms are above the
        tolerance for every number of terms."""
        for terms in SERIES_TERMS:
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
        """The smallest rule whose error, less its mean over the pilots, is within tolerance."""
        terms, allowed = len(pilots.coefficients), self.allowed(pilots)
        for count in range(MIN_NODES, terms + 1):
            nodes, weights = legendre.leggauss(count)
            basis = chebyshev.chebvander(nodes, terms - 1)
            error = _combine(_integrals(terms) - weights @ basis, pilots.coefficients)
            if error.std() <= allowed:
                break
        roughest = _roughness(_combine(basis, pilots.coefficients)).max()
        return _Rule(
            nodes, weights, error.mean(), torch.maximum(ROUGHNESS_FACTOR * roughest, allowed)
        )

    def allowed(self, series: _Series) -> Tensor:
        """Largest error allowed for an integral over [-1, 1]."""
        size = series.integral().square().mean().sqrt()
        return QUADRATURE_TOLERANCE_FACTOR * (
            self.tolerance.atol / abs(self.half) + self.tolerance.rtol * size
        )

    def along(self, x: Batch, nodes: np.ndarray) -> tuple[Batch, Tensor]:
        """Ends of the trajectories, and the divergence at ``nodes`` of [-1, 1]."""
        times = [self.span[0], *(self.span[0] + self.half * (1 + nodes)), self.span[1]]
        tolerance = self.tolerance.tightened(TRAJECTORY_TIGHTENING)
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
    """Norm of the last two Legendre coefficients of ``values`` at Gauss-Legendre nodes."""
    nodes, weights = legendre.leggauss(len(values))
    last = legendre.legvander(nodes, len(nodes) - 1)[:, -2:] * weights[:, None]
    return _combine((len(nodes) * last).T, values).square().sum(dim=0).sqrt()


def _integrals(terms: int) -> np.ndarray:
    """Integrals over [-1, 1] of the Chebyshev polynomials: ``2 / (1 - k^2)`` for even k."""
    k = np.arange(terms)
    return np.where(k % 2, 0.0, 2 / np.where(k % 2, 1.0, 1.0 - k**2))


def _combine(matrix: np.ndarray, values: Tensor) -> Tensor:
    """Linear combinations along the first axis of ``values``, with the rows of ``matrix``."""
    return torch.tensordot(torch.as_tensor(matrix).to(values), values, dims=1)
