"""Figures of realistic fake data: what the artists hold, not how they look."""

import matplotlib
import numpy as np
import pytest
from drawing import (
    DATASETS,
    LEARNED,
    colours_of_lines,
    fake_curves,
    fake_density,
    fake_metrics,
    fake_samples,
    gap,
    texts,
)
from matplotlib.colors import to_hex
from matplotlib.figure import Figure
from reporting import STYLES

from benchmark.report import frame as frames
from benchmark.report.figures import (
    density,
    journey,
    learning_curves,
    nearest,
    nll_time,
    samples,
    theme,
)
from benchmark.report.figures.histogram import in_plane
from benchmark.report.figures.panels import TARGET

__all__ = ["fake_metrics"]  # the fixture


def test_every_figure_shows_a_method_in_its_colour(fake_metrics):
    target, drawn = fake_samples(500)
    log_densities = {"rings": {"ffjord": fake_density(0.1, 8)}}
    extents = {"rings": (-4.0, 4.0, -4.0, 4.0)}
    curves = learning_curves.draw(fake_curves(), STYLES, DATASETS, {}, {})
    times = nll_time.draw(fake_metrics(), STYLES, DATASETS)
    expected = {STYLES[method].colour for method in LEARNED}
    for axes in curves.axes:
        assert colours_of_lines(axes) == expected
    for axes in times.axes:
        assert expected <= colours_of_lines(axes)
    titled = [
        samples.points(target, drawn, STYLES, {}),
        samples.images(target, drawn, (1, 1, 2), STYLES, {}),
        density.draw(extents, log_densities, STYLES, DATASETS, {}, {}),
    ]
    for figure in titled:
        found = {axes.title.get_text(): to_hex(axes.title.get_color()) for axes in figure.axes}
        assert found["FFJORD"] == STYLES["ffjord"].colour
    labels = {text.get_text(): to_hex(text.get_color()) for text in times.axes[0].texts}
    assert labels["FFJORD"] == STYLES["ffjord"].colour


def test_what_is_missing_says_why(fake_metrics):
    target, drawn = fake_samples(500, methods=["interpolant"])
    reason = {"ffjord": "diverged at step 312"}
    gaps = {gap("rings", "ffjord", seed): "diverged at step 312" for seed in range(3)}
    extents = {"rings": (-4.0, 4.0, -4.0, 4.0)}
    learned = {"rings": {"interpolant": fake_density(0.1, 8)}}
    figures = [
        samples.points(target, drawn, STYLES, reason),
        samples.images(target, drawn, (1, 1, 2), STYLES, reason),
        density.draw(
            extents, learned, STYLES, DATASETS, {}, {("rings", "ffjord"): reason["ffjord"]}
        ),
        learning_curves.draw(fake_curves(methods=["interpolant"]), STYLES, DATASETS, {}, gaps),
        nll_time.draw(fake_metrics(gaps=gaps), STYLES, DATASETS),
    ]
    for figure in figures:
        assert "diverged at step 312" in texts(figure) and "missing" in texts(figure)
        assert "FFJORD" in texts(figure)


def test_histograms_are_densities_on_one_scale():
    target, drawn = fake_samples(3000)
    drawn["ffjord"] = np.concatenate([drawn["ffjord"][:1500], np.full((1500, 2), 99.0)])
    figure = samples.points(target, drawn, STYLES, {})
    meshes = {axes.title.get_text(): axes.collections[0] for axes in figure.axes[:5]}
    cell = (
        meshes["Target"].get_coordinates()[0, 1, 0] - meshes["Target"].get_coordinates()[0, 0, 0]
    ) ** 2
    assert meshes["Target"].get_array().sum() * cell == pytest.approx(1.0)
    assert meshes["FFJORD"].get_array().sum() * cell == pytest.approx(0.5, abs=0.01)
    assert "50 % outside" in texts(figure)
    assert len({mesh.get_clim() for mesh in meshes.values()}) == 1


