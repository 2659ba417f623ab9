"""Distances between samples and test rows, where they are known in closed form."""

import math

import numpy as np
import pytest
from scipy.special import ndtr
from test_sliced_wasserstein import Bits, Points, run, write

from benchmark import parts
from benchmark.data.description import describe
from benchmark.measure.classifier_test import ClassifierTest
from benchmark.measure.discrepancy import (
    EnergyDistance,
    MaximumMeanDiscrepancy,
    discrepancy,
    gaussian,
    median_distance,
)
from benchmark.measure.measurement import Subject, measure
from benchmark.measure.two_samples import jackknife
from benchmark.records import records

__all__ = ["run"]  # the fixture


def measured(run, kind, **arguments):
    """Metric -> record, and floor -> record."""
    parts.check(kind, arguments)
    measure(kind(**parts.convert(kind, arguments)), Subject("taken", run, "d16e57", "c0ffee"))
    return {record["metric"]: record for record in records.read(run.measurement("taken"))}


def mmd_squared(mean, scale, bandwidth, dim):
    """Of N(0, I) and N(m, s^2 I), by ``E k = prod (h^2 / v)^(1/2) exp(-m^2 / 2v)``."""

    def kernel(variance, shift):
        v = bandwidth**2 + variance
        return (bandwidth**2 / v) ** (dim / 2) * math.exp(-(shift**2).sum() / (2 * v))

    within = kernel(2.0, 0 * mean) + kernel(2 * scale**2, 0 * mean)
    return within - 2 * kernel(1 + scale**2, mean)


def energy(mean, scale):
    """Of N(0, 1) and N(m, s^2), by the mean of a folded normal distribution."""

    def folded(m, s):
        return s * math.sqrt(2 / math.pi) * math.exp(-(m**2) / (2 * s**2)) + m * (
            1 - 2 * ndtr(-m / s)
        )

    within = folded(0, math.sqrt(2)) + folded(0, math.sqrt(2) * scale)
    return 2 * folded(mean, math.hypot(1, scale)) - within


def draws(kernel, mean, scale, dim, count=300):
    """The discrepancy of so many independent draws of 60 and of 45 rows."""
    draw = np.random.default_rng(0)
    return [
        discrepancy(kernel, draw.normal(size=(60, dim)), mean + scale * draw.normal(size=(45, dim)))
        for _ in range(count)
    ]


CASES = {
    "MMD, apart": (0.7, 1.5, 3, lambda r: gaussian(r, 1.3)),
    "MMD, equal": (0.0, 1.0, 2, lambda r: gaussian(r, 1.3)),
    "energy, apart": (0.5, 2.0, 1, np.negative),
    "energy, equal": (0.0, 1.0, 1, np.negative),
}


@pytest.mark.parametrize("case", CASES)
def test_it_is_unbiased_and_its_standard_error_is_its_spread(case):
    shift, scale, dim, kernel = CASES[case]
    found = draws(kernel, np.full(dim, shift), scale, dim)
    values, errors = np.array([d.value for d in found]), [d.standard_error for d in found]
    known = (
        mmd_squared(np.full(dim, shift), scale, 1.3, dim) if "MMD" in case else energy(shift, scale)
    )
    assert abs(values.mean() - known) < 4 * values.std() / math.sqrt(len(values))
    # Apart, it is nearly linear in each row, so that the jackknife is right; of equal densities
    # it is quadratic, and the jackknife's variance is about twice as large.
    ratio = np.mean(np.square(errors)) / values.var()
    assert 0.8 < ratio < 1.3 if "apart" in case else 1.3 < ratio < 3


def test_the_jackknife_of_a_mean_is_the_standard_error_of_a_mean():
    x = np.random.default_rng(0).normal(size=20)
    left_out = [np.delete(x, k).mean() for k in range(20)]
    assert jackknife(left_out) == pytest.approx(x.std(ddof=1) / math.sqrt(20))
    assert jackknife([1.0]) is None and jackknife([]) is None


def test_few_rows_have_a_value_and_no_error():
    one = discrepancy(np.negative, np.array([[0.0], [2.0]]), np.array([[1.0], [5.0], [3.0]]))
    # Pairs (x, y): 1 5 3 1 3 1 of mean 14/6; (x, x') 2; (y, y') 4 2 2 of mean 8/3.
    assert one.value == pytest.approx(2 * 14 / 6 - 2 - 8 / 3) and one.standard_error is None


def test_an_offset_changes_nothing():
    draw = np.random.default_rng(0)
    x, y = draw.normal(size=(50, 2)), draw.normal(size=(40, 2)) + 1
    far = discrepancy(np.negative, x + 1e6, y + 1e6)
    assert far.value == pytest.approx(discrepancy(np.negative, x, y).value, abs=1e-8)


