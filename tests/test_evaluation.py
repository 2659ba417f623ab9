"""Measurements on a fitted model."""

import math

import numpy as np
import pytest
import torch

from benchmark import model
from benchmark.baselines.ffjord import FFJORD
from benchmark.coordinates import Affine
from benchmark.likelihood import Likelihood
from benchmark.measure import evaluation
from benchmark.model import Model
from benchmark.networks.concatsquash import ConcatSquashMLP
from benchmark.ode import Solution, Tolerance
from benchmark.training import clock


@pytest.fixture
def fitted():
    method = FFJORD.build((2,), lambda: ConcatSquashMLP((2,), 8, 2), atol=1e-3, rtol=1e-3)
    with torch.no_grad():
        for weights in method.parameters():
            weights.add_(0.5 * torch.randn_like(weights))
    return Model(method, Affine(torch.ones(2), torch.tensor([0.5, 3.0])), Tolerance(1e-6, 1e-6))


def test_chunks_give_the_densities_of_one_solve(fitted):
    x, tolerance = torch.randn(23, 2), Tolerance(1e-8, 1e-8)
    whole = evaluation.log_prob(fitted, x, 100, tolerance)
    parts = evaluation.log_prob(fitted, x, 10, tolerance)
    assert whole.values.dtype == np.float64 and len(parts.values) == 23
    # Each solve chooses its own steps, each within the tolerance.
    np.testing.assert_allclose(parts.values, whole.values, atol=1e-6)
    exact = fitted.solve_log_prob(x, Tolerance(1e-10, 1e-10)).values.numpy()
    np.testing.assert_allclose(whole.values, exact, atol=1e-6)


class Counting(Model):
    """Costs as many evaluations as it has rows, and a second for each; values count rows."""

    def __init__(self):
        method = FFJORD.build((2,), lambda: ConcatSquashMLP((2,), 1, 1), atol=1e-3, rtol=1e-3)
        super().__init__(method, Affine.identity((2,)), Tolerance(1.0, 1.0))
        self.now, self.sizes, self.probes = 0.0, [], None

    def _spend(self, n):
        self.now += n
        self.sizes.append(n)

    def solve_log_prob(self, x, tolerance):
        self._spend(len(x))
        error = 0.1 * torch.ones(len(x)) if self.probes else None
        return Likelihood(x[:, 0] + torch.rand(1), len(x), 2.0 * len(x), error)

    def solve_sample(self, n):
        self._spend(n)
        return Solution(torch.full((n, 2), float(n)), n)


@pytest.fixture
def counting(monkeypatch):
    found = Counting()
    monkeypatch.setattr(clock.time, "perf_counter", lambda: found.now)
    return found


def test_costs_of_likelihoods_are_sums_and_counts_are_per_row(counting):
    x = torch.arange(50.0).reshape(25, 2)
    found = evaluation.log_prob(counting, x, 10, Tolerance(1.0, 1.0))
    assert counting.sizes == [1, 10, 10, 5]  # the first warms the machine up
    assert np.floor(found.values).tolist() == x[:, 0].tolist()  # the rows keep their order
    assert found.seconds == 25
    assert found.nfe == pytest.approx((10 * 10 + 10 * 10 + 5 * 5) / 25)
    assert found.nodes == pytest.approx(2 * found.nfe) and found.probe_error is None


def test_large_rows_are_solved_fewer_at_a_time(counting, monkeypatch):
    monkeypatch.setattr(model, "MAX_ELEMENTS_PER_SOLVE", 6)  # three rows of the plane
    evaluation.log_prob(counting, torch.zeros(8, 2), 5, Tolerance(1.0, 1.0))
    evaluation.log_prob(counting, torch.zeros(4, 2), 2, Tolerance(1.0, 1.0))
    assert counting.sizes == [1, 3, 3, 2] + [1, 2, 2]


def test_probe_error_is_that_of_the_mean(counting):
    counting.probes = True
    x = torch.zeros(25, 2)
    found = evaluation.log_prob(counting, x, 10, Tolerance(1.0, 1.0, 2))
    assert found.probe_error == pytest.approx(0.1 / 5)  # 25 independent rows


def test_probes_are_the_same_at_every_call_and_draw_nothing_from_the_rest(counting):
    x, state = torch.zeros(25, 2), torch.random.get_rng_state()
    first, few = (
        evaluation.log_prob(counting, x[:n], 10, Tolerance(1.0, 1.0, 2)) for n in (25, 10)
    )
    assert first.values[:10].tolist() == few.values.tolist()
    assert len(set(first.values.tolist())) == 3
    torch.random.set_rng_state(state)
    torch.rand(1)  # the warm-up's
    expected = torch.rand(1)
    torch.random.set_rng_state(state)
    evaluation.log_prob(counting, x, 10, Tolerance(1.0, 1.0, 2))
    assert torch.equal(torch.rand(1), expected)


def test_passes_are_averaged_row_by_row_and_tell_their_error():
    one = evaluation.Measured(np.array([1.0, 2.0, 5.0]), 10.0, 3.0, 4.0, 0.3)
    other = evaluation.Measured(np.array([3.0, 2.0, 9.0]), 20.0, 5.0, 6.0, 0.4)
    found = evaluation.averaged([one, other])
    assert found.values.tolist() == [2.0, 2.0, 7.0]
    assert (found.nfe, found.seconds, found.nodes) == (15.0, 8.0, 5.0)
    # A row's mean of two has the standard error |a - b| / 2; the rows are independent.
    assert found.probe_error == pytest.approx(math.hypot(1.0, 0.0, 2.0) / 3)
    assert evaluation.averaged([one]) == one


def test_costs_of_samples_do_not_count_the_warming_up(counting):
    found = evaluation.sample(counting, 25, 10, seed=0)
    assert counting.sizes == [1, 10, 10, 5]
    assert found.values.shape == (25, 2) and found.values.dtype == np.float32
    assert found.values[:, 0].tolist() == [10.0] * 20 + [5.0] * 5
    assert found.nfe == pytest.approx(25 / 3) and found.seconds == 25


def test_grid_goes_along_x_first_from_the_lowest_y():
    found = evaluation.grid(np.array([0.0, 10.0]), np.array([3.0, 16.0]), 3)
    rows = found.reshape(3, 3, 2)
    assert rows[0].tolist() == [[0.5, 11.0], [1.5, 11.0], [2.5, 11.0]]
    assert rows[:, 0].tolist() == [[0.5, 11.0], [0.5, 13.0], [0.5, 15.0]]


@pytest.mark.skipif(torch.cuda.is_available(), reason="counts the memory of the GPU")
def test_peak_memory_is_in_mebibytes():
    before = evaluation.peak_memory(torch.device("cpu"))
    block = np.ones(2**25)  # 256 MiB of float64
    assert 10 < before < 50_000
    assert evaluation.peak_memory(torch.device("cpu")) >= max(before, block.nbytes / 2**20)
