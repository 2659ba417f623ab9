"""FFJORD: its blocks in the paper's own times, its loss and adjoint against discretised ones.

In the paper's times each block runs from data at ``s = 0`` to its end time, ``dx/ds = f(s, x)``.
"""

import functools
import math

import pytest
import torch
import yaml
from plan import plan, unvalidated
from runge_kutta import runge_kutta

from benchmark import model
from benchmark.baselines.ffjord import FFJORD
from benchmark.networks.concatsquash import ConcatSquashMLP
from benchmark.ode import Tolerance, transport
from benchmark.rows import Rows
from benchmark.source import ROOT
from benchmark.training.loop import fit

TIGHT = Tolerance(1e-9, 1e-9)


def maker(dim, width=4, depth=1):
    return functools.partial(ConcatSquashMLP, (dim,), width, depth)


def flow(dim=2, blocks=3, atol=1e-6, rtol=1e-6):
    method = FFJORD.build((dim,), maker(dim, 8, 2), atol, rtol, blocks)
    with torch.no_grad():
        for weights in method.parameters():
            weights.add_(0.5 * torch.randn_like(weights))
        for k, block in enumerate(method.blocks):
            block.root.fill_(0.7 + 0.2 * k)  # no two blocks alike
    return method


def paper(method, x1, trace, steps):
    """``x0`` and the log-determinant; ``trace(k, jvp)`` estimates the divergence in block ``k``.

    ``jvp`` maps a tangent to the Jacobian's product with it, on all rows.
    """

    def rates(k):
        def f(s, x):
            return method.blocks[k].network(s, x)

        def augmented(s, state):
            x = state[:, :-1]
            change = trace(
                k, lambda tangent: torch.func.jvp(lambda x: f(s, x), (x,), (tangent,))[1]
            )
            return torch.cat([f(s, x), change[:, None]], dim=1)

        return augmented

    state = torch.cat([x1, torch.zeros(len(x1), 1)], dim=1)
    for k in reversed(range(len(method.blocks))):
        end = method.blocks[k].root ** 2
        state = runge_kutta(rates(k), state, torch.tensor(0.0), end, steps)
    return state[:, :-1], state[:, -1]


def exact_trace(dim):
    def trace(_, jvp):
        return sum(jvp(unit.expand(6, dim))[:, i] for i, unit in enumerate(torch.eye(dim)))

    return trace


def test_flow_is_the_papers_blocks_backwards():
    method, x1 = flow(), torch.randn(6, 2)
    x0, log_det = paper(method, x1, exact_trace(2), 20)
    assert (x0 - x1).norm(dim=1).min() > 0.1 and log_det.abs().max() > 0.1
    # 20 steps of order 4 leave 1e-6, the solver 1e-9 x its steps.
    back = transport(method.velocity, x0.detach(), TIGHT, breaks=method.breaks).values
    torch.testing.assert_close(back, x1, atol=1e-5, rtol=0)
    found = method.log_prob(x1, TIGHT).values
    torch.testing.assert_close(found, method.base.log_prob(x0) + log_det, atol=1e-5, rtol=0)


def test_velocity_jumps_from_block_to_block_at_the_breaks():
    method, x = flow(), torch.randn(4, 2)
    assert method.breaks == [1 / 3, 2 / 3]
    torch.testing.assert_close(method.end_times, torch.tensor([0.7, 0.9, 1.1]).square())

    def side(k, u):
        end = method.end_times[k]
        return -3 * end * method.blocks[k].network(end * u, x)

    for k, time in enumerate(method.breaks):
        before, at, after = (method.velocity(torch.tensor(time + d), x) for d in (-1e-9, 0, 1e-9))
        # 1e-9 of the derivative in time.
        torch.testing.assert_close(before, side(k, torch.tensor(0.0)), atol=1e-7, rtol=0)
        torch.testing.assert_close(after, side(k + 1, torch.tensor(1.0)), atol=1e-7, rtol=0)
        torch.testing.assert_close(at, after, atol=1e-7, rtol=0)
        assert (before - after).abs().min() > 1e-3


def test_end_times_are_one_at_first():
    # Released code: time_length 1.
    method = FFJORD.build((2,), maker(2), 1e-3, 1e-3, blocks=2)
    assert method.end_times.tolist() == [1.0, 1.0]


def test_each_block_has_a_network_of_its_own():
    weights = [block.network.layers[0].linear.weight for block in flow().blocks]
    assert len(weights) == 3 and not torch.equal(weights[0], weights[1])
    assert len({weight.data_ptr() for weight in weights}) == 3


