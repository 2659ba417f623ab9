"""Figures of realistic fake data: what the artists hold, not how they look."""

import matplotlib
import numpy as np
import pandas as pd
import pytest
from matplotlib.colors import to_hex
from PIL import Image

from benchmark.files import write_json
from benchmark.records.records import Metric, records
from benchmark.records.run import Run
from benchmark.report import plots, tables

STYLES = {
    "interpolant": {"label": "Interpolant", "colour": "#0072b2"},
    "ffjord": {"label": "FFJORD", "colour": "#d55e00"},
    "ot_flow": {"label": "OT-Flow", "colour": "#009e73"},
    "score_sde": {"label": "Score SDE", "colour": "#cc79a7"},
    "gaussian": {"label": "Gaussian", "colour": "#7f7f7f"},
    "oracle": {"label": "True density", "colour": "#000000"},
}
LEARNED = ("interpolant", "ffjord", "ot_flow", "score_sde")
DATASETS = {"rings": "Rings", "moons": "Moons"}
ENTROPY = {"rings": 2.75, "moons": 1.60}
SECONDS = {"interpolant": 40.0, "ffjord": 900.0, "ot_flow": 300.0, "score_sde": 45.0}
EXCESS = {"interpolant": 0.02, "ffjord": 0.05, "ot_flow": 0.11, "score_sde": 0.035}


def rings(count, noise, generator):
    radius = generator.choice([1.0, 2.0, 3.0], count) + noise * generator.standard_normal(count)
    angle = 2 * np.pi * generator.random(count)
    return np.stack([radius * np.cos(angle), radius * np.sin(angle)], axis=1)


def fake_samples(count=20_000, methods=LEARNED):
    generator = np.random.default_rng(0)
    target = rings(count, 0.08, generator)
    samples = {method: rings(count, 0.08 + EXCESS[method], generator) for method in methods}
    return target, samples


def fake_density(noise, size=150):
    axis = np.linspace(-4, 4, size)
    radius = np.hypot(*np.meshgrid(axis, axis))
    peaks = [np.exp(-(((radius - r) / noise) ** 2) / 2) / (noise * r) for r in (1, 2, 3)]
    return np.log(np.sum(peaks, axis=0) / (3 * (2 * np.pi) ** 1.5) + 1e-12)


def fake_curves(datasets=DATASETS, methods=LEARNED, seeds=3):
    generator = np.random.default_rng(1)
    steps = np.unique(np.geomspace(50, 20_000, 40).astype(int))
    rows = []
    for dataset in datasets:
        for method in methods:
            for seed in range(seeds):
                speed = SECONDS[method] * (1 + 0.1 * generator.random()) / 20_000
                nll = ENTROPY[dataset] + EXCESS[method] + 300 / (steps + 100)
                nll = nll + 0.004 * generator.standard_normal(len(steps))
                run = {"dataset": dataset, "method": method, "seed": seed, "unit": "nats"}
                rows.append(
                    pd.DataFrame(
                        {"step": steps, "seconds": speed * steps, "validation_nll": nll, **run}
                    )
                )
    return pd.concat(rows, ignore_index=True).assign(loss=1.0)


@pytest.fixture
def fake_metrics(tmp_path):
    """Frame of metrics with gaps, from record files as the workflow writes them."""

    def fake_metrics(datasets=DATASETS, seeds=3, gaps=None, methods=tuple(STYLES)):
        generator = np.random.default_rng(2)
        gaps = gaps or {}
        files = []
        for dataset in datasets:
            for method in methods:
                learned = method in LEARNED
                for seed in range(seeds if learned else 1):
                    run = Run("toy", dataset, method, seed)
                    if run in gaps:
                        continue
                    excess = EXCESS.get(method, {"gaussian": 0.9, "oracle": 0.0}.get(method))
                    nll = ENTROPY[dataset] + excess + learned * 0.006 * generator.normal()
                    found = [Metric("nll", nll, "nats", standard_error=0.02, n=2000)]
                    if learned:
                        seconds = SECONDS[method] * (1 + 0.1 * generator.random())
                        found.append(Metric("training_seconds", seconds, "s"))
                    protocol = {"solver": "dopri5", "trained": learned, "rows": 2000}
                    path = tmp_path / dataset / method / f"seed{seed}.json"
                    write_json(path, records(run, found, protocol, {"source": "s"}))
                    files.append(path)
        return tables.metrics(files, gaps)

    return fake_metrics


