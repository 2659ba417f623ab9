"""The solver on flows with known solutions, none of which is free of divergence."""

import math

import pytest
import torch

from benchmark import ode
from benchmark.divergence import exact_divergence
from benchmark.likelihood import Field, log_prob
from benchmark.ode import Tolerance, transport

TIGHT = Tolerance(1e-10, 1e-10)


def standard_normal(x):
    return -0.5 * (x.flatten(1) ** 2 + math.log(2 * math.pi)).sum(dim=1)


def solved(velocity, x1, tolerance=TIGHT):
    def divergence(t, x):
        return exact_divergence(velocity, t, x)

    return log_prob(Field(velocity, divergence), standard_normal, x1, tolerance)


@pytest.mark.parametrize("event", [(3,), (1, 2, 2)])
def test_contraction_of_a_gaussian_is_a_gaussian(event):
    # x' = -a x maps N(0, I) at t = 0 to N(0, exp(-2 a) I) at t = 1.
    a, x1, dim = 0.7, torch.randn(8, *event), math.prod(event)
    found, nfe, *_ = solved(lambda t, x: -a * x, x1)
    exact = standard_normal(x1 * math.exp(a)) + dim * a
    torch.testing.assert_close(found, exact, atol=1e-8, rtol=0)  # 100 tolerances
    assert nfe > 0


def test_time_dependent_rate():
    # x' = a(t) x, a = 2 - 6 t^2: the integral of a over [0, 1/2] is 3/4, over [0, 1] it is 0.
    def velocity(t, x):
        return (2 - 6 * t**2 + t**3) * x

    total, x1 = 0.25, torch.randn(8, 2)
    found = solved(velocity, x1).values
    exact = standard_normal(x1 * math.exp(-total)) - 2 * total
    torch.testing.assert_close(found, exact, atol=1e-8, rtol=0)
    moved, _ = transport(velocity, x1, TIGHT)
    torch.testing.assert_close(moved, x1 * math.exp(total), atol=1e-8, rtol=0)


RATE, RATE_INTEGRAL = 3.0, 3 * math.sin(5) / 5


def pendulum(t, x):
    """``x' = 3 cos(5 t) sin x``, solved by ``tan(x1 / 2) = tan(x0 / 2) exp(3 sin(5) / 5)``."""
    return RATE * torch.cos(5 * t) * torch.sin(x)


def pendulum_log_prob(x1):
    x0 = 2 * torch.atan(torch.tan(x1 / 2) * math.exp(-RATE_INTEGRAL))
    return standard_normal(x0) - torch.log(torch.sin(x1) / torch.sin(x0)).sum(dim=1)


def test_nonlinear_flow():
    x1 = 1.5 * torch.rand(50, 2) + 0.1
    torch.testing.assert_close(
        solved(pendulum, x1).values, pendulum_log_prob(x1), atol=1e-8, rtol=0
    )


def test_sample_and_log_prob_are_of_the_same_flow():
    x0 = 1.5 * torch.rand(50, 2) + 0.1
    x1, _ = transport(pendulum, x0, TIGHT)
    exact = 2 * torch.atan(torch.tan(x0 / 2) * math.exp(RATE_INTEGRAL))
    torch.testing.assert_close(x1, exact, atol=1e-8, rtol=0)
    back, _ = transport(lambda t, x: -pendulum(1 - t, x), x1, TIGHT)
    torch.testing.assert_close(back, x0, atol=1e-8, rtol=0)


def test_error_follows_the_tolerance_and_nfe_the_order():
    x1 = 1.5 * torch.rand(50, 2) + 0.1
    exponents = torch.arange(3, 11, dtype=torch.float64)
    found = [solved(pendulum, x1, Tolerance(10.0**-k, 10.0**-k)) for k in exponents.tolist()]
    errors = torch.stack([(s.values - pendulum_log_prob(x1)).abs().max() for s in found])
    nfe = torch.tensor([s.nfe for s in found], dtype=torch.float64)
    assert (errors < 100 * 10**-exponents).all()

    def slope(y):
        return torch.linalg.lstsq(torch.stack([exponents, exponents**0], 1), y[:, None])[0][0]

    # Error per step is held at the tolerance: error ~ tolerance^(4/5 .. 1) at order 5, and
    # steps ~ tolerance^(-1/5).
    assert 0.7 < -slope(errors.log10()) < 1.2
    assert 0.1 < slope(nfe.log10()) < 0.25


