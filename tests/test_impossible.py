"""Log-densities that no normalised density has, against densities that are and are not."""

import math

import numpy as np
import pytest
from scipy.stats import multivariate_normal, norm

from benchmark.data.description import Description
from benchmark.measure.nll import CHANCE, likelihood_metrics
from benchmark.records.likelihood_file import LikelihoodFile


def measured(log_prob, truth=None, levels=None, **solve):
    data = Description((2,), levels, None, None, {"test": len(log_prob)}, "hash")
    protocol = {} if levels is None else {"dequantisation": "uniform, seed 0, 1 pass"}
    file = LikelihoodFile(**{"nfe": None, "protocol": protocol, **solve})
    return {m.metric: m for m in likelihood_metrics(np.asarray(log_prob), truth, data, file)}


def test_above_the_true_density_there_is_none():
    rows = np.random.default_rng(0).normal(size=(60, 2))
    truth = multivariate_normal(np.zeros(2)).logpdf(rows)
    found = measured(truth + 1, truth)
    for name in ("nll", "kl", "solver_error"):
        assert found[name].value is None
        assert found[name].reason == (
            "above the true density: not normalised, or fitted to the test rows (by 1 nats a row)"
        )
    assert measured(truth - 1, truth)["kl"].value == pytest.approx(1)
    assert measured(truth, truth)["kl"].value == 0


@pytest.mark.parametrize("wide", [0.9, 0.97, 1.0, 1.03])
def test_a_normalised_density_is_seldom_taken_for_another(wide):
    # Of few rows, the KL is often below zero by luck: by a tenth of a nat in some of these.
    rng, n, kl = np.random.default_rng(1), 20, []
    for _ in range(1000):
        rows = rng.normal(size=n)
        found = measured(norm(scale=wide).logpdf(rows), norm.logpdf(rows))["kl"]
        kl.append(math.nan if found.value is None else found.value)
    assert np.isnan(kl).mean() < CHANCE
    assert wide == 1.0 or np.nanmin(kl) < -0.01


def test_a_density_that_misses_what_no_test_row_shows_may_be_normalised():
    # Uniform on 99 % of the rows: 1 % above the truth, with the same difference everywhere.
    found = measured(np.full(30, -math.log(0.99)), np.zeros(30))["kl"]
    assert found.value == pytest.approx(math.log(0.99)) and found.standard_error < 1e-12
    assert measured(np.full(3000, -math.log(0.99)), np.zeros(3000))["kl"].value is None


def test_what_the_solver_may_have_done_is_allowed_for():
    truth = np.random.default_rng(2).normal(size=1000)
    loose = {"loose_log_prob": [0.03] * 5}
    assert measured(truth + 0.03, truth, **loose, tight_log_prob=[0.03] * 5)["kl"].value is None
    found = measured(truth + 0.03, truth, nfe=9.0, **loose, tight_log_prob=[0.005] * 5)
    assert found["kl"].value == pytest.approx(-0.03)
    assert found["solver_error"].value == pytest.approx(0.025)
    assert measured(truth + 0.03, truth, probe_error=0.01)["kl"].value is not None


def test_integers_have_a_highest_density():
    # All of the mass on one of 4 x 4 cells: 16 = 4 levels to the power of 2 coordinates.
    assert measured(np.full(40, math.log(16)), levels=4)["nll"].value == pytest.approx(0)
    found = measured(np.full(40, math.log(16) + 0.2), levels=4)["nll"]
    assert found.value is None
    assert found.reason.startswith(
        "above any density of integers: not normalised, or not of (k + u) / 4 (by 0.2 nats a row)"
    )