def gap(dataset, method, seed):
    return Run("toy", dataset, method, seed)


def texts(figure):
    found = figure.findobj(matplotlib.text.Text)
    return " ".join(text.get_text().replace("\n", " ") for text in found)


def colours_of_lines(axes):
    return {to_hex(line.get_color()) for line in axes.lines}


def test_every_figure_shows_a_method_in_its_colour(fake_metrics):
    target, samples = fake_samples(500)
    log_densities = {"rings": {"ffjord": fake_density(0.1, 8)}}
    extents = {"rings": (-4.0, 4.0, -4.0, 4.0)}
    curves = plots.learning_curves(fake_curves(), STYLES, DATASETS, {}, {})
    times = plots.nll_against_time(fake_metrics(), STYLES, DATASETS)
    expected = {STYLES[method]["colour"] for method in LEARNED}
    for axes in curves.axes:
        assert colours_of_lines(axes) == expected
    for axes in times.axes:
        assert expected <= colours_of_lines(axes)
    titled = [
        plots.samples_2d(target, samples, STYLES, {}),
        plots.samples_images(target, samples, (1, 1, 2), STYLES, {}),
        plots.densities(extents, log_densities, STYLES, DATASETS, {}, {}),
    ]
    for figure in titled:
        found = {axes.title.get_text(): to_hex(axes.title.get_color()) for axes in figure.axes}
        assert found["FFJORD"] == STYLES["ffjord"]["colour"]
    labels = {text.get_text(): to_hex(text.get_color()) for text in times.axes[0].texts}
    assert labels["FFJORD"] == STYLES["ffjord"]["colour"]


def test_axes_name_quantity_and_unit(fake_metrics):
    curves = plots.learning_curves(fake_curves(), STYLES, DATASETS, {}, {})
    assert curves.axes[0].get_ylabel() == "Rings\nvalidation NLL [nats]"
    assert [axes.get_xlabel() for axes in curves.axes[:2]] == [
        "training step",
        "training time [s]",
    ]
    times = plots.nll_against_time(fake_metrics(), STYLES, DATASETS)
    assert times.axes[0].get_ylabel() == "test NLL [nats]"
    assert times.axes[0].get_xlabel() == "training time [s]"
    assert {axes.get_xscale() for axes in [*curves.axes, *times.axes]} == {"log"}


def test_learning_curves_are_means_with_their_range():
    frame = pd.DataFrame(
        {
            "dataset": "rings",
            "method": "ffjord",
            "unit": "nats",
            "loss": 0.0,
            "seed": [0, 0, 0, 0, 1, 1, 1],
            "step": [0, 10, 15, 100, 0, 10, 100],
            "seconds": [0.0, 1.0, 1.5, 10.0, 0.0, 3.0, 30.0],
            "validation_nll": [9.0, 4.0, np.nan, 2.0, 9.0, 6.0, 3.0],
        }
    )
    figure = plots.learning_curves(frame, STYLES, DATASETS, {"rings": 1.5}, {})
    steps, seconds = figure.axes
    np.testing.assert_allclose(steps.lines[0].get_xydata(), [[10, 5.0], [100, 2.5]])
    np.testing.assert_allclose(seconds.lines[0].get_xydata(), [[2, 5.0], [20, 2.5]])
    band = steps.collections[0].get_paths()[0].vertices
    assert {(10, 4.0), (10, 6.0), (100, 2.0), (100, 3.0)} <= set(map(tuple, band))
    for axes in figure.axes:
        assert list(axes.lines[1].get_ydata()) == [1.5, 1.5]
        assert axes.lines[1].get_linestyle() == "--"
    assert "FFJORD (n=2)" in texts(figure)


