"""Closed-form velocities: against conditional means and the continuity equation."""

import math

import pytest
import torch
from torch.distributions import MultivariateNormal

from benchmark.baselines.oracle import OracleFlow
from benchmark.densities import GaussianMixture, eight_gaussians
from benchmark.flow import Flow
from benchmark.interpolants import Linear, Trigonometric
from benchmark.ode import Tolerance
from benchmark.oracles import MixtureVelocity
from tests.test_interpolants import bent

PATHS = {"linear": Linear, "trigonometric": Trigonometric, "fourier": lambda: bent(2)}
every_path = pytest.mark.parametrize("make", PATHS.values(), ids=PATHS.keys())
TIGHT = Tolerance(1e-7, 1e-7)
"""A wrong formula is wrong by far more; tighter solves take minutes."""


def base():
    return GaussianMixture(
        torch.tensor([0.7, 0.3]),
        torch.tensor([[-1.0, 0.2], [0.8, 0.5]]),
        torch.tensor([[[0.8, 0.0], [0.3, 0.6]], [[0.5, 0.0], [-0.2, 0.9]]]),
    )


def target():
    return GaussianMixture(
        torch.tensor([0.2, 0.5, 0.3]),
        torch.tensor([[1.0, -2.0], [-1.5, 0.5], [2.0, 2.0]]),
        torch.tensor(
            [[[0.9, 0.0], [-0.6, 0.5]], [[0.4, 0.0], [0.3, 0.8]], [[0.5, 0.0], [0.0, 0.5]]]
        ),
    )


class Known(Flow):
    """A flow of a closed-form velocity between two mixtures."""

    def __init__(self, network):
        super().__init__()
        self.network, self.base = network, network.base

    @classmethod
    def build(cls, event):
        raise NotImplementedError

    def velocity(self, t, x):
        return self.network(t, x)

    def loss(self, x1):
        raise NotImplementedError


@every_path
def test_velocity_is_the_mean_of_the_rate_of_the_path_given_its_point(make):
    # By importance: given x0, the point x fixes x1 = (x - alpha x0) / beta.
    path, n = make(), 400_000
    network = MixtureVelocity(base(), target(), path)
    t, x0 = torch.tensor(0.6), base().sample(n)
    (alpha, beta), (d_alpha, d_beta) = path.coefficients(t), path.rates(t)
    for x in torch.tensor([[0.3, -0.4], [-1.0, 1.0]]):
        x1 = (x - alpha * x0) / beta
        weight = target().log_prob(x1).softmax(dim=0).detach()
        rate = (d_alpha * x0 + d_beta * x1).detach()
        mean = weight @ rate
        error = ((weight**2) @ (rate - mean) ** 2).sqrt()
        found = network(t, x[None])[0].detach()
        assert ((found - mean).abs() < 4 * error).all() and (error < 0.02).all()


@every_path
def test_density_obeys_the_continuity_equation(make):
    # d/dt log rho + div v + v . grad log rho = 0, by central differences in time.
    network = MixtureVelocity(base(), target(), make())
    x, h = (1.5 * torch.randn(20, 2)).requires_grad_(), 1e-4
    for t in torch.tensor([0.2, 0.5, 0.9]):
        after, before = (network.marginal(t + s).log_prob(x) for s in (h, -h))
        (score,) = torch.autograd.grad(network.marginal(t).log_prob(x).sum(), x)
        v = network(t, x)
        terms = (after - before) / (2 * h), network.divergence(t, x), (v * score).sum(dim=1)
        # Central difference: h^2 = 1e-8 times third derivatives, which the Fourier path has large.
        torch.testing.assert_close(sum(terms), torch.zeros(20), atol=2e-5, rtol=0)
        assert all(term.abs().max() > 0.1 for term in terms)


def test_every_row_has_its_own_time():
    network, t, x = MixtureVelocity(base(), target(), Linear()), torch.rand(6), torch.randn(6, 2)
    alone = torch.cat([network(t[i], x[i : i + 1]) for i in range(6)])
    torch.testing.assert_close(network(t, x), alone)


def test_marginal_of_gaussians_is_their_sum():
    t = torch.tensor(0.3)
    one = MixtureVelocity(base(), target(), Linear()).marginal(t)
    covariance = 0.49 * base().factors[1] @ base().factors[1].T
    covariance = covariance + 0.09 * target().factors[0] @ target().factors[0].T
    mean = 0.7 * base().means[1] + 0.3 * target().means[0]
    assert one.weights[3] == pytest.approx(0.3 * 0.2)
    torch.testing.assert_close(one.means[3], mean)
    torch.testing.assert_close(one.factors[3], torch.linalg.cholesky(covariance))


@every_path
@pytest.mark.parametrize("t", [0.0, 0.3, 0.7, 1.0])
def test_log_prob_through_the_ode_is_the_exact_density(make, t):
    network = MixtureVelocity(base(), target(), make())
    exact = network.marginal(torch.tensor(t))
    x = torch.cat([exact.sample(10), 2 * torch.randn(10, 2)]).detach()
    found = Known(network).log_prob(x, TIGHT, t).values
    # The solver at 1e-7 per step.
    torch.testing.assert_close(found, exact.log_prob(x), atol=1e-5, rtol=0)


def test_draws_are_points_of_the_densities_at_uniform_times():
    network, n = MixtureVelocity(base(), target(), Linear()), 20_000
    t, x = network.draw(n)
    log_prob = torch.stack([network.marginal(t[i]).log_prob(x[i : i + 1])[0] for i in range(1000)])
    entropy = []
    for time in (torch.arange(20) + 0.5) / 20:  # the midpoint rule: 1e-3
        density = network.marginal(time)
        entropy.append(density.log_prob(density.sample(2000)))
    entropy = torch.stack(entropy)
    error = math.sqrt(log_prob.var() / 1000 + entropy.var() / entropy.numel())
    assert abs(log_prob.mean() - entropy.mean()) < 4 * error + 1e-3
    assert abs(t.mean() - 0.5) < 4 / math.sqrt(12 * n)


@pytest.mark.parametrize("path", ["linear", "trigonometric"])
def test_oracle_flow_is_the_flow_to_the_known_density(path, single_precision):
    flow = OracleFlow.build((2,), "benchmark.densities.eight_gaussians", path)
    truth = eight_gaussians().double()
    x = truth.sample(100)
    # Weights in double precision: nothing but the solver, at 1e-7 per step. The quadrature is held
    # to a few steps in root mean square over rows; a row among a hundred may have ten times that.
    torch.testing.assert_close(flow.log_prob(x, TIGHT).values, truth.log_prob(x), atol=5e-5, rtol=0)
    at_base = MultivariateNormal(torch.zeros(2).double(), torch.eye(2).double()).log_prob(x)
    torch.testing.assert_close(flow.log_prob(x, TIGHT, 0.0).values, at_base)
