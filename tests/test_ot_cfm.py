"""OT-CFM: its coupling against an assignment solver, and that what it learns is straight."""

import math

import numpy as np
import pytest
import torch
from plan import plan, unvalidated
from scipy.optimize import linear_sum_assignment

from benchmark.baselines.ot_cfm import OTCFM, partners
from benchmark.networks.mlp import MLP
from benchmark.ode import Tolerance
from benchmark.rows import Rows
from benchmark.training.loop import fit

IMAGE = (1, 2, 2)
MEAN, SPREAD = 1.0, 0.5
"""Of the Gaussian on the line to which the standard one is carried."""


def costs(x0, x1):
    """``|x0 - x1|^2`` of every pair, from the differences."""
    return (x0[:, None] - x1[None]).double().square().flatten(2).sum(dim=2)


def assigned(x0, x1):
    return linear_sum_assignment(costs(x0, x1).numpy())[1]


@pytest.mark.parametrize("n", [1, 2, 7, 60])
@pytest.mark.parametrize("event", [(1,), (2,), (5,), IMAGE])
def test_partners_are_those_of_the_optimal_assignment(event, n):
    # Of continuous rows there is only one; it uses every row once.
    x0, x1 = torch.randn(n, *event), 2 * torch.randn(n, *event) + 1
    assert torch.equal(partners(x0, x1), x1[assigned(x0, x1)])


def test_repeated_rows_are_used_as_often_as_they_come():
    x0, x1 = torch.randn(40, 2).round(), torch.randn(40, 2).round()
    found = partners(x0, x1)
    for row in x1.unique(dim=0):
        assert (found == row).all(dim=1).sum() == (x1 == row).all(dim=1).sum()
    least = costs(x0, x1)[np.arange(40), assigned(x0, x1)].sum()
    # Sums of whole numbers.
    assert (x0 - found).square().sum() == least


def test_single_precision_far_from_the_origin_does_not_blur_the_costs():
    x0, x1 = (torch.randn(60, 2).float() + 5000 for _ in range(2))
    found = partners(x0, x1)
    assert found.dtype == torch.float32 and torch.equal(found, x1[assigned(x0, x1)])


def perturbed(event):
    method = OTCFM.build(event, MLP(event, 8, 2, 2, 2))
    with torch.no_grad():
        for weights in method.parameters():
            weights.add_(0.2 * torch.randn_like(weights))
    return method


@pytest.mark.parametrize("event", [(2,), IMAGE])
def test_loss_of_known_draws(event):
    method, x1 = perturbed(event), torch.randn(9, *event) + 1
    torch.manual_seed(5)
    found = method.loss(x1)
    torch.manual_seed(5)
    t, x0 = torch.rand(9), torch.randn(9, *event)
    total = 0.0
    for i, j in enumerate(assigned(x0, x1)):
        x = (1 - t[i]) * x0[i] + t[i] * x1[j]
        total += (method.velocity(t[i], x[None])[0] + x0[i] - x1[j]).square().sum()
    torch.testing.assert_close(found, total / 9)


@pytest.mark.parametrize("event", [(3,), IMAGE])
def test_divergence_is_the_trace_of_the_jacobian(event):
    method, x, dim = perturbed(event), torch.randn(4, *event), math.prod(event)
    for t in torch.tensor([0.0, 0.37, 1.0]):
        jacobians = [
            torch.func.jacrev(lambda row: method.velocity(t, row[None])[0])(row)  # noqa: B023
            for row in x
        ]
        traces = torch.stack([j.reshape(dim, dim).trace() for j in jacobians])
        # Round-off of some hundred products.
        torch.testing.assert_close(method.divergence(t, x), traces, atol=1e-10, rtol=1e-10)
        assert traces.abs().max() > 1e-2


@pytest.fixture(scope="module")
def fitted():
    """From ``N(0, 1)`` to ``N(MEAN, SPREAD^2)``."""
    torch.manual_seed(0)
    torch.set_default_dtype(torch.float32)
    rows = Rows((MEAN + SPREAD * torch.randn(20_000, 1)).numpy(), None, torch.device("cpu"))
    numbers = plan(400, 256, 5e-3, ema=0.98)
    method = OTCFM.build((1,), MLP((1,), 32, 2, 2, 0))
    return fit(method, rows, numbers, unvalidated)[0]


TIMES = torch.linspace(0.0, 1.0, 21, dtype=torch.float64)


def test_particles_move_on_the_straight_lines_of_the_monotone_map(fitted):
    # The optimal map of the line is monotone: x -> MEAN + SPREAD x. With independent pairs the
    # same particle ends there too, but is at t MEAN + sqrt((1 - t)^2 + t^2 SPREAD^2) x at t.
    x0 = torch.randn(500, 1)
    for t in TIMES[5:16:5]:
        found = fitted.transport(x0, Tolerance(1e-6, 1e-6), 0.0, float(t)).values
        straight = (1 - t) * x0 + t * (MEAN + SPREAD * x0)
        bent = t * MEAN + ((1 - t) ** 2 + t**2 * SPREAD**2).sqrt() * x0
        error, other = ((found - path).square().mean().sqrt().item() for path in (straight, bent))
        # A per cent or two of the distance travelled: the error of a small network.
        assert error < 0.02 and other > 0.1, (float(t), error, other)


def test_the_energy_of_the_flow_is_the_squared_distance_to_the_target(fitted):
    # E int |v(t, x_t)|^2 dt is least on straight lines, where it is W_2^2 = E |T(x0) - x0|^2
    # (Benamou and Brenier, 2000); independent pairs need 0.2 more.
    x0 = torch.randn(2000, 1)
    later = [fitted.transport(x0, Tolerance(1e-6, 1e-6), 0.0, float(t)).values for t in TIMES[1:]]
    with torch.no_grad():
        speeds = [
            fitted.velocity(t.float(), x.float()).square().mean().double()
            for t, x in zip(TIMES, [x0, *later], strict=True)
        ]
    energy = torch.trapezoid(torch.stack(speeds), TIMES)
    least = (MEAN + SPREAD * x0 - x0).square().mean()
    rate = (TIMES - 1 + TIMES * SPREAD**2) / ((1 - TIMES) ** 2 + TIMES**2 * SPREAD**2).sqrt()
    independent = (MEAN + rate[:, None] * x0.T).square().mean(dim=1)
    assert torch.trapezoid(independent, TIMES) - least > 0.15
    # A per cent of 1.25: the errors of the learned mean and spread, twice.
    assert abs(energy - least) < 0.02


def test_the_learned_density_is_that_of_the_data(fitted):
    x = MEAN + SPREAD * torch.randn(2000, 1)
    truth = torch.distributions.Normal(MEAN, SPREAD).log_prob(x).squeeze(1)
    excess = truth - fitted.log_prob(x, Tolerance(1e-6, 1e-6)).values
    error = excess.std() / math.sqrt(len(x))
    # An untrained flow has 1.7 nats.
    assert -4 * error < excess.mean() < 0.01 + 4 * error and error < 0.005