def test_curves_far_above_the_others_are_named_at_the_edge():
    run = {"dataset": "rings", "unit": "nats", "loss": 0.0}
    frame = pd.DataFrame(
        {
            **run,
            "method": [name for name in ("interpolant", "score_sde", "ffjord") for _ in range(4)],
            "seed": [0, 0, 1, 1] * 3,
            "step": [10, 100] * 6,
            "seconds": [1.0, 10.0] * 6,
            "validation_nll": [2, 1, 2, 1.1, 2, 1.2, 2, 1.1, 90, 50, 90, 52],
        }
    )
    for axes in plots.learning_curves(frame, STYLES, DATASETS, {}, {}).axes:
        (label,) = axes.texts
        assert label.get_text() == "FFJORD 51 ↑" and to_hex(label.get_color()) == "#d55e00"
        assert axes.get_ylim()[1] < 50
    frame.loc[frame.validation_nll > 3, "validation_nll"] = 2.0
    assert not any(
        axes.texts for axes in plots.learning_curves(frame, STYLES, DATASETS, {}, {}).axes
    )


def test_curves_of_seeds_with_other_steps_are_means_of_their_evaluations():
    run = {"dataset": "rings", "method": "ffjord", "unit": "nats", "loss": 0.0}
    evaluated = {"step": [8, 100, 12, 120], "seconds": [1.0, 10.0, 1.0, 10.0]}
    frame = pd.DataFrame(
        {**run, "seed": [0, 0, 1, 1], **evaluated, "validation_nll": [4.0, 2.0, 6.0, 3.0]}
    )
    steps, seconds = plots.learning_curves(frame, STYLES, DATASETS, {}, {}).axes
    np.testing.assert_allclose(steps.lines[0].get_xydata(), [[10, 5.0], [110, 2.5]])
    np.testing.assert_allclose(seconds.lines[0].get_xydata(), [[1, 5.0], [10, 2.5]])


def test_diagnostics_are_means_with_their_range_a_column_each():
    frame = pd.DataFrame(
        {
            **{"dataset": "rings", "method": "ffjord", "unit": "nats", "loss": 0.0},
            **{"seconds": 1.0, "validation_nll": np.nan},
            "seed": [0, 0, 0, 1, 1],
            "step": [10, 15, 100, 10, 100],
            "path_length": [4.0, np.nan, 2.0, 6.0, 3.0],
            "own": [0.0, np.nan, -1.0, 1.0, -3.0],
        }
    )
    missing = {gap("moons", "ot_flow", 1): "diverged"}
    figure = plots.diagnostics(frame, STYLES, DATASETS, missing)
    lengths, own, *rest = figure.axes
    np.testing.assert_allclose(lengths.lines[0].get_xydata(), [[10, 5.0], [100, 2.5]])
    np.testing.assert_allclose(own.lines[0].get_xydata(), [[10, 0.5], [100, -2.0]])
    band = own.collections[0].get_paths()[0].vertices
    assert {(10, 0.0), (10, 1.0), (100, -1.0), (100, -3.0)} <= set(map(tuple, band))
    assert "path length" in lengths.get_ylabel() and own.get_ylabel() == "own"
    assert all(colours_of_lines(axes) == {"#d55e00"} for axes in (lengths, own))
    assert not any(axes.lines for axes in rest) and len(rest) == 2
    said = texts(figure)
    assert "FFJORD (n=2)" in said and "missing: OT-Flow on Moons, seed 1: diverged" in said


def test_nll_against_time_holds_means_deviations_and_seeds(fake_metrics):
    frame = fake_metrics()
    axes = plots.nll_against_time(frame, STYLES, DATASETS).axes[0]
    own = frame[(frame.dataset == "rings") & (frame.method == "ffjord")]
    nll = own.value[own.metric == "nll"].to_numpy()
    seconds = own.value[own.metric == "training_seconds"].to_numpy()
    lines = [line for line in axes.lines if to_hex(line.get_color()) == "#d55e00"]
    (seeds,) = [line for line in lines if len(line.get_xdata()) == 3]
    np.testing.assert_allclose(seeds.get_xydata(), np.stack([seconds, nll], axis=1))
    (mean,) = [line for line in lines if line.get_marker() == "o"]
    np.testing.assert_allclose(mean.get_xydata(), [[seconds.mean(), nll.mean()]])
    bars = [bar.get_segments()[0] for bar in axes.collections]
    half = [bar[1, 1] - nll.mean() for bar in bars if np.isclose(bar[0, 0], seconds.mean())]
    np.testing.assert_allclose(half, [nll.std(ddof=1)])


