"""OT-Flow in the paper's own time: data at ``s = 0``, base at ``s = 1``, ``dx/ds = -grad Phi``."""

import math

import pytest
import torch
import yaml
from runge_kutta import runge_kutta

from benchmark.baselines.ot_flow import OTFlow
from benchmark.baselines.potential import Derivatives, Potential
from benchmark.densities import StandardNormal
from benchmark.model import parameters
from benchmark.ode import Tolerance, transport
from benchmark.source import ROOT

TIGHT = Tolerance(1e-10, 1e-10)


def flow(solver_steps=8, likelihood=1.0, hamilton_jacobi=1.0, potential=None, clamp=math.inf):
    if potential is None:
        torch.manual_seed(1)
        potential = Potential(2, 8, rank=3)
        with torch.no_grad():
            for weights in potential.parameters():
                weights.add_(0.3 * torch.randn_like(weights))
    base = StandardNormal(torch.Size([2]))
    return OTFlow(potential, base, likelihood, hamilton_jacobi, solver_steps, clamp)


def paper(phi, x, steps=32):
    """``x(1)``, log-determinant, transport cost and HJB violation, by Runge-Kutta and autograd.

    Onken et al., 2021: equations 4 (l), 5 (L) and 8 (R), from ``phi(s, x)`` of one point alone.
    """

    derivatives = torch.func.grad(phi, argnums=(0, 1))

    def rates(s, state):
        x = state[:2]
        time, gradient = derivatives(s, x)
        hessian = torch.func.jacfwd(lambda x: derivatives(s, x)[1])(x)
        speed = gradient @ gradient / 2
        return torch.cat([-gradient, torch.stack([-hessian.trace(), speed, (time - speed).abs()])])

    start = torch.cat([x, torch.zeros(3)])
    return runge_kutta(rates, start, torch.tensor(0.0), torch.tensor(1.0), steps)


def in_the_papers_time(method, x1):
    def phi(s, x):
        return method.potential(s, x[None])[0]

    return torch.func.vmap(lambda x: paper(phi, x))(x1).detach()


def test_flow_is_the_papers_backwards():
    method, x1 = flow(), torch.randn(6, 2)
    final = in_the_papers_time(method, x1)
    x0, log_det = final[:, :2], final[:, 2]
    assert (x0 - x1).norm(dim=1).min() > 0.1 and log_det.abs().min() > 0.1
    back = transport(method.velocity, x0, TIGHT).values
    torch.testing.assert_close(back, x1, atol=1e-5, rtol=0)  # (1/32)^4 times derivatives
    expected = method.base.log_prob(x0) + log_det
    found = method.log_prob(x1, TIGHT).values
    torch.testing.assert_close(found, expected, atol=1e-5, rtol=0)


def terms(x1, **arguments):
    """The three terms of the loss, which is linear in its weights."""
    cost = flow(likelihood=0.0, hamilton_jacobi=0.0, **arguments).loss(x1)
    nll = flow(likelihood=1.0, hamilton_jacobi=0.0, **arguments).loss(x1) - cost
    violation = flow(likelihood=0.0, hamilton_jacobi=1.0, **arguments).loss(x1) - cost
    return torch.stack([cost, nll, violation]).detach()


def test_loss_terms_are_the_papers():
    x1 = torch.randn(6, 2)
    final = in_the_papers_time(flow(), x1)
    nll = -(flow().base.log_prob(final[:, :2]) + final[:, 2])
    expected = torch.stack([final[:, 3], nll, final[:, 4]], dim=1).mean(dim=0)
    # |.| bends where it is zero: there the rule is of order 2 only.
    torch.testing.assert_close(terms(x1, solver_steps=64), expected, atol=1e-3, rtol=0)


def test_loss_weighs_its_terms():
    x1 = torch.randn(6, 2)
    cost, nll, violation = terms(x1)
    found = flow(likelihood=7.0, hamilton_jacobi=3.0).loss(x1).detach()
    torch.testing.assert_close(found, cost + 7 * nll + 3 * violation)


