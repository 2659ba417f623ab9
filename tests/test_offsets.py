"""Columns far from zero: the same numbers as without their offset, in every file of a run."""

import numpy as np
import pytest
import torch
from constant import RUN, Points
from plan import plan

from benchmark import load
from benchmark.baselines.gaussian import Gaussian
from benchmark.data import dataset
from benchmark.data.dataset import Splits
from benchmark.jobs import draw
from benchmark.jobs.draw import Drawing
from benchmark.jobs.evaluate import Evaluation, evaluate
from benchmark.jobs.fit import Fit
from benchmark.jobs.train import train
from benchmark.measure.evaluation_settings import EvaluationSettings
from benchmark.measure.sliced_wasserstein import sliced_wasserstein
from benchmark.ode import Tolerance
from benchmark.rows import Rows
from benchmark.section import Tolerances
from benchmark.training.settings import Hyperparameters

CPU = torch.device("cpu")
HASHES = {"config": "hash", "source": "digest"}
OFFSETS = {"first": [100_000_004, 0], "both": [1.7e9, 1.7e9]}
NETWORK = {"width": 16, "depth": 1, "time_frequencies": 1, "space_frequencies": 0}
METHODS = {
    "benchmark.baselines.gaussian.Gaussian": ({}, {"steps": 0}),
    "benchmark.baselines.interpolant.InterpolantFlow": (
        {"network": {"class": "benchmark.networks.mlp.MLP", **NETWORK}, "path": "linear"},
        {"coordinates": "standardised"},
    ),
}


@pytest.fixture(autouse=True)
def single(single_precision, tmp_path, monkeypatch):
    """The precision of the workflow, in a folder of its own."""
    monkeypatch.chdir(tmp_path)


def rows():
    """Rows that 2^-22, which is the last digit at 1.7e9, divides: no offset rounds them."""
    drawn = np.random.default_rng(0).normal(size=(600, 2))
    return np.round(drawn * 2**20) / 2**20


def run(offset, kind):
    """Rows with an offset, a fit and its evaluation."""
    far = rows() + offset
    RUN.folder.mkdir(parents=True, exist_ok=True)
    dataset.write(RUN.data, Points, Splits(far[:400], far[400:500], far[500:]), {})
    arguments, changes = METHODS[kind]
    settings = plan(40, 64, 5e-3, schedule="constant", clip=None, ema=0.0).model_copy(
        update=changes
    )
    validation = Tolerances(atol=1e-5, rtol=1e-5)
    made_with = Hyperparameters(kind, arguments, settings)
    train(Fit(RUN, made_with, validation, **HASHES), False, CPU)
    measured = EvaluationSettings(atol=1e-6, rtol=1e-6, chunk=100, tight_rows=1, samples=50)
    evaluate(Evaluation(RUN, [kind], measured, **HASHES), CPU)
    return np.load(RUN.log_prob), np.load(RUN.samples)


@pytest.mark.parametrize("offset", OFFSETS.values(), ids=OFFSETS)
@pytest.mark.parametrize("kind", METHODS)
def test_an_offset_changes_no_density_and_no_digit_of_the_samples(kind, offset):
    (plain, drawn), (far, carried) = run([0, 0], kind), run(offset, kind)
    np.testing.assert_allclose(far, plain, rtol=0, atol=1e-4)
    assert carried.dtype == np.float64
    np.testing.assert_allclose(carried - offset, drawn, rtol=0, atol=1e-4)
    assert len(np.unique(carried[:, 0])) == 50


def test_backward_samples_keep_their_digits():
    flow = "benchmark.baselines.interpolant.InterpolantFlow"
    found = []
    for offset in ([0, 0], OFFSETS["both"]):
        run(offset, flow)
        draw.backward(Drawing(RUN, Tolerance(1e-6, 1e-6), chunk=30, source="digest"), CPU)
        found.append(np.load(RUN.samples_base)["samples"] - offset)
    np.testing.assert_allclose(*found, rtol=0, atol=1e-4)


def test_the_fitted_gaussian_is_of_double_precision_and_loads_as_it_was():
    log_prob, _ = run(OFFSETS["first"], "benchmark.baselines.gaussian.Gaussian")
    train_rows, test = (dataset.rows(RUN.data, name) for name in ("train", "test"))
    assert np.array_equal(load(RUN.folder).log_prob(test).numpy(), log_prob)
    centred = np.array(train_rows) - train_rows.mean(axis=0)
    precision = np.linalg.inv(centred.T @ centred / len(centred))
    x = np.array(test) - train_rows.mean(axis=0)
    expected = -0.5 * np.einsum("ni,ij,nj->n", x, precision, x) - np.log(2 * np.pi)
    expected += 0.5 * np.linalg.slogdet(precision)[1]
    np.testing.assert_allclose(log_prob, expected, rtol=0, atol=1e-6)


def test_a_gaussian_of_columns_that_follow_from_each_other_is_refused():
    x = np.random.default_rng(0).normal(size=(300, 3))
    x[:, 2] = x[:, 0] + x[:, 1]
    for units in (np.ones(3), np.array([1e6, 1.0, 1e-6])):
        method = Gaussian.build((3,))
        with pytest.raises(ValueError, match="vary in only 2 of 3 directions"):
            method.initialise(Rows(x * units, None, CPU))


def test_a_gaussian_of_very_different_units_is_right():
    x, units = np.random.default_rng(0).normal(size=(300, 2)), np.array([1e9, 1e-9])
    found = []
    for rows_of, scale in ((x, np.ones(2)), (x * units, units)):
        method = Gaussian.build((2,))
        method.initialise(Rows(rows_of, None, CPU))
        values = method.log_prob(torch.tensor(rows_of), Tolerance(1.0, 1.0)).values
        found.append(values.numpy() + np.log(scale).sum())
    np.testing.assert_allclose(*found, rtol=1e-12)


def test_whole_numbers_without_noise_keep_their_digits():
    seconds = np.array([[1_700_000_001], [1_700_000_003]])
    assert torch.equal(Rows(seconds, None, CPU).all(torch.float64), torch.tensor(seconds).double())


def test_the_sliced_distance_is_the_same_with_an_offset():
    pytest.importorskip("ot")
    x, y = rows()[:200], rows()[200:] * 2
    plain, far = (sliced_wasserstein(x + o, y + o, 20, 0) for o in (0, 1e14))
    coarse = np.spacing(1e14)
    assert far.value == pytest.approx(plain.value, abs=coarse)
