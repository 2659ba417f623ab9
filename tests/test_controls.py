"""The controls: the fitted Gaussian, the true density and the true velocity."""

import math

import pytest
import torch

from benchmark.baselines.gaussian import Gaussian
from benchmark.baselines.oracle import Oracle, OracleFlow
from benchmark.densities import Checkerboard, eight_gaussians
from benchmark.ode import Tolerance
from benchmark.rows import Rows

ANY = Tolerance(1e-3, 1e-3)


def rows_of(x1):
    return Rows(x1.numpy(), None, torch.device("cpu"))


@pytest.mark.parametrize("dim", [1, 2, 5])
def test_gaussian_has_the_closed_form_nll_on_its_training_rows(dim):
    x1 = torch.randn(300, dim) @ torch.randn(dim, dim) + torch.randn(dim)
    method = Gaussian.build((dim,))
    method.initialise(rows_of(x1))
    centred = x1 - x1.mean(dim=0)
    covariance = centred.T @ centred / 300
    # The maximum of the likelihood: D/2 (1 + log 2 pi) + 1/2 log det C.
    expected = dim / 2 * (1 + math.log(2 * math.pi)) + torch.logdet(covariance) / 2
    torch.testing.assert_close(-method.log_prob(x1, ANY).values.mean(), expected)


def test_gaussian_is_at_a_maximum_of_the_likelihood():
    x1 = torch.randn(300, 2) @ torch.randn(2, 2) + torch.randn(2)
    method = Gaussian.build((2,))
    method.initialise(rows_of(x1))
    means, factors = method.density.means, method.density.factors
    means.requires_grad_()
    factors.requires_grad_()
    nll = -method.log_prob(x1, ANY).values.mean()
    for gradient in torch.autograd.grad(nll, [means, factors]):
        torch.testing.assert_close(gradient.tril(), torch.zeros_like(gradient), atol=1e-10, rtol=0)


def test_gaussian_samples_have_its_moments():
    x1 = torch.randn(300, 2) @ torch.tensor([[1.0, 0.8], [0.0, 0.3]]) + 2
    method, n = Gaussian.build((2,)), 20_000
    method.initialise(rows_of(x1))
    drawn = method.sample(n, ANY).values
    for power in (lambda x: x, lambda x: x[:, :1] * x):
        found, error = power(drawn).mean(dim=0), power(drawn).std(dim=0) / math.sqrt(n)
        assert ((found - power(x1).mean(dim=0)).abs() < 4 * error).all()


@pytest.mark.parametrize("density", [eight_gaussians, Checkerboard])
def test_oracle_is_the_density(density):
    method = Oracle.build((2,), f"benchmark.densities.{density.__name__}")
    x = torch.cat([density().sample(100), 5 * torch.randn(100, 2)])
    assert torch.equal(method.log_prob(x, ANY).values, density().log_prob(x))
    torch.manual_seed(2)
    drawn = method.sample(10, ANY).values
    torch.manual_seed(2)
    assert torch.equal(drawn, density().sample(10))


def test_oracle_flow_draws_from_the_density():
    flow = OracleFlow.build((2,), "benchmark.densities.eight_gaussians", "trigonometric")
    truth, n = eight_gaussians(), 2000
    surprise = -truth.log_prob(flow.sample(n, Tolerance(1e-5, 1e-5)).values)
    drawn = -truth.log_prob(truth.sample(n))
    error = math.sqrt((surprise.var() + drawn.var()) / n)
    assert abs(surprise.mean() - drawn.mean()) < 4 * error


def test_oracle_flow_needs_a_mixture():
    with pytest.raises(ValueError, match="Checkerboard.*on mixtures of Gaussians only; set its"):
        OracleFlow.build((2,), "benchmark.densities.Checkerboard", "linear")


def test_oracle_flow_is_not_trained():
    flow = OracleFlow.build((2,), "benchmark.densities.eight_gaussians", "linear")
    assert not OracleFlow.trained and not list(flow.parameters())
    with pytest.raises(TypeError, match="velocity is known. Set train.steps to 0"):
        flow.loss(torch.randn(5, 2))
