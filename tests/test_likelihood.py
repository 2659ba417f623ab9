"""The likelihood engine: trajectories and quadrature against closed forms and the joint solve."""

import math

import pytest
import torch

from benchmark import likelihood
from benchmark.divergence import exact_divergence, rademacher
from benchmark.likelihood import MIN_NODES, PILOTS, SERIES_TERMS, Field, log_prob
from benchmark.ode import Tolerance

TIGHT = Tolerance(1e-9, 1e-9)
MANY = 40 * PILOTS
"""Rows enough that most are integrated by the rule that the pilots choose."""


def standard_normal(x):
    return -0.5 * (x.flatten(1) ** 2 + math.log(2 * math.pi)).sum(dim=1)


class Counted:
    """A field that remembers the times and the number of rows of its evaluations."""

    def __init__(self, velocity, divergence=None, breaks=(), probes=None):
        self.rows = {"velocity": 0, "divergence": 0}
        self.times = []
        exact = divergence or (lambda t, x: exact_divergence(velocity, t, x))
        self.field = Field(
            self._counting("velocity", velocity),
            self._counting("divergence", exact),
            breaks,
            probes,
        )

    def _counting(self, name, function):
        def counted(t, x):
            self.rows[name] += len(x)
            self.times.append(t.item())
            return function(t, x)

        return counted


# x' = 3 cos(5 t) sin x, solved by tan(x1 / 2) = tan(x0 / 2) exp(3 sin(5 t) / 5).


def pendulum(t, x):
    return 3 * torch.cos(5 * t) * torch.sin(x)


def pendulum_log_prob(x, t=1.0):
    start = 2 * torch.atan(torch.tan(x / 2) * math.exp(-3 * math.sin(5 * t) / 5))
    return standard_normal(start) - torch.log(torch.sin(x) / torch.sin(start)).sum(dim=1)


def pendulum_rows(n):
    return 1.5 * torch.rand(n, 2) + 0.1


@pytest.mark.parametrize("n", [1, PILOTS, 2 * PILOTS + 1, MANY])
@pytest.mark.parametrize("t", [1.0, 0.4, 0.0])
def test_density_at_every_time_of_the_path(n, t):
    x = pendulum_rows(n)
    found = log_prob(Counted(pendulum).field, standard_normal, x, TIGHT, t)
    # 1e-9 a step, for some ten steps of a solve and log-determinants up to 10.
    torch.testing.assert_close(found.values, pendulum_log_prob(x, t), atol=1e-7, rtol=0)
    assert found.standard_error is None


@pytest.mark.parametrize("event", [(3,), (1, 2, 2)])
def test_contraction_of_a_gaussian(event):
    a, x, dim = 0.7, torch.randn(MANY, *event), math.prod(event)
    found = log_prob(Counted(lambda t, x: -a * x).field, standard_normal, x, TIGHT).values
    torch.testing.assert_close(found, standard_normal(x * math.exp(a)) + dim * a, atol=1e-7, rtol=0)


@pytest.mark.parametrize("tolerance", [1e-3, 1e-5, 1e-7])
def test_error_is_within_the_tolerance(tolerance):
    x = pendulum_rows(MANY)
    truth = pendulum_log_prob(x)
    found = log_prob(Counted(pendulum).field, standard_normal, x, Tolerance(tolerance, tolerance))
    size = (truth - standard_normal(x)).abs().mean() + 1
    error = (found.values - truth).square().mean().sqrt()
    # QUADRATURE_TOLERANCE_FACTOR of the quadrature, as many again of the trajectory.
    assert error < 2 * likelihood.QUADRATURE_TOLERANCE_FACTOR * tolerance * size


def test_fewer_nodes_than_the_joint_solve_and_counted_as_they_are():
    x, counted = pendulum_rows(MANY), Counted(pendulum)
    found = log_prob(counted.field, standard_normal, x, Tolerance(1e-6, 1e-6))
    assert found.nodes == pytest.approx(counted.rows["divergence"] / MANY)
    assert found.nfe == pytest.approx(counted.rows["velocity"] / MANY)
    assert found.nodes < 0.5 * found.nfe


def test_nodes_follow_the_tolerance():
    x = pendulum_rows(MANY)
    nodes = [
        log_prob(Counted(pendulum).field, standard_normal, x, Tolerance(rtol, rtol)).nodes
        for rtol in (1e-2, 1e-4, 1e-6, 1e-8)
    ]
    assert nodes == sorted(nodes) and nodes[0] < 0.7 * nodes[-1]


def test_mean_error_of_the_rule_is_taken_off():
    # div = 2 cos(40 t) in every row: a common error, which only the correction removes.
    def velocity(t, x):
        return torch.cos(40 * t) * x

    x = torch.randn(MANY, 2)
    found = log_prob(Counted(velocity).field, standard_normal, x, TIGHT)
    total = math.sin(40) / 40
    torch.testing.assert_close(
        found.values, standard_normal(x * math.exp(-total)) - 2 * total, atol=1e-7, rtol=0
    )
    assert found.nodes <= MIN_NODES + SERIES_TERMS[0] * PILOTS / MANY


def spiky(t, x):
    """``x' = 0.1 x``, and in rows with x > 5 a kick of width 0.05 in time, of divergence ~ 1."""
    kick = torch.exp(-(((t - 0.37) / 0.05) ** 2)) * torch.sigmoid(20 * (x - 5)) * 3
    return 0.1 * x + kick


