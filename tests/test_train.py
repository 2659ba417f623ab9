"""The step that trains, files in and files out, and what reads its training.csv."""

import csv
import dataclasses
import signal

import numpy as np
import pandas as pd
import pytest
import torch
import yaml

from benchmark.baselines.interpolant import InterpolantFlow
from benchmark.data import dataset, prepare
from benchmark.data.description import Description
from benchmark.files import read_json, write_json
from benchmark.jobs import steps
from benchmark.measure.cost import Cost
from benchmark.measure.measurement import Subject, measure
from benchmark.measure.nll import NLL
from benchmark.records import records
from benchmark.records.run import data_folder
from benchmark.report import report
from benchmark.runtime.checkpoint import Interrupted, Part
from benchmark.runtime.log import failure_of
from benchmark.source import ROOT
from benchmark.suite import config
from benchmark.training import loop
from benchmark.training.loop import Row

CPU = torch.device("cpu")

STATED = {"config": "hash", "source": "digest"}

TOY = (ROOT / "tests/toy.yaml").read_text()


@pytest.fixture
def suite(tmp_path, monkeypatch, single_precision):
    """The toy suite's interpolant in the plane, its rows prepared in the folder of the test."""
    toy = yaml.safe_load(TOY)
    section = toy["suites"]["toy"]
    section["datasets"].pop("digits")
    section["methods"] = {"interpolant": section["methods"]["interpolant"]}
    section["methods"]["interpolant"]["train"]["validations"] = 3
    found = config.load(toy, ROOT / "workflow/schemas/config.schema.yaml")
    monkeypatch.chdir(tmp_path)
    for name, entry in found.datasets.items():
        folder = data_folder("toy", name)
        folder.parent.mkdir(parents=True)
        prepare.prepare(entry, tmp_path, folder)
    return found


def train(suite, run, numbers=None, probes=None, **changes):
    numbers = numbers or suite.numbers(run)
    settings = {
        **suite.validation,
        **({"probes": probes} if probes else {}),
        "config": "hash" if changes else suite.train_hash(run),
        "source": "digest",
    }
    run.folder.mkdir(parents=True)
    changed = {**numbers, "train": {**numbers["train"], **changes}}
    steps.train(run, changed, settings, run.data, run.folder, CPU)
    with (run.folder / "training.csv").open() as file:
        return list(csv.DictReader(file))


def recorded(measurement, run):
    """The records of a measurement of a run, by their metric."""
    name = type(measurement).__name__.lower()
    measure(measurement, Subject(name, run, "digest", "hash"))
    return {record["metric"]: record for record in records.read(run.measurement(name))}


def test_diagnostics_are_columns_on_the_held_out_rows_of_the_method(suite, monkeypatch):
    seen = []

    def diagnostics(self, x1):
        seen.append(x1)
        return {"mean": x1.mean().item(), **({"late": 7.0} if len(seen) > 1 else {})}

    monkeypatch.setattr(InterpolantFlow, "diagnostics", diagnostics)
    rows = train(suite, suite.runs[0])
    assert list(rows[0]) == ["step", "seconds", "loss", "validation_nll", "mean", "late"]
    data = data_folder("toy", "eight_gaussians")
    known, held_out = dataset.rows(data, "train"), dataset.rows(data, "validation")
    expected = ((held_out - known.mean(axis=0)) / known.std(axis=0)).mean()
    validated = [row for row in rows if row["validation_nll"]]
    assert len(validated) == 3
    for row in validated:
        # float32 sums of 20 rows of order 1.
        assert float(row["mean"]) == pytest.approx(expected, abs=1e-6)
    assert [row["late"] for row in validated] == ["", "7.0", "7.0"]
    assert all(row["mean"] == row["late"] == "" for row in rows if row not in validated)


def test_a_method_without_likelihood_is_trained_with_its_diagnostics(suite, monkeypatch):
    monkeypatch.setattr(InterpolantFlow, "likelihood_gap", lambda self: "no density")
    monkeypatch.setattr(InterpolantFlow, "log_prob", None)
    monkeypatch.setattr(InterpolantFlow, "diagnostics", lambda self, x1: {"rows": float(len(x1))})
    rows = train(suite, suite.runs[0])
    assert not any(row["validation_nll"] for row in rows)
    assert [row["rows"] for row in rows].count("20.0") == 3


def test_validations_have_the_same_probes(suite):
    # A rate so small that the weights stay: what differs between validations is their noise.
    rows = train(suite, suite.runs[0], probes=1, lr=1e-30, ema=0.0)
    found = [row["validation_nll"] for row in rows if row["validation_nll"]]
    assert len(found) == 3 and len(set(found)) == 1


