"""The report on images and on their features."""

import numpy as np

from benchmark.files import write_json
from benchmark.records.run import Run
from benchmark.report import gaps
from benchmark.report.figures import nearest
from tests.reported import suite


def test_the_nearest_image_is_the_nearest_of_all(monkeypatch):
    draw = np.random.default_rng(0)
    rows = draw.integers(0, 256, (500, 3, 4, 4), dtype=np.uint8)
    x = np.concatenate([rows[[7, 499]], draw.uniform(0, 255, (50, 3, 4, 4))])
    distances = ((x[:, None] - rows[None].astype(float)) ** 2).sum(axis=(2, 3, 4))
    for at_once in (500, 64):
        monkeypatch.setattr(nearest, "ROWS_AT_ONCE", at_once)
        found = nearest.nearest_rows(x, rows)
        assert found[:2].tolist() == [7, 499]
        np.testing.assert_array_equal(found, distances.argmin(axis=1))


def test_a_failure_of_the_reference_is_why_no_run_has_distances(tmp_path, monkeypatch):
    made = suite("images")
    monkeypatch.chdir(tmp_path)
    run = Run("toy", "images", "ffjord", 0)
    assert gaps.measurement_gap(made, run, "distances") == "was not run"
    failure = run.features / "reference.failure.json"
    failure.parent.mkdir(parents=True)
    write_json(failure, {"reason": "OSError: no space", "log": "x"})
    assert gaps.measurement_gap(made, run, "distances") == "OSError: no space"
