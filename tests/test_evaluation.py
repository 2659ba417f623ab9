"""Measurements on a fitted model."""

import numpy as np
import pytest
import torch

from benchmark import evaluation, training
from benchmark.baselines.ffjord import FFJORD
from benchmark.coordinates import Affine
from benchmark.model import Model
from benchmark.ode import Solution, Tolerance


@pytest.fixture
def fitted():
    method = FFJORD.build((2,), width=8, depth=2, atol=1e-3, rtol=1e-3)
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
        method = FFJORD.build((2,), width=1, depth=1, atol=1e-3, rtol=1e-3)
        super().__init__(method, Affine.identity((2,)), Tolerance(1.0, 1.0))
        self.now, self.sizes = 0.0, []

    def _solved(self, values):
        self.now += len(values)
        self.sizes.append(len(values))
        return Solution(values, len(values))

    def solve_log_prob(self, x, tolerance):
        return self._solved(x[:, 0])

    def solve_sample(self, n):
        return self._solved(torch.full((n, 2), float(n)))


@pytest.fixture
def counting(monkeypatch):
    model = Counting()
    monkeypatch.setattr(training.time, "perf_counter", lambda: model.now)
    return model


def test_costs_of_likelihoods_are_the_sum_and_nfe_the_mean_over_chunks(counting):
    x = torch.arange(50.0).reshape(25, 2)
    found = evaluation.log_prob(counting, x, 10, Tolerance(1.0, 1.0))
    assert counting.sizes == [1, 10, 10, 5]  # the first warms the machine up
    assert found.values.tolist() == x[:, 0].tolist()  # the rows keep their order
    assert found.nfe == pytest.approx(25 / 3) and found.seconds == 25


def test_costs_of_samples_do_not_count_the_warming_up(counting):
    found = evaluation.sample(counting, 25, 10)
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
    before = evaluation.peak_memory()
    block = np.ones(2**25)  # 256 MiB of float64
    assert 10 < before < 50_000
    assert evaluation.peak_memory() >= max(before, block.nbytes / 2**20)