def test_a_far_reference_does_not_flatten_the_methods_but_is_named(fake_metrics):
    figure = plots.nll_against_time(fake_metrics(), STYLES, DATASETS)
    low, high = figure.axes[0].get_ylim()
    assert low < 2.75 and high < 3.1
    assert "Gaussian 3.65 ↑" in texts(figure) and "True density" in texts(figure)


def test_names_of_a_far_and_of_a_near_reference_do_not_overlap(fake_metrics):
    frame = fake_metrics()
    high = plots.nll_against_time(frame, STYLES, {"rings": "Rings"}).axes[0].get_ylim()[1]
    near = (frame.method == "oracle") & (frame.metric == "nll")
    frame.loc[near, "value"] = high - 0.02
    figure = plots.nll_against_time(frame, STYLES, {"rings": "Rings"})
    figure.draw_without_rendering()
    found = {text.get_text(): text.get_window_extent() for text in figure.axes[0].texts}
    assert not found["Gaussian 3.65 ↑"].overlaps(found["True density"])


def test_references_at_one_place_share_a_label(fake_metrics):
    frame = fake_metrics()
    near = (frame.method == "gaussian") & (frame.metric == "nll")
    frame.loc[near, "value"] = frame.dataset[near].map(ENTROPY) + 1e-4
    figure = plots.nll_against_time(frame, STYLES, {"rings": "Rings"})
    labels = [text.get_text() for text in figure.axes[0].texts]
    assert "Gaussian, True density" in labels and "True density" not in labels


def test_a_far_method_is_named_at_the_edge(fake_metrics):
    frame = fake_metrics()
    off = (frame.method == "ot_flow") & (frame.metric == "nll")
    frame.loc[off, "value"] += 5
    figure = plots.nll_against_time(frame, STYLES, DATASETS)
    assert figure.axes[0].get_ylim()[1] < 3.2
    assert "OT-Flow 7.86 ↑" in texts(figure)


def test_what_is_missing_says_why(fake_metrics):
    target, samples = fake_samples(500, methods=["interpolant"])
    reason = {"ffjord": "diverged at step 312"}
    gaps = {gap("rings", "ffjord", seed): "diverged at step 312" for seed in range(3)}
    extents = {"rings": (-4.0, 4.0, -4.0, 4.0)}
    learned = {"rings": {"interpolant": fake_density(0.1, 8)}}
    figures = [
        plots.samples_2d(target, samples, STYLES, reason),
        plots.samples_images(target, samples, (1, 1, 2), STYLES, reason),
        plots.densities(
            extents, learned, STYLES, DATASETS, {}, {("rings", "ffjord"): reason["ffjord"]}
        ),
        plots.learning_curves(fake_curves(methods=["interpolant"]), STYLES, DATASETS, {}, gaps),
        plots.nll_against_time(fake_metrics(gaps=gaps), STYLES, DATASETS),
    ]
    for figure in figures:
        assert "diverged at step 312" in texts(figure) and "missing" in texts(figure)
        assert "FFJORD" in texts(figure)


def test_histograms_are_densities_on_one_scale():
    target, samples = fake_samples(3000)
    samples["ffjord"] = np.concatenate([samples["ffjord"][:1500], np.full((1500, 2), 99.0)])
    figure = plots.samples_2d(target, samples, STYLES, {})
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
    figure = plots.samples_between((base, target), forward, backward, STYLES, gaps)
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
    found = plots._in_plane({plots.TARGET: target, "twice": target + flat @ axes})
    expected = 2 * flat - flat.mean(axis=0)
    for axis in (0, 1):
        assert abs(np.corrcoef(found["twice"][:, axis], expected[:, axis])[0, 1]) > 0.99
    np.testing.assert_allclose(found["twice"].std(axis=0), [6, 2], rtol=0.05)
    kept = found[plots.TARGET]
    assert len(kept) == 4900 and abs(kept).max() < abs(flat).max()
    plane = {plots.TARGET: flat}
    assert plots._in_plane(plane) is plane


