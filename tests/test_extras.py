"""The optional methods as their README gives them: checked, trained and measured, if briefly."""

import contextlib
import copy

import numpy as np
import pytest
import torch
from jobs_done import TOY, do, prepare, tasks
from pages import parsed

from benchmark import model
from benchmark.records import records
from benchmark.report import frame
from benchmark.report.labels import Labels, styles_of
from benchmark.report.tables import cost, nll
from benchmark.suite.load import load
from benchmark.suite.words import ConfigError

pytestmark = pytest.mark.slow

EXTRAS = parsed("benchmark/baselines/README.md", "ot_cfm:")
STEPS = 150
LABELS: Labels = {"eight_gaussians": "Eight"}


def suite(methods, **datasets):
    content = copy.deepcopy(TOY)
    toy = content["suites"]["toy"]
    toy.update(methods=copy.deepcopy(methods), seeds=[0])
    toy["datasets"] = {
        "eight_gaussians": {
            **toy["datasets"]["eight_gaussians"],
            "arguments": {"train": 20_000, "validation": 20, "test": 500},
        },
        **datasets,
    }
    for method in toy["methods"].values():
        method["train"]["steps"] = STEPS
        method["train"]["ema"] = 0.9
    return load(content)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """The folder of the results."""
    return tmp_path_factory.mktemp("extras")


@pytest.fixture(scope="module")
def measured(folder):
    """The suite, whose runs are trained, evaluated and measured in ``folder``."""
    torch.set_default_dtype(torch.float32)
    loaded = suite(EXTRAS)
    with contextlib.chdir(folder):
        prepare(loaded)
        for run in loaded.runs:
            run.folder.mkdir(parents=True)
            do(tasks(loaded).train(run))
            do(tasks(loaded).evaluate(run))
            do(tasks(loaded).measure("nll", run))
            do(tasks(loaded).measure("cost", run))
    return loaded


@pytest.fixture
def runs(measured, folder, monkeypatch):
    """The run of each method."""
    monkeypatch.chdir(folder)
    return {run.method: run for run in measured.runs}


def files(run):
    """The record files of a run."""
    return [run.measurement(name) for name in ("nll", "cost")]


def read(run):
    return {record["metric"]: record for file in files(run) for record in records.read(file)}


@pytest.mark.parametrize("name", EXTRAS)
def test_a_short_training_beats_the_best_gaussian(runs, name):
    kl = read(runs[name])["kl"]
    # The Gaussian with the moments of the data has 1.42 nats.
    assert -4 * kl["standard_error"] < kl["value"] < 0.5 and kl["n"] == 500


@pytest.mark.parametrize("name", EXTRAS)
def test_the_restored_fit_has_the_densities_that_were_written(
    measured, runs, name, single_precision
):
    run = runs[name]
    restored, x = model.load(run.folder), torch.from_numpy(np.load(run.data / "test.npy"))
    chunks = x.split(measured.section.evaluation.chunk)  # an adaptive solver's steps are a chunk's
    values = torch.cat([restored.log_prob(chunk) for chunk in chunks])
    np.testing.assert_array_equal(values.numpy(), np.load(run.log_prob))


def test_numbers_that_do_not_exist_have_their_reason_in_words(runs):
    flow, spline = read(runs["ot_cfm"]), read(runs["spline_flow"])
    reason = "no ODE is solved, solver none (discrete flow)"
    for name in ("solver_error", "nfe_likelihood", "nfe_sampling"):
        assert flow[name]["value"] is not None
        assert (spline[name]["value"], spline[name]["reason"]) == (None, reason)
    for name in ("training_seconds", "step_time", "parameters"):
        assert flow[name]["value"] > 0 and spline[name]["value"] > 0


def test_a_discrete_flow_is_ranked_with_flows_and_not_taken_for_a_reference(measured, runs):
    metrics = frame.metrics([file for run in runs.values() for file in files(run)], {})
    assert not metrics.control.any()
    table = nll.table(metrics, styles_of(measured), LABELS, {})
    values = {name: read(run)["nll"]["value"] for name, run in runs.items()}
    (bold,) = [row[0].text for row in table.rows if row[1].bold]
    assert bold == styles_of(measured)[min(values, key=values.__getitem__)].label
    (note,) = [note for note in table.notes if "protocols differ" in note]
    assert "ranked though" in note and "Spline flow (solver none (discrete flow))" in note
    costs = cost.table(metrics, styles_of(measured), LABELS)
    assert any(
        "Spline flow on Eight, seed 0: no ODE is solved, solver none" in note
        for note in costs.notes
    )


def test_the_spline_flow_needs_vectors():
    mnist = {
        "label": "MNIST",
        "class": "benchmark.data.mnist.MNIST",
        "source": "mnist",
        "arguments": {"validation": 10},
    }
    with pytest.raises(ConfigError) as caught:
        suite(EXTRAS, mnist=mnist)
    assert "spline_flow: cannot run on mnist: it needs vectors" in str(caught.value)
    assert "ot_cfm" not in str(caught.value)


def test_the_readme_has_both():
    assert set(EXTRAS) == {"ot_cfm", "spline_flow"}
