"""Divergences of fields for which they are known, and are not zero."""

import math

import pytest
import torch

from benchmark.divergence import exact_divergence, hutchinson_divergence

EVENTS = [(6,), (1, 2, 3), (6, 1, 1)]
every_event = pytest.mark.parametrize("event", EVENTS)
T = torch.tensor(0.4, dtype=torch.float64)


def waves(matrix, scale):
    """``v_i = scale e^t sin((A x)_i)`` on events of any shape, and its divergence."""

    def phases(x):
        return x.flatten(1) @ matrix.T

    def velocity(t, x):
        return scale * t.exp() * torch.sin(phases(x)).reshape(x.shape)

    def divergence(t, x):
        return scale * t.exp() * torch.cos(phases(x)) @ matrix.diagonal()

    return velocity, divergence


@every_event
def test_divergence_of_a_linear_field_is_its_trace(event):
    matrix = torch.randn(6, 6)
    assert matrix.trace().abs() > 0.5
    found = exact_divergence(
        lambda t, x: (x.flatten(1) @ matrix.T).reshape(x.shape), T, torch.randn(4, *event)
    )
    torch.testing.assert_close(found, matrix.trace().expand(4))


@every_event
def test_divergence_of_a_nonlinear_field(event):
    velocity, divergence = waves(torch.randn(6, 6), 1.7)
    x = torch.randn(5, *event)
    torch.testing.assert_close(exact_divergence(velocity, T, x), divergence(T, x))


def test_exact_divergence_works_where_gradients_are_off_and_leaves_no_trace():
    velocity, divergence = waves(torch.randn(6, 6), 1.7)
    x = torch.randn(5, 6)
    with torch.no_grad():
        found = exact_divergence(velocity, T, x)
    torch.testing.assert_close(found, divergence(T, x))
    assert not found.requires_grad and not x.requires_grad


def rademacher(*shape):
    return torch.randint(0, 2, shape) * 2.0 - 1.0


@every_event
@pytest.mark.parametrize("draw", [torch.randn, rademacher])
def test_hutchinson_is_unbiased(event, draw):
    velocity, divergence = waves(torch.randn(6, 6), 1.7)
    n = 20_000
    x = torch.randn(1, *event).expand(n, *event).clone().requires_grad_()
    estimate = hutchinson_divergence(velocity(T, x), x, draw(n, *event)).detach()
    error = estimate.std() / math.sqrt(n)
    assert error > 0
    assert abs(estimate.mean() - divergence(T, x[:1]).item()) < 5 * error


def test_hutchinson_is_a_quadratic_form_of_the_probe():
    matrix, probe = torch.randn(6, 6), torch.randn(4, 6)
    x = torch.randn(4, 6, requires_grad=True)
    found = hutchinson_divergence(x @ matrix.T, x, probe)
    torch.testing.assert_close(found, torch.einsum("bi,ij,bj->b", probe, matrix, probe))


def test_hutchinson_can_be_differentiated():
    matrix, probe, x = torch.randn(6, 6), torch.randn(5, 6), torch.randn(5, 6)

    def estimate(scale):
        point = x.clone().requires_grad_()
        velocity, _ = waves(scale * matrix, scale)
        return hutchinson_divergence(velocity(T, point), point, probe).sum()

    scale = torch.tensor(0.8, requires_grad=True)
    (found,) = torch.autograd.grad(estimate(scale), scale)
    h = 1e-5
    difference = (estimate(scale.detach() + h) - estimate(scale.detach() - h)) / (2 * h)
    # Central difference: h^2 = 1e-10 and 1e-16 / h of round-off, times derivatives of order 100.
    torch.testing.assert_close(found, difference.detach(), atol=0, rtol=1e-6)