def test_a_histogram_has_x_to_the_right_and_y_upward():
    target = np.concatenate([np.zeros((99, 2)), [[10.0, 2.0]]])
    axes = plots.samples_2d(target, {}, STYLES, {}).axes[0]
    mesh = axes.collections[0]
    row, column = np.argwhere(mesh.get_array() > 0)[-1]
    x, y = mesh.get_coordinates()[row, column]
    assert (x, y) == (pytest.approx(10, abs=0.6), pytest.approx(2, abs=0.6))


def test_images_are_laid_out_row_by_row():
    images = np.arange(36.0)[:, None] * np.ones((1, 6))
    figure = plots.samples_images(images, {}, (1, 2, 3), STYLES, {})
    shown = figure.axes[0].images[0].get_array()
    assert shown.shape == (6 * 3 - 1, 6 * 4 - 1)
    np.testing.assert_allclose(shown[::3, ::4] * 35, np.arange(36).reshape(6, 6))


def shades(*shape):
    """Images whose pixels are all ``n / count``, that of their place."""
    count = int(np.prod(shape))
    return (np.arange(count) / count).reshape(*shape, 1, 1, 1) * np.ones((1, 2, 3))


def test_samples_stand_above_the_images_nearest_to_them():
    samples = shades(16)
    figure = plots.nearest({"ffjord": samples}, {"ffjord": 1 - samples}, STYLES, {"ot_flow": "?"})
    drawn, missing = figure.axes
    shown = drawn.images[0].get_array()[::3, ::4]
    expected = samples[:, 0, 0, 0].reshape(2, 8)
    np.testing.assert_allclose(shown[::2], expected)
    np.testing.assert_allclose(shown[1::2], 1 - expected)
    assert [label.get_text() for label in drawn.get_yticklabels()] == ["sample", "nearest"] * 2
    assert "missing: ?" in texts(figure) and not missing.images
    figure = plots.samples_images(samples, {}, (1, 2, 3), STYLES, {"ot_flow": "?"})
    for panel in (missing, figure.axes[1]):
        assert len(panel.get_xticks()) == len(panel.get_yticks()) == 0


def test_a_journey_goes_from_left_to_right():
    journey = plots.Journey(shades(21, 36), np.linspace(0, 1, 21))
    figure = plots.journeys({"ffjord": journey}, STYLES, {})
    shown = figure.axes[0].images[0].get_array()[::3, ::4]
    np.testing.assert_allclose(shown, journey.images[::2, :5, 0, 0, 0].T)
    pictures = plots.journeys_film({"ffjord": journey}, STYLES, {"ot_flow": "diverged"})
    assert len(pictures) == 21 and (pictures[0] != pictures[-1]).any()


def test_quality_is_a_line_for_each_fit_above_the_floor():
    rows = [(0.1, 10, 8.0, 0), (0.01, 20, 4.0, 0), (0.1, 12, 7.0, 1), (0.01, 22, 3.0, 1)]
    curves = pd.DataFrame(rows, columns=["tolerance", "nfe", "distance", "seed"])
    curves = curves.assign(dataset="rings", method="ffjord")
    gaps = {gap("rings", "ot_flow", 0): "diverged"}
    figure = plots.quality(curves, {"rings": 2.0}, {"rings": "fid"}, STYLES, DATASETS, gaps)
    (axes,) = figure.axes
    first, second, floor = axes.lines
    assert first.get_xydata().tolist() == [[10, 8], [20, 4]]
    assert second.get_xydata().tolist() == [[12, 7], [22, 3]]
    assert set(floor.get_ydata()) == {2.0} and axes.get_ylabel() == "fid"
    assert "diverged" in texts(figure)


