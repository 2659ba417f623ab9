"""Jobs that were killed write the files of jobs that were not, bit for bit."""

import copy
import csv
import importlib.metadata
import json
import math
import multiprocessing.forkserver
import os
import random
import shutil
import signal
import time
from pathlib import Path

import pytest
import torch
from jobs_done import TOY, do, prepare, tasks

from benchmark.baselines.interpolant import InterpolantFlow
from benchmark.files import read_json
from benchmark.jobs import fit
from benchmark.measure import evaluation
from benchmark.model import Model
from benchmark.records.cost_file import CostFile
from benchmark.records.run import Run
from benchmark.runtime import checkpoint
from benchmark.runtime.checkpoint import Interrupted
from benchmark.runtime.log import failure_of, logged
from benchmark.suite.load import load

pytestmark = pytest.mark.slow

PLATEAU = {"validations": 5, "early_stopping": {"patience": 1, "drops": 3, "factor": 0.5}}


class Died(BaseException):
    """Stands for a kill: an exception would be a failure, which is no interruption."""


CONTEXT = multiprocessing.get_context("forkserver")
CONTEXT.set_forkserver_preload(["benchmark.jobs.train", "benchmark.jobs.evaluate", "pytest"])
"""Processes that have imported already, and so can be killed where something happens."""


@pytest.fixture(scope="module")
def suite():
    """One method under two names: a run that is left alone, and one that is killed."""
    section = copy.deepcopy(TOY["suites"]["toy"])
    method = section["methods"]["interpolant"]
    method["train"] |= {"steps": 40, **PLATEAU}
    changed = {
        **section,
        "datasets": {"eight_gaussians": section["datasets"]["eight_gaussians"]},
        "methods": {name: {**method, "label": name} for name in ("whole", "killed")},
        "evaluation": {**section["evaluation"], "chunk": 7},
        "seeds": [0],
    }
    return load({**TOY, "suites": {"toy": changed}})


@pytest.fixture
def runs(suite, tmp_path, monkeypatch, single_precision):
    """Two runs on the same rows, in the folder of the test."""
    multiprocessing.forkserver.ensure_running()  # where this project is the first on its path
    monkeypatch.chdir(tmp_path)
    prepare(suite)
    for run in suite.runs:
        run.folder.mkdir(parents=True)
    return suite.runs


def evaluation_of(suite, run, **settings):
    """The job that evaluates a run with other settings."""
    job = tasks(suite).evaluate(run)
    given = job.arguments["given"]
    given["settings"] = {**given["settings"], **settings}
    return job


def process(job):
    """A process of its own, which saves as often as it can."""
    torch.set_num_threads(1)
    checkpoint.MIN_SAVE_INTERVAL_SECONDS, checkpoint.MAX_SAVING_FRACTION = 0.0, math.inf
    with logged(job.log):
        do(job)


def written(path):
    """Identifies what a file was last replaced by; ``None`` where there is none."""
    try:
        return path.stat().st_ino, path.stat().st_mtime_ns
    except FileNotFoundError:
        return None


def started(job):
    child = CONTEXT.Process(target=process, args=(job,))
    child.start()
    return child


def killed(job, times=4):
    """Kill a process again and again, each after a few writes of its checkpoint; how often."""
    choose, log = random.Random(0), Path(job.log)
    path = log.with_suffix(".checkpoint")
    for kills in range(times + 1):
        child, before, saves = started(job), written(path), choose.randint(2, 4)
        while kills < times and saves and child.is_alive():
            time.sleep(0.001)
            now = written(path)
            before, saves = now, saves - (now not in (before, None))
        if kills < times:
            time.sleep(choose.uniform(0, 0.01))
            child.kill()
        child.join()
        if child.exitcode == 0:
            break
        assert child.exitcode == -signal.SIGKILL
    assert kills > 1 and not path.exists() and not list(path.parent.glob(".*"))
    said = log.read_text()
    assert all(f"interruptions so far: {k}." in said for k in range(1, kills + 1))
    return kills


def history(run):
    with run.history.open() as file:
        return [{**row, "seconds": None} for row in csv.DictReader(file)]


def likelihood(run):
    return {**read_json(run.likelihood), "provenance": None}


def costs(run):
    """Of ``cost.json``, what does not depend on the clock."""
    cost = CostFile.load(run.cost)
    names = ("nfe_sampling", "parameters", "training_interruptions")
    return [*(getattr(cost, name) for name in names), cost.diagnostics]


def interruptions(run):
    """Those of the evaluation."""
    return CostFile.load(run.cost).evaluation_interruptions


def trained_alike(suite, runs):
    """Train one run, and copy its files to the other."""
    whole, cut = runs
    do(tasks(suite).train(whole))
    for path in whole.folder.iterdir():
        shutil.copy(path, cut.folder)


