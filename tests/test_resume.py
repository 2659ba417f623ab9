"""Killed and resumed equals uninterrupted, bit for bit: training and evaluation of every method."""

import csv
import dataclasses
import json
import math
import multiprocessing
import os
import random
import re
import shutil
import signal
import time

import numpy as np
import pytest
import torch
import yaml
from plan import OnlyTrained
from torch import nn

from benchmark import model
from benchmark.coordinates import Affine
from benchmark.data.prepare import prepare
from benchmark.files import read_json
from benchmark.jobs import steps
from benchmark.likelihood import Likelihood
from benchmark.measure import evaluation
from benchmark.model import Model
from benchmark.names import load
from benchmark.ode import Solution, Tolerance
from benchmark.records import provenance, records
from benchmark.rows import Rows
from benchmark.runtime import checkpoint
from benchmark.runtime.checkpoint import STOP_SIGNALS, Checkpoint, Interrupted
from benchmark.runtime.log import logged
from benchmark.source import ROOT
from benchmark.suite import config
from benchmark.training import clock, loop
from benchmark.training.loop import Validation, fit
from benchmark.training.settings import Training

CPU = torch.device("cpu")


class Died(BaseException):
    """Stands for a kill: an exception would be a failure, which is no interruption."""


KEY = {"config": "c1"}
STEPS, ROWS = 10, 300

QUICK = yaml.safe_load((ROOT / "config.yaml").read_text())["suites"]["quick"]["methods"]
PATHS = yaml.safe_load((ROOT / "workflow/suites/paths.yaml").read_text())["methods"]
README = (ROOT / "README.md").read_text().partition("## Optional extras\n")[2]
EXTRAS = yaml.safe_load(re.search(r"```yaml\n(.*?)```", README, re.DOTALL)[1])
CONFIGURED = {**QUICK, **PATHS, **EXTRAS}

SMALL = {
    **{"width": 8, "depth": 2, "time_frequencies": 2, "space_frequencies": 1},
    **{"atol": 1e-2, "rtol": 1e-2, "solver_steps": 2, "transforms": 2, "bins": 4},
}
"""Replaces numbers of the configs, to be quick."""

PLATEAU = {"validations": 5, "early_stopping": {"patience": 1, "drops": 3, "factor": 0.5}}
FALLING = {"kind": "step", "every": 4, "factor": 0.3}
LEARNED = "interpolant-fourier_learned_base"


def case(name, model=None, event=(2,), levels=None, **train):
    """Class, small numbers, shape of a row, grey levels and training of a configured method."""
    entry = CONFIGURED[name]
    numbers = {key: SMALL.get(key, value) for key, value in entry["model"].items()}
    short = {**entry["train"], "steps": STEPS, "batch_size": 16, **train}
    return entry["class"], {**numbers, **(model or {})}, event, levels, Training(**short)


CASES = {
    **{name: case(name) for name in CONFIGURED if CONFIGURED[name]["train"]["steps"]},
    **{
        f"{name}, early stopping": case(name, **PLATEAU)
        for name in ("interpolant", "ffjord", "ot_flow", "score_sde", LEARNED)
    },
    "product": case("interpolant", {"product_times": 3, "product_bases": 4}),
    "base rows": case("interpolant", {"base_rows": 50}),
    "times of any Beta": case("interpolant", {"time_alpha": 2.0}),
    "images": case("interpolant", event=(1, 2, 2), levels=17),
    "bfloat16": case("interpolant", precision="bfloat16", ema=0.9),
    "last weights": case("interpolant", ema=0.0, schedule="constant", clip=None),
    "adamw": case("score_sde", optimiser="adamw", weight_decay=0.1, schedule=FALLING, ema=0.9),
    "sub-VP": case("score_sde", {"sde": "subvp", "weighting": "likelihood"}),
    "VE": case("score_sde", {"sde": "ve"}),
    "blocks": case("ffjord", {"blocks": 2, "activation": "softplus"}),
    "clamp": case("ot_flow", {"clamp": 0.3}),
}


def validate(method):
    """As random as a loss is, so that a plateau sees worse numbers too."""
    x1 = torch.linspace(-1, 1, 24).reshape(-1, *method.event)
    return Validation(method.loss(x1).item(), method.diagnostics(x1))


