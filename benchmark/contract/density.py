"""The density of a method: its mass, its samples, and the trajectories that make it."""

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from benchmark.contract.finding import DoesNotApply, Finding, bounded, close, first_wrong
from benchmark.contract.subject import TIGHT, TIGHTER, flow_of, require_likelihood
from benchmark.densities import GaussianMixture
from benchmark.flow import Flow, Method
from benchmark.model import Model
from benchmark.ode import transport
from benchmark.shapes import Batch

DRAWN = 2000
"""Samples of the method, whose log-densities are averaged."""
POINTS, CHEAP = {1: 400, 2: 60}, 4
"""Points of a grid along each axis, so many times more of what solves no ODE, with its kinks."""
MARGIN = 0.6
"""The grid reaches so much beyond the samples at each end, of their extent."""
PROPOSED, PLACES, WIDTH = 2000, 200, 0.5
"""Rows of importance sampling, from Gaussians at so many samples, of this part of their spread."""
MASS, ENTROPY = 1e-3, 5e-3
"""Errors allowed. 1e-3: samples beyond all of these and 60 % more are rarer, and cells small."""
SIGMAS = 5.0
LOST = "log_prob is not that of a normalised density (a log-determinant, a divergence, a constant)"
UNLIKE = "samples are not drawn from the density that log_prob states"


@dataclass(frozen=True)
class Integrals:
    """Integrals over all space of ``p`` and of ``-p log p``, and the errors that are known.

    ``surprise`` is the mean of ``-log p`` over samples of the method.
    """

    dim: int
    mass: float
    entropy: float
    mass_error: float
    surprise: float
    surprise_error: float

    def has_mass_one(self) -> Finding:
        """The density has the mass one."""
        allowed = MASS + SIGMAS * self.mass_error
        what = f"the mass in {_dimensions(self.dim)} is {self.mass:.4f}; it differs from one by"
        return bounded(what, abs(self.mass - 1), allowed, LOST, "log_prob", "divergence")

    def is_of_samples(self) -> Finding:
        """The mean log-density of samples is minus the entropy."""
        allowed = ENTROPY + SIGMAS * math.hypot(self.surprise_error, self.mass_error)
        what = (
            f"the entropy in {_dimensions(self.dim)} is {self.entropy:.3f} nats, that of "
            f"{DRAWN} samples {self.surprise:.3f}; they differ by"
        )
        gap = abs(self.surprise - self.entropy)
        return bounded(what, gap, allowed, UNLIKE, "sample", "log_prob", "build")


def integrals(model: Model) -> Integrals:
    """By a grid in one or two dimensions, and by importance sampling in more."""
    require_likelihood(model.method)
    drawn = model.sample(DRAWN)
    surprise = -model.log_prob(drawn)
    dim = drawn.shape[1]
    mass, log_density = _on_grid(model, drawn) if dim in POINTS else _proposed(model, drawn)
    weights = mass * len(mass) if dim not in POINTS else mass[:0]
    return Integrals(
        dim,
        mass.sum().item(),
        -torch.special.xlogy(mass, log_density.exp()).sum().item(),
        (weights.std() / math.sqrt(len(weights))).item() if len(weights) else 0.0,
        surprise.mean().item(),
        (surprise.std() / math.sqrt(DRAWN)).item(),
    )


def _on_grid(model: Model, drawn: Batch) -> tuple[Tensor, Tensor]:
    """Mass and log-density of each cell of a grid that covers the samples and more."""
    dim = drawn.shape[1]
    low, high = drawn.min(dim=0).values, drawn.max(dim=0).values
    low, high = low - MARGIN * (high - low), high + MARGIN * (high - low)
    points = POINTS[dim] * (1 if isinstance(model.method, Flow) else CHEAP)
    cell = (high - low) / points
    places = torch.arange(points).to(drawn) + 0.5
    axes = [low[i] + cell[i] * places for i in range(dim)]
    log_density = model.log_prob(torch.cartesian_prod(*axes).reshape(-1, dim))
    return log_density.exp() * cell.prod(), log_density


def _proposed(model: Model, drawn: Batch) -> tuple[Tensor, Tensor]:
    """The share of each proposed row in the mass, and its log-density."""
    weights = torch.full((PLACES,), 1 / PLACES).to(drawn)
    factor = WIDTH * torch.linalg.cholesky(torch.cov(drawn.T))
    proposal = GaussianMixture(weights, drawn[:PLACES], factor.expand(PLACES, -1, -1))
    rows = proposal.sample(PROPOSED)
    log_density = model.log_prob(rows)
    return (log_density - proposal.log_prob(rows)).exp() / PROPOSED, log_density


def starts_at_base(method: Method, event: tuple[int, ...]) -> Finding:
    """The density at t = 0 is that of the base."""
    flow, x = flow_of(method), torch.randn(20, *event)
    require_likelihood(flow)
    found, expected = flow.log_prob(x, TIGHT, 0.0).values, flow.base.log_prob(x)
    what = "log-density at t = 0 and that of the base"
    return close(what, found, expected, (1e-7, 1e-7), "they are not the same@log_prob@base")


def changes_variables(method: Method, times: tuple[float, ...] = (0.6, 1.0)) -> Finding:
    """``log p_t(x_t) = log p0(x0) - log |det dx_t / dx0|``, with the solver's own map, in 2-D."""
    flow = flow_of(method)
    require_likelihood(flow)
    return first_wrong(_changed(flow, t) for t in times)


def _changed(flow: Flow, t: float) -> Finding:
    h, x0 = 1e-4, torch.randn(5, 2)
    shifts = h * torch.tensor([[0.0, 0.0], [1.0, 0.0], [-1.0, 0.0], [0.0, 1.0], [0.0, -1.0]])
    around = (x0[:, None] + shifts).flatten(0, 1)
    xt = transport(flow.velocity, around, TIGHT, (0.0, t), flow.breaks).values.reshape(5, 5, 2)
    jacobian = torch.stack([xt[:, 1] - xt[:, 2], xt[:, 3] - xt[:, 4]], dim=2) / (2 * h)
    expected = flow.base.log_prob(x0) - torch.linalg.slogdet(jacobian).logabsdet
    found = flow.log_prob(xt[:, 0], TIGHT, t).values
    # Central differences: h^2 = 1e-8 times third derivatives, 1e-8 / h of the solver.
    what = f"log-density at t = {t} and the change of variables of what is carried there"
    return close(what, found, expected, (1e-4, 0.0), "divergence and velocity disagree@divergence")


def returns(method: Method, event: tuple[int, ...], allowed: float = 1e-6) -> Finding:
    """What is carried from base to data and back ends where it began."""
    flow, x0 = flow_of(method), torch.randn(20, *event)
    x1 = flow.transport(x0, TIGHTER).values
    if not (x1 - x0).abs().max() > 1e-2:
        raise DoesNotApply("the flow moves nothing")
    back = flow.transport(x1, TIGHTER, 1.0, 0.0).values
    # 1e-9 a step, spread by gradients of the flow up to exp(beta_max / 2).
    fault = (
        "the ODE is another one on its way back (a velocity that draws, or jumps, not in breaks)"
    )
    return close("rows carried to the data and back", back, x0, (allowed, 0.0), f"{fault}@velocity")


def _dimensions(dim: int) -> str:
    return "one dimension" if dim == 1 else f"{dim} dimensions"
