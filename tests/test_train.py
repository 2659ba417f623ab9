"""The job that trains, files in and files out, and what is read from its files."""

import csv
from dataclasses import replace

import numpy as np
import pytest
from jobs_done import CPU, arguments, do, prepare, tasks, toy

from benchmark.baselines.interpolant import InterpolantFlow
from benchmark.data import dataset
from benchmark.files import read_json
from benchmark.jobs import evaluate as evaluation
from benchmark.jobs import train as training
from benchmark.records import records
from benchmark.report import gaps
from benchmark.report.figures import curves
from benchmark.report.gaps import gap
from benchmark.training.settings import Training


@pytest.fixture(scope="module")
def loaded():
    """The toy suite's interpolant in the plane."""
    return toy(["eight_gaussians"], ["interpolant"])


@pytest.fixture
def suite(loaded, tmp_path, monkeypatch, single_precision):
    """The same, its rows prepared in the folder of the test."""
    monkeypatch.chdir(tmp_path)
    prepare(loaded)
    return loaded


def train(suite, run, probes=None, **changes):
    """The rows of ``training.csv`` of a run that is trained with other settings."""
    run.folder.mkdir(parents=True, exist_ok=True)
    fit = arguments(tasks(suite).train(run))["fit"]
    made_with = fit.hyperparameters
    validation = fit.validation.model_copy(update={"probes": probes})
    settings = Training(**{**dict(made_with.train), "validations": 3, **changes})
    changed = replace(
        fit, hyperparameters=replace(made_with, train=settings), validation=validation
    )
    training.train(changed, False, CPU)
    with run.history.open() as file:
        return list(csv.DictReader(file))


def evaluate(suite, run, **changes):
    """The records of a run that is evaluated with other settings, by their metric."""
    given = arguments(tasks(suite).evaluate(run))["given"]
    evaluation.evaluate(replace(given, settings=given.settings.model_copy(update=changes)), CPU)
    measured = {}
    for name in ("nll", "cost"):
        do(tasks(suite).measure(name, run))
        measured |= {record["metric"]: record for record in records.read(run.measurement(name))}
    return measured


def validated(rows, name="validation_nll"):
    """The values of a column that are there."""
    return [row[name] for row in rows if row[name]]


def test_diagnostics_are_columns_on_the_held_out_rows_of_the_method(suite, monkeypatch):
    seen = []

    def diagnostics(self, x1):
        seen.append(x1)
        return {"mean": x1.mean().item(), **({"late": 7.0} if len(seen) > 1 else {})}

    monkeypatch.setattr(InterpolantFlow, "diagnostics", diagnostics)
    run = suite.runs[0]
    rows = train(suite, run)
    assert list(rows[0]) == ["step", "seconds", "loss", "validation_nll", "mean", "late"]
    known, held_out = dataset.rows(run.data, "train"), dataset.rows(run.data, "validation")
    expected = ((held_out - known.mean(axis=0)) / known.std(axis=0)).mean()
    looked_at = [row for row in rows if row["validation_nll"]]
    assert len(looked_at) == 3
    for row in looked_at:
        # float32 sums of 20 rows of order 1.
        assert float(row["mean"]) == pytest.approx(expected, abs=1e-6)
    assert [row["late"] for row in looked_at] == ["", "7.0", "7.0"]
    assert all(row["mean"] == row["late"] == "" for row in rows if row not in looked_at)


def test_a_method_without_likelihood_is_trained_with_its_diagnostics(suite, monkeypatch):
    monkeypatch.setattr(InterpolantFlow, "likelihood_gap", lambda self: "no density")
    monkeypatch.setattr(InterpolantFlow, "log_prob", None)
    monkeypatch.setattr(InterpolantFlow, "diagnostics", lambda self, x1: {"rows": float(len(x1))})
    rows = train(suite, suite.runs[0])
    assert not validated(rows) and validated(rows, "rows") == ["20.0"] * 3