class Stopping(Rows):
    """Sends the signals ``stops`` (draw -> signal) to its own process, while it draws."""

    def __init__(self, rows, levels, stops):
        super().__init__(rows, levels, CPU)
        self.stops, self.draws = stops, 0

    def draw(self, n):
        self.draws += 1
        if self.draws in self.stops:
            os.kill(os.getpid(), self.stops[self.draws])
        return super().draw(n)


def rows_of(event, levels, stops):
    generator = np.random.default_rng(0)
    if levels:
        return Stopping(generator.integers(0, levels, (ROWS, *event), np.uint8), levels, stops)
    return Stopping(generator.normal(size=(ROWS, *event)).astype(np.float32), None, stops)


def attempt(folder, case, rows, seed):
    """One process's share: what is fitted, or ``None`` if it was interrupted."""
    kind, numbers, event, _, plan = case
    for generator in (torch.manual_seed, np.random.seed, random.seed):
        generator(seed)
    method = model.build(kind, event, numbers)
    method.event = event
    base = None
    if "base_rows" in numbers:
        base = Rows(torch.randn(numbers["base_rows"], *event).numpy(), None, CPU)
    with Checkpoint(folder / "train.checkpoint", KEY) as work:
        try:
            fitted, history = fit(method, rows, plan, validate, base, work.part("training"))
        except Interrupted:
            return None
        work.remove()
    return fitted.state_dict(), [row._replace(seconds=0.0) for row in history], draws()


def draws():
    return torch.rand(2).tolist(), np.random.rand(2).tolist(), random.random()


def trained(folder, case, stops):
    """From one seed, and after every interruption from another: it must not matter."""
    rows = rows_of(case[2], case[3], stops)
    attempts = [attempt(folder, case, rows, 5)]
    while attempts[-1] is None:
        attempts.append(attempt(folder, case, rows, 5 + len(attempts)))
    assert len(attempts) == len(stops) + 1
    return attempts[-1]


def assert_equal(found, expected):
    (weights, history, drawn), (true_weights, true_history, true_drawn) = found, expected
    assert history == true_history and drawn == true_drawn
    assert weights.keys() == true_weights.keys()
    for name in weights:
        assert weights[name].dtype == true_weights[name].dtype, name
        assert torch.equal(weights[name], true_weights[name]), name


@pytest.mark.parametrize("name", CASES)
def test_a_training_that_was_interrupted_ends_as_if_it_had_not_been(
    name, tmp_path, single_precision
):
    expected = trained(tmp_path, CASES[name], {})
    choose = random.Random(name)
    last = expected[1][-1].step
    for number in STOP_SIGNALS:  # each once, and one of them twice
        draws = choose.sample(range(1, last), 1 + (number == choose.choice(STOP_SIGNALS)))
        assert_equal(trained(tmp_path, CASES[name], dict.fromkeys(draws, number)), expected)


class Gambling(OnlyTrained):
    """Draws from the generators that are not torch's, as a user's method may."""

    def __init__(self):
        super().__init__()
        self.w = nn.Parameter(torch.zeros(()))
        self.register_buffer("losses", torch.zeros((), dtype=torch.int64))
        self.gone = []

    def loss(self, x1):
        self.losses += 1
        self.gone.append(self.losses.item())
        return (self.w - np.random.randn() - random.gauss(0, 1)).square()


PLAIN = {**CONFIGURED["interpolant"]["train"], "steps": 10, "batch_size": 4, "lr": 0.1}
GAMBLING = f"{__name__}.Gambling", {}, (2,), None, Training(**PLAIN)
LONG = *GAMBLING[:4], Training(**{**PLAIN, "steps": 600, "validations": 1})
"""A row of the history is of three steps."""


def test_buffers_all_generators_and_losses_between_two_rows_go_on(tmp_path):
    expected = trained(tmp_path, LONG, {})
    stops = {100: signal.SIGTERM, 302: signal.SIGUSR2, 303: signal.SIGINT}
    found = trained(tmp_path, LONG, stops)
    assert_equal(found, expected)
    assert found[0]["losses"] == 600 and len(found[1]) == 200


