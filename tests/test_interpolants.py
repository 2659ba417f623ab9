"""Interpolants: ends, velocity against finite differences, one time per sample."""

import math

import pytest
import torch

from benchmark.interpolants import Fourier, Linear, Trigonometric


def bent(terms):
    """A Fourier path with amplitudes, the same at every call."""
    path = Fourier(terms).double()
    with torch.no_grad():
        path.amplitudes.copy_(0.2 * torch.cos(torch.arange(2.0 * terms)).reshape(2, terms))
    return path


INTERPOLANTS = {"linear": Linear(), "trigonometric": Trigonometric(), "fourier": bent(3)}
every_interpolant = pytest.mark.parametrize("path", INTERPOLANTS.values(), ids=INTERPOLANTS.keys())
every_event = pytest.mark.parametrize("event", [(3,), (2, 4, 4)])


@every_interpolant
@every_event
def test_path_runs_from_base_to_target(path, event):
    x0, x1 = torch.randn(2, 5, *event)
    # cos(pi / 2) is 6e-17 in float64, sin(m pi) up to m times 1e-16.
    torch.testing.assert_close(path(torch.zeros(5), x0, x1), x0, atol=1e-14, rtol=0)
    torch.testing.assert_close(path(torch.ones(5), x0, x1), x1, atol=1e-14, rtol=0)


@every_interpolant
@every_event
def test_velocity_is_the_time_derivative(path, event):
    x0, x1 = torch.randn(2, 5, *event)
    t, h = torch.rand(5), 1e-5
    difference = (path(t + h, x0, x1) - path(t - h, x0, x1)) / (2 * h)
    # Central difference: h^2 / 6 times the third derivative (400), and 1e-16 / h of round-off.
    torch.testing.assert_close(path.velocity(t, x0, x1), difference, atol=3e-8, rtol=1e-8)


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


def test_fourier_path_starts_as_the_trigonometric_one():
    t = torch.linspace(0, 1, 11)
    found = torch.stack(Fourier(7).coefficients(t))
    torch.testing.assert_close(found, torch.stack(Trigonometric().coefficients(t)))


def test_fourier_path_is_its_series():
    path, t = bent(3), 0.3
    a, b = path.amplitudes.tolist()
    alpha = math.cos(math.pi * t / 2) + sum(a[m - 1] * math.sin(m * math.pi * t) for m in (1, 2, 3))
    beta = math.sin(math.pi * t / 2) + sum(b[m - 1] * math.sin(m * math.pi * t) for m in (1, 2, 3))
    found = path.coefficients(torch.tensor(t))
    torch.testing.assert_close(torch.stack(found), torch.tensor([alpha, beta]))
    together = torch.stack(path.coefficients(torch.tensor([0.1, t, 0.9])))
    torch.testing.assert_close(together[:, 1], torch.stack(found))


def test_gradients_reach_the_amplitudes_through_the_velocity():
    # The velocity is linear in them, by m pi cos(m pi t): reverse mode over forward mode.
    path, t, x0, x1 = bent(3), torch.rand(5), torch.randn(5, 2), torch.randn(5, 2)
    (found,) = torch.autograd.grad(path.velocity(t, x0, x1).sum(), path.amplitudes)
    m = torch.arange(1, 4)
    waves = math.pi * m * torch.cos(math.pi * m * t[:, None])
    expected = torch.stack([x0.sum(dim=1) @ waves, x1.sum(dim=1) @ waves])
    torch.testing.assert_close(found, expected)