@pytest.mark.parametrize("steps", [2, 4])
def test_runge_kutta_is_of_order_four(steps):
    # The likelihood term against the adaptive solver. Twice the steps leave 1/16 of the error, or
    # less, as rows cancel; a wrong stage or weight leaves 1/8 or more.
    x1 = 0.5 * torch.randn(20, 2)
    exact = -flow().log_prob(x1, TIGHT).values.mean()
    error, halved = ((terms(x1, solver_steps=n)[1] - exact).abs() for n in (steps, 2 * steps))
    assert error / halved > 10


class Focus(Potential):
    """``|x|^2 / (2 (c - s))``: an exact solution of the Hamilton-Jacobi-Bellman equation.

    Points move on straight lines at constant speed towards 0, which they would reach at s = c.
    """

    focus = 3.0

    def derivatives(self, t, x):
        left = self.focus - t
        time = x.square().sum(dim=1) / (2 * left**2)
        return Derivatives(x / left, time, torch.full((len(x),), 2 / left.item()))


def test_loss_terms_of_an_exact_solution():
    x1 = torch.randn(6, 2)
    potential = Focus(2, 1, rank=1)
    cost, nll, violation = terms(x1, solver_steps=16, potential=potential)
    shrink = (Focus.focus - 1) / Focus.focus
    log_prob = StandardNormal(torch.Size([2])).log_prob(shrink * x1) + 2 * math.log(shrink)
    exact_cost = x1.square().sum(dim=1).mean() / (2 * Focus.focus**2)
    tolerances = {"atol": 1e-7, "rtol": 0}  # (1/16)^4 times derivatives of order 1e-2
    torch.testing.assert_close(cost, exact_cost, **tolerances)
    torch.testing.assert_close(nll, -log_prob.mean(), **tolerances)
    torch.testing.assert_close(violation, torch.tensor(0.0), **tolerances)


def test_rank_of_the_quadratic_term_is_the_papers():
    # min(10, d + 1).
    assert OTFlow.build((2,), 4, 1.0, 1.0, 2).potential.quadratic.shape == (3, 3)
    assert OTFlow.build((43,), 4, 1.0, 1.0, 2).potential.quadratic.shape == (10, 44)


def test_weights_are_clamped_before_each_loss():
    x1, free, clamped = torch.randn(6, 2), flow(), flow(clamp=0.5)
    before = [weights.detach().clone() for weights in free.parameters()]
    assert torch.cat([w.flatten() for w in before]).aminmax().min < -0.5
    assert torch.cat([w.flatten() for w in before]).aminmax().max > 0.5
    found = clamped.loss(x1)
    for weights, one in zip(clamped.parameters(), before, strict=True):
        assert torch.equal(weights, one.clamp(-0.5, 0.5))
    free.loss(x1)
    for weights, one in zip(free.parameters(), before, strict=True):
        assert torch.equal(weights, one)
    torch.testing.assert_close(flow(potential=clamped.potential).loss(x1), found)


PUBLISHED = yaml.safe_load((ROOT / "benchmark/baselines/published/ot_flow.yaml").read_text())
SIZES = {
    "power": (6, 17_721),
    "gas": (8, 126_791),
    "hepmass": (21, 72_179),
    "miniboone": (43, 78_053),
    "bsds300": (63, 297_153),
}
"""Dimension, and number of parameters of the paper's runs."""


@pytest.mark.parametrize("dataset", SIZES)
def test_published_settings_have_the_published_number_of_parameters(dataset):
    dim, published = SIZES[dataset]
    found = OTFlow.build((dim,), **PUBLISHED[dataset]["model"])
    # The paper's constant c has no effect and is left out.
    assert parameters(found) == published - 1


def test_published_settings_are_of_the_five_data_sets():
    assert set(PUBLISHED) == set(SIZES)
