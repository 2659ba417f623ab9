"""Which runs are whole, and in which words the others are not."""

import os
from dataclasses import replace
from pathlib import Path

import pytest
from reported import Expected, finish, prepare, suite

from benchmark.files import read_json, write_json
from benchmark.report import collected
from benchmark.report.gaps import gap, gaps, measurement_gap, undrawn


@pytest.fixture
def whole(tmp_path, monkeypatch):
    """A suite on images whose runs are all whole."""
    monkeypatch.chdir(tmp_path)
    made = suite("images", methods=("ffjord", "other"), further=("sliced",))
    prepare("images")
    for run in made.runs:
        finish(made, run)
    return made


def fail(file, reason="RuntimeError: diverged"):
    write_json(file, {"reason": reason, "log": "train.log"})


def change(file, **provenance):
    content = read_json(file)
    for record in content.get("records", [content]):
        record["provenance"] |= provenance
    write_json(file, content)


def test_whole_runs_are_no_gaps(whole):
    assert gaps(whole) == {}
    for run in whole.runs:
        assert all(measurement_gap(whole, run, m) is None for m in whole.measurements_of(run))


@pytest.mark.parametrize(
    "place",
    ["seed0/train", "seed0/evaluate", "seed0/own_job", "search", "seed0/measurements/nll"],
)
def test_a_failed_job_is_the_reason(whole, place):
    run = whole.runs[0]
    fail(run.method_folder / f"{place}.failure.json")
    assert gap(whole, run) == "RuntimeError: diverged"
    others = {other for other in whole.runs if other.method == run.method} - {run}
    assert {gap(whole, other) for other in others} == {
        "RuntimeError: diverged" if place == "search" else None
    }


@pytest.mark.parametrize("place", ["density", "path", "backward", "measurements/cost"])
def test_what_a_run_is_whole_without(whole, place):
    fail(whole.runs[0].folder / f"{place}.failure.json")
    assert gap(whole, whole.runs[0]) is None


def test_a_figure_says_why_it_lacks_a_run(whole):
    run = whole.runs[0]
    assert undrawn(run.path) is None
    assert undrawn(run.density) == "its density was not evaluated"
    fail(run.folder / "backward.failure.json", "MemoryError")
    assert undrawn(run.samples_base) == "MemoryError"


@pytest.mark.parametrize("name", ["weights", "history", "samples", "cost", "likelihood"])
def test_a_missing_file_names_the_last_log(whole, name):
    run = whole.runs[0]
    getattr(run, name).unlink()
    assert gap(whole, run) == "was not run"
    for seconds, log in enumerate(("train", "measurements/nll", "evaluate")):
        (run.folder / f"{log}.log").touch()
        os.utime(run.folder / f"{log}.log", (seconds, seconds))
        assert gap(whole, run) == f"stopped before its end, see {run.folder}/{log}.log"


@pytest.mark.parametrize("name", ["nll", "sliced"])
def test_a_job_that_the_executor_saw_fail_has_its_words(whole, name):
    run = whole.runs[0]
    run.measurement(name).unlink()
    words = "SLURM job 7: the job ended with exit status 1; out of memory: raise mem_mb"
    log = run.measurement(name, "log")
    log.write_text(f"Step 1\nsubmitit: {words}\n")
    expected = f"stopped before its end: {words}, see {log}"
    assert measurement_gap(whole, run, name) == expected
    if name == "nll":
        assert gap(whole, run) == expected
    log.write_text(f"submitit: {words}\nStep 2\n")  # run again since
    assert measurement_gap(whole, run, name) == f"stopped before its end, see {log}"


def test_a_program_of_its_own_needs_no_model(whole):
    run = whole.runs[-1]
    assert run.method == "other"
    for file in (run.model, run.weights, run.history):
        file.unlink()
    change(run.measurement("nll"), config="another")
    assert gap(whole, run) is None
    assert measurement_gap(whole, run, "distances") == (
        "distances: is measured on methods of this library"
    )


