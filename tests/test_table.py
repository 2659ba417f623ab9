"""An own table: every format, the order of the steps, and what is refused with column and row."""

import json
import math

import numpy as np
import pandas as pd
import pytest

from benchmark.data.description import describe
from benchmark.data.prepare import prepare
from benchmark.data.table import Table

PLAIN = {
    "columns": None,
    "noise": {},
    "shuffle": None,
    "split": [0.7, 0.1, 0.2],
    "standardise": None,
}


def numbers(n=41):
    """Rows that tell row and column."""
    return 2 * np.arange(n)[:, None] + np.array([0, 0.25, 0.5])


def together(splits):
    return np.concatenate([*splits.rows.values()])


def saved(folder, suffix, rows):
    file = folder / f"mine{suffix}"
    table = pd.DataFrame(rows, columns=["a", "b", "c"])
    if suffix == ".csv":
        table.to_csv(file, index=False)
    elif suffix == ".parquet":
        table.to_parquet(file)
    elif suffix == ".npy":
        np.save(file, rows)
    else:
        np.savez(file, rows)
    return file


@pytest.fixture(params=[".csv", ".parquet", ".npy", ".npz"])
def suffix(request):
    return request.param


def test_every_format_is_read_in_order(tmp_path, suffix):
    found = Table.prepare(saved(tmp_path, suffix, numbers()), **PLAIN)
    assert [len(rows) for rows in found.rows.values()] == [29, 4, 8]
    assert np.array_equal(together(found), numbers())


@pytest.mark.parametrize(("n", "sizes"), [(9, [7, 1, 1]), (4, [2, 1, 1]), (20, [16, 2, 2])])
def test_of_few_rows_every_part_has_one(tmp_path, n, sizes):
    file = saved(tmp_path, ".npy", numbers(n))
    found = Table.prepare(file, **{**PLAIN, "split": [0.8, 0.1, 0.1]})
    assert [len(rows) for rows in found.rows.values()] == sizes
    assert np.array_equal(together(found), numbers(n))


def test_columns_are_chosen_by_name_or_place_in_the_order_asked_for(tmp_path, suffix):
    chosen = ["c", "a"] if suffix in (".csv", ".parquet") else [2, 0]
    file = saved(tmp_path, suffix, numbers())
    found = Table.prepare(file, **{**PLAIN, "columns": chosen})
    assert np.array_equal(together(found), numbers()[:, [2, 0]])


def test_columns_of_an_npz_and_of_a_structured_array_have_names(tmp_path):
    a, b = np.arange(20), np.arange(20.0) / 2
    np.savez(tmp_path / "mine.npz", a=a, b=b)
    np.save(tmp_path / "mine.npy", np.rec.fromarrays([a, b], names="a,b"))
    for name in ("mine.npz", "mine.npy"):
        found = Table.prepare(tmp_path / name, **{**PLAIN, "columns": ["b", "a"]})
        assert np.array_equal(together(found), np.column_stack([b, a]))


def test_shuffled_rows_are_the_same_rows_in_an_order_of_the_seed(tmp_path):
    file = saved(tmp_path, ".csv", numbers())
    first, again, other = (
        together(Table.prepare(file, **{**PLAIN, "shuffle": seed})) for seed in (3, 3, 4)
    )
    assert np.array_equal(first, again) and not np.array_equal(first, other)
    assert np.array_equal(np.sort(first, axis=0), numbers())
    assert np.array_equal(first - first[:, :1], numbers() - numbers()[:, :1])  # whole rows


def test_noise_is_uniform_on_a_step_and_only_where_it_is_asked_for(tmp_path):
    file = saved(tmp_path, ".npy", np.repeat(numbers(50), 200, axis=0))
    found = together(Table.prepare(file, **{**PLAIN, "noise": {0: 1, 2: 0.25}}))
    noise = found - np.repeat(numbers(50), 200, axis=0)
    assert (noise[:, 1] == 0).all()
    for column, step in ((0, 1.0), (2, 0.25)):
        assert noise[:, column].min() >= 0 and noise[:, column].max() < step
        assert abs(noise[:, column].mean() / step - 0.5) < 4 * math.sqrt(1 / 12 / len(noise))
        assert abs(noise[:, column].var() / step**2 - 1 / 12) < 4 * math.sqrt(1 / 180 / len(noise))
    assert abs(np.corrcoef(noise[:, 0], noise[:, 2])[0, 1]) < 4 / math.sqrt(len(noise))