def test_a_request_stops_after_the_step_and_resuming_says_where(tmp_path, caplog, capsys):
    rows = rows_of((2,), None, {4: signal.SIGTERM, 7: signal.SIGUSR2})
    assert attempt(tmp_path, GAMBLING, rows, 0) is None and rows.draws == 4
    assert attempt(tmp_path, GAMBLING, rows, 0) is None and rows.draws == 7
    assert attempt(tmp_path, GAMBLING, rows, 0) is not None and rows.draws == 10
    assert caplog.messages == [
        "Resuming after 4 steps (budget: 10 steps); interruptions so far: 1.",
        "Resuming after 7 steps (budget: 10 steps); interruptions so far: 2.",
    ]
    bars = capsys.readouterr().err
    assert "| 4/10 [" in bars and "| 7/10 [" in bars and list(tmp_path.iterdir()) == []


def test_a_request_after_the_last_step_lets_the_work_end(tmp_path):
    rows = rows_of((2,), None, {10: signal.SIGTERM})
    assert attempt(tmp_path, GAMBLING, rows, 0) is not None
    assert list(tmp_path.iterdir()) == []


def test_diagnostics_of_any_kind_of_number_can_be_read_again(tmp_path, monkeypatch):
    monkeypatch.setattr(Gambling, "diagnostics", lambda self, x1: {"a": np.float64(0.1)})
    often = Training(**{**PLAIN, "validations": 10})
    case = *GAMBLING[:4], often
    expected = trained(tmp_path, case, {})
    assert_equal(trained(tmp_path, case, {9: signal.SIGTERM}), expected)
    assert expected[1][-1].diagnostics == {"a": 0.1}


# --- clocks ---------------------------------------------------------------------------------------


@pytest.fixture
def now(monkeypatch):
    """A clock that only moves where it is told to; saving and restoring take 1000 seconds."""
    time = [0.0]

    def slow(function):
        def slowed(*arguments):
            time[0] += 1000.0
            function(*arguments)

        return slowed

    monkeypatch.setattr(clock.time, "perf_counter", lambda: time[0])
    monkeypatch.setattr(Checkpoint, "_write", slow(Checkpoint._write))
    for module in (loop, evaluation):
        restore = slow(checkpoint.restore_random_states)
        monkeypatch.setattr(module, "restore_random_states", restore)
    return time


@pytest.fixture
def always(monkeypatch):
    """A state is due whenever it may be."""
    monkeypatch.setattr(checkpoint, "MIN_SAVE_INTERVAL_SECONDS", 0.0)
    monkeypatch.setattr(checkpoint, "MAX_SAVING_FRACTION", math.inf)


def test_clock_of_a_training_counts_each_step_once_and_no_saving(
    tmp_path, monkeypatch, now, always
):
    loss = Gambling.loss

    def timed(self, x1):
        now[0] += 2.0
        if self.losses == 7 and len(self.gone) == 7:  # in the first process only
            raise Died
        if self.losses == 5 and len(self.gone) == 5:
            monkeypatch.setattr(checkpoint, "MIN_SAVE_INTERVAL_SECONDS", math.inf)
        return loss(self, x1)

    monkeypatch.setattr(Gambling, "loss", timed)
    rows = rows_of((2,), None, {})
    histories, fitting = [], loop.fit

    def fit(*arguments):
        histories.append(fitting(*arguments)[1])
        return Gambling(), histories[-1]

    monkeypatch.setattr(f"{__name__}.fit", fit)
    with pytest.raises(Died):
        attempt(tmp_path, LONG, rows, 0)
    attempt(tmp_path, LONG, rows, 0)
    # Saved last after step 5; the work of steps 6 and 7 was lost, and is done again.
    assert rows.draws == 8 + 595
    assert [row.seconds for row in histories[0]] == [2.0 * row.step for row in histories[0]]
    assert len(histories[0]) == 200


