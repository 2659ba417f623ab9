"""Interpolants: ends, velocity against finite differences, one time per sample."""

import pytest
import torch

from benchmark.interpolants import Linear, Trigonometric

INTERPOLANTS = {"linear": Linear(), "trigonometric": Trigonometric()}
every_interpolant = pytest.mark.parametrize("path", INTERPOLANTS.values(), ids=INTERPOLANTS.keys())
every_event = pytest.mark.parametrize("event", [(3,), (2, 4, 4)])


@every_interpolant
@every_event
def test_path_runs_from_base_to_target(path, event):
    x0, x1 = torch.randn(2, 5, *event)
    # cos(pi / 2) is 6e-17 in float64.
    torch.testing.assert_close(path(torch.zeros(5), x0, x1), x0, atol=1e-15, rtol=0)
    torch.testing.assert_close(path(torch.ones(5), x0, x1), x1, atol=1e-15, rtol=0)


@every_interpolant
@every_event
def test_velocity_is_the_time_derivative(path, event):
    x0, x1 = torch.randn(2, 5, *event)
    t, h = torch.rand(5), 1e-5
    difference = (path(t + h, x0, x1) - path(t - h, x0, x1)) / (2 * h)
    # Central difference: h^2 / 6 times the third derivative, and 1e-16 / h of round-off.
    torch.testing.assert_close(path.velocity(t, x0, x1), difference, atol=1e-8, rtol=1e-8)


@every_interpolant
@every_event
def test_every_sample_has_its_own_time(path, event):
    x0, x1, t = *torch.randn(2, 5, *event), torch.rand(5)
    for function in (path, path.velocity):
        together = function(t, x0, x1)
        for i in range(5):
            alone = function(t[i : i + 1], x0[i : i + 1], x1[i : i + 1])
            torch.testing.assert_close(together[i : i + 1], alone)


def test_linear_path_has_constant_speed():
    x0, x1 = torch.randn(2, 5, 3)
    torch.testing.assert_close(Linear().velocity(torch.rand(5), x0, x1), x1 - x0)
    torch.testing.assert_close(Linear()(torch.full((5,), 0.25), x0, x1), 0.75 * x0 + 0.25 * x1)


def test_trigonometric_path_keeps_the_variance():
    alpha, beta = Trigonometric().coefficients(torch.linspace(0, 1, 11))
    torch.testing.assert_close(alpha**2 + beta**2, torch.ones(11))
