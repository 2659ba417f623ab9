"""The sliced Wasserstein distance, where it is known in closed form."""

import builtins

import numpy as np
import pytest

from benchmark import parts
from benchmark.data import dataset
from benchmark.data.dataset import Dataset, Splits
from benchmark.data.description import describe
from benchmark.measure.measurement import Subject, measure
from benchmark.measure.sliced_wasserstein import SlicedWasserstein, sliced_wasserstein
from benchmark.records import records
from benchmark.records.run import Run

RUN = Run("toy", "points", "foreign", 0)


def test_of_a_shift_it_is_the_length_over_the_root_of_the_dimension():
    # Each projection moves by theta . s, whose mean square over the sphere is |s|^2 / d.
    draw = np.random.default_rng(0)
    x, shift = draw.normal(size=(50, 5)), np.array([1.0, 2.0, 0.0, -2.0, 4.0])
    found = sliced_wasserstein(x, x + shift, 2000, seed=1)
    assert abs(found.value - 5 / np.sqrt(5)) < 4 * found.standard_error
    assert found.standard_error < 0.03 * found.value


def test_of_two_gaussians_that_differ_by_scale_it_is_the_difference_of_the_scales():
    # W2 of N(0, a^2) and N(0, b^2) is |a - b| in every direction: here up to the draw of the rows.
    draw = np.random.default_rng(0)
    x, y = draw.normal(size=(40_000, 3)), 3 * draw.normal(size=(40_000, 3))
    assert sliced_wasserstein(x, y, 50, seed=0).value == pytest.approx(2.0, rel=0.02)


def test_in_one_dimension_it_is_the_distance_of_the_quantiles():
    draw = np.random.default_rng(0)
    x, y = draw.normal(size=(30, 1)), draw.exponential(size=(30, 1))
    expected = np.sqrt(((np.sort(x[:, 0]) - np.sort(y[:, 0])) ** 2).mean())
    found = sliced_wasserstein(x, y, 7, seed=0)
    assert found.value == pytest.approx(expected)
    assert found.standard_error == pytest.approx(0, abs=1e-12)
    # Sets of other sizes: each of 3 x's has a third of the mass, each of 2 y's a half.
    two = sliced_wasserstein(np.array([[0.0], [1.0], [2.0]]), np.array([[0.0], [4.0]]), 3, seed=0)
    assert two.value == pytest.approx(np.sqrt(0 / 3 + 1 / 6 + 9 / 6 * 1 + 4 / 3))


def test_its_standard_error_is_that_over_projections():
    draw = np.random.default_rng(0)
    x, y = draw.normal(size=(40, 4)), draw.normal(size=(40, 4)) + [1.0, 0.0, 0.0, 3.0]
    found = [sliced_wasserstein(x, y, 50, seed) for seed in range(200)]
    # The sd of 200 values is known to 1 / sqrt(400) = 5 %, if they are nearly normal.
    spread = np.std([one.value for one in found], ddof=1)
    assert spread == pytest.approx(np.mean([one.standard_error for one in found]), rel=0.2)
    assert sliced_wasserstein(x, y, 1, seed=0).standard_error is None


class Points(Dataset):
    event = (3,)

    @staticmethod
    def prepare():
        raise NotImplementedError


class Bits(Points):
    levels = 2


@pytest.fixture
def run(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    RUN.folder.mkdir(parents=True)
    return RUN


def write(run, kind, train, test, samples):
    dataset.write(run.data, kind, Splits(train, test, test), {})
    np.save(run.samples, samples)


def measured(run, **arguments):
    parts.check(SlicedWasserstein, arguments)
    measurement = SlicedWasserstein(**parts.convert(SlicedWasserstein, arguments))
    measure(measurement, Subject("sliced_wasserstein", run, "d16e57", "c0ffee"))
    found = records.read(run.measurement("sliced_wasserstein"))
    return {record["metric"]: record for record in found}


def test_samples_and_training_rows_are_measured_from_the_test_rows(run):
    draw = np.random.default_rng(0)
    train, test = draw.normal(size=(300, 3)), draw.normal(size=(200, 3))
    write(run, Points, train, test, test[:100] + [3.0, 0.0, 0.0])
    found = measured(run, projections=64)
    distance, floor = found["sliced_wasserstein"], found["sliced_wasserstein_floor"]
    # 3 / sqrt(3), up to what 100 rows of 200 are off.
    assert distance["value"] == pytest.approx(np.sqrt(3), rel=0.15)
    assert 0 < floor["value"] < 0.3 and floor["heading"] is None
    assert (distance["heading"], distance["n"], floor["n"]) == ("Sliced W2", 100, 100)
    protocol = distance["protocol"]
    assert (protocol["projections"], protocol["samples"], protocol["rows"]) == (64, 100, 200)
    assert protocol["data"] == describe(run.data).hash
    assert distance["compared"] == ["projections", "samples", "rows", "data"]
    assert distance["provenance"]["source"] == "d16e57"
    assert distance["provenance"]["packages"][0]["package"] == "benchmark"


def test_perfect_samples_are_as_far_as_the_floor(run):
    draw = np.random.default_rng(1)
    train, test, samples = (draw.normal(size=(n, 3)) for n in (2000, 500, 500))
    write(run, Points, train, test, samples)
    found = measured(run)
    ratio = found["sliced_wasserstein"]["value"] / found["sliced_wasserstein_floor"]["value"]
    assert 0.5 < ratio < 2


def test_integer_rows_are_compared_as_they_are_dequantised(run):
    draw = np.random.default_rng(0)
    train, test = draw.integers(0, 2, (2000, 3), np.uint8), draw.integers(0, 2, (1000, 3), np.uint8)
    # Fair bits, dequantised, are uniform on the cube.
    write(run, Bits, train, test, draw.random((1000, 3)))
    found = measured(run)
    assert found["sliced_wasserstein"]["value"] < 0.03
    assert found["sliced_wasserstein_floor"]["value"] < 0.03
    # Not dequantised: 1 / sqrt(12) along an axis, and somewhat less along the others.
    np.save(run.samples, draw.integers(0, 2, (1000, 3)).astype(float))
    assert 0.2 < measured(run)["sliced_wasserstein"]["value"] < 0.29


def test_samples_that_are_not_finite_are_a_reason_not_a_number(run):
    rows = np.random.default_rng(0).normal(size=(20, 3))
    bad = rows.copy()
    bad[3, 0], bad[7, 1], bad[7, 2] = np.nan, np.inf, np.nan
    write(run, Points, rows, rows, bad)
    found = measured(run)
    assert found["sliced_wasserstein"]["value"] is None
    assert found["sliced_wasserstein"]["reason"] == "2 of 20 samples are not finite"
    assert found["sliced_wasserstein_floor"]["value"] is not None


@pytest.mark.parametrize("wrong", [{"projections": 0}, {"projection": 3}, {"seed": -1}])
def test_arguments_are_checked_by_their_annotations(wrong):
    with pytest.raises(ValueError, match=next(iter(wrong))):
        parts.check(SlicedWasserstein, wrong)


def test_a_missing_package_is_said_in_words(run, monkeypatch):
    rows = np.arange(15.0).reshape(5, 3)
    write(run, Points, rows, rows, rows)
    imported = builtins.__import__

    def without(name, *arguments):
        if name == "ot":
            raise ModuleNotFoundError("No module named 'ot'")
        return imported(name, *arguments)

    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(ImportError, match="needs POT, which cannot be imported: No module named"):
        SlicedWasserstein().take(Subject("x", run, "", "")).__iter__().__next__()