def assert_evaluated_alike(whole, cut):
    for name in ("log_prob", "samples"):
        assert getattr(cut, name).read_bytes() == getattr(whole, name).read_bytes()
    assert likelihood(cut) == likelihood(whole) and costs(cut) == costs(whole)
    assert {"monitor", "path_length"} <= set(CostFile.load(whole.cost).diagnostics)


def test_a_training_that_was_killed_writes_the_files_of_one_that_was_not(suite, runs):
    whole, cut = runs
    do(tasks(suite).train(whole))
    kills = killed(tasks(suite).train(cut))
    assert cut.weights.read_bytes() == whole.weights.read_bytes()
    assert history(cut) == history(whole)
    assert read_json(whole.model)["training"]["interruptions"] == 0
    assert read_json(cut.model)["training"]["interruptions"] == kills


@pytest.mark.parametrize("probes", [{}, {"probes": 3}], ids=["exact", "probes"])
def test_an_evaluation_that_was_killed_writes_the_files_of_one_that_was_not(suite, runs, probes):
    whole, cut = runs
    trained_alike(suite, runs)
    do(evaluation_of(suite, whole, **probes))
    kills = killed(evaluation_of(suite, cut, **probes))
    assert_evaluated_alike(whole, cut)
    assert (interruptions(whole), interruptions(cut)) == (0, kills)


def test_an_evaluation_may_be_stopped_anywhere(suite, runs, monkeypatch):
    whole, cut = runs
    calls, stops = [], range(2, 200, 3)
    trained_alike(suite, runs)
    do(tasks(suite).evaluate(whole))

    def stopping(solve):
        def solved(*arguments):
            calls.append(solve.__name__)
            if len(calls) in stops:
                os.kill(os.getpid(), signal.SIGTERM)
            return solve(*arguments)

        return solved

    for name in ("solve_log_prob", "solve_sample"):
        monkeypatch.setattr(Model, name, stopping(getattr(Model, name)))
    stopped = 0
    while True:
        try:
            do(tasks(suite).evaluate(cut))
            break
        except Interrupted:
            stopped += 1
            torch.manual_seed(stopped)
    assert stopped > 8 and interruptions(cut) == stopped
    assert_evaluated_alike(whole, cut)


def test_a_resumed_job_keeps_what_it_said_before(suite, runs, monkeypatch):
    job = tasks(suite).train(runs[0])
    log = Path(job.log)

    def stopping(self, x1):
        os.kill(os.getpid(), signal.SIGUSR2)
        return {}

    with monkeypatch.context() as patch:
        patch.setattr(InterpolantFlow, "diagnostics", stopping)
        with pytest.raises(Interrupted), logged(log):
            print("first")
            do(job)
    assert not failure_of(log).exists()
    with logged(log):
        do(job)
    said = log.read_text()
    assert said.startswith("first\n") and "Interrupted: Stopped by SIGUSR2" in said
    with logged(log):
        print("anew")
    assert log.read_text() == "anew\n"


def dying(*_):
    raise Died


def other_config(run, given, patch):
    given["config"] = "other"


def other_seed(run, given, patch):
    given["run"]["seed"] = 9
    shutil.copytree(run.folder, run.method_folder / "seed9")


def other_source(run, given, patch):
    given["source"] = "other"


def other_data(run, given, patch):
    described = run.data / "data.json"
    described.write_text(json.dumps({**read_json(described), "hash": "other"}))


def other_torch(run, given, patch):
    version = importlib.metadata.version
    patch.setattr(
        importlib.metadata, "version", lambda name: "99.0" if name == "torch" else version(name)
    )


def other_model(run, given, patch):
    weights = run.weights.read_bytes()
    run.weights.write_bytes(weights[:-1] + bytes([weights[-1] ^ 1]))


OTHERS = {
    "config": other_config,
    "seed": other_seed,
    "source": other_source,
    "data": other_data,
    "torch": other_torch,
    "model": other_model,
}


@pytest.mark.parametrize("name", OTHERS)
def test_an_evaluation_resumes_only_where_everything_is_as_it_was(
    suite, runs, monkeypatch, caplog, name
):
    run = runs[0]
    do(tasks(suite).train(run))
    job = tasks(suite).evaluate(run)
    with monkeypatch.context() as patch:
        patch.setattr(evaluation, "sample", dying)
        with pytest.raises(Died):
            do(job)
    OTHERS[name](run, job.arguments["given"], monkeypatch)
    do(job)
    (message,) = [message for message in caplog.messages if "starts from the beginning" in message]
    assert f"which differs in {name} (found" in message and "), " not in message
    assert interruptions(Run(**job.arguments["given"]["run"])) == 0


def test_a_training_resumes_only_with_its_config(suite, runs, monkeypatch, caplog):
    run = runs[0]
    job = tasks(suite).train(run)
    with monkeypatch.context() as patch:
        patch.setattr(fit, "fit", dying)
        with pytest.raises(Died):
            do(job)
    job.arguments["fit"]["config"] = "other"
    do(job)
    assert "which differs in config (found" in caplog.text
    assert read_json(run.model)["training"]["interruptions"] == 0
