"""Figures and films of paths: what the artists hold, not how they look."""

import numpy as np
import pytest
from drawing import (
    texts,
)
from matplotlib.colors import to_hex
from PIL import Image
from reporting import STYLES

from benchmark.report.figures import (
    film,
    path,
)
from benchmark.report.figures.panels import TARGET


def fake_path(spread, extent=(-4.0, 4.0, -4.0, 4.0)):
    """A Gaussian that narrows to ``spread`` in five frames."""
    axis = np.linspace(-4, 4, 8)
    squares = np.add.outer(axis**2, axis**2)
    times = np.linspace(0, 1, 5)
    widths = 1 + times * (spread - 1)
    frames = [-squares / (2 * w**2) - np.log(2 * np.pi * w**2) for w in widths]
    return path.Frames(np.stack(frames), times, extent)


def fake_paths():
    truth = fake_path(0.5, (-2.0, 2.0, -2.0, 2.0))
    truth = path.Frames(truth.log_density[-1:], np.ones(1), truth.extent)
    wide = (-9.0, 4.0, -4.0, 5.0)
    return {
        "ffjord": fake_path(0.7),
        "interpolant": fake_path(0.5, wide),
        TARGET: truth,
    }


def test_a_path_shows_a_flow_in_a_row_from_base_to_data_and_the_target():
    paths = fake_paths()
    figure = path.still(paths, STYLES, {})
    lines = np.array(figure.axes[:14]).reshape(2, 7)
    for method, line in zip(("interpolant", "ffjord"), lines, strict=True):
        assert line[0].get_ylabel() == STYLES[method].label
        assert to_hex(line[0].yaxis.label.get_color()) == STYLES[method].colour
        # Of the frames at 0, 1/4, ..., 1 those nearest to 0, 0.2, ..., 1.
        for axes, frame in zip(line, [0, 1, 2, 2, 3, 4], strict=False):
            shown = axes.images[0].get_array()
            np.testing.assert_allclose(shown, np.exp(paths[method].log_density[frame]))
            assert tuple(axes.images[0].get_extent()) == paths[method].extent
        truth = line[6].images[0]
        np.testing.assert_allclose(truth.get_array(), np.exp(paths[TARGET].log_density[0]))
    assert [axes.title.get_text() for axes in lines[0]][-2:] == ["t = 1", "Target"]
    clims = {axes.images[0].get_clim() for axes in lines.flat}
    assert clims == {(0, np.exp(paths[TARGET].log_density.max()))}
    assert {(*axes.get_xlim(), *axes.get_ylim()) for axes in lines.flat} == {(-9, 4, -4, 5)}


def test_a_path_that_is_missing_says_why_once():
    gaps = {"ot_flow": "diverged at step 312"}
    figure = path.still(fake_paths(), STYLES, gaps)
    assert texts(figure).count("missing: diverged at step 312") == 1
    assert len(path.film(fake_paths(), STYLES, gaps)) == 5


def test_a_path_without_a_known_target_or_without_any_flow_can_be_drawn():
    paths = fake_paths()
    truth = paths.pop(TARGET)
    figure = path.still(paths, STYLES, {})
    assert "Target" not in texts(figure)
    peaks = [np.exp(frames.log_density[-1].max()) for frames in paths.values()]
    assert figure.axes[0].images[0].get_clim() == (0, pytest.approx(np.median(peaks)))
    gaps = {"ffjord": "was not run"}
    for known in ({}, {TARGET: truth}):
        path.still(known, STYLES, gaps).draw_without_rendering()
        assert len(path.film(known, STYLES, gaps)) == 1


def test_a_film_moves_with_time_and_its_target_and_panels_stand_still():
    pictures = path.film({**fake_paths(), "interpolant": fake_path(1.0)}, STYLES, {})
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
    film.save_film(pictures, tmp_path / "film.gif")
    with Image.open(tmp_path / "film.gif") as opened:
        assert (opened.n_frames, opened.size, opened.info["loop"]) == (4, (40, 30), 0)
        durations, levels = [], []
        for index in range(4):
            opened.seek(index)
            durations.append(opened.info["duration"])
            levels.append(opened.convert("RGB").getpixel((20, 15))[0])
    assert durations == [film.PAUSE, film.FRAME, film.FRAME, film.PAUSE]
    assert np.abs(np.subtract(levels, [0, 60, 120, 250])).max() < 8  # 256 colours