def test_an_unprepared_data_set_is_the_reason_with_its_log_if_there_is_one(whole):
    (whole.runs[0].data / "data.json").unlink()
    assert gap(whole, whole.runs[0]) == "its data set was not prepared"
    log = Path("results/toy/images/prepared/now.log")
    log.parent.mkdir(parents=True, exist_ok=True)
    log.touch()
    assert gap(whole, whole.runs[0]) == f"its data set was not prepared, see {log}"


@pytest.mark.parametrize(
    ("key", "reason"),
    [
        ("train_config", "its model was trained with another config"),
        ("train_source", "its model was trained with other code"),
        ("evaluate_config", "its records were made with another config"),
        ("evaluate_source", "its records were made with other code"),
    ],
)
def test_what_was_made_otherwise_is_a_gap(whole, key, reason):
    changed = replace(whole, now=replace(Expected(), **{key: "another"}))
    assert gap(changed, whole.runs[0]) == reason
    assert gap(changed, whole.runs[-1]) is None  # nothing is known of another program


def test_other_rows_are_a_gap(whole):
    run = whole.runs[0]
    description = read_json(run.data / "data.json")
    write_json(run.data / "data.json", {**description, "hash": "other"})
    assert gap(whole, run) == "its records were made with other data"


def test_a_measurement_made_otherwise_is_a_gap_of_its_own(whole):
    run = whole.runs[0]
    change(run.measurement("sliced"), source="old")
    assert measurement_gap(whole, run, "sliced") == "its sliced was measured with other code"
    change(run.measurement("sliced"), config="old")
    assert measurement_gap(whole, run, "sliced") == "its sliced was measured with another config"
    assert gap(whole, run) is None


def test_records_that_derive_from_files_name_the_source_of_the_measurement_apart(whole):
    run = whole.runs[0]
    change(run.measurement("cost"), config="of the fit", source="of the fit")
    assert measurement_gap(whole, run, "cost") is not None
    change(run.measurement("cost"), measurement="source now")
    assert measurement_gap(whole, run, "cost") is None
    change(run.measurement("cost"), measurement="old")
    assert measurement_gap(whole, run, "cost") == "its cost was measured with other code"


def test_a_missing_measurement_says_why(whole):
    run = whole.runs[0]
    run.measurement("distances").unlink()
    assert measurement_gap(whole, run, "distances") == "was not run"
    run.measurement("distances", "log").touch()
    assert "stopped before its end" in measurement_gap(whole, run, "distances")
    fail(run.data.parent / "features/reference.failure.json", "no weights")
    assert measurement_gap(whole, run, "distances") == "no weights"
    fail(run.measurement("distances", "failure.json"), "no space")
    assert measurement_gap(whole, run, "distances") == "no space"
    assert measurement_gap(whole, run, "sliced") is None


def test_records_of_another_version_are_a_gap_in_words_and_touch_no_other(whole):
    ours, other = whole.runs[0], whole.runs[-1]
    for run in (ours, other):
        content = read_json(run.measurement("nll"))
        write_json(run.measurement("nll"), {**content, "schema": 99})
    reasons = gaps(whole)
    assert list(reasons) == [ours, other] and all("99" in reason for reason in reasons.values())
    frame = collected.collect(whole, whole.runs)
    assert frame[frame.metric == "nll"].value.notna().sum() == 2


def test_a_measurement_that_a_run_lacks_is_in_the_frame_with_its_reason(whole):
    run = whole.runs[0]
    fail(run.measurement("sliced", "failure.json"), "no space")
    frame = collected.collect(whole, whole.runs)
    lacking = frame[frame.reason.notna()].set_index(["method", "seed", "measurement"]).reason
    assert lacking["ffjord", 0, "sliced"] == "no space"
    assert "methods of this library" in lacking["other", 1, "distances"]
    assert len(lacking) == 3