def test_each_row_may_have_its_own_time():
    method, x = flow(), torch.randn(7, 2)
    t = torch.tensor([0.9, 0.0, 0.5, 1.0, 0.1, 2 / 3, 0.4])
    for function in (method.velocity, method.divergence):
        one_by_one = torch.cat([function(t[i], x[i : i + 1]) for i in range(7)])
        torch.testing.assert_close(function(t, x), one_by_one, atol=1e-12, rtol=1e-12)


def test_mean_over_probes_is_the_exact_likelihood():
    method, x1 = flow(dim=3, blocks=2), torch.randn(4, 3)
    exact = -method.log_prob(x1, Tolerance(1e-8, 1e-8)).values.mean()
    # Each of 25 calls averages 4 rows x 200 probes.
    losses = torch.stack([method.loss(x1.repeat(200, 1)).detach() for _ in range(25)])
    error = losses.std() / math.sqrt(len(losses))
    base = -method.base.log_prob(x1).mean()
    assert abs(losses.mean() - exact) < 4 * error
    assert error < 0.05 * abs(exact - base)  # the integral of the divergence counts


def discretised(method, x1):
    """The loss, as a Runge-Kutta method and ``probe . J probe`` by a forward derivative."""
    # The data end comes first, and draws first.
    probes = [torch.randn_like(x1) for _ in method.blocks][::-1]

    def estimate(k, jvp):
        return (jvp(probes[k]) * probes[k]).sum(dim=1)

    x0, log_det = paper(method, x1, estimate, 30)
    return -(method.base.log_prob(x0) + log_det).mean()


def test_loss_and_its_adjoint_gradient_are_those_of_a_discretised_flow():
    method, x1 = flow(blocks=2, atol=1e-9, rtol=1e-9), torch.randn(6, 2)
    torch.manual_seed(7)
    loss = method.loss(x1)
    found = torch.autograd.grad(loss, list(method.parameters()))
    torch.manual_seed(7)
    expected = discretised(method, x1)
    torch.testing.assert_close(loss, expected, atol=1e-6, rtol=0)
    exact = torch.autograd.grad(expected, list(method.parameters()))
    for (name, _), one, other in zip(method.named_parameters(), found, exact, strict=True):
        # 30 steps of order 4 leave 1e-6, the adjoint's tolerance 1e-9 x its steps less.
        torch.testing.assert_close(one, other, atol=1e-5, rtol=1e-5)
        assert other.abs().max() > 1e-3, name


def test_atol_and_rtol_bound_the_error_of_the_training_solves():
    x1, losses = torch.randn(6, 2), []
    for atol, rtol in ((1e-9, 1e-9), (1.0, 1e-9), (1e-9, 1.0)):
        torch.manual_seed(1)
        losses.append(flow(atol=atol, rtol=rtol).loss(x1).item())
    exact, *loose = losses
    assert all(abs(loss - exact) > 1e-5 for loss in loose)


def test_every_loss_draws_its_own_probe():
    method, x1 = flow(3), torch.randn(4, 3)
    torch.manual_seed(1)
    first, second = method.loss(x1), method.loss(x1)
    torch.manual_seed(1)
    assert first != second and method.loss(x1) == first


def test_weights_that_are_not_finite_are_a_divergence_in_words():
    flow = FFJORD.build((2,), maker(2), 1e-3, 1e-3)
    with torch.no_grad():
        for weights in flow.parameters():
            weights.fill_(torch.nan)
    numbers = plan(5, 8, 0.1, schedule="constant", clip=None, ema=0.0)
    rows = Rows(torch.randn(20, 2).numpy(), None, torch.device("cpu"))
    with pytest.raises(FloatingPointError, match=r"training diverged. Lower train.lr \(0.1\)"):
        fit(flow, rows, numbers, unvalidated)


PUBLISHED = yaml.safe_load((ROOT / "benchmark/baselines/published/ffjord.yaml").read_text())
SIZES = {
    "power": (6, 43_325),
    "gas": (8, 278_565),
    "hepmass": (21, 546_850),
    "miniboone": (43, 820_613),
    "bsds300": (63, 6_698_666),
}
"""Dimension, and the number of parameters that OT-Flow's paper gives for FFJORD, to 2 digits."""


@pytest.mark.parametrize("dataset", SIZES)
def test_published_settings_have_the_published_number_of_parameters(dataset):
    dim, published = SIZES[dataset]
    kind = "benchmark.baselines.ffjord.FFJORD"
    found = model.build(kind, (dim,), PUBLISHED[dataset]["model"])
    assert model.parameters(found) == published


def test_published_settings_are_of_the_five_data_sets():
    assert set(PUBLISHED) == set(SIZES)