def test_standardised_are_the_training_rows_with_their_noise(tmp_path):
    file = saved(tmp_path, ".csv", numbers(200))
    found = Table.prepare(file, **{**PLAIN, "standardise": "train", "noise": {"b": 30.0}})
    np.testing.assert_allclose(found.train.mean(axis=0), 0, atol=1e-12)
    np.testing.assert_allclose((found.train**2).mean(axis=0), 1, rtol=1e-12)
    raw = Table.prepare(file, **{**PLAIN, "noise": {"b": 30.0}})
    for column in range(3):
        scale = np.polyfit(raw.train[:, column], found.train[:, column], 1)
        line = np.polyval(scale, raw.test[:, column])
        np.testing.assert_allclose(line, found.test[:, column], atol=1e-10)


def test_a_table_is_prepared_with_the_shape_of_its_file(tmp_path):
    file = saved(tmp_path, ".parquet", numbers())
    entry = {"class": "benchmark.data.table.Table", "file": str(file)}
    settings = {**PLAIN, "shuffle": 0, "noise": {"a": 1.0}, "standardise": "train"}
    for name in ("first", "second"):
        prepare({**entry, "arguments": settings}, tmp_path, tmp_path / name)
    first, second = (describe(tmp_path / name) for name in ("first", "second"))
    assert first.event == (3,) and first.rows == {"train": 29, "validation": 4, "test": 8}
    assert first.hash == second.hash and first.unit == "nats"
    assert first.columns == ("a", "b", "c")


CSV = {
    "missing": ("a,b\n1,2\n3,\n5,6\n", "column 'b', row 2: the value is missing"),
    "text": (
        "a,b\n1,2\n3,4\n5,six\n",
        "column 'b', row 3: found 'six', which is not a finite number",
    ),
    "infinite": (
        "a,b\ninf,2\n3,4\n",
        "column 'a', row 1: found 'inf', which is not a finite number",
    ),
    "date": (
        "a,b\n2020-01-01,2\n",
        "column 'a', row 1: found '2020-01-01', which is not a finite number",
    ),
    "semicolons": ("a;b\n1;2\n", "line 1 is a;b: separated by semicolons"),
    "constant": (
        "a,b\n1,2\n3,2\n5,2\n7,2\n9,2\n" + "8,2\n" * 5,
        "column 'b', every training row: the value is 2",
    ),
    "no names": ("1,2\n3,4\n", "line 1 is 1,2: '1' is no name of a column"),
}


@pytest.mark.parametrize(("content", "said"), CSV.values(), ids=CSV.keys())
def test_what_is_no_number_is_named_with_column_and_row(tmp_path, content, said):
    (tmp_path / "mine.csv").write_text(content)
    with pytest.raises(ValueError, match=rf"mine.csv: {said}"):
        Table.prepare(tmp_path / "mine.csv", **PLAIN)


def test_a_column_that_is_constant_where_it_is_trained_is_refused(tmp_path):
    rows = numbers(10)
    rows[:7, 1] = 4
    with pytest.raises(ValueError, match="column 1, every training row: the value is 4"):
        Table.prepare(saved(tmp_path, ".npy", rows), **PLAIN)
    Table.prepare(saved(tmp_path, ".npy", rows), **{**PLAIN, "columns": [0, 2]})
    Table.prepare(saved(tmp_path, ".npy", rows), **{**PLAIN, "noise": {1: 1.0}})


