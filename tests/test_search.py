"""The job that searches a learning rate, and what comes of it."""

import csv
import signal
from dataclasses import replace

import pytest
from jobs_done import CPU, arguments, do, prepare, tasks, toy

from benchmark.files import read_json, write_json
from benchmark.jobs import search as job
from benchmark.jobs import train as training
from benchmark.report.gaps import gap
from benchmark.runtime.checkpoint import Interrupted, Part
from benchmark.runtime.log import failure_of
from benchmark.training import loop
from benchmark.training.loop import Row
from benchmark.training.settings import Training


@pytest.fixture(scope="module")
def loaded():
    """The toy suite's interpolant in the plane, with a search."""
    chosen = {"factors": [1e-4, 10.0, 1.0], "share": 0.5}
    return toy(["eight_gaussians"], ["interpolant"], search=chosen)


@pytest.fixture
def suite(loaded, tmp_path, monkeypatch, single_precision):
    """The same, its rows prepared in the folder of the test."""
    monkeypatch.chdir(tmp_path)
    prepare(loaded)
    return loaded


def searched(suite, run, **changes):
    """The content of ``search.json``, and the training whose rate was searched."""
    run.method_folder.mkdir(parents=True, exist_ok=True)
    given = arguments(tasks(suite).search(run))
    settings = given["fit"].hyperparameters.train.model_copy(update={"validations": 3, **changes})
    made_with = replace(given["fit"].hyperparameters, train=settings)
    job.search(replace(given["fit"], hyperparameters=made_with), given["search"], CPU)
    return read_json(run.search), settings


def history(run):
    with run.history.open() as file:
        return list(csv.DictReader(file))


def test_the_learning_rate_of_the_lowest_validation_nll_is_found_and_trained_with(suite):
    run = suite.runs[0]
    found, _ = searched(suite, run)
    assert [rate["lr"] for rate in found["tried"]] == pytest.approx([1e-7, 1e-2, 1e-3])
    nlls = [rate["validation_nll"] for rate in found["tried"]]
    # In 10 steps: the first does not move at all.
    assert min(nlls) == nlls[1] and found["lr"] == found["tried"][1]["lr"]
    assert (found["factors"], found["share"]) == ([1e-4, 10.0, 1.0], 0.5)
    assert not list(run.method_folder.glob("*.checkpoint"))
    for fit in suite.runs:
        fit.folder.mkdir(parents=True)
        do(tasks(suite).train(fit))
        assert read_json(fit.model)["training"]["lr"] == found["lr"]


def test_a_trial_is_the_training_with_its_share_of_the_budget(suite):
    run = suite.runs[0]
    found, settings = searched(suite, run, schedule="cosine")
    run.folder.mkdir(parents=True)
    fit = arguments(tasks(suite).train(run))["fit"]
    half = settings.model_copy(update={"steps": 10, "lr": 1e-2})
    made_with = replace(fit.hyperparameters, train=half)
    training.train(replace(fit, hyperparameters=made_with), False, CPU)
    last = history(run)[-1]
    assert float(last["validation_nll"]) == found["tried"][1]["validation_nll"]


def test_a_share_of_seconds_is_a_share_of_seconds(suite):
    settings = suite.hyperparameters(suite.runs[0]).train
    timed = settings.model_copy(update={"lr": 0.1, "steps": None, "seconds": 8.0, "validations": 8})
    trial = job.trial(timed, 3.0, 0.25)
    assert (trial.lr, trial.seconds, trial.validations) == (pytest.approx(0.3), 2.0, 2)
    assert trial.steps is None and trial.schedule == timed.schedule
    assert job.trial(timed, 1.0, 0.01).validations == 1


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


def test_a_search_that_was_stopped_resumes_to_the_same_numbers(suite, monkeypatch):
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
    failure = failure_of(tasks(suite).search(run).log)
    write_json(failure, {"reason": "ValueError: no rate", "log": "x"})
    assert [gap(suite, run) for run in suite.runs] == ["ValueError: no rate"] * 2


def test_the_best_validation_counts_where_its_weights_are_the_fitted_ones(suite):
    rows = [Row(k, 0.0, 0.0, nll, {}) for k, nll in enumerate([3.0, None, 1.0, float("nan"), 2.0])]
    plain = suite.hyperparameters(suite.runs[0]).train
    stopping = {"patience": 1, "drops": 0, "factor": 1.0}
    stopped = Training(**{**dict(plain), "early_stopping": stopping})
    assert job._last_nll(rows, stopped) == 1.0
    assert job._last_nll(rows, plain) == 2.0
    for broken, settings in ((rows[:4], plain), (rows[3:4], stopped)):
        with pytest.raises(FloatingPointError, match="Its validation NLL is .*nan"):
            job._last_nll(broken, settings)