@pytest.mark.parametrize("kind", [EnergyDistance, MaximumMeanDiscrepancy])
def test_samples_and_training_rows_are_measured_from_the_test_rows(run, kind):
    draw = np.random.default_rng(0)
    train, test, samples = (draw.normal(size=(n, 3)) for n in (900, 400, 300))
    write(run, Points, train, test, samples)
    good = measured(run, kind)
    np.save(run.samples, samples + [1.0, 0.0, 0.0])
    off = measured(run, kind)
    value, floor = good[kind.metric], good[f"{kind.metric}_floor"]
    assert abs(value["value"]) < 4 * value["standard_error"]
    assert abs(floor["value"]) < 4 * floor["standard_error"] and floor["heading"] is None
    assert off[kind.metric]["value"] > 5 * off[kind.metric]["standard_error"]
    assert off[f"{kind.metric}_floor"]["value"] == floor["value"]
    protocol = value["protocol"]
    assert (protocol["samples"], protocol["rows"]) == (300, 400)
    assert protocol["data"] == describe(run.data).hash
    fewer = measured(run, kind, at_most=100)[kind.metric]
    assert (fewer["protocol"]["samples"], fewer["protocol"]["rows"], fewer["n"]) == (100, 100, 100)


def test_the_bandwidth_is_that_of_the_training_rows_whatever_the_samples_are(run):
    draw = np.random.default_rng(0)
    train, test = draw.normal(size=(300, 3)), draw.normal(size=(50, 3))
    write(run, Points, train, test, 100 * test)
    found = measured(run, MaximumMeanDiscrepancy)["mmd_squared"]
    # |x - x'| of N(0, I) in 3 dimensions is sqrt 2 times a chi variable, whose median is 1.538.
    assert found["protocol"]["bandwidth"] == pytest.approx(math.sqrt(2) * 1.538, rel=0.05)
    assert "bandwidth" in found["compared"]
    given = measured(run, MaximumMeanDiscrepancy, bandwidth=0.3)["mmd_squared"]
    assert given["protocol"]["bandwidth"] == 0.3 and given["value"] != found["value"]


def test_rows_without_a_distance_have_no_bandwidth():
    with pytest.raises(ValueError, match="median distance of 5 training rows is 0.*`bandwidth`"):
        median_distance(np.ones((5, 2)))


def test_integer_rows_are_compared_as_they_are_dequantised(run):
    draw = np.random.default_rng(0)
    train, test = draw.integers(0, 2, (500, 3), np.uint8), draw.integers(0, 2, (500, 3), np.uint8)
    write(run, Bits, train, test, draw.random((500, 3)))  # fair bits, dequantised: uniform
    found = measured(run, EnergyDistance)
    for record in found.values():
        assert abs(record["value"]) < 4 * record["standard_error"]


def test_a_classifier_tells_nothing_of_equal_densities_and_nearly_all_of_disjoint_ones(run):
    draw = np.random.default_rng(0)
    train, test, samples = (draw.normal(size=(n, 3)) for n in (900, 400, 900))
    write(run, Points, train, test, samples)
    found = measured(run, ClassifierTest)
    for record in found.values():
        # 400 of each, half of them held out.
        assert record["n"] == 400
        error = math.sqrt(record["value"] * (1 - record["value"]) / 400)
        assert record["standard_error"] == pytest.approx(error)
        assert abs(record["value"] - 0.5) < 4 * error
    np.save(run.samples, samples + 20)
    assert measured(run, ClassifierTest)["classifier_test"]["value"] > 0.97


def test_its_accuracy_is_at_most_that_of_the_likelihood_ratio(run):
    # N(0, I) and N(m, I): the best classifier is right with probability Phi(|m| / 2).
    draw = np.random.default_rng(0)
    train, test, samples = (draw.normal(size=(4000, 3)) for _ in range(3))
    write(run, Points, train, test, samples + [2.0, 0.0, 0.0])
    found = measured(run, ClassifierTest)["classifier_test"]
    best = ndtr(1.0)
    assert best - 0.05 < found["value"] < best + 4 * found["standard_error"]


@pytest.mark.parametrize("kind", [EnergyDistance, MaximumMeanDiscrepancy, ClassifierTest])
def test_samples_that_are_not_finite_are_a_reason_not_a_number(run, kind):
    rows = np.random.default_rng(0).normal(size=(40, 3))
    bad = rows.copy()
    bad[3, 0] = np.nan
    write(run, Points, rows, rows[:30], bad)
    found = measured(run, kind)
    assert found[kind.metric]["reason"] == "1 of 40 samples are not finite"
    assert found[f"{kind.metric}_floor"]["value"] is not None