def test_learning_curves_read_histories_with_and_without_diagnostics(suite, monkeypatch):
    given, draw = [], report.plots.learning_curves
    monkeypatch.setattr(report, "gap", lambda suite, run: None)
    monkeypatch.setattr(report.plots, "learning_curves", lambda *a: (given.append(a), draw(*a))[1])
    first, second = suite.runs
    histories = {first.seed: train(suite, first)}
    monkeypatch.setattr(InterpolantFlow, "diagnostics", lambda self, x1: {"energy": 2.0})
    histories[second.seed] = train(suite, second)
    report.write_learning_curves(suite)
    frame: pd.DataFrame = given[0][0]
    for seed, history in histories.items():
        found = frame[frame.seed == seed].validation_nll
        expected = [float(row["validation_nll"] or "nan") for row in history]
        np.testing.assert_array_equal(found, expected)


def test_steps_and_precision_of_the_training_are_those_that_were(suite, monkeypatch):
    # All validations are equal: the first stays the best.
    monkeypatch.setattr(Description, "nll", lambda self, values: np.zeros_like(values))
    stopping = {"patience": 2, "drops": 0, "factor": 1.0}
    run = suite.runs[0]
    rows = train(suite, run, precision="bfloat16", early_stopping=stopping, validations=5)
    stored = read_json(run.folder / "model.json")
    # Validations at 4, 8, 12 of 20 steps; the second and third do not improve.
    assert (rows[-1]["step"], stored["training"]["steps"]) == ("12", 12)
    assert stored["training"]["precision"] == "bfloat16"
    assert stored["weights"] == "EMA 0.9, best validation"

    settings = {**suite.evaluation, "config": suite.run_hash(run), "source": "digest"}
    steps.evaluate(
        run, suite.numbers(run), settings, "results/toy/eight_gaussians/data", run.folder, CPU
    )
    costs = recorded(Cost(), run)
    seconds = float(rows[-1]["seconds"])
    assert costs["step_time"]["value"] == pytest.approx(1000 * seconds / 12)
    precisions = {name: cost["protocol"].get("training_precision") for name, cost in costs.items()}
    of_likelihood = dict.fromkeys(["nfe_likelihood", "nodes_likelihood"])
    assert precisions == {**dict.fromkeys(costs, "bfloat16"), **of_likelihood}


# --- the search of a learning rate ----------------------------------------------------------------


def searched(suite, run, **changes):
    numbers = suite.numbers(run)
    numbers = {**numbers, "train": {**numbers["train"], **changes}}
    chosen = {"factors": [1e-4, 10.0, 1.0], "share": 0.5}
    settings = {**suite.validation, "config": "hash", "source": "digest", "search": chosen}
    run.folder.mkdir(parents=True, exist_ok=True)
    data = run.data
    steps.search(run, numbers, settings, data, run.folder, CPU)
    return read_json(run.folder / "search.json"), numbers


def test_the_learning_rate_of_the_lowest_validation_nll_is_found(suite):
    found, numbers = searched(suite, suite.runs[0])
    assert [rate["lr"] for rate in found["tried"]] == pytest.approx([1e-7, 1e-2, 1e-3])
    nlls = [rate["validation_nll"] for rate in found["tried"]]
    # In 10 steps: the first does not move at all.
    assert min(nlls) == nlls[1] and found["lr"] == found["tried"][1]["lr"]
    chosen = steps.with_rate(numbers, suite.runs[0].folder / "search.json")
    assert chosen == {**numbers, "train": {**numbers["train"], "lr": found["lr"]}}
    assert not list(suite.runs[0].folder.glob("*.checkpoint"))


def test_a_trial_is_the_training_with_its_share_of_the_budget(suite):
    run = suite.runs[0]
    found, numbers = searched(suite, run, schedule="cosine")
    half = {**numbers["train"], "steps": 10, "lr": 1e-2}
    history = train(suite, dataclasses.replace(run, method="again"), numbers=numbers, **half)
    assert float(history[-1]["validation_nll"]) == found["tried"][1]["validation_nll"]


def test_a_share_of_seconds_is_a_share_of_seconds(suite):
    numbers = {"train": {"lr": 0.1, "seconds": 8.0, "validations": 8}}
    found = steps._trial(numbers, 3.0, 0.25)["train"]
    assert found == {"lr": pytest.approx(0.3), "seconds": 2.0, "validations": 2}
    assert steps._trial(numbers, 1.0, 0.01)["train"]["validations"] == 1