def test_rows_rougher_than_the_pilots_are_resolved_on_their_own():
    x = torch.randn(MANY, 1).clamp(-3, 3)
    order = torch.randperm(MANY, generator=torch.Generator().manual_seed(0))
    odd = order[PILOTS : PILOTS + 5]  # not among the pilots
    x[odd] = torch.tensor([5.8, 5.9, 6.0, 6.1, 6.2])[:, None]
    tolerance = Tolerance(1e-6, 1e-6)
    counted = Counted(spiky)
    found = log_prob(counted.field, standard_normal, x, tolerance).values
    truth = log_prob(Counted(spiky).field, standard_normal, x[odd], TIGHT).values
    # The kick amplifies the solver's error a hundredfold; the rule of the others is 0.04 off.
    torch.testing.assert_close(found[odd], truth, atol=5e-4, rtol=0)
    assert counted.rows["divergence"] / MANY == pytest.approx(
        log_prob(Counted(spiky).field, standard_normal, x, tolerance).nodes
    )


def kinked(t, x):
    """Divergence with a jump in time: no series of smooth functions resolves it."""
    return torch.where(t < 0.3141, 2.0, -1.0) * torch.sin(x)


@pytest.mark.parametrize("n", [10, MANY])
def test_a_divergence_that_is_not_smooth_in_time_is_solved_jointly(n):
    x = pendulum_rows(n)
    total = 0.3141 * 2 - (1 - 0.3141)
    start = 2 * torch.atan(torch.tan(x / 2) * math.exp(-total))
    truth = standard_normal(start) - torch.log(torch.sin(x) / torch.sin(start)).sum(dim=1)
    found = log_prob(Counted(kinked).field, standard_normal, x, Tolerance(1e-7, 1e-7))
    # What the solver makes of a jump, in the norm of the batch; 128 nodes make 0.02 of it.
    torch.testing.assert_close(found.values, truth, atol=1e-3, rtol=0)
    # What the joint solve takes, and the series that were tried in vain.
    assert found.nodes > 100 + sum(SERIES_TERMS) * min(1, PILOTS / n)


def test_breaks_make_pieces_smooth():
    x = pendulum_rows(MANY)
    found = log_prob(Counted(kinked, breaks=[0.3141]).field, standard_normal, x, TIGHT)
    total = 0.3141 * 2 - (1 - 0.3141)
    start = 2 * torch.atan(torch.tan(x / 2) * math.exp(-total))
    truth = standard_normal(start) - torch.log(torch.sin(x) / torch.sin(start)).sum(dim=1)
    # One-sided values are taken 1e-6 beside the break.
    torch.testing.assert_close(found.values, truth, atol=1e-5, rtol=0)
    assert found.nodes < 0.5 * found.nfe


def swirl(t, x):
    """A field whose Jacobian is not diagonal: probes differ."""
    return torch.cos(2 * t) * torch.stack(
        [torch.sin(x[:, 0] + 2 * x[:, 1]), torch.sin(x[:, 1] - x[:, 0])], dim=1
    )


@pytest.mark.parametrize("n", [20, 300])
def test_probes_give_the_exact_density_within_their_standard_error(n):
    x = torch.randn(n, 2)
    exact = log_prob(Counted(swirl).field, standard_normal, x, Tolerance(1e-6, 1e-6)).values
    field = Counted(swirl, probes=rademacher(x, 64)).field
    found = log_prob(field, standard_normal, x, Tolerance(1e-6, 1e-6))
    scores = (found.values - exact) / found.standard_error
    assert abs(scores.mean()) < 4.5 / math.sqrt(n)
    assert 0.6 < scores.std() < 1.4  # a t distribution of 63 degrees of freedom has 1.016


def test_probes_stay_with_their_row_along_a_solve():
    # One probe, and every row in two positions of the batch: among pilots, alone, in a rough row.
    x = torch.randn(MANY, 2)
    probes = rademacher(x, 1)
    tolerance = Tolerance(1e-7, 1e-7)
    together = log_prob(Counted(swirl, probes=probes).field, standard_normal, x, tolerance)
    some = torch.arange(0, MANY, 40)[: 2 * PILOTS]
    alone = log_prob(Counted(swirl, probes=probes[some]).field, standard_normal, x[some], tolerance)
    torch.testing.assert_close(together.values[some], alone.values, atol=1e-5, rtol=0)
    assert together.standard_error is None


def test_rough_rows_keep_their_probes():
    def kicked(t, x):
        return swirl(t, x) + spiky(t, x)

    x = torch.randn(MANY, 2).clamp(-3, 3)
    order = torch.randperm(MANY, generator=torch.Generator().manual_seed(0))
    odd = order[PILOTS : PILOTS + 5]
    x[odd, 0] = 6.0
    probes, tolerance = rademacher(x, 1), Tolerance(1e-7, 1e-7)
    together = log_prob(Counted(kicked, probes=probes).field, standard_normal, x, tolerance)
    alone = log_prob(Counted(kicked, probes=probes[odd]).field, standard_normal, x[odd], tolerance)
    # The probes of other rows would be off by the off-diagonal of the Jacobian, of order 1; the
    # kick amplifies the solver's error as above.
    torch.testing.assert_close(together.values[odd], alone.values, atol=1e-2, rtol=0)


def test_the_global_generator_is_left_alone():
    x, state = pendulum_rows(MANY), torch.random.get_rng_state()
    log_prob(Counted(pendulum).field, standard_normal, x, Tolerance(1e-3, 1e-3))
    assert torch.equal(state, torch.random.get_rng_state())


def test_times_stay_within_the_span():
    counted = Counted(pendulum)
    log_prob(counted.field, standard_normal, pendulum_rows(MANY), Tolerance(1e-5, 1e-5), t=0.6)
    assert min(counted.times) >= 0 and max(counted.times) <= 0.6
