"""The data card: what was counted of the rows, in words, in tables and in a figure."""

import numpy as np
import pytest
from matplotlib.image import imread
from reported import IMAGE, Images, Plane, suite

from benchmark.data import dataset
from benchmark.data.dataset import Splits
from benchmark.data.description import describe
from benchmark.report import card
from benchmark.report.figures import rows as figure
from benchmark.report.outputs import write


class Table(Plane):
    event = None


class Solid(Plane):
    event = (1, 2, 3)


def written(folder, rows, kind=Table, names=None):
    n = len(rows)
    splits = Splits(*np.split(rows, [8 * n // 10, 9 * n // 10]), columns=names)
    dataset.write(folder, kind, splits, {})
    return describe(folder)


def normal(n=200, d=2):
    return np.random.default_rng(0).normal(size=(n, d))


def cells(page):
    """Rows of the tables of a page, by their first cell."""
    lines = [line.strip("| ").split(" | ") for line in page.splitlines() if line.startswith("| ")]
    return {line[0].strip(): [cell.strip() for cell in line[1:]] for line in lines}


def test_the_page_has_what_was_counted(tmp_path):
    rows = normal()
    rows[:, 1] = np.arange(200) % 4
    rows[190:195] = rows[:5]
    page = card.page("mine", "My $particles$", written(tmp_path, rows, names=("mass", "charge")))
    assert page.startswith("# My $particles$\n\nRows of 2 columns; NLL in nats.")
    assert "- 5 of 20 test rows are also training rows.\n- Column 'charge' (4 distinct" in page
    found = cells(page)
    assert found["test"] == ["20", "0", "5"] and found["train"][:2] == ["160", "0"]
    quantiles = np.quantile(rows[:160, 0], [0, 0.01, 0.25, 0.5, 0.75, 0.99, 1], method="nearest")
    assert [float(cell) for cell in found["mass"][2:9]] == pytest.approx(quantiles, rel=1e-3)
    assert found["charge"][0] == "4 (25.00%)" and found["charge"][-1].startswith("mass (")
    assert "![Training rows](mine.png)" in page


def test_nothing_doubtful_is_said_too(tmp_path):
    page = card.page("mine", "Mine", written(tmp_path, normal()))
    assert card.SOUND in page and set(cells(page)) >= {"0", "1", "train"}


def test_columns_far_from_zero_show_the_digits_that_tell_values_apart(tmp_path):
    rows = normal() + [1.7e9, 0]
    found = cells(card.page("mine", "Mine", written(tmp_path, rows)))
    train = np.sort(rows[:160, 0])
    assert float(found["0"][2]) == pytest.approx(train[0], abs=1e-2)
    assert found["0"][2].startswith("16999999")


def test_grey_levels_and_the_base_are_counted(tmp_path):
    rows = np.random.default_rng(0).integers(0, 3, (100, *IMAGE)).astype(np.uint8)
    base = Splits(*np.split(rows, [50, 60]))
    dataset.write(tmp_path / "data", Images, Splits(*np.split(rows, [80, 90])), {}, base)
    page = card.page("images", "Images", describe(tmp_path / "data"))
    assert "Rows of 1 x 2 x 3 values, integers below 4; NLL in bits/dim." in page
    share = np.bincount(rows[:80].ravel()) / rows[:80].size
    most = share.argmax()
    assert f"3 of 4 grey levels occur in the training rows; the most frequent is {most}, " in page
    assert f"{share[most]:.1%} of the values" in page and "50 rows of the base" in page


@pytest.mark.parametrize(
    ("rows", "kind", "panels"),
    [
        (normal(), Table, 3),
        (normal(d=1), Table, 1),
        (normal(d=30), Table, figure.COLUMNS + 1),
        (np.random.default_rng(0).integers(0, 4, (200, *IMAGE)).astype(np.uint8), Images, 2),
        (normal(d=6).reshape(-1, 1, 2, 3), Solid, 1),
    ],
    ids=["table", "one column", "wide", "images", "solid"],
)
def test_every_kind_of_rows_is_drawn(tmp_path, rows, kind, panels):
    described = written(tmp_path, rows, kind)
    made = figure.draw(dataset.rows(tmp_path, "train"), described)
    titled = [axes for axes in made.axes if axes.get_title()]
    assert len(titled) == panels
    made.savefig(tmp_path / "card.png")


def test_a_column_that_is_constant_among_the_rows_that_are_drawn_is_drawn(tmp_path):
    described = written(tmp_path, normal())
    figure.draw(normal() * [1, 0], described).savefig(tmp_path / "card.png")


def test_the_histogram_counts_the_rows(tmp_path):
    rows = normal(2000)
    made = figure.draw(rows, written(tmp_path, rows, names=("a$b$", "c")))
    (steps,) = made.axes[0].patches
    counts = np.histogram(rows[:, 0], bins=figure.BINS)[0]
    np.testing.assert_allclose(steps.get_data().values, np.log10(np.maximum(counts, 0.5)))
    assert made.axes[0].get_title() == "a$b$"
    assert [tick.get_text() for tick in made.axes[0].get_yticklabels()] == ["1", "10"]
    np.testing.assert_allclose(made.axes[2].images[0].get_array(), np.corrcoef(rows.T))


def test_a_suite_writes_the_page_and_the_figure(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    made = suite("table", methods=("ffjord",), seeds=1)
    written(made.runs[0].data, normal())
    write(made, "data/table")
    folder = tmp_path / "results/toy/data"
    assert (folder / "table.md").read_text().startswith("# Table\n")
    assert imread(folder / "table.png").ndim == 3