class Counting(Model):
    """Costs a second per row; values tell the order of the rows and are random."""

    def __init__(self, now):
        method = load(QUICK["interpolant"]["class"]).build((2,), "linear", 1, 1, 0, 0, 1.0, 1.0)
        super().__init__(method, Affine.identity((2,)), Tolerance(1.0, 1.0))
        self.now, self.calls, self.fails = now, 0, None

    def _spend(self, n):
        self.now[0] += n
        self.calls += 1
        if self.calls == self.fails:
            raise Died

    def solve_log_prob(self, x, tolerance, t=1.0):
        self._spend(len(x))
        return Likelihood(x[:, 0].double() + torch.rand(1), len(x), 1, 0.1 * torch.ones(len(x)))

    def solve_sample(self, n):
        self._spend(n)
        return Solution(torch.rand(n, 2).double(), n)


MEASURES = {
    "likelihood": lambda model, part: evaluation.log_prob(
        model, torch.arange(50.0).reshape(25, 2), 4, Tolerance(1.0, 1.0, 2), part
    ),
    "samples": lambda model, part: evaluation.sample(model, 25, 4, 0, part),
}


@pytest.mark.parametrize("measure", MEASURES.values(), ids=MEASURES)
@pytest.mark.parametrize("fails", range(2, 9))
def test_a_measurement_that_died_has_the_values_and_seconds_of_one_that_did_not(
    tmp_path, now, always, caplog, measure, fails
):
    def measured(fails):
        torch.manual_seed(3)
        model = Counting(now)
        model.fails = fails
        with Checkpoint(tmp_path / "evaluate.checkpoint", KEY) as work:
            found = measure(model, work.part("values"))
            work.remove()
        return found, model.calls, torch.rand(1)

    expected, calls, drawn = measured(None)
    with pytest.raises(Died):
        measured(fails)
    found, more, same = measured(None)
    assert found.values.tolist() == expected.values.tolist() and torch.equal(same, drawn)
    assert (found.nfe, found.nodes, found.probe_error) == (
        expected.nfe,
        expected.nodes,
        expected.probe_error,
    )
    assert found.seconds == expected.seconds == 25
    # The chunk in which it died is measured again, and the warming up.
    assert (calls, more) == (8, 8 - (fails - 2))
    if fails > 2:
        assert caplog.messages == [
            f"values: resuming after {fails - 2} of 7 chunks; interruptions so far: 1."
        ]


def test_what_was_saved_of_one_measurement_is_not_changed_by_the_next(tmp_path, now, monkeypatch):
    # Chunks that were solved after the last save are not in the state, nor are their seconds.
    monkeypatch.setattr(checkpoint, "MIN_SAVE_INTERVAL_SECONDS", math.inf)

    def due_once(self):
        return len(seen) == 0 and not seen.append(True)

    def measured(model):
        with Checkpoint(tmp_path / "evaluate.checkpoint", KEY) as work:
            first = MEASURES["likelihood"](model, work.part("likelihood"))
            work.part("samples").save({})
            model.fails = model.calls + 1
            return first, MEASURES["samples"](model, work.part("other"))

    seen = []
    monkeypatch.setattr(Checkpoint, "due", due_once)
    with pytest.raises(Died):
        measured(Counting(now))
    with Checkpoint(tmp_path / "evaluate.checkpoint", KEY) as work:
        state = work.part("likelihood").state()
    assert len(state["solved"]) == 1 and state["seconds"] == 4


# --- the steps ------------------------------------------------------------------------------------

TOY = yaml.safe_load((ROOT / "tests/toy.yaml").read_text())
CONTEXT = multiprocessing.get_context("forkserver")
CONTEXT.set_forkserver_preload(
    ["benchmark.jobs.steps", "benchmark.suite.config", "benchmark.data.prepare", "pytest"]
)
"""Processes that have imported already, and so can be killed where something happens."""


def suite(**evaluation):
    section = TOY["suites"]["toy"]
    changed = {
        **section,
        "datasets": {"eight_gaussians": section["datasets"]["eight_gaussians"]},
        "methods": {"interpolant": section["methods"]["interpolant"]},
        "evaluation": {**section["evaluation"], "chunk": 7, **evaluation},
    }
    changed["methods"]["interpolant"]["train"] |= {"steps": 40, **PLATEAU}
    return config.load(
        {**TOY, "suites": {"toy": changed}}, ROOT / "workflow/schemas/config.schema.yaml"
    )


