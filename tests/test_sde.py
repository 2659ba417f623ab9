"""Euler-Maruyama on the Ornstein-Uhlenbeck process, whose solution is known path by path."""

import math

import pytest
import torch

from benchmark.sde import euler_maruyama

RATE, NOISE, START = 1.3, 0.7, 2.0


def drift(t, x):
    return -RATE * x


def noise(t):
    return torch.tensor(NOISE)


def exact_moments():
    """Mean and variance at t = 1 of ``dX = -RATE X dt + NOISE dW`` from START."""
    return START * math.exp(-RATE), NOISE**2 * (1 - math.exp(-2 * RATE)) / (2 * RATE)


def exact_path(steps, n):
    """Normal draws of the increments of W, and the exact X at t = 1 driven by the same W.

    ``X' = exp(-a h) X + NOISE int exp(-a (h - u)) dW_u``: the integral and the increment of W are
    jointly Gaussian, with variances ``(1 - exp(-2 a h)) / 2a`` and ``h``, covariance
    ``(1 - exp(-a h)) / a``.
    """
    h, decay = 1 / steps, math.exp(-RATE / steps)
    slope = (1 - decay) / RATE / h
    rest = math.sqrt((1 - decay**2) / (2 * RATE) - slope**2 * h)
    draws, x = torch.randn(steps, n, 1), torch.full((n, 1), START)
    for z in draws:
        x = decay * x + NOISE * (slope * math.sqrt(h) * z + rest * torch.randn(n, 1))
    return draws, x


def test_strong_order_is_one(monkeypatch):
    # Noise that does not depend on x: order 1, not the 1/2 of the general case.
    n, errors = 4000, []
    for steps in (20, 40, 80):
        draws, exact = exact_path(steps, n)
        given = iter(draws)
        with monkeypatch.context() as patch:
            patch.setattr(torch, "randn_like", lambda x: next(given))  # noqa: B023
            x = torch.full((n, 1), START)
            found = euler_maruyama(drift, noise, x, torch.linspace(0, 1, steps + 1)).values
        errors.append((found - exact).square().mean().sqrt())
    orders = torch.stack(errors[:-1]).div(torch.stack(errors[1:])).log2()
    # Root mean squares of n errors are known to 1 / sqrt(2 n), squared ones being up to chi^2;
    # an order to sqrt(2) / ln 2 of that: 4 standard errors are 0.09. And RATE h / 2 of order two.
    allowed = 4 * math.sqrt(2) / math.log(2) / math.sqrt(2 * n) + RATE / 20 / 2
    torch.testing.assert_close(orders, torch.ones(2), atol=allowed, rtol=0)


def test_weak_order_is_one():
    n, biases, errors = 400_000, [], []
    mean, variance = exact_moments()
    for steps in (4, 8):
        x, times = torch.full((n, 1), START), torch.linspace(0, 1, steps + 1)
        x = euler_maruyama(drift, noise, x, times).values
        biases.append(torch.stack([x.mean() - mean, x.var() - variance]))
        errors.append(torch.stack([x.std() / math.sqrt(n), x.var() * math.sqrt(2 / n)]))
    # Of both moments; their bias is a h / 2 relatively, the next order (a h)^2.
    relative = torch.stack(errors) / torch.stack(biases)
    allowed = 4 * relative.square().sum(dim=0).sqrt() / math.log(2) + RATE / 4
    orders = (biases[0] / biases[1]).log2()
    assert (allowed < 0.5).all() and ((orders - 1).abs() < allowed).all()


def test_noise_is_that_of_the_start_of_a_step_and_new_at_each():
    # No drift: the variance is the sum of noise(t)^2 h over the starts 0, 0.1, 0.5 of the steps.
    n, times = 100_000, torch.tensor([0.0, 0.1, 0.5, 1.0])
    x = euler_maruyama(lambda t, x: 0 * x, lambda t: 1 + t, torch.zeros(n, 1), times).values
    expected = 1.0**2 * 0.1 + 1.1**2 * 0.4 + 1.5**2 * 0.5
    assert abs(x.var() / expected - 1) < 4 * math.sqrt(2 / n)
    assert abs(x.mean()) < 4 * math.sqrt(expected / n)


def test_entries_of_the_state_have_noise_of_their_own():
    n, times = 20_000, torch.linspace(0, 1, 4)
    x = euler_maruyama(lambda t, x: 0 * x, noise, torch.zeros(n, 1, 2), times).values
    products = x[:, 0, 0] * x[:, 0, 1] / NOISE**2
    assert abs(products.mean()) < 4 / math.sqrt(n)
    assert abs((x[1:] * x[:-1]).mean()) < 4 * NOISE**2 / math.sqrt(2 * n)


def test_time_may_run_backward():
    # dX = +RATE X dt from t = 1 to 0 decays as -RATE forward; noise adds variance all the same.
    n, steps = 100_000, 200
    x, times = torch.full((n, 1), START), torch.linspace(1, 0, steps + 1)
    x = euler_maruyama(lambda t, x: RATE * x, noise, x, times).values
    mean, variance = exact_moments()
    # The bias is RATE h / 2 relatively, to first order; 4 standard errors.
    bias = RATE / steps
    assert abs(x.mean() - mean) < bias * mean + 4 * math.sqrt(variance / n)
    assert abs(x.var() / variance - 1) < bias + 4 * math.sqrt(2 / n)


def test_drift_sees_the_start_of_a_step_and_the_corrector_its_end():
    def correct(t, x):
        return 2 * x + t

    times = torch.tensor([0.0, 0.5, 2.0])
    still = torch.zeros(())
    found = euler_maruyama(
        lambda t, x: t + 0 * x, lambda t: still, torch.ones(1, 1), times, correct
    )
    # 2 (1 + 0.5 * 0) + 0.5 = 2.5, then 2 (2.5 + 1.5 * 0.5) + 2 = 8.5.
    assert found.values.item() == pytest.approx(8.5) and found.nfe == 2


def test_single_precision_states_are_solved_in_double_without_gradients():
    weight, seen = torch.ones(1, requires_grad=True), []

    def learned(t, x):
        seen.append((t.dtype, x.dtype))
        return -weight * x

    x, times = torch.ones(5, 1).float(), torch.linspace(0, 1, 11).float()
    found = euler_maruyama(learned, lambda t: torch.zeros(()), x, times).values
    assert set(seen) == {(torch.float64, torch.float64)} and not found.requires_grad
    torch.testing.assert_close(found, torch.full((5, 1), 0.9**10), atol=1e-7, rtol=0)
