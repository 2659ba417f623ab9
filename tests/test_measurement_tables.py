"""Tables of distances of images and of further measurements, by hand."""

import pytest
from reporting import CLOSED, DATASETS, STYLES, gap, metric, record, row, seeds, write_records

from benchmark.records.run import Run
from benchmark.report import frame as frames
from benchmark.report.tables import distances, measurement, nll

__all__ = ["record"]  # the fixture

INCEPTION = {"extractor": "inception", "resize": "clean", "samples": 1000, "reference": "r1"}
DRAWN = {"solver": "dopri5", "atol": 1e-2, "rtol": 1e-2, **INCEPTION}
KEYS = ["solver", "atol", "rtol", "extractor", "resize", "samples", "reference"]


@pytest.fixture
def images(tmp_path):
    """Writes the distances of one run and gives their path."""

    def images(method, seed, fid, protocol=DRAWN, names=("fid", "kid")):
        first, second = names
        metrics = [
            metric(first, fid, "", first.upper(), n=1000),
            metric(second, fid / 1000, "", second.upper(), standard_error=0.001, n=1000),
            metric("nfe_images", 20.0 + seed, "", "NFE", direction="none", n=1000),
        ]
        path = tmp_path / "distances" / method / f"seed{seed}.json"
        more = {"protocol": protocol, "compared": KEYS}
        return write_records(path, gap(method, seed), "distances", metrics, **more)

    return images


@pytest.fixture
def floor(tmp_path):
    """The frame of the distances of test images."""
    metrics = [
        metric("fid", 1.25, "", "FID", n=500),
        metric("kid", 0.0001, "", "KID", n=500),
        metric("classifier_accuracy", 0.987, "1", direction="higher", n=500),
    ]
    run = Run("toy", "moons", "floor", 0)
    path = write_records(tmp_path / "floor.json", run, "distances", metrics, protocol=INCEPTION)
    return frames.metrics([path], {})


def table(frame, floor, **against):
    return distances.table(frame, floor, STYLES, {"moons": "Moons"}, against)


def test_distances_are_means_over_refits_above_the_floor(record, images, floor):
    files = [*seeds(record, "interpolant", [1.0, 1.0]), *seeds(record, "ffjord", [1.0, 1.0])]
    files += [images("interpolant", seed, 10.0 + seed) for seed in (0, 1)]
    files += [images("ffjord", seed, 20.0 + seed) for seed in (0, 1)]
    made = table(frames.metrics(files, {}), floor)
    assert made.columns == ("Method\n", "Moons\nFID", "Moons\nKID", "Moons\nNFE")
    rows = {cells[0].text: cells[1:] for cells in made.rows}
    assert list(rows) == ["Interpolant", "FFJORD", "Test images (floor)"]
    assert rows["Interpolant"][0] == ("10.50 ± 0.71 (n=2)", True, False)
    assert rows["FFJORD"][0] == ("20.50 ± 0.71 (n=2)", False, False)
    assert rows["Interpolant"][2].text == "20.50 ± 0.71" and not rows["Interpolant"][2].bold
    assert [cell.text for cell in rows["Test images (floor)"]] == ["1.25", "0.00010", "—"]
    notes = " ".join(made.notes)
    assert "extractor: inception; resize: clean; reference: r1; samples: 1000" in notes
    assert "floor of 500 test images" in notes
    assert "classifies 98.7% of the test images correctly" in notes


def test_distances_of_other_numbers_of_samples_are_not_ranked(record, images, floor):
    files = [*seeds(record, "interpolant", [1.0]), *seeds(record, "ffjord", [1.0])]
    files += [images("interpolant", 0, 10.0)]
    files += [images("ffjord", 0, 20.0, {**DRAWN, "samples": 500})]
    made = table(frames.metrics(files, {}), floor)
    assert not any(cell.bold for cells in made.rows for cell in cells)
    assert "samples: 1000 (Interpolant), 500 (FFJORD)" in " ".join(made.notes)