def test_a_method_that_does_not_run_on_a_data_set_has_no_panel_there():
    extents = dict.fromkeys(DATASETS, (-4.0, 4.0, -4.0, 4.0))
    truth = {plots.TARGET: fake_density(0.2, 8)}
    found = {"rings": {**truth, "ffjord": fake_density(0.1, 8)}, "moons": truth}
    figure = plots.densities(extents, found, STYLES, DATASETS, {}, {})
    assert [len(axes.images) for axes in figure.axes[:4]] == [1, 1, 1, 0]
    assert "missing" not in texts(figure)


def test_densities_share_a_scale_within_a_data_set():
    found = {plots.TARGET: fake_density(0.2, 50), "ffjord": fake_density(0.1, 50)}
    figure = plots.densities(
        {"rings": (-4.0, 4.0, -3.0, 3.0)},
        {"rings": found},
        STYLES,
        DATASETS,
        {("rings", "ffjord"): "KL 0.012 nats"},
        {},
    )
    truth, learned = (axes.images[0] for axes in figure.axes[:2])
    assert figure.axes[0].title.get_text() == "Target"
    assert truth.get_clim() == learned.get_clim() == (0, np.exp(found[plots.TARGET].max()))
    assert truth.get_extent() == [-4, 4, -3, 3] and truth.origin == "lower"
    np.testing.assert_allclose(learned.get_array(), np.exp(found["ffjord"]))
    assert "KL 0.012 nats" in texts(figure)


def fake_path(spread, extent=(-4.0, 4.0, -4.0, 4.0)):
    """A Gaussian that narrows to ``spread`` in five frames."""
    axis = np.linspace(-4, 4, 8)
    squares = np.add.outer(axis**2, axis**2)
    times = np.linspace(0, 1, 5)
    widths = 1 + times * (spread - 1)
    frames = [-squares / (2 * w**2) - np.log(2 * np.pi * w**2) for w in widths]
    return plots.Frames(np.stack(frames), times, extent)


def fake_paths():
    truth = fake_path(0.5, (-2.0, 2.0, -2.0, 2.0))
    truth = plots.Frames(truth.log_density[-1:], np.ones(1), truth.extent)
    wide = (-9.0, 4.0, -4.0, 5.0)
    return {
        "ffjord": fake_path(0.7),
        "interpolant": fake_path(0.5, wide),
        plots.TARGET: truth,
    }


def test_a_path_shows_a_flow_in_a_row_from_base_to_data_and_the_target():
    paths = fake_paths()
    figure = plots.path(paths, STYLES, {})
    lines = np.array(figure.axes[:14]).reshape(2, 7)
    for method, line in zip(("interpolant", "ffjord"), lines, strict=True):
        assert line[0].get_ylabel() == STYLES[method]["label"]
        assert to_hex(line[0].yaxis.label.get_color()) == STYLES[method]["colour"]
        # Of the frames at 0, 1/4, ..., 1 those nearest to 0, 0.2, ..., 1.
        for axes, frame in zip(line, [0, 1, 2, 2, 3, 4], strict=False):
            shown = axes.images[0].get_array()
            np.testing.assert_allclose(shown, np.exp(paths[method].log_density[frame]))
            assert tuple(axes.images[0].get_extent()) == paths[method].extent
        truth = line[6].images[0]
        np.testing.assert_allclose(truth.get_array(), np.exp(paths[plots.TARGET].log_density[0]))
    assert [axes.title.get_text() for axes in lines[0]][-2:] == ["$t$ = 1", "Target"]
    clims = {axes.images[0].get_clim() for axes in lines.flat}
    assert clims == {(0, np.exp(paths[plots.TARGET].log_density.max()))}
    assert {(*axes.get_xlim(), *axes.get_ylim()) for axes in lines.flat} == {(-9, 4, -4, 5)}


def test_a_path_that_is_missing_says_why_once():
    gaps = {"ot_flow": "diverged at step 312"}
    figure = plots.path(fake_paths(), STYLES, gaps)
    assert texts(figure).count("missing: diverged at step 312") == 1
    assert len(plots.path_film(fake_paths(), STYLES, gaps)) == 5


