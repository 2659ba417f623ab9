"""FFJORD: its loss against exact likelihoods, its adjoint against a discretised computation."""

import math

import pytest
import torch

from benchmark.baselines.ffjord import FFJORD
from benchmark.coordinates import Affine
from benchmark.ode import Tolerance
from benchmark.training import Rows, Training, fit


def flow(dim, tolerance):
    method = FFJORD.build((dim,), width=8, depth=2, tolerance=tolerance)
    with torch.no_grad():
        for weights in method.parameters():
            weights.add_(0.5 * torch.randn_like(weights))
    return method


def test_mean_over_probes_is_the_exact_likelihood():
    method, x1 = flow(3, 1e-6), torch.randn(4, 3)
    exact = -method.log_prob(x1, Tolerance(1e-8, 1e-8)).values.mean()
    # Each of 25 calls averages 4 rows x 200 probes.
    losses = torch.stack([method.loss(x1.repeat(200, 1)).detach() for _ in range(25)])
    error = losses.std() / math.sqrt(len(losses))
    base = -method.base.log_prob(x1).mean()
    assert abs(losses.mean() - exact) < 4 * error
    assert error < 0.05 * abs(exact - base)  # the integral of the divergence counts


def test_loss_and_its_adjoint_gradient_are_those_of_a_discretised_flow():
    method, x1 = flow(2, 1e-9), torch.randn(6, 2)
    torch.manual_seed(7)
    loss = method.loss(x1)
    found = torch.autograd.grad(loss, list(method.parameters()))

    torch.manual_seed(7)
    probe = torch.randn(6, 2)

    def rates(t, x):
        # probe . J probe by a forward derivative: J probe = d/de v(x + e probe).
        v, product = torch.func.jvp(lambda x: method.velocity(t, x), (x,), (probe,))
        return torch.cat([v, (product * probe).sum(dim=1, keepdim=True)], dim=1)

    steps = 50
    h, state = -1 / steps, torch.cat([x1, torch.zeros(6, 1)], dim=1)
    for step in range(steps):
        t = torch.tensor(1 + step * h)
        k1 = rates(t, state[:, :2])
        k2 = rates(t + h / 2, (state + h / 2 * k1)[:, :2])
        k3 = rates(t + h / 2, (state + h / 2 * k2)[:, :2])
        k4 = rates(t + h, (state + h * k3)[:, :2])
        state = state + h / 6 * (k1 + 2 * k2 + 2 * k3 + k4)
    # log p1 = log p0 - int_0^1 div, and the state ends with int_1^0 div.
    expected = -(method.base.log_prob(state[:, :2]) + state[:, 2]).mean()
    torch.testing.assert_close(loss, expected, atol=1e-7, rtol=0)
    exact = torch.autograd.grad(expected, list(method.parameters()))
    for one, other in zip(found, exact, strict=True):
        # 50 steps of order 4 leave 1e-7, the adjoint's tolerance 1e-9 x its steps less.
        torch.testing.assert_close(one, other, atol=1e-6, rtol=1e-5)


def test_every_loss_draws_its_own_probe():
    method, x1 = flow(3, 1e-6), torch.randn(4, 3)
    torch.manual_seed(1)
    first, second = method.loss(x1), method.loss(x1)
    torch.manual_seed(1)
    assert first != second and method.loss(x1) == first


def test_weights_that_are_not_finite_are_a_divergence_in_words():
    flow = FFJORD.build((2,), width=4, depth=1, tolerance=1e-3)
    with torch.no_grad():
        for weights in flow.parameters():
            weights.fill_(torch.nan)
    numbers = Training(5, 8, 0.1, "constant", None, 0.0, "identity", 1)
    rows = Rows(torch.randn(20, 2).numpy(), None, torch.device("cpu"))
    with pytest.raises(FloatingPointError, match=r"training diverged. Lower train.lr \(0.1\)"):
        fit(flow, rows, Affine.identity((2,)), numbers, lambda _: 0.0)
