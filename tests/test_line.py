"""Figures of rows of one number, and of few rows."""

import numpy as np
import pytest
from reported import finish, suite
from reporting import STYLES
from scipy.stats import norm

from benchmark.data import dataset
from benchmark.data.dataset import Dataset, Splits
from benchmark.records.run import Run
from benchmark.report.figures import line, samples
from benchmark.report.figures.histogram import bin_count, bin_edges, histogram_scale, in_plane
from benchmark.report.figures.panels import TARGET


def curve(axes):
    return next(drawn for drawn in axes.lines if len(drawn.get_xdata()) > 1).get_data()


def test_the_learned_density_lies_on_the_histogram_of_the_data():
    rng = np.random.default_rng(0)
    rows, drawn = rng.normal(3, 2, size=20_000), rng.normal(3, 2, size=5_000)
    densities = {"ffjord": (rows[:500], norm(3, 2).logpdf(rows[:500]))}
    shown = {"ffjord": drawn, "ot_flow": drawn + 40}
    figure = line.numbers(rows, shown, densities, STYLES, {"gaussian": "out of time"})
    first, second, third = figure.axes
    x, y = curve(first)
    assert (np.diff(x) >= 0).all()
    np.testing.assert_allclose(y, norm(3, 2).pdf(x), rtol=1e-12)
    heights, edges = line.shares(rows, line.bins(rows)), line.bins(rows)
    middles = (edges[1:] + edges[:-1]) / 2
    np.testing.assert_allclose(heights, norm(3, 2).pdf(middles), atol=0.04)
    assert not second.lines and "100 % outside" in second.get_xlabel()
    assert "out of time" in " ".join(text.get_text() for text in third.texts).replace("\n", " ")


def test_of_few_rows_the_density_is_points():
    rows = np.array([1.0, 0.0, 2.0])
    (axes,) = line.numbers(
        rows, {"ffjord": rows}, {"ffjord": (rows[:1], -rows[:1])}, STYLES, {}
    ).axes
    assert [drawn.get_marker() for drawn in axes.lines] == ["o"]
    constant = line.bins(np.ones(5))
    assert (np.diff(constant) > 0).all() and constant[0] < 1 < constant[-1]


class Line(Dataset):
    event = (1,)

    @staticmethod
    def prepare():
        raise NotImplementedError


class Cube(Line):
    event = (3,)


@pytest.mark.parametrize("kind", [Line, Cube])
@pytest.mark.parametrize("n", [1, 200])
def test_tables_of_one_column_and_of_one_test_row_have_a_figure(tmp_path, monkeypatch, kind, n):
    monkeypatch.chdir(tmp_path)
    made = suite("table", methods=("ffjord", "ot_flow"), seeds=1)
    rng = np.random.default_rng(0)
    rows = [rng.normal(size=(size, *kind.event)) for size in (30, n, n)]
    dataset.write(Run("toy", "table", "any", 0).data, kind, Splits(*rows), {})
    for run in made.runs:
        finish(made, run)
    np.save(made.runs[1].log_prob, np.full(n, np.nan))  # a method without log-density
    samples.write(made, "table")
    assert (tmp_path / "results/toy/figures/samples_table.png").stat().st_size


def test_points_without_spread_have_bins():
    edges = bin_edges(np.ones((1, 2)), bin_count(1))
    assert all((np.diff(edge) > 0).all() for edge in edges)
    assert histogram_scale([np.ones((1, 2))], edges).vmax > 0
    rows = np.random.default_rng(0).normal(size=(2, 3))
    assert in_plane({TARGET: rows})[TARGET].shape[1] == 2