def test_published_fids_stand_below_measured_ones_only(record, images, floor):
    nll_files = seeds(record, "interpolant", [1.0])
    frame = frames.metrics([*nll_files, images("interpolant", 0, 10.0)], {})
    notes = " ".join(table(frame, floor, moons="cifar10").notes)
    assert "Moons: published FID, by other code" in notes
    assert "Interpolant 10.27*, DDPM 3.17?" in notes and "Score-SDE 2.92, " in notes
    assert "*: read in texts that quote the paper" in notes and "?: recollected" in notes
    assert "published" not in " ".join(table(frame, floor).notes)
    own = images("interpolant", 0, 10.0, names=("fd_moons_cnn", "kd_moons_cnn"))
    made = table(frames.metrics([*nll_files, own], {}), floor, moons="cifar10")
    assert made.columns[1:3] == ("Moons\nFD_MOONS_CNN", "Moons\nKD_MOONS_CNN")
    assert "published" not in " ".join(made.notes)


def test_a_missing_distance_says_why_and_leaves_the_likelihood(record, images, floor):
    files = [*seeds(record, "interpolant", [1.0]), *seeds(record, "ffjord", [1.0])]
    files += [images("interpolant", 0, 10.0)]
    frame = frames.metrics(files, {}, {(gap("ffjord", 0), "distances"): "no weights"})
    made = table(frame, floor)
    assert [cell.text for cell in made.rows[1][1:]] == ["— [a]"] * 3
    assert "[a] FFJORD on Moons, seed 0: no weights." in made.notes
    assert "—" not in nll.table(frame, STYLES, DATASETS, {}).rows[1][1].text


# --- further measurements -------------------------------------------------------------------------


@pytest.fixture
def accuracy(tmp_path):
    """Writes the records of a measurement of one's own: higher is better, beside a context."""

    def accuracy(method, seed, value, dataset="moons", protocol=None, direction="higher"):
        metrics = [
            metric("accuracy", value, "%", "Accuracy", direction=direction, standard_error=0.5),
            metric("accuracy_floor", 50.0 + seed, "%"),
        ]
        run = Run("toy", dataset, method, seed)
        path = tmp_path / dataset / method / f"seed{seed}" / "accuracy.json"
        stated = protocol or {"classifier": "small", "threads": seed}
        more = {"protocol": stated, "compared": ["classifier"]}
        return write_records(path, run, "accuracy", metrics, **more)

    return accuracy


def further(files, lacking=None):
    frame = frames.metrics(files, {}, lacking or {})
    return measurement.table(frame, "accuracy", "Accuracy of a classifier", STYLES, DATASETS)


def test_a_further_measurement_has_the_columns_of_its_records(accuracy):
    files = [accuracy("ffjord", k, 90.0 + k) for k in range(2)]
    files += [accuracy("ot_flow", k, 80.0 + k) for k in range(2)]
    files += [accuracy("ffjord", 0, 70.0, dataset="power")]
    made = further(files)
    assert made.caption == "Accuracy of a classifier, suite toy."
    assert made.columns == ("Method\n", "Moons\nAccuracy [%]", "POWER\nAccuracy [%]")
    assert [cell.text for cell in row(made, "FFJORD")] == [
        *("FFJORD", "90.50 ± 0.71 (n=2)", "70.00 (n=1)")
    ]
    error = "standard error of one run typically 0.5."
    assert f"Moons, Accuracy [%]: classifier: small; {error}" in made.notes