def run_train(found, folder):
    run = found.runs[0]
    settings = {**found.validation, "config": found.train_hash(run)}
    steps.train(run, found.numbers(run), settings, folder.parent / "data", folder, CPU)


def run_evaluate(found, folder):
    run = found.runs[0]
    settings = {**found.measured(), "config": found.run_hash(run)}
    steps.evaluate(run, found.numbers(run), settings, folder.parent / "data", folder, CPU)


def process(step, found, folder, log):
    """A process of its own, which saves as often as it can."""
    torch.set_num_threads(1)
    checkpoint.MIN_SAVE_INTERVAL_SECONDS, checkpoint.MAX_SAVING_FRACTION = 0.0, math.inf
    with logged(log, folder):
        step(found, folder)


@pytest.fixture
def folders(tmp_path, single_precision):
    """Of two runs on the same rows."""
    prepare(suite().datasets["eight_gaussians"], tmp_path, tmp_path / "data")
    for name in ("whole", "killed"):
        (tmp_path / name).mkdir()
    return tmp_path / "whole", tmp_path / "killed"


def written(path):
    """Identifies what a file was last replaced by; ``None`` where there is none."""
    try:
        return path.stat().st_ino, path.stat().st_mtime_ns
    except FileNotFoundError:
        return None


def started(step, found, folder, path):
    job = CONTEXT.Process(target=process, args=(step, found, folder, path.with_suffix(".log")))
    job.start()
    return job


def killed(step, found, folder, path, times=4):
    """Kill a process again and again, each after a few writes of ``path``; how often it was."""
    choose = random.Random(0)
    for kills in range(times + 1):
        job, before, saves = started(step, found, folder, path), written(path), choose.randint(2, 4)
        while kills < times and saves and job.is_alive():
            time.sleep(0.001)
            now = written(path)
            before, saves = now, saves - (now not in (before, None))
        if kills < times:
            time.sleep(choose.uniform(0, 0.01))
            job.kill()
        job.join()
        if job.exitcode == 0:
            break
        assert job.exitcode == -signal.SIGKILL
    assert kills > 1 and not path.exists() and not list(folder.glob(".*"))
    said = path.with_suffix(".log").read_text()
    assert all(f"interruptions so far: {k}." in said for k in range(1, kills + 1))
    return kills


def history(folder):
    with (folder / "training.csv").open() as file:
        return [{**row, "seconds": None} for row in csv.DictReader(file)]


def likelihood(folder):
    return {**read_json(folder / "likelihood.json"), "provenance": None}


def costs(folder):
    return {record["metric"]: record["value"] for record in records.read(folder / "cost.json")}


def test_a_training_that_was_killed_writes_the_files_of_one_that_was_not(folders):
    whole, cut = folders
    run_train(suite(), whole)
    kills = killed(run_train, suite(), cut, cut / "train.checkpoint")
    assert (cut / "model.safetensors").read_bytes() == (whole / "model.safetensors").read_bytes()
    assert history(cut) == history(whole)
    assert read_json(whole / "model.json")["training"]["interruptions"] == 0
    assert read_json(cut / "model.json")["training"]["interruptions"] == kills


@pytest.mark.parametrize("probes", [{}, {"probes": 3}], ids=["exact", "probes"])
def test_an_evaluation_that_was_killed_writes_the_files_of_one_that_was_not(folders, probes):
    whole, cut = folders
    found = suite(**probes)
    run_train(found, whole)
    for path in whole.iterdir():
        shutil.copy(path, cut)
    run_evaluate(found, whole)
    kills = killed(run_evaluate, found, cut, cut / "evaluate.checkpoint")
    for name in ("log_prob.npy", "samples.npy"):
        assert (cut / name).read_bytes() == (whole / name).read_bytes()
    assert likelihood(cut) == likelihood(whole)
    same = ("nfe_sampling", "monitor", "path_length", "parameters", "training_interruptions")
    assert [costs(cut)[name] for name in same] == [costs(whole)[name] for name in same]
    assert (costs(whole)["evaluation_interruptions"], costs(cut)["evaluation_interruptions"]) == (
        0,
        kills,
    )


