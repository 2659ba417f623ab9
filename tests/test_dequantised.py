"""Integer rows as they are evaluated: the same for other programs, and a scale that is stated."""

import math

import numpy as np
import pytest
from sklearn.mixture import GaussianMixture

from benchmark.data import dataset
from benchmark.data.digits import Digits
from benchmark.files import read_json, write_json
from benchmark.jobs.prepare import dequantise
from benchmark.measure.measurement import Subject, measure
from benchmark.measure.nll import NLL
from benchmark.records.run import Run

RUN = Run("toy", "digits", "mixture", 0)


@pytest.fixture
def digits(tmp_path, monkeypatch):
    """The folder of the prepared digits."""
    monkeypatch.chdir(tmp_path)
    dataset.write(RUN.data, Digits, Digits.prepare(validation=200, test=400), {})
    return RUN.data


@pytest.mark.parametrize(("number", "seed"), [(0, 0), (1, [0, 1]), (2, [0, 2])])
def test_rows_of_a_pass_are_a_file_for_other_programs(digits, tmp_path, number, seed):
    known = dataset.rows(digits, "test")
    dequantise(digits, number, tmp_path / "test.npy")
    found = np.load(tmp_path / "test.npy")
    np.testing.assert_array_equal(found, dataset.dequantise(known, 17, seed))
    assert found.dtype == np.float32
    missed = np.floor(17 * found.astype(float)) != known  # float32 may round up to the next level
    assert missed.mean() < 1e-4


def test_real_rows_are_given_as_they_are(tmp_path):
    class Plane(Digits):
        event, levels, picture = (2,), None, None

    rows = np.random.default_rng(0).normal(size=(3, 50, 2))
    dataset.write(tmp_path / "data", Plane, dataset.Splits(*rows), {})
    np.testing.assert_array_equal(dataset.pass_rows(tmp_path / "data", 1), rows[2])


def nll_of(log_prob, stated):
    """The record of the NLL of another program."""
    RUN.folder.mkdir(parents=True, exist_ok=True)
    np.save(RUN.log_prob, log_prob)
    write_json(RUN.likelihood, {"nfe": None, "protocol": {"solver": "none", **stated}})
    measure(NLL(), Subject("nll", RUN, source="d16e57", config="c0ffee"))
    return read_json(RUN.measurement("nll"))["records"][0]


def test_a_mixture_of_another_program_is_measured_on_the_scale_that_it_states(digits):
    train = dataset.dequantise(dataset.rows(digits, "train"), 17, seed=7)
    fit = GaussianMixture(10, reg_covar=1e-4, random_state=0).fit(train)
    log_prob = fit.score_samples(dataset.pass_rows(digits))
    measured = nll_of(log_prob, {"dequantisation": dataset.noise_in_words(1)})
    assert measured["protocol"]["dequantisation"] == "uniform, seed 0, 1 pass"
    bits = -log_prob.mean() / 64 / math.log(2) + math.log2(17)
    assert measured["value"] == pytest.approx(bits) and 2 < bits < 3
    missing = nll_of(log_prob, {})
    assert missing["value"] is None
    assert (
        "its protocol has no `dequantisation`, of integer rows: evaluate (k + u) / 17"
        in (missing["reason"])
    )
