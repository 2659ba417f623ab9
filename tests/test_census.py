"""Facts of prepared rows, counted: against pandas, scipy and cases whose answer is known."""

from dataclasses import asdict

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from benchmark.data import census, dataset
from benchmark.data.dataset import Dataset, Splits
from benchmark.data.description import describe
from benchmark.data.facts import QUANTILES, Dependence
from benchmark.files import read_json, write_json


class Points(Dataset):
    event = None

    @staticmethod
    def prepare():
        raise NotImplementedError


def parts(rows, train=0.7, test=0.2):
    """Splits of rows in their order, by name."""
    n, m = int(train * len(rows)), int((1 - test) * len(rows))
    return dict(zip(("train", "validation", "test"), np.split(rows, [n, m]), strict=True))


def counted(rows, names=None, levels=None):
    return census.count(parts(rows), names, levels)


@pytest.mark.parametrize("kind", [np.float32, np.float64, np.uint8])
def test_copies_and_leaks_are_those_of_pandas(kind):
    rows = np.random.default_rng(0).integers(0, 8, size=(500, 3)).astype(kind)
    split = {name: pd.DataFrame(part) for name, part in parts(rows).items()}
    found = counted(rows, levels=8 if kind is np.uint8 else None)
    assert found.copies == {name: part.duplicated().sum() for name, part in split.items()}
    known = set(split["train"].itertuples(index=False, name=None))
    for name in ("validation", "test"):
        leaked = [row in known for row in split[name].itertuples(index=False, name=None)]
        assert found.leaks[name] == sum(leaked) > 0
    assert "train" not in found.leaks


def test_rows_without_copies_have_none_and_twins_are_all_found():
    rows = np.random.default_rng(1).normal(size=(400, 2))
    found = counted(rows)
    assert set(found.copies.values()) == set(found.leaks.values()) == {0}
    twice = census.count({"train": rows, "validation": rows[:30], "test": rows[::-1]}, None, None)
    assert twice.leaks == {"validation": 30, "test": 400}


def test_equal_numbers_are_equal_rows_whatever_their_sign_of_zero_and_type():
    train = np.array([[0.0, 0.5], [1.0, 2.0]])
    test = np.array([[-0.0, 0.5], [1.0, -2.0]], dtype=np.float32)
    found = census.count({"train": train, "validation": train[:1], "test": test}, None, None)
    assert found.leaks == {"validation": 1, "test": 1}


def test_copies_are_found_across_the_parts_that_are_looked_at_together(monkeypatch):
    rows = np.random.default_rng(0).integers(0, 4, (300, 2, 2, 1), dtype=np.uint8)
    expected = counted(rows, levels=4)
    monkeypatch.setattr(census, "AT_ONCE", 7)
    assert counted(rows, levels=4) == expected
    assert expected.copies["train"] == 210 - len(np.unique(rows[:210].reshape(210, -1), axis=0))
    assert list(expected.levels) == [(rows[:210] == level).sum() for level in range(4)]
    assert expected.columns == ()


def test_moments_and_quantiles_of_a_column_are_those_of_the_training_rows():
    rows = np.random.default_rng(0).gamma(2.0, size=(1000, 3)) * [1, 1e-3, 50] + [0, 1, 1e9]
    columns, train = counted(rows, ["a", "b", "c"]).columns, rows[:700]
    assert [column.name for column in columns] == ["a", "b", "c"]
    correlation = np.corrcoef(train.T) - np.eye(3)
    for place, (column, values) in enumerate(zip(columns, train.T, strict=True)):
        assert column.mean == pytest.approx(values.mean(), rel=1e-12)
        assert column.deviation == pytest.approx(values.std(), rel=1e-9)
        assert column.kurtosis == pytest.approx(stats.kurtosis(values), rel=1e-6)
        expected = np.quantile(values, QUANTILES, method="nearest")
        np.testing.assert_array_equal(column.quantiles, expected)
        nearest = np.abs(correlation[place]).argmax()
        assert column.nearest == "abc"[nearest]
        assert column.correlation == pytest.approx(correlation[place, nearest], rel=1e-6)


def test_distinct_values_and_the_most_frequent_one_are_counted():
    draw = np.random.default_rng(0)
    rows = np.column_stack([draw.normal(size=1000), draw.integers(0, 3, 1000)])
    rows[:300:2, 0] = 0.25
    free, few = counted(rows).columns
    assert (free.name, free.distinct, free.most) == ("0", 551, 150)
    assert (few.distinct, few.most) == (3, np.bincount(rows[:700, 1].astype(int)).max())


def test_columns_that_others_determine_are_named_with_these():
    draw = np.random.default_rng(0)
    a, b, c, other = draw.normal(size=(4, 600)) * [[1], [30], [1], [1]] + [[0], [1e4], [0], [0]]
    near = c + 1e-2 * other
    rows = np.column_stack([a, b, c, 5 * a - 0.2 * b + 7, near, b.astype(np.float32)])
    found = counted(rows, list("abcdef")).dependences
    assert found == (Dependence("d", ("a", "b")), Dependence("f", ("b",)))


def test_what_has_no_moments_or_no_neighbour_is_none_and_is_written(tmp_path):
    rows = np.random.default_rng(0).normal(size=(100, 4))
    rows[:, 0] *= 1e200
    rows[:, 1] = 0.1
    rows[:, 2] *= 1e-300
    facts = counted(rows)
    write_json(tmp_path / "facts.json", asdict(facts))  # which refuses NaN
    huge, constant, tiny, usual = facts.columns
    assert huge.deviation is None and huge.correlation is None and huge.distinct == 70
    assert (constant.distinct, constant.most, constant.kurtosis) == (1, 70, None)
    assert tiny.kurtosis is None and usual.kurtosis is not None
    alone = counted(rows[:, 3:]).columns
    assert (alone[0].nearest, alone[0].correlation) == (None, None)


def test_facts_stand_in_the_description_and_not_in_the_hash(tmp_path):
    rows = np.random.default_rng(0).normal(size=(100, 2))
    dataset.write(tmp_path / "data", Points, Splits(*parts(rows).values()), {})
    found = describe(tmp_path / "data")
    assert found.facts == counted(rows)
    stored = read_json(tmp_path / "data/data.json")
    del stored["facts"], stored["columns"]  # as folders of earlier versions have it
    write_json(tmp_path / "data/data.json", stored)
    assert describe(tmp_path / "data").facts is None
    assert describe(tmp_path / "data").hash == found.hash


def test_a_wide_table_is_not_compared_column_by_column(monkeypatch):
    rows = np.random.default_rng(0).normal(size=(50, 4))
    rows[:, 3] = rows[:, 0]
    assert counted(rows).dependences
    monkeypatch.setattr(census, "MAX_COMPARED", 3)
    found = counted(rows)
    assert found.dependences == () and found.columns[0].nearest is None