def test_validations_have_the_same_probes(suite):
    # A rate so small that the weights stay: what differs between validations is their noise.
    rows = train(suite, suite.runs[0], probes=1, lr=1e-30, ema=0.0)
    assert len(validated(rows)) == 3 and len(set(validated(rows))) == 1


def test_learning_curves_read_histories_with_and_without_diagnostics(suite, monkeypatch):
    first, second = suite.runs
    monkeypatch.setattr(InterpolantFlow, "diagnostics", lambda self, x1: {})
    histories = {first.seed: train(suite, first)}
    monkeypatch.setattr(InterpolantFlow, "diagnostics", lambda self, x1: {"energy": 2.0})
    histories[second.seed] = train(suite, second)
    monkeypatch.setattr(gaps, "gaps", lambda suite, runs: {})
    frame, missing = curves.histories(suite, list(suite.runs))
    assert missing == {}
    for seed, history in histories.items():
        expected = [float(row["validation_nll"] or "nan") for row in history]
        np.testing.assert_array_equal(frame[frame.seed == seed].validation_nll, expected)


def test_steps_and_precision_of_the_training_are_those_that_were(suite, monkeypatch):
    # All validations are equal: the first stays the best.
    monkeypatch.setattr(dataset.Description, "nll", lambda self, values: np.zeros_like(values))
    stopping = {"patience": 2, "drops": 0, "factor": 1.0}
    run = suite.runs[0]
    rows = train(suite, run, precision="bfloat16", early_stopping=stopping, validations=5)
    stored = read_json(run.model)
    # Validations at 4, 8, 12 of 20 steps; the second and third do not improve.
    assert (rows[-1]["step"], stored["training"]["steps"]) == ("12", 12)
    assert stored["training"]["precision"] == "bfloat16"
    assert stored["weights"] == "EMA 0.9, best validation"

    costs = {n: r for n, r in evaluate(suite, run).items() if r["measurement"] == "cost"}
    seconds = float(rows[-1]["seconds"])
    assert costs["step_time"]["value"] == pytest.approx(1000 * seconds / 12)
    precisions = {name: cost["protocol"].get("training_precision") for name, cost in costs.items()}
    of_likelihood = dict.fromkeys(["nfe_likelihood", "nodes_likelihood"])
    assert precisions == {**dict.fromkeys(costs, "bfloat16"), **of_likelihood}


def test_probes_of_the_suite_estimate_the_likelihood_and_say_how_well(suite):
    run = suite.runs[0]
    train(suite, run)
    tight = {"atol": 1e-5, "rtol": 1e-5}
    exact, estimated = evaluate(suite, run, **tight), evaluate(suite, run, **tight, probes=16)
    assert "probe_error" not in exact and exact["nll"]["protocol"]["divergence"] == "exact"
    assert estimated["nll"]["protocol"]["divergence"] == "Hutchinson, 16 Rademacher probes"
    error = estimated["probe_error"]["value"]
    assert 0 < abs(estimated["nll"]["value"] - exact["nll"]["value"]) < 4 * error
    # The same probes at a tighter tolerance: nothing of their noise is in the solver's error.
    assert estimated["solver_error"]["value"] < 0.1 * error


def test_a_run_is_whole_only_if_all_of_it_was_made_with_this_config_and_source(suite):
    run = suite.runs[0]
    assert gap(suite, run) == "was not run"
    train(suite, run)
    evaluate(suite, run)
    assert gap(suite, run) is None
    expected = suite.expected(run)
    for path, now, reason in (
        (run.model, expected.train_config, "its model was trained with another config"),
        (run.model, expected.train_source, "its model was trained with other code"),
        *(
            (run.measurement("nll"), now, f"its records were made with {other}")
            for now, other in (
                (expected.evaluate_config, "another config"),
                (expected.evaluate_source, "other code"),
            )
        ),
    ):
        whole = path.read_text()
        assert now in whole
        path.write_text(whole.replace(now, "x"))
        assert gap(suite, run) == reason
        path.write_text(whole)