def test_a_rate_that_diverges_is_not_chosen_and_says_why(suite, monkeypatch):
    step = loop.Descent.step

    def diverging(which):
        def diverge(self, x1, factor):
            return step(self, x1, factor) * (float("nan") if which(self.settings.lr) else 1.0)

        monkeypatch.setattr(loop.Descent, "step", diverge)

    diverging(lambda lr: lr == pytest.approx(1e-2))
    found, _ = searched(suite, suite.runs[0])
    assert found["lr"] == found["tried"][2]["lr"]
    failed = found["tried"][1]
    assert failed["validation_nll"] is None and "the training diverged" in failed["reason"]
    diverging(lambda lr: True)
    with pytest.raises(ValueError, match="none of the trainings has a finite NLL"):
        searched(suite, suite.runs[1])


def test_a_search_that_was_stopped_goes_on_to_the_same_numbers(suite, monkeypatch):
    run, seen = suite.runs[0], []
    expected, _ = searched(suite, run)

    def due(part):
        seen.append(part.name)  # at each of the 10 steps of a trial
        if len(seen) == 15:
            signal.raise_signal(signal.SIGTERM)
        return len(seen) in (5, 15)

    monkeypatch.setattr(Part, "due", due)
    with pytest.raises(Interrupted):
        searched(suite, run)
    assert seen == ["factor 0.0001"] * 10 + ["factor 10.0"] * 5
    found, _ = searched(suite, run)
    assert seen[15:] == ["factor 10.0"] * 6 + ["factor 1.0"] * 10
    assert found["tried"] == expected["tried"]


def test_a_search_that_failed_is_why_none_of_its_runs_is_there(suite):
    run = suite.runs[0]
    run.folder.parent.mkdir(parents=True)
    failure = failure_of(run.method_folder / "search.log")
    write_json(failure, {"reason": "ValueError: no rate", "log": "x"})
    assert [report.gap(suite, run) for run in suite.runs] == ["ValueError: no rate"] * 2


def test_the_best_validation_counts_where_its_weights_are_the_fitted_ones():
    rows = [Row(k, 0.0, 0.0, nll, {}) for k, nll in enumerate([3.0, None, 1.0, float("nan"), 2.0])]
    stopping = {"patience": 1, "drops": 0, "factor": 1.0}
    numbers = {"early_stopping": stopping}
    assert steps._last_nll(rows, numbers) == 1.0
    assert steps._last_nll(rows, {"early_stopping": None}) == 2.0
    for broken, train in ((rows[:4], {"early_stopping": None}), (rows[3:4], numbers)):
        with pytest.raises(FloatingPointError, match="Its validation NLL is .*nan"):
            steps._last_nll(broken, train)


def test_probes_of_the_suite_estimate_the_likelihood_and_say_how_well(suite):
    run = suite.runs[0]
    train(suite, run)
    data = run.data

    def evaluated(**more):
        settings = {**suite.evaluation, "atol": 1e-5, "rtol": 1e-5, **STATED, **more}
        steps.evaluate(run, suite.numbers(run), settings, data, run.folder, CPU)
        return recorded(NLL(), run)

    exact, found = evaluated(), evaluated(probes=16)
    assert "probe_error" not in exact and exact["nll"]["protocol"]["divergence"] == "exact"
    assert found["nll"]["protocol"]["divergence"] == "Hutchinson, 16 Rademacher probes"
    error = found["probe_error"]["value"]
    assert 0 < abs(found["nll"]["value"] - exact["nll"]["value"]) < 4 * error
    # The same probes at a tighter tolerance: nothing of their noise is in the solver's error.
    assert found["solver_error"]["value"] < 0.1 * error


def test_a_run_is_whole_only_if_all_of_it_was_made_with_this_config(suite):
    run = suite.runs[0]
    assert report.gap(suite, run) == "was not run"
    train(suite, run)
    data = run.data
    settings = {**suite.measured(), "config": suite.run_hash(run), "source": "digest"}
    steps.evaluate(run, suite.numbers(run), settings, data, run.folder, CPU)
    for measurement in (NLL(), Cost()):
        recorded(measurement, run)
    assert report.gap(suite, run) is None
    for path, reason in (
        (run.model, "its model was trained with another config"),
        (run.measurement("nll"), "its records were made with another config"),
    ):
        whole = path.read_text()
        hashes = suite.train_hash(run), suite.run_hash(run)
        path.write_text(whole.replace(hashes[0], "x").replace(hashes[1], "x"))
        assert report.gap(suite, run) == reason
        path.write_text(whole)