def test_samples_between_two_data_sets_stand_beside_where_they_should_arrive():
    base, target = np.random.default_rng(0).normal(size=(2, 1000, 2)) + [
        [[3.0, 0.0]],
        [[-3.0, 0.0]],
    ]
    forward, backward = {"ffjord": target + 0.5}, {"ffjord": base - 0.5}
    gaps = {"ot_flow": "diverged at step 312"}
    figure = samples.between((base, target), forward, backward, STYLES, gaps)
    above, below = figure.axes[:4], figure.axes[4:8]
    titles = [[axes.title.get_text() for axes in line] for line in (above, below)]
    assert titles == [
        ["Base", "FFJORD", "OT-Flow", "Target"],
        ["Target", "FFJORD", "OT-Flow", "Base"],
    ]

    def centre(axes):
        mesh = axes.collections[0]
        x = mesh.get_coordinates()[0, :, 0]
        return np.average((x[1:] + x[:-1]) / 2, weights=mesh.get_array().sum(axis=0))

    # Bins are 0.4 wide, and what lies outside is not counted.
    found = [centre(axes) for axes in (above[0], above[1], above[3], below[0], below[1], below[3])]
    np.testing.assert_allclose(found, [3, -2.5, -3, -3, 2.5, 3], atol=0.2)
    meshes = [axes.collections[0] for axes in [*above, *below] if axes.collections]
    assert len(meshes) == 6 and len({mesh.get_clim() for mesh in meshes}) == 1
    assert texts(figure).count("diverged at step 312") == 2


def test_rows_of_many_columns_are_shown_on_their_principal_axes():
    # A plane in space, wider along one direction, and one remote row of fifty.
    draw = np.random.default_rng(0)
    flat = draw.normal(size=(5000, 2)) * [3.0, 1.0]
    axes = np.linalg.qr(draw.normal(size=(3, 3)))[0][:2]
    target = flat @ axes + [5.0, 6.0, 7.0]
    found = in_plane({TARGET: target, "twice": target + flat @ axes})
    expected = 2 * flat - flat.mean(axis=0)
    for axis in (0, 1):
        assert abs(np.corrcoef(found["twice"][:, axis], expected[:, axis])[0, 1]) > 0.99
    np.testing.assert_allclose(found["twice"].std(axis=0), [6, 2], rtol=0.05)
    kept = found[TARGET]
    assert len(kept) == 4900 and abs(kept).max() < abs(flat).max()
    plane = {TARGET: flat}
    assert in_plane(plane) is plane


def test_a_histogram_has_x_to_the_right_and_y_upward():
    target = np.concatenate([np.zeros((99, 2)), [[10.0, 2.0]]])
    axes = samples.points(target, {}, STYLES, {}).axes[0]
    mesh = axes.collections[0]
    row, column = np.argwhere(mesh.get_array() > 0)[-1]
    x, y = mesh.get_coordinates()[row, column]
    assert (x, y) == (pytest.approx(10, abs=0.6), pytest.approx(2, abs=0.6))


def test_a_method_that_does_not_run_on_a_data_set_has_no_panel_there():
    extents = dict.fromkeys(DATASETS, (-4.0, 4.0, -4.0, 4.0))
    truth = {TARGET: fake_density(0.2, 8)}
    found = {"rings": {**truth, "ffjord": fake_density(0.1, 8)}, "moons": truth}
    figure = density.draw(extents, found, STYLES, DATASETS, {}, {})
    assert [len(axes.images) for axes in figure.axes[:4]] == [1, 1, 1, 0]
    assert "missing" not in texts(figure)


def test_densities_share_a_scale_within_a_data_set():
    found = {TARGET: fake_density(0.2, 50), "ffjord": fake_density(0.1, 50)}
    figure = density.draw(
        {"rings": (-4.0, 4.0, -3.0, 3.0)},
        {"rings": found},
        STYLES,
        DATASETS,
        {("rings", "ffjord"): "KL 0.012 nats"},
        {},
    )
    truth, learned = (axes.images[0] for axes in figure.axes[:2])
    assert figure.axes[0].title.get_text() == "Target"
    assert truth.get_clim() == learned.get_clim() == (0, np.exp(found[TARGET].max()))
    assert truth.get_extent() == [-4, 4, -3, 3] and truth.origin == "lower"
    np.testing.assert_allclose(learned.get_array(), np.exp(found["ffjord"]))
    assert "KL 0.012 nats" in texts(figure)


def test_one_seed_one_data_set_or_none_at_all_can_be_drawn(fake_metrics, tmp_path):
    one = {"moons": "Moons"}
    figures = [
        learning_curves.draw(fake_curves(one, ["ffjord"], seeds=1), STYLES, one, {}, {}),
        nll_time.draw(fake_metrics(one, 1, methods=["ffjord"]), STYLES, one),
        nll_time.draw(fake_metrics(one, 1, methods=["gaussian"]), STYLES, one),
        nll_time.draw(fake_metrics({}), STYLES, one),
    ]
    for figure in figures:
        figure.draw_without_rendering()
    everything = {gap("moons", method, 0): "not run" for method in STYLES}
    only_gaps = frames.metrics([], everything)
    nll_time.draw(only_gaps, STYLES, one).draw_without_rendering()
    nothing = fake_curves(one, ["ffjord"], 1).iloc[:0]
    learning_curves.draw(nothing, STYLES, one, {}, everything).draw_without_rendering()


