"""Columns whose offset leaves them no digits, or whose variance is no number: refused by column."""

import numpy as np
import pytest
import torch
from plan import plan, unvalidated
from sliding import CPU, Sliding

from benchmark.data import dataset
from benchmark.data.dataset import Dataset, Splits
from benchmark.data.spread import offset_and_spread, require_spread
from benchmark.data.table import Table
from benchmark.rows import Rows
from benchmark.training.loop import fit

PLAIN = {"columns": None, "noise": {}, "shuffle": 0, "split": [0.8, 0.1, 0.1]}


class Points(Dataset):
    event = (3,)

    @staticmethod
    def prepare():
        raise NotImplementedError


def rows(n=300):
    return np.random.default_rng(0).normal(size=(n, 3))


@pytest.mark.parametrize("size", [1.0, 1e200, 1e-200, 5e307])
@pytest.mark.parametrize("offset", [0.0, 3.0, -1e5])
def test_offset_and_spread_neither_overflow_nor_underflow(size, offset):
    unit = np.clip(rows()[:, 0], -1, 1)
    if size < 1e300 or not offset:
        found = offset_and_spread(size * (unit + offset))
        expected = size * (unit.mean() + offset), size * unit.std()
        np.testing.assert_allclose(found, expected, rtol=1e-9)


def test_a_constant_has_exactly_no_spread():
    assert offset_and_spread(np.full(1000, 0.1)) == (0.1, 0.0)


REFUSED = {
    "near constant": (
        lambda x: x + 1e15,
        r"offset 1e\+15, spread 0.9\d+ over the training rows, of which rounding keeps",
    ),
    "constant": (lambda x: 0 * x + 100_000_004, "every training row: the value is 100000004. A"),
    "huge": (lambda x: x * 1e200, r"offset .*e\+198, spread .*e\+(199|200) .* beyond double"),
    "tiny": (lambda x: x * 1e-200, r"offset .*, spread .*e-20[01] .* beyond double"),
    "single precision": (
        lambda x: (x + 1e6).astype(np.float32).astype(object),
        r"offset \d{6,7}\.?\d*, spread .* of which rounding keeps steps of 0.12",
    ),
}


def changed(change):
    """Rows whose second column is changed, of single precision where that is changed."""
    found = rows()
    column = change(found[:, 1])
    found[:, 1] = column
    return found.astype(np.float32) if column.dtype == object else found


@pytest.mark.parametrize("standardise", [None, "train"])
@pytest.mark.parametrize(("change", "said"), REFUSED.values(), ids=REFUSED.keys())
def test_a_table_refuses_a_column_without_a_density_by_its_name(
    tmp_path, change, said, standardise
):
    np.save(tmp_path / "mine.npy", changed(change))
    with pytest.raises(ValueError, match=rf"mine.npy: column 1[:,] {said}"):
        Table.prepare(tmp_path / "mine.npy", **PLAIN, standardise=standardise)


@pytest.mark.parametrize(("change", "said"), REFUSED.values(), ids=REFUSED.keys())
def test_every_data_set_refuses_it(tmp_path, change, said):
    splits = Splits(changed(change), rows(), rows())
    with pytest.raises(ValueError, match=rf"Points.prepare: train, coordinate 1[:,] {said}"):
        dataset.write(tmp_path / "data", Points, splits, {})


def test_noise_of_the_size_of_the_steps_makes_a_rounded_column_a_density(tmp_path):
    np.save(tmp_path / "mine.npy", changed(REFUSED["single precision"][0]))
    splits = Table.prepare(
        tmp_path / "mine.npy", **{**PLAIN, "noise": {1: 0.0625}}, standardise=None
    )
    assert splits.train.dtype == np.float64


@pytest.mark.parametrize("offset", [1e8 + 4, 1.7e9, 1e12])
def test_an_offset_that_leaves_digits_is_no_reason(tmp_path, offset):
    require_spread("mine", rows()[:, 0] + offset)


@pytest.mark.parametrize("change", [lambda x: x + 1e8, lambda x: x * 1e60])
def test_rows_that_single_precision_cannot_hold_are_not_trained_on(single_precision, change):
    given, settings = Rows(changed(change), None, CPU), plan(3, 10, 1e-2)
    with pytest.raises(ValueError, match="Coordinate 1 of the rows, of offset .* in float32"):
        fit(Sliding(), given, settings, unvalidated)
    fit(Sliding(), given.within(given.fitted("standardised")), settings, unvalidated)
    plain = Rows(rows(), None, CPU)
    with pytest.raises(ValueError, match="Coordinate 1 of the rows"):
        fit(Sliding(), plain, settings, unvalidated, base=given)


def test_integer_rows_are_looked_at_without_a_draw(single_precision):
    torch.manual_seed(3)
    Rows(np.zeros((5, 2), np.uint8), 4, CPU).require_precision()
    drawn = torch.rand(1)
    torch.manual_seed(3)
    assert torch.equal(drawn, torch.rand(1))
