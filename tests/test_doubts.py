"""What makes a number doubtful is said: by the facts of the rows, and by the scale of the NLL."""

import numpy as np
import pytest
from reported import Images, Plane, finish, suite

from benchmark.data import dataset
from benchmark.data.dataset import Splits
from benchmark.data.description import describe
from benchmark.files import read_json, write_json
from benchmark.report import doubts
from benchmark.report.outputs import write
from benchmark.suite.models import Published


class Table(Plane):
    event = None


def doubts_of(folder, rows, kind=Table, names=None):
    """Doubts of rows in their order: 80 % to train, 10 % to validate, 10 % to test."""
    n = len(rows)
    splits = Splits(*np.split(rows, [8 * n // 10, 9 * n // 10]), columns=names)
    dataset.write(folder, kind, splits, {})
    return doubts.of_rows(describe(folder))


def normal(n=1000, d=2):
    return np.random.default_rng(0).normal(size=(n, d))


@pytest.mark.parametrize("kind", [np.float32, np.float64])
@pytest.mark.parametrize("d", [1, 2, 60])
def test_continuous_rows_are_not_doubtful(tmp_path, kind, d):
    assert doubts_of(tmp_path / "data", normal(d=d).astype(kind)) == []


def test_rows_that_stand_there_twice_are_leaks_and_make_no_column_discrete(tmp_path):
    rows = normal(400)
    twice = np.concatenate([rows, rows])[np.random.default_rng(1).permutation(800)]
    known = {tuple(row) for row in twice[:640]}
    leaked = [sum(tuple(row) in known for row in part) for part in (twice[640:720], twice[720:])]
    said = "{} of 80 validation rows and {} of 80 test rows are also training rows"
    assert doubts_of(tmp_path / "data", twice) == [said.format(*leaked)]
    thrice = np.concatenate([rows] * 3)
    assert doubts_of(tmp_path / "data", thrice) == [
        "120 of 120 validation rows and 120 of 120 test rows are also training rows"
    ]


def test_a_column_of_few_values_is_named_with_their_number(tmp_path):
    rows = normal()
    rows[:, 1] = np.arange(1000) % 3
    assert doubts_of(tmp_path / "data", rows, names=("mass", "charge")) == [
        "column 'charge' (3 distinct values) has no noise: the NLL has no lower bound; dequantise "
        "it, in a table by `noise`"
    ]
    rows[:, 1] += 0.1 * np.random.default_rng(1).random(1000)  # as the table's noise
    assert doubts_of(tmp_path / "data", rows) == []


@pytest.mark.parametrize("step", [0.5, 0.05])
def test_rounded_columns_are_of_few_values_also_where_they_are_alone(tmp_path, step):
    rounded = step * np.round(normal(2000, 7) / step)
    found = doubts_of(tmp_path / "data", rounded)
    assert "and 3 more have no noise" in found[-1]
    leaks, alone = doubts_of(tmp_path / "data", rounded[:, :1])
    assert "test rows are also training rows" in leaks
    assert alone.startswith("column '0' (") and "has no noise" in alone


def test_a_value_that_many_rows_share_is_a_point_mass(tmp_path):
    rows = normal()
    rows[::4, 0] = -1.0
    assert doubts_of(tmp_path / "data", rows, names=("a", "b")) == [
        "column 'a' (one value in 25% of the rows) has a point mass: the NLL has no lower bound; "
        "drop or dequantise it"
    ]


def test_a_column_that_others_determine_is_named_with_them(tmp_path):
    rows = normal(d=3)
    rows[:, 2] = rows[:, 0] + rows[:, 1]
    assert doubts_of(tmp_path / "data", rows, names=("a", "b", "c")) == [
        "column 'c' (of 'a', 'b') is a linear combination of others: the NLL has no lower bound; "
        "drop it"
    ]


def test_grey_levels_that_do_not_occur_are_counted(tmp_path):
    rows = np.random.default_rng(0).integers(0, 4, (100, 1, 2, 3)).astype(np.uint8)
    few = np.where(rows > 1, 0, rows).astype(np.uint8)
    assert "grey levels" not in str(doubts_of(tmp_path / "data", few, Images))
    said = doubts_of(tmp_path / "data", np.zeros_like(few), Images)
    assert "only 1 of 4 grey levels occur; are there as many?" in said


def test_tables_of_the_nll_have_the_doubts_by_data_set(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    published = {"table": Published.model_validate({"as": "power", "tolerance": 0.25})}
    made = suite("table", "plane", methods=("ffjord",), seeds=1, published=published)
    rows = normal()
    rows[:, 1] = np.arange(1000) % 3
    doubts_of(made.runs[0].data, rows)
    doubts_of(made.runs[1].data, normal(), Plane)
    for run in made.runs:
        finish(made, run)
        write(made, "metrics")
    for name in ("nll", "reproduction"):
        write(made, f"tables/{name}")
        text = (tmp_path / f"results/toy/tables/{name}.md").read_text()
        (note,) = [line for line in text.splitlines() if "lower bound" in line]
        assert note.startswith("- Table: column '1' (3 distinct values) has")


def test_an_nll_of_integers_in_another_scale_is_told(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    made = suite("images", methods=("ffjord", "ot_flow", "other"), seeds=1)
    rows = np.random.default_rng(0).integers(0, 4, (1000, 1, 2, 3)).astype(np.uint8)
    doubts_of(made.runs[0].data, rows, Images)
    # A uniform density on [0, 4)^6 instead of the unit cube costs log2 4 = 2 bits more.
    for run, bits in zip(made.runs, (2.0, 4.0, 1.5), strict=True):
        finish(made, run)
        stored = read_json(run.measurement("nll"))
        stored["records"][0]["value"] = bits
        write_json(run.measurement("nll"), stored)
    write_json(tmp_path / "results/toy/images/features/floor.json", {"schema": 1, "records": []})
    write(made, "metrics")
    write(made, "tables/nll")
    text = (tmp_path / "results/toy/tables/nll.md").read_text()
    told = [line for line in text.splitlines() if "(k + u)" in line]
    assert told == [
        "- Images: OT_FLOW: more than the 2.00 bits/dim of the uniform density, which suggests "
        "another scale than that of (k + u) / 4."
    ]
