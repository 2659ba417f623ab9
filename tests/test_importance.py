"""Importance weights, the effective sample size and entropies, where closed forms are known."""

import math

import numpy as np
import pytest

from benchmark.measure.entropy import entropy
from benchmark.measure.importance import Weights


def normal_log_prob(x, scale=1.0):
    return (-0.5 * (x / scale) ** 2 - 0.5 * math.log(2 * math.pi) - math.log(scale)).sum(axis=1)


@pytest.mark.parametrize(("scale", "dim"), [(1.0, 3), (1.3, 1), (1.5, 2), (1.2, 8)])
def test_the_effective_sample_size_of_a_wider_gaussian(scale, dim):
    # E w^2 of N(0, 1) over N(0, s^2) is s^2 / sqrt(2 s^2 - 1) in each dimension.
    x = scale * np.random.default_rng(0).normal(size=(20_000, dim))
    weights = Weights(normal_log_prob(x) - normal_log_prob(x, scale))
    share = (math.sqrt(2 * scale**2 - 1) / scale**2) ** dim
    error = weights.effective_error
    assert abs(weights.effective - share * len(x)) < 4 * error + 1e-6
    assert error < 0.05 * weights.effective
    assert abs(weights.mass - 1) < 4 * weights.mass_error + 1e-9


def test_what_a_proposal_misses_is_missing_in_the_mass_and_not_in_the_sample_size():
    # Half of two far Gaussians: w is 1 / 2 everywhere.
    weights = Weights(np.full(50, math.log(0.5)))
    assert weights.mass == pytest.approx(0.5) and weights.effective == pytest.approx(50)


def test_weights_of_any_scale_have_the_same_sample_size():
    log = np.array([0.0, 1.0, -2.0])
    assert Weights(log + 5000).effective == pytest.approx(Weights(log).effective)
    assert Weights(np.array([-np.inf, 0.0])).effective == pytest.approx(1)
    assert Weights(np.full(3, -np.inf)).effective == 0
    assert math.isnan(Weights(np.array([np.inf, 0.0])).effective)


@pytest.mark.parametrize("dim", [1, 2, 5])
def test_the_entropy_of_a_gaussian_is_within_its_error_and_its_bias(dim):
    x = 3 * np.random.default_rng(1).normal(size=(4000, dim))
    found = entropy(x)
    known = dim * (0.5 * math.log(2 * math.pi * math.e) + math.log(3))
    error = found.values.std() / math.sqrt(len(x))
    assert abs(found.values.mean() - known) < 4 * error + found.bias
    assert found.bias < (0.1 if dim < 5 else 0.6)


def test_the_entropy_of_a_board_with_edges_is_within_its_bias():
    x = np.random.default_rng(0).uniform(size=(4000, 2))
    found = entropy(x)
    error = found.values.std() / math.sqrt(len(x))
    assert abs(found.values.mean()) < 4 * error + found.bias


def test_repeated_and_few_samples_have_none():
    x = np.random.default_rng(0).normal(size=(100, 2))
    with pytest.raises(ValueError, match="repeated"):
        entropy(np.concatenate([x, *[x[:3]] * 4]))
    with pytest.raises(ValueError, match="found 5 samples"):
        entropy(x[:5])