def test_files_are_written_whole(tmp_path):
    figure = samples.points(fake_samples(200)[0], {}, STYLES, {})
    theme.save(figure, tmp_path / "figure")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["figure.pdf", "figure.png"]
    assert (tmp_path / "figure.png").read_bytes()[1:4] == b"PNG"
    before = (tmp_path / "figure.png").read_bytes()

    class Broken(Figure):
        def savefig(self, *_, **__):
            raise OSError("disk full")

    with pytest.raises(OSError, match="disk full"):
        theme.save(Broken(), tmp_path / "figure")
    assert (tmp_path / "figure.png").read_bytes() == before


def test_a_figure_leaves_the_global_style_alone():
    with matplotlib.rc_context():
        matplotlib.rcdefaults()
        before = dict(matplotlib.rcParams)
        samples.points(fake_samples(200)[0], {}, STYLES, {})
        assert dict(matplotlib.rcParams) == before


def shades(*shape):
    """Images whose pixels are all ``n / count``, that of their place."""
    count = int(np.prod(shape))
    return (np.arange(count) / count).reshape(*shape, 1, 1, 1) * np.ones((1, 2, 3))


def test_images_are_laid_out_row_by_row():
    images = np.arange(36.0)[:, None] * np.ones((1, 6))
    figure = samples.images(images, {}, (1, 2, 3), STYLES, {})
    shown = figure.axes[0].images[0].get_array()
    assert shown.shape == (6 * 3 - 1, 6 * 4 - 1)
    np.testing.assert_allclose(shown[::3, ::4] * 35, np.arange(36).reshape(6, 6))


def test_values_of_samples_outside_the_range_of_images_are_counted():
    target, drawn = shades(36), np.full((200, 6), 0.5)
    drawn[:3] = [-0.1, 1.1, np.nan, 0.0, 1.0, 255.0]  # the first 36 are drawn, all are counted
    drawn[190:, :3] = 2.0
    figure = samples.images(target, {"ffjord": drawn}, (1, 2, 3), STYLES, {})
    assert [axes.get_xlabel() for axes in figure.axes] == ["", "3.5 % of values outside [0, 1]"]
    far = {"ffjord": np.full((200, 6), 9.0)}
    figure = samples.images(target, far, (1, 2, 3), STYLES, {})
    assert figure.axes[1].get_xlabel() == "100 % of values outside [0, 1]"
    figure = samples.images(255 * target, {"ffjord": drawn}, (1, 2, 3), STYLES, {})
    assert "outside" not in texts(figure)  # real numbers, in a range of their own


def test_samples_stand_above_the_images_nearest_to_them():
    drawn = shades(16)
    figure = nearest.draw({"ffjord": drawn}, {"ffjord": 1 - drawn}, STYLES, {"ot_flow": "?"})
    panel, missing = figure.axes
    shown = panel.images[0].get_array()[::3, ::4]
    expected = drawn[:, 0, 0, 0].reshape(2, 8)
    np.testing.assert_allclose(shown[::2], expected)
    np.testing.assert_allclose(shown[1::2], 1 - expected)
    assert [label.get_text() for label in panel.get_yticklabels()] == ["sample", "nearest"] * 2
    assert "missing: ?" in texts(figure) and not missing.images
    figure = samples.images(drawn, {}, (1, 2, 3), STYLES, {"ot_flow": "?"})
    for panel in (missing, figure.axes[1]):
        assert len(panel.get_xticks()) == len(panel.get_yticks()) == 0


def test_a_journey_goes_from_left_to_right():
    way = journey.Journey(shades(21, 36), np.linspace(0, 1, 21))
    figure = journey.still({"ffjord": way}, STYLES, {})
    shown = figure.axes[0].images[0].get_array()[::3, ::4]
    np.testing.assert_allclose(shown, way.images[::2, :5, 0, 0, 0].T)
    pictures = journey.film({"ffjord": way}, STYLES, {"ot_flow": "diverged"})
    assert len(pictures) == 21 and (pictures[0] != pictures[-1]).any()
