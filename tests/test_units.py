"""Back to the units of a table: samples under the names of its columns, and log-densities."""

import re

import numpy as np
import pandas as pd
import pytest
import torch
from constant import RUN, Points
from pages import block
from plan import plan
from scipy.stats import multivariate_normal

from benchmark import load
from benchmark.data import dataset
from benchmark.data.dataset import Splits
from benchmark.data.papamakarios import power
from benchmark.data.prepare import prepare
from benchmark.jobs.fit import Fit
from benchmark.jobs.train import train
from benchmark.records.units import UNITS, Units
from benchmark.section import Tolerances
from benchmark.training.settings import Hyperparameters

CPU = torch.device("cpu")
GAUSSIAN = "benchmark.baselines.gaussian.Gaussian"


@pytest.fixture(autouse=True)
def single(single_precision, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def raw(n=200):
    """Two columns, of which the second is rounded to whole numbers."""
    drawn = np.random.default_rng(0).normal(size=(n, 2)) @ np.array([[0.02, 30.0], [0.0, 40.0]])
    return pd.DataFrame({"mass": drawn[:, 0] + 1.7e9, "charge": np.round(drawn[:, 1])})


def prepared(**changes):
    """A table as the rows of ``RUN``, with noise for the rounded column."""
    raw().to_csv("mine.csv", index=False)
    usual = {"columns": None, "noise": {"charge": 1.0}, "shuffle": 0, "split": [0.8, 0.1, 0.1]}
    entry = {"class": "benchmark.data.table.Table", "file": "mine.csv"}
    arguments = {**usual, "standardise": "train", **changes}
    prepare({**entry, "arguments": arguments}, RUN.data, RUN.data)


def fit():
    RUN.folder.mkdir(parents=True, exist_ok=True)
    made_with = Hyperparameters(GAUSSIAN, {}, plan(0, 1, 1.0))
    validation = Tolerances(atol=1e-5, rtol=1e-5)
    train(Fit(RUN, made_with, validation, config="hash", source="digest"), False, CPU)
    return load(RUN.folder)


def test_mean_deviation_names_and_noise_are_kept_with_the_rows():
    prepared(standardise=None)
    plain, rows = Units.load(RUN.data / UNITS), np.array(dataset.rows(RUN.data, "train"))
    assert plain.mean == (0, 0) and plain.deviation == (1, 1) and plain.log_scale == 0
    prepared()
    units = Units.load(RUN.data / UNITS)
    assert units.columns == ("mass", "charge") and units.noise == (0, 1)
    np.testing.assert_array_equal(units.mean, rows.mean(axis=0))
    np.testing.assert_array_equal(units.deviation, rows.std(axis=0))
    back = units.table(dataset.rows(RUN.data, "train"))
    assert list(back) == ["mass", "charge"]
    np.testing.assert_allclose(back, rows, rtol=1e-15)


def test_log_densities_in_units_are_those_of_the_rows_in_units():
    prepared()
    fitted = fit()
    there, units = fitted.in_units(), fitted.units
    rows = units.table(np.array(dataset.rows(RUN.data, "train"))).to_numpy()
    # A Gaussian of maximum likelihood is the same in all units: here it is that of scipy.
    centred = rows - rows.mean(axis=0)
    truth = multivariate_normal(cov=centred.T @ centred / len(rows)).logpdf(centred)
    found = there.log_prob(rows).numpy()
    np.testing.assert_allclose(found, truth, rtol=0, atol=1e-5)
    plain = fitted.log_prob(dataset.rows(RUN.data, "train")).numpy()
    np.testing.assert_allclose(found, plain - units.log_scale, rtol=0, atol=1e-5)


def test_samples_go_back_to_units_under_the_names_of_the_columns():
    prepared()
    fitted = fit()
    drawn = []
    for draw in (fitted.sample, fitted.in_units().sample, fitted.table, fitted.in_units().table):
        torch.manual_seed(0)
        drawn.append(draw(50))
    plain, units, table, again = drawn
    mean, deviation = np.array(fitted.units.mean), np.array(fitted.units.deviation)
    np.testing.assert_allclose(units, mean + deviation * plain.numpy(), rtol=1e-15)
    np.testing.assert_array_equal(table, units)
    pd.testing.assert_frame_equal(table, again)


def test_the_block_of_the_page_writes_a_csv_with_names():
    prepared()
    fitted, names = fit(), {}
    where = f'"{RUN.folder}"'
    exec(re.sub(r'"results/.*?"', where, block("benchmark/data/README.md", "in_units()")), names)
    written, units = pd.read_csv("samples.csv"), raw()
    assert list(written) == ["mass", "charge"] and len(written) == 1000
    for name in written:
        assert abs(written[name].std() / units[name].std() - 1) < 0.3
        assert abs(written[name].mean() - units[name].mean()) < units[name].std()
    x = torch.randn(5, 2).double()
    there = names["there"].log_prob(torch.tensor(fitted.units.table(x.numpy()).to_numpy()))
    expected = fitted.log_prob(x) - fitted.units.log_scale
    # 1.7e9 is kept to 2e-7, a hundred thousandth of the spread of the mass.
    torch.testing.assert_close(there, expected, rtol=0, atol=2e-4)


def test_a_table_prepared_without_standardise_has_names_only():
    prepared(standardise=None)
    fitted = fit()
    rows = np.array(dataset.rows(RUN.data, "test"))
    assert torch.equal(fitted.in_units().log_prob(rows), fitted.log_prob(rows))
    assert list(fitted.table(3)) == ["mass", "charge"]


def test_what_keeps_no_units_is_said():
    rows = np.random.default_rng(0).normal(size=(50, 2))
    dataset.write(RUN.data, Points, Splits(rows, rows, rows), {})
    assert not (RUN.data / UNITS).exists()
    fitted = fit()
    for call in (fitted.in_units, lambda: fitted.table(3)):
        with pytest.raises(ValueError, match="No units are kept with the prepared rows"):
            call()


def test_published_sets_keep_their_units():
    rows = np.random.default_rng(0).normal(size=(300, 8)) * 5 + 100
    splits = power(rows.copy())
    units = splits.units
    assert units.columns[1] == "voltage" and units.noise[:3] == (0.001, 0.01, 1.0)
    back = units.table(splits.train).to_numpy()
    rest = np.concatenate([back, units.table(splits.validation)])
    np.testing.assert_allclose(units.mean, rest.mean(axis=0))
    np.testing.assert_allclose(units.deviation, rest.std(axis=0))