def test_an_evaluation_may_be_stopped_anywhere(folders, monkeypatch):
    whole, cut = folders
    found, calls = suite(), []
    run_train(found, whole)
    for path in whole.iterdir():
        shutil.copy(path, cut)
    run_evaluate(found, whole)

    def stopping(solve):
        def solved(*arguments):
            calls.append(solve.__name__)
            if len(calls) in stops:
                os.kill(os.getpid(), signal.SIGTERM)
            return solve(*arguments)

        return solved

    stops = range(2, 200, 3)
    for name in ("solve_log_prob", "solve_sample"):
        monkeypatch.setattr(Model, name, stopping(getattr(Model, name)))
    interruptions = 0
    while True:
        try:
            run_evaluate(found, cut)
            break
        except Interrupted:
            interruptions += 1
            torch.manual_seed(interruptions)
    assert interruptions > 8 and costs(cut)["evaluation_interruptions"] == interruptions
    for name in ("log_prob.npy", "samples.npy"):
        assert (cut / name).read_bytes() == (whole / name).read_bytes()
    assert likelihood(cut) == likelihood(whole)
    assert costs(cut)["monitor"] == costs(whole)["monitor"]


def test_a_resumed_job_keeps_what_it_said_before(folders, monkeypatch):
    _, folder = folders

    def stopping(self, x1):
        os.kill(os.getpid(), signal.SIGUSR2)
        return {}

    monkeypatch.setattr(load(QUICK["interpolant"]["class"]), "diagnostics", stopping)
    with pytest.raises(Interrupted), logged(folder / "train.log", folder):
        print("first")
        run_train(suite(), folder)
    monkeypatch.undo()
    assert not (folder / "failure.json").exists()
    with logged(folder / "train.log", folder):
        run_train(suite(), folder)
    said = (folder / "train.log").read_text()
    assert said.startswith("first\n") and "Interrupted: Stopped by SIGUSR2" in said
    with logged(folder / "train.log", folder):
        print("anew")
    assert (folder / "train.log").read_text() == "anew\n"


def dying(*_):
    raise Died


def other_config(found, folder, patch):
    patch.setattr(type(found), "run_hash", lambda self, run: "other")


def other_seed(found, folder, patch):
    patch.setitem(vars(found), "runs", [dataclasses.replace(found.runs[0], seed=9)])


def other_source(found, folder, patch):
    patch.setattr(provenance, "digest", lambda files: "other")


def other_data(found, folder, patch):
    described = json.loads((folder.parent / "data/data.json").read_text())
    (folder.parent / "data/data.json").write_text(json.dumps({**described, "hash": "other"}))


def other_torch(found, folder, patch):
    patch.setattr(torch, "__version__", "99.0.0")


def other_model(found, folder, patch):
    weights = (folder / "model.safetensors").read_bytes()
    (folder / "model.safetensors").write_bytes(weights[:-1] + bytes([weights[-1] ^ 1]))


OTHERS = {
    "config": other_config,
    "seed": other_seed,
    "source": other_source,
    "data": other_data,
    "torch": other_torch,
    "model": other_model,
}


@pytest.mark.parametrize("name", OTHERS)
def test_an_evaluation_goes_on_only_where_everything_is_as_it_was(
    folders, monkeypatch, caplog, name
):
    folder, found = folders[0], suite()
    run_train(found, folder)
    with monkeypatch.context() as patch:
        patch.setattr(evaluation, "sample", dying)
        with pytest.raises(Died):
            run_evaluate(found, folder)
    OTHERS[name](found, folder, monkeypatch)
    run_evaluate(found, folder)
    (message,) = [message for message in caplog.messages if "starts from the beginning" in message]
    assert f"which differs in {name} (found" in message and "), " not in message
    assert costs(folder)["evaluation_interruptions"] == 0


def test_a_training_goes_on_only_with_its_config(folders, monkeypatch, caplog):
    folder, found = folders[0], suite()
    with monkeypatch.context() as patch:
        patch.setattr(steps, "fit", dying)
        with pytest.raises(Died):
            run_train(found, folder)
    monkeypatch.setattr(type(found), "train_hash", lambda self, run: "other")
    run_train(found, folder)
    assert "which differs in config (found" in caplog.text
    assert read_json(folder / "model.json")["training"]["interruptions"] == 0
