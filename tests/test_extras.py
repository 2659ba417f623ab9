"""The optional methods as README gives them: checked, trained and measured for real, if briefly."""

import contextlib
import copy
import re

import numpy as np
import pytest
import torch
import yaml
from benchmark.suite.config import ConfigError

from benchmark import model
from benchmark.data.prepare import prepare
from benchmark.jobs import steps
from benchmark.measure.cost import Cost
from benchmark.measure.measurement import Subject, measure
from benchmark.measure.nll import NLL
from benchmark.records import records
from benchmark.report import tables
from benchmark.source import ROOT
from benchmark.suite import config

CPU = torch.device("cpu")

SECTION = (
    (ROOT / "README.md").read_text().partition("## Optional extras\n")[2].partition("\n## ")[0]
)
EXTRAS = yaml.safe_load(re.search(r"```yaml\n(.*?)```", SECTION, re.DOTALL)[1])
TOY = yaml.safe_load((ROOT / "tests/toy.yaml").read_text())
STEPS = 150


def suite(methods, **datasets):
    content = copy.deepcopy(TOY)
    toy = content["suites"]["toy"]
    toy.update(methods=copy.deepcopy(methods), seeds=[0])
    toy["datasets"] = {
        "eight_gaussians": {
            **toy["datasets"]["eight_gaussians"],
            "numbers": {"train": 20_000, "validation": 20, "test": 500},
        },
        **datasets,
    }
    for method in toy["methods"].values():
        method["train"]["steps"] = STEPS
        method["train"]["ema"] = 0.9
    return config.load(content, ROOT / "workflow/schemas/config.schema.yaml")


@pytest.fixture(scope="module")
def measured(tmp_path_factory):
    """The suite, and the folder of its data set, in which are those of the methods."""
    torch.set_default_dtype(torch.float32)
    found, place = suite(EXTRAS), tmp_path_factory.mktemp("extras")
    with contextlib.chdir(place):
        for run in found.runs:
            run.folder.mkdir(parents=True)
            prepare(found.datasets["eight_gaussians"], place, run.data)
            fit_and_measure(found, run)
    return found, place / "results/toy/eight_gaussians"


def fit_and_measure(found, run):
    fit = {**found.validation, "config": found.train_hash(run), "source": "digest"}
    steps.train(run, found.numbers(run), fit, run.data, run.folder, CPU)
    settings = {**found.measured(), "config": found.run_hash(run), "source": "digest"}
    steps.evaluate(run, found.numbers(run), settings, run.data, run.folder, CPU)
    for measurement in (NLL(), Cost()):
        name = type(measurement).__name__.lower()
        measure(measurement, Subject(name, run, "digest", "hash"))


def read(folder):
    return {
        record["metric"]: record
        for name in ("nll", "cost")
        for record in records.read(folder / f"seed0/measurements/{name}.json")
    }


def test_readme_has_both_methods_with_rules_of_their_own():
    assert set(EXTRAS) == {"ot_cfm", "spline_flow"}
    for name in EXTRAS:
        rule = (ROOT / "workflow" / suite(EXTRAS).rules[name]).read_text()
        assert f"use rule train as train_{name} with:" in rule
        assert f'method=variants("{name}"),' in rule


@pytest.mark.parametrize("name", EXTRAS)
def test_a_short_training_beats_the_best_gaussian(measured, name):
    kl = read(measured[1] / name)["kl"]
    # The Gaussian with the moments of the data has 1.42 nats.
    assert -4 * kl["standard_error"] < kl["value"] < 0.5 and kl["n"] == 500


@pytest.mark.parametrize("name", EXTRAS)
def test_the_restored_fit_has_the_densities_that_were_written(measured, name, single_precision):
    found, folder = measured
    restored, x = (
        model.load(folder / name / "seed0"),
        torch.from_numpy(np.load(folder / "data/test.npy")),
    )
    chunks = x.split(found.evaluation["chunk"])  # an adaptive solver's steps are those of a chunk
    values = torch.cat([restored.log_prob(chunk) for chunk in chunks])
    np.testing.assert_array_equal(values.numpy(), np.load(folder / name / "seed0/log_prob.npy"))


def test_numbers_that_do_not_exist_have_their_reason_in_words(measured):
    flow, spline = (read(measured[1] / name) for name in ("ot_cfm", "spline_flow"))
    reason = "no ODE is solved, solver none (discrete flow)"
    for name in ("solver_error", "nfe_likelihood", "nfe_sampling"):
        assert flow[name]["value"] is not None
        assert (spline[name]["value"], spline[name]["reason"]) == (None, reason)
    for name in ("training_seconds", "step_time", "parameters"):
        assert flow[name]["value"] > 0 and spline[name]["value"] > 0


def test_a_discrete_flow_is_neither_ranked_with_flows_nor_taken_for_a_reference(measured):
    found, folder = measured
    kinds = ("nll", "cost")
    places = [folder / name / "seed0/measurements" for name in EXTRAS]
    files = [place / f"{kind}.json" for place in places for kind in kinds]
    frame = tables.metrics(files, {})
    assert not frame.control.any()
    table = tables.nll_table(frame, found.methods, {"eight_gaussians": "Eight"}, {})
    assert not any(cell.bold for row in table.rows for cell in row)
    (note,) = [note for note in table.notes if "protocols differ" in note]
    assert "Spline flow (solver none (discrete flow))" in note
    costs = tables.cost_table(frame, found.methods, {"eight_gaussians": "Eight"})
    assert any(
        "Spline flow on Eight, seed 0: no ODE is solved, solver none" in note
        for note in costs.notes
    )


def test_the_spline_flow_needs_vectors():
    mnist = {
        "label": "MNIST",
        "class": "benchmark.data.mnist.MNIST",
        "source": "mnist",
        "numbers": {"validation": 10},
    }
    with pytest.raises(ConfigError) as caught:
        suite(EXTRAS, mnist=mnist)
    assert "spline_flow: cannot run on mnist: it needs vectors" in str(caught.value)
    assert "ot_cfm" not in str(caught.value)