def test_the_floor_of_a_metric_is_a_row_below_the_methods(accuracy):
    files = [accuracy("ffjord", 0, 90.0), accuracy("ot_flow", 0, 80.0)]
    made = further(files)
    assert [cells[0].text for cells in made.rows] == ["FFJORD", "OT-Flow", "Floor"]
    assert row(made, "Floor")[1] == ("50.00", False, False)
    assert any(note.startswith("Floor: the same number of training rows") for note in made.notes)
    assert not any("accuracy floor" in note for note in made.notes)
    # Of other numbers of samples there are other floors, and data sets have their own.
    made = further([*files, accuracy("ffjord", 1, 91.0), accuracy("ffjord", 0, 70.0, "power")])
    assert [cell.text for cell in row(made, "Floor")] == ["Floor", "50.00 to 51.00", "50.00"]


def test_context_that_is_missing_says_why(accuracy):
    files = [accuracy("ffjord", 0, 90.0, direction="none"), accuracy("ot_flow", 0, 80.0)]
    frame = frames.metrics(files, {})
    frame.loc[(frame.method == "ot_flow") & (frame.metric == "accuracy"), "value"] = None
    frame.loc[(frame.method == "ot_flow") & (frame.metric == "accuracy"), "reason"] = "untold"
    made = measurement.table(frame, "accuracy", "Accuracy", STYLES, DATASETS)
    assert row(made, "OT-Flow")[1].text == "— [a]"
    assert "[a] OT-Flow on Moons, seed 0: untold." in made.notes


def test_what_compares_no_protocol_is_not_called_unmeasured(accuracy):
    frame = frames.metrics([accuracy("ffjord", 0, 90.0)], {})
    frame["compared"] = "[]"
    made = measurement.table(frame, "accuracy", "Accuracy", STYLES, DATASETS)
    assert "Moons, Accuracy [%]: standard error of one run typically 0.5." in made.notes
    frame.standard_error = None
    made = measurement.table(frame, "accuracy", "Accuracy", STYLES, DATASETS)
    assert not [note for note in made.notes if note.startswith("Moons, Accuracy")]


@pytest.mark.parametrize(
    ("direction", "first"), [("higher", ["FFJORD"]), ("lower", ["OT-Flow"]), ("none", [])]
)
def test_the_best_is_that_of_the_direction(accuracy, direction, first):
    files = [accuracy("ffjord", k, 90.0 + k, direction=direction) for k in range(2)]
    files += [accuracy("ot_flow", k, 80.0 + k, direction=direction) for k in range(2)]
    made = further(files)
    assert [cells[0].text for cells in made.rows if cells[1].bold] == first


def test_only_the_keys_that_a_measurement_compares_set_methods_apart(accuracy):
    same = [accuracy("ffjord", 0, 90.0, protocol={"classifier": "small", "threads": 1})]
    same += [accuracy("ot_flow", 0, 80.0, protocol={"classifier": "small", "threads": 9})]
    assert row(further(same), "FFJORD")[1].bold
    other = [*same[:1], accuracy("ot_flow", 0, 80.0, protocol={"classifier": "large"})]
    made = further(other)
    assert not any(cells[1].bold for cells in made.rows)
    assert any("none are ranked: FFJORD (classifier small)" in note for note in made.notes)


def test_a_control_is_not_ranked_though_its_protocol_does_not_say_so(accuracy, record):
    files = [accuracy("gaussian", 0, 99.0), accuracy("ffjord", 0, 90.0)]
    files += [accuracy("ot_flow", 0, 80.0), record("gaussian", 0, {"nll": 1.0}, CLOSED)]
    made = further(files)
    assert [cells[0].text for cells in made.rows if cells[1].bold] == ["FFJORD"]


def test_a_measurement_that_is_missing_everywhere_is_a_column_of_reasons(record):
    files = seeds(record, "ffjord", [1.0, 2.0])
    lacking = {(gap("ffjord", seed), "accuracy"): "no labels" for seed in range(2)}
    made = further(files, lacking)
    assert made.columns == ("Method\n", "Moons\nAccuracy of a classifier [not measured]")
    assert row(made, "FFJORD")[1].text == "— [a]"
    assert "[a] FFJORD on Moons, seeds 0, 1: no labels." in made.notes