def test_a_path_without_a_known_target_or_without_any_flow_can_be_drawn():
    paths = fake_paths()
    truth = paths.pop(plots.TARGET)
    figure = plots.path(paths, STYLES, {})
    assert "Target" not in texts(figure)
    peaks = [np.exp(frames.log_density[-1].max()) for frames in paths.values()]
    assert figure.axes[0].images[0].get_clim() == (0, pytest.approx(np.median(peaks)))
    gaps = {"ffjord": "was not run"}
    for known in ({}, {plots.TARGET: truth}):
        plots.path(known, STYLES, gaps).draw_without_rendering()
        assert len(plots.path_film(known, STYLES, gaps)) == 1


def test_a_film_moves_with_time_and_its_target_and_panels_stand_still():
    pictures = plots.path_film({**fake_paths(), "interpolant": fake_path(1.0)}, STYLES, {})
    assert len(pictures) == 5
    height, width, channels = pictures[0].shape
    assert channels == 3
    change = np.abs(pictures[0].astype(int) - pictures[-1]).sum(axis=2)[height // 4 :]
    thirds = [change[:, width * k // 3 : width * (k + 1) // 3] for k in range(3)]
    # The interpolant of this film stays N(0, 1), FFJORD narrows, the target is one frame.
    assert [bool(third.any()) for third in thirds] == [False, True, False]
    clock = np.abs(pictures[0].astype(int) - pictures[2]).sum(axis=2)[: height // 8]
    assert clock.any()


def test_a_film_pauses_at_both_ends_and_loops(tmp_path):
    pictures = [np.full((30, 40, 3), level, dtype=np.uint8) for level in (0, 60, 120, 250)]
    plots.save_film(pictures, tmp_path / "film.gif")
    with Image.open(tmp_path / "film.gif") as film:
        assert (film.n_frames, film.size, film.info["loop"]) == (4, (40, 30), 0)
        durations, levels = [], []
        for index in range(4):
            film.seek(index)
            durations.append(film.info["duration"])
            levels.append(film.convert("RGB").getpixel((20, 15))[0])
    assert durations == [plots.PAUSE, plots.FRAME, plots.FRAME, plots.PAUSE]
    assert np.abs(np.subtract(levels, [0, 60, 120, 250])).max() < 8  # 256 colours


def test_one_seed_one_data_set_or_none_at_all_can_be_drawn(fake_metrics, tmp_path):
    one = {"moons": "Moons"}
    figures = [
        plots.learning_curves(fake_curves(one, ["ffjord"], seeds=1), STYLES, one, {}, {}),
        plots.nll_against_time(fake_metrics(one, 1, methods=["ffjord"]), STYLES, one),
        plots.nll_against_time(fake_metrics(one, 1, methods=["gaussian"]), STYLES, one),
        plots.nll_against_time(fake_metrics({}), STYLES, one),
    ]
    for figure in figures:
        figure.draw_without_rendering()
    everything = {gap("moons", method, 0): "not run" for method in STYLES}
    only_gaps = tables.metrics([], everything)
    plots.nll_against_time(only_gaps, STYLES, one).draw_without_rendering()
    nothing = fake_curves(one, ["ffjord"], 1).iloc[:0]
    plots.learning_curves(nothing, STYLES, one, {}, everything).draw_without_rendering()


def test_files_are_written_whole(tmp_path):
    figure = plots.samples_2d(fake_samples(200)[0], {}, STYLES, {})
    plots.save(figure, tmp_path / "figure")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["figure.pdf", "figure.png"]
    assert (tmp_path / "figure.png").read_bytes()[1:4] == b"PNG"
    before = (tmp_path / "figure.png").read_bytes()

    class Broken(plots.Figure):
        def savefig(self, *_, **__):
            raise OSError("disk full")

    with pytest.raises(OSError, match="disk full"):
        plots.save(Broken(), tmp_path / "figure")
    assert (tmp_path / "figure.png").read_bytes() == before


def test_a_figure_leaves_the_global_style_alone():
    with matplotlib.rc_context():
        matplotlib.rcdefaults()
        before = dict(matplotlib.rcParams)
        plots.samples_2d(fake_samples(200)[0], {}, STYLES, {})
        assert dict(matplotlib.rcParams) == before
