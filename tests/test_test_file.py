"""Test rows of a table in a file of their own."""

import copy
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from suites import put, refused
from test_suite_data import TABLE

from benchmark.data.dataset import Dataset, Splits
from benchmark.data.description import describe
from benchmark.data.prepare import prepare
from benchmark.data.table import Table
from benchmark.source import ROOT
from benchmark.suite.load import load

ALL = {"columns": None, "noise": {}, "shuffle": None, "split": [0.9, 0.1], "standardise": None}


def rows(n, seed):
    return pd.DataFrame(np.random.default_rng(seed).normal(size=(n, 2)), columns=["a", "b"])


@pytest.fixture
def files(tmp_path):
    """A file of 50 rows, and one of 7 with its columns in another order."""
    mine, test = tmp_path / "mine.csv", tmp_path / "mine_test.csv"
    rows(50, 0).to_csv(mine, index=False)
    rows(7, 1)[["b", "a"]].to_csv(test, index=False)
    return mine, test


def test_its_rows_are_the_test_rows_and_the_shares_are_of_the_others(files):
    found = Table.prepare(files, **{**ALL, "shuffle": 3})
    assert [len(part) for part in found.rows.values()] == [45, 5, 7]
    np.testing.assert_array_equal(found.test, rows(7, 1))  # by name, in the order of the file
    both = np.concatenate([found.train, found.validation])
    np.testing.assert_array_equal(np.sort(both, axis=0), np.sort(rows(50, 0), axis=0))


def test_it_is_standardised_by_the_training_rows_and_has_noise_of_its_own(files):
    found = Table.prepare(files, **{**ALL, "standardise": "train", "noise": {"a": 0.5}})
    alone = Table.prepare(files[0], **{**ALL, "split": [0.8, 0.1, 0.1], "noise": {"a": 0.5}})
    raw = found.units.table(found.train).to_numpy()
    np.testing.assert_allclose(raw[:40], alone.train, rtol=0, atol=1e-12)  # the noise of each row
    np.testing.assert_allclose(found.train.mean(axis=0), 0, atol=1e-12)
    noise = found.units.table(found.test).to_numpy() - rows(7, 1)
    assert noise["a"].between(0, 0.5).all() and noise["a"].nunique() == 7
    np.testing.assert_allclose(noise["b"], 0, atol=1e-12)


@pytest.mark.parametrize("columns", [None, ["a", "b"]])
def test_a_column_that_it_lacks_is_named_with_both_files(files, columns):
    files[1].write_text("a,c\n1,2\n")
    with pytest.raises(ValueError, match=r"mine_test.csv: has no column 'b', which .*mine.csv has"):
        Table.prepare(files, **{**ALL, "columns": columns})


def test_a_column_too_many_is_refused_where_all_are_asked_for(files):
    files[1].write_text("a,b,c\n1,2,3\n")
    with pytest.raises(ValueError, match="mine_test.csv: has a column 'c', which .* has not. Give"):
        Table.prepare(files, **ALL)
    found = Table.prepare(files, **{**ALL, "columns": ["b", "a"]})
    assert found.test.tolist() == [[2, 1]]


def test_what_is_no_number_there_is_told_with_its_file(files):
    files[1].write_text("a,b\n1,x\n")
    with pytest.raises(ValueError, match="mine_test.csv: column 'b', row 1: found 'x'"):
        Table.prepare(files, **ALL)


def test_arrays_have_as_many_columns(tmp_path):
    mine, test = tmp_path / "mine.npy", tmp_path / "test.npy"
    np.save(mine, rows(50, 0))
    np.save(test, rows(7, 1))
    np.testing.assert_array_equal(Table.prepare((mine, test), **ALL).test, rows(7, 1))
    np.save(test, np.zeros((7, 3)))
    with pytest.raises(ValueError, match="test.npy: has a column 2, which .*mine.npy has not"):
        Table.prepare((mine, test), **ALL)


def test_shares_are_as_many_as_parts_of_the_file(files):
    with pytest.raises(ValueError, match="has 3 shares; allowed are 2 beside a file of test rows"):
        Table.prepare(files, **{**ALL, "split": [0.8, 0.1, 0.1]})
    with pytest.raises(ValueError, match="has 2 shares; allowed are 3 without a file of test rows"):
        Table.prepare(files[0], **ALL)
    words = r"leaves 1 to train and 49 to validate; allowed are at least 2 and 1. Write .*0.9, 0.1"
    with pytest.raises(ValueError, match=words):
        Table.prepare(files, **{**ALL, "split": [0.02, 0.98]})


def test_an_entry_with_both_is_prepared(files, tmp_path):
    entry = {"class": "benchmark.data.table.Table", "file": str(files[0]), "test": str(files[1])}
    prepare({**entry, "arguments": ALL}, tmp_path, tmp_path / "data")
    assert describe(tmp_path / "data").rows == {"train": 45, "validation": 5, "test": 7}


@pytest.fixture
def config(toy, monkeypatch, tmp_path):
    """The toy config with a table and a file of test rows."""
    monkeypatch.chdir(ROOT)
    entry = {**copy.deepcopy(TABLE), "test": str(tmp_path / "mine_test.csv")}
    put(toy["suites"]["toy"], "datasets/mine", entry)
    put(toy["suites"]["toy"], "datasets/mine/arguments/split", [0.9, 0.1])
    return toy


def test_an_edit_of_the_file_prepares_the_rows_again(config, tmp_path):
    prepared = []
    for content in ("a,b\n1,2\n", "a,b\n1,3\n", "a,b\n1,2\n"):
        (tmp_path / "mine_test.csv").write_text(content)
        prepared.append(load(config).prepared_file("mine"))
    assert prepared[0] != prepared[1] and prepared[0] == prepared[2]
    assert load(config).datasets["mine"].files == ["config.yaml", str(tmp_path / "mine_test.csv")]


def test_a_file_that_is_not_there_is_refused_before_any_job(config):
    refused(config, r"datasets.mine.test is '.*mine_test.csv'; no such file. Paths start in")


class OneFile(Dataset):
    """A class of a user, of one file."""

    event = None

    @staticmethod
    def prepare(file: Path) -> Splits:
        raise NotImplementedError


def test_a_test_file_without_another_or_for_another_class_is_refused(config, tmp_path):
    (tmp_path / "mine_test.csv").write_text("a,b\n1,2\n")
    entry = config["suites"]["toy"]["datasets"]["mine"]
    load(config)
    other = {**entry, "class": "test_test_file.OneFile", "arguments": {}}
    put(config["suites"]["toy"], "datasets/mine", other)
    refused(config, "datasets.mine.test: test_test_file.OneFile takes no second file, of test rows")
    put(config["suites"]["toy"], "datasets/mine", entry)
    del entry["file"]
    refused(config, "datasets.mine.*allowed is test only beside file")