def test_dates_and_missing_numbers_of_a_parquet_file_are_refused(tmp_path):
    dates = pd.date_range("2020-01-01", periods=3)
    whole = pd.array([1, None, 3], dtype="Int64")
    table = pd.DataFrame({"when": dates, "whole": whole, "yes": [True, False, True]})
    table.to_parquet(tmp_path / "mine.parquet")
    for name, said in (
        ("when", "row 1: found '2020-01-01"),
        ("whole", "row 2: the value is missing"),
    ):
        with pytest.raises(ValueError, match=f"column '{name}', {said}"):
            Table.prepare(tmp_path / "mine.parquet", **{**PLAIN, "columns": [name]})


def test_unknown_columns_are_refused_with_the_nearest(tmp_path):
    file = saved(tmp_path, ".csv", numbers())
    file.write_text(file.read_text().replace("a,b,c", "mass,charge,spin"))
    for change in ({"columns": ["mas"]}, {"noise": {"mas": 1.0}}):
        with pytest.raises(ValueError, match="no column 'mas'; allowed are 'mass', .*mean 'mass'"):
            Table.prepare(file, **{**PLAIN, **change})


@pytest.mark.parametrize(
    ("arrays", "said"),
    [
        ({"a": np.zeros((3, 2)), "b": np.zeros((3, 2))}, r"holds a \(3, 2\), b \(3, 2\); allowed"),
        ({"a": np.zeros(3), "b": np.zeros(4)}, r"holds a \(3,\), b \(4,\); allowed are one array"),
        ({"a": np.zeros((3, 2, 2))}, r"shape \(3, 2, 2\); allowed is \[row, column\]"),
    ],
)
def test_arrays_that_are_no_table_are_refused(tmp_path, arrays, said):
    np.savez(tmp_path / "mine.npz", **arrays)
    with pytest.raises(ValueError, match=f"mine.npz: .*{said}"):
        Table.prepare(tmp_path / "mine.npz", **PLAIN)


def test_another_format_is_refused_with_those_there_are(tmp_path):
    with pytest.raises(ValueError, match=r"mine.xls: ends with '.xls'; allowed are .csv, .parquet"):
        Table.prepare(tmp_path / "mine.xls", **PLAIN)


@pytest.mark.parametrize(
    ("n", "split", "said"),
    [
        (4, [0.1, 0.3, 0.6], "leaves 1 to train, 1 to validate and 2 to test"),
        (10, [0.05, 0.2, 0.75], "leaves 1 to train, 2 to validate and 7 to test"),
    ],
)
def test_one_row_to_train_with_is_refused_with_a_split_that_works(tmp_path, n, split, said):
    file = saved(tmp_path, ".csv", numbers(n))
    with pytest.raises(ValueError, match=rf"mine.csv: of its {n} rows, .*{said}; allowed") as found:
        Table.prepare(file, **{**PLAIN, "split": split})
    better = json.loads(str(found.value).partition("Write `split: ")[2].partition("`")[0])
    assert sum(better) == pytest.approx(1, abs=1e-9)
    sizes = [len(rows) for rows in Table.prepare(file, **{**PLAIN, "split": better}).rows.values()]
    assert sizes[0] > 1 and min(sizes) >= 1


def test_three_rows_are_too_few_for_any_split(tmp_path):
    with pytest.raises(ValueError, match="of its 3 rows, .* at least 2, 1 and 1. Add rows."):
        Table.prepare(saved(tmp_path, ".csv", numbers(3)), **PLAIN)


@pytest.mark.parametrize(("n", "d"), [(9, 3), (12, 1), (4, 1)])
def test_few_rows_and_one_column_are_prepared(tmp_path, n, d):
    rows = np.random.default_rng(0).normal(size=(n, d))
    np.save(tmp_path / "mine.npy", rows)
    arguments = {**PLAIN, "split": [0.5, 0.25, 0.25], "standardise": "train"}
    entry = {"class": "benchmark.data.table.Table", "file": str(tmp_path / "mine.npy")}
    prepare({**entry, "arguments": arguments}, tmp_path, tmp_path / "data")
    found = describe(tmp_path / "data")
    assert found.event == (d,) and found.rows["test"] == n // 4 == found.rows["validation"]