def test_nfe_counts_the_evaluations_of_the_velocity():
    calls = []

    def velocity(t, x):
        calls.append(t)
        return -x

    assert transport(velocity, torch.randn(3, 2), TIGHT).nfe == len(calls)
    calls.clear()
    found = log_prob(
        Field(velocity, lambda t, x: -2 * torch.ones(len(x))),
        standard_normal,
        torch.randn(3, 2),
        TIGHT,
    )
    assert found.nfe == len(calls)


@pytest.mark.parametrize("speed", [0.0, 1e-4, 1e-2, 1.0, 30.0])
def test_solver_never_leaves_the_unit_interval(speed):
    # A method may be undefined outside. Slow velocities are those that lead a solver astray:
    # its first step is chosen by a look at 0.01 |x| / |v|.
    times = []

    def velocity(t, x):
        times.append(t.item())
        return speed * torch.cos(3 * t) * x

    def divergence(t, x):
        times.append(t.item())
        return 2 * speed * torch.cos(3 * t) * torch.ones(len(x))

    x, tolerance = torch.randn(5, 2), Tolerance(1e-5, 1e-5)
    transport(velocity, x, tolerance)
    assert 0 <= min(times) < 1e-12 and 1 - 1e-12 < max(times) <= 1
    times.clear()
    log_prob(Field(velocity, divergence), standard_normal, x, tolerance)
    assert 0 <= min(times) < 1e-12 and 1 - 1e-12 < max(times) <= 1


def nan_everywhere(t, x):
    return x * math.nan


def nan_after_half_time(t, x):
    return torch.sqrt(0.5 - t) * x


def infinite_at_a_quarter(t, x):
    return 4 * x**2 + 1


@pytest.mark.parametrize("velocity", [nan_everywhere, nan_after_half_time, infinite_at_a_quarter])
def test_an_ode_without_solution_is_refused_in_words(velocity):
    x, tolerance = torch.ones(3, 2), Tolerance(1e-5, 1e-5)
    with pytest.raises(FloatingPointError, match="from t = 0.0 to t = 1.0 has no solution at Tol"):
        transport(velocity, x, tolerance)
    with pytest.raises(FloatingPointError, match="from t = 1.0 to t = 0.0 has no solution at Tol"):
        solved(lambda t, x: -velocity(1 - t, x), x, tolerance)


def test_too_many_steps_are_refused_in_words(monkeypatch):
    monkeypatch.setattr(ode, "MAX_STEPS", 3)
    with pytest.raises(FloatingPointError, match="within 3 steps"):
        solved(pendulum, torch.ones(3, 2))


@pytest.mark.parametrize("bad", [(0.0, 1e-5), (1e-5, -1.0), (math.nan, 1e-5)])
def test_tolerances_are_positive(bad):
    with pytest.raises(ValueError, match="must be positive .*: atol="):
        Tolerance(*bad)


def test_tightened_tolerance():
    assert Tolerance(1e-3, 1e-4).tightened(100.0) == Tolerance(1e-5, 1e-6)


def test_state_is_float64_whatever_the_rows_are():
    x1 = (1.5 * torch.rand(50, 2) + 0.1).float()
    found = solved(pendulum, x1).values
    assert found.dtype == torch.float64
    exact = pendulum_log_prob(x1.double())
    torch.testing.assert_close(found, exact, atol=1e-8, rtol=0)
    assert transport(pendulum, x1, TIGHT).values.dtype == torch.float64


def test_nothing_moves_in_no_time():
    x = torch.randn(3, 2)
    for t in (0.0, 0.4, 1.0):
        found = ode.transport(lambda t, x: x, x, Tolerance(1e-6, 1e-6), (t, t), breaks=(0.4,))
        assert torch.equal(found.values, x) and found.nfe == 0
