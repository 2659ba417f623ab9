"""The Wasserstein bound, on affine velocities between Gaussians, where all of it is known."""

import math

import pytest
import torch
from runge_kutta import runge_kutta

from benchmark.densities import GaussianMixture
from benchmark.interpolants import Linear
from benchmark.oracles import MixtureVelocity
from benchmark.wasserstein import largest_slope, squared_distance_bound, velocity_error

MEANS = torch.tensor([[0.5, -0.2], [-0.4, 0.3]], dtype=torch.float64)
FACTORS = torch.tensor([[[1.0, 0.0], [0.3, 0.8]], [[0.9, 0.0], [-0.2, 0.7]]], dtype=torch.float64)
SLOPE = torch.tensor([[0.1, -0.3], [0.2, 0.15]], dtype=torch.float64)
SHIFT = torch.tensor([0.1, 0.25], dtype=torch.float64)


def normal(k):
    return GaussianMixture(torch.ones(1), MEANS[k : k + 1], FACTORS[k : k + 1])


def exact():
    return MixtureVelocity(normal(0), normal(1), Linear())


def perturbed(t, x):
    return exact()(t, x) + x @ SLOPE.T + SHIFT


def affine(velocity, t):
    """``u, M`` of ``velocity(t, x) = u + M x``."""
    points = velocity(t, torch.cat([torch.zeros(1, 2), torch.eye(2)]))
    return points[0], (points[1:] - points[0]).T


def pushed(velocity):
    """Mean and covariance at t = 1 of the Gaussian base carried by an affine velocity."""

    def rates(t, state):
        mean, covariance = state[0], state[1:]
        u, m = affine(velocity, t)
        return torch.cat([(u + m @ mean)[None], m @ covariance + covariance @ m.T])

    start = torch.cat([MEANS[:1], FACTORS[0] @ FACTORS[0].T])
    end = runge_kutta(rates, start, torch.tensor(0.0), torch.tensor(1.0), 100)
    return end[0], end[1:]


def root(matrix):
    values, vectors = torch.linalg.eigh(matrix)
    return vectors @ torch.diag(values.clamp(min=0).sqrt()) @ vectors.T


def squared_distance(mean, covariance):
    """``W2^2`` of a Gaussian to the target: ``|m - n|^2 + tr(C + D - 2 (C^1/2 D C^1/2)^1/2)``."""
    truth, half = FACTORS[1] @ FACTORS[1].T, root(covariance)
    cross = root(half @ truth @ half)
    return ((mean - MEANS[1]).square().sum() + (covariance + truth - 2 * cross).trace()).item()


def test_exact_velocity_carries_the_base_to_the_target():
    mean, covariance = pushed(exact())
    # Runge-Kutta of 100 steps.
    assert squared_distance(mean, covariance) == pytest.approx(0, abs=1e-7)
    torch.testing.assert_close(mean, MEANS[1], atol=1e-8, rtol=0)


def test_error_of_a_velocity_is_its_mean_square_under_the_densities():
    found = velocity_error(perturbed, exact(), *exact().draw(50_000))
    expected = []
    for t in (torch.arange(100) + 0.5) / 100:  # the midpoint rule: 1e-4 of it
        density = exact().marginal(t)
        mean = SLOPE @ density.means[0] + SHIFT
        spread = SLOPE @ density.factors[0]
        expected.append(mean.square().sum() + spread.square().sum())
    expected = torch.stack(expected).mean().item()
    assert abs(found.value - expected) < 4 * found.standard_error + 1e-4 * expected
    assert found.standard_error < 0.02 * expected


def test_standard_error_is_that_of_the_mean():
    runs = [velocity_error(perturbed, exact(), *exact().draw(200)) for _ in range(200)]
    values, errors = torch.tensor(runs).T
    # The sd of 200 values is known to 1 / sqrt(400) = 5 %, if they are nearly normal.
    assert values.std().item() == pytest.approx(errors.mean().item(), rel=0.2)


def test_largest_slope_is_the_spectral_norm_of_an_affine_field():
    t = torch.linspace(0, 1, 21)
    norms = [torch.linalg.matrix_norm(affine(perturbed, time)[1], ord=2) for time in t]
    found = largest_slope(perturbed, t, torch.randn(21, 2))
    assert found == pytest.approx(max(norms).item())


def test_largest_slope_of_images_is_that_of_their_flat_field():
    matrix, x = torch.randn(8, 8), torch.randn(5, 2, 2, 2)
    found = largest_slope(lambda t, x: (x.flatten(1) @ matrix.T).view_as(x), torch.rand(5), x)
    assert found == pytest.approx(torch.linalg.matrix_norm(matrix, ord=2).item())


@pytest.mark.parametrize("size", [0.1, 1.0, -1.0])
def test_bound_holds(size):
    def velocity(t, x):
        return exact()(t, x) + size * (x @ SLOPE.T + SHIFT)

    error = velocity_error(velocity, exact(), *exact().draw(5000))
    slope = largest_slope(velocity, torch.linspace(0, 1, 101), torch.randn(101, 2))
    bound = squared_distance_bound(error.value - 4 * error.standard_error, slope)
    distance = squared_distance(*pushed(velocity))
    assert 0.01 * size**2 < distance <= bound
    assert bound < math.exp(1 + 2 * slope) * error.value


def test_bound_is_broken_by_the_wrong_sign_of_the_velocity():
    # -v: against v the error is 4 E |v|^2 and the bound holds; against -v it is 0, and does not.
    def backward(t, x):
        return -exact()(t, x)

    slope = largest_slope(backward, torch.linspace(0, 1, 101), torch.randn(101, 2))
    distance = squared_distance(*pushed(backward))
    right = velocity_error(backward, exact(), *exact().draw(5000)).value
    wrong = velocity_error(backward, backward, *exact().draw(5000)).value
    assert squared_distance_bound(wrong, slope) < distance < squared_distance_bound(right, slope)
