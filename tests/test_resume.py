"""Trainings that are interrupted and resumed equal uninterrupted ones, bit for bit."""

import math
import os
import random
import signal

import numpy as np
import pytest
import torch
import yaml
from pages import parsed
from plan import OnlyTrained
from torch import nn

from benchmark import model, names
from benchmark.measure import evaluation
from benchmark.rows import Rows
from benchmark.runtime import checkpoint
from benchmark.runtime.checkpoint import STOP_SIGNALS, Checkpoint, Interrupted
from benchmark.source import ROOT
from benchmark.suite.grid import merged
from benchmark.training import clock, loop
from benchmark.training.loop import Validation, fit
from benchmark.training.settings import Training

pytestmark = pytest.mark.slow

CPU = torch.device("cpu")


class Died(BaseException):
    """Stands for a kill: an exception would be a failure, which is no interruption."""


KEY = {"config": "c1"}
STEPS, ROWS = 10, 300

QUICK = yaml.safe_load((ROOT / "config.yaml").read_text())["suites"]["quick"]["methods"]
PATHS = yaml.safe_load((ROOT / "workflow/suites/paths.yaml").read_text())["methods"]
EXTRAS = parsed("benchmark/baselines/README.md", "ot_cfm:")
CONFIGURED = {**QUICK, **PATHS, **EXTRAS}

SMALL = {
    **{"width": 8, "depth": 2, "time_frequencies": 2, "space_frequencies": 1},
    **{"atol": 1e-2, "rtol": 1e-2, "solver_steps": 2, "transforms": 2, "bins": 4},
}
"""Replaces arguments of the configs, those of networks too, to be quick."""

PLATEAU = {"validations": 5, "early_stopping": {"patience": 1, "drops": 3, "factor": 0.5}}
FALLING = {"kind": "step", "every": 4, "factor": 0.3}
LEARNED = "interpolant-fourier_learned_base"


def small(arguments):
    """The same arguments, with those of ``SMALL``."""
    return {
        key: small(value) if isinstance(value, dict) else SMALL.get(key, value)
        for key, value in arguments.items()
    }


def case(name, model=None, event=(2,), levels=None, **train):
    """Class, small arguments, shape of a row, grey levels and training of a configured method."""
    entry = CONFIGURED[name]
    arguments = merged(small(entry["model"]), model or {})
    short = {**entry["train"], "steps": STEPS, "batch_size": 16, **train}
    return entry["class"], arguments, event, levels, Training(**short)


CASES = {
    **{name: case(name) for name in CONFIGURED if CONFIGURED[name]["train"]["steps"]},
    **{
        f"{name}, early stopping": case(name, **PLATEAU)
        for name in ("interpolant", "ffjord", "ot_flow", "score_sde", LEARNED)
    },
    "product": case("interpolant", {"draws": {"times": 3, "bases": 4}}),
    "base rows": case("interpolant", {"base_rows": 50}),
    "times of any Beta": case("interpolant", {"draws": {"alpha": 2.0}}),
    "images": case("interpolant", event=(1, 2, 2), levels=17),
    "bfloat16": case("interpolant", precision="bfloat16", ema=0.9),
    "last weights": case("interpolant", ema=0.0, schedule="constant", clip=None),
    "adamw": case("score_sde", optimiser="adamw", weight_decay=0.1, schedule=FALLING, ema=0.9),
    "sub-VP": case("score_sde", {"sde": "subvp", "weighting": "likelihood"}),
    "VE": case("score_sde", {"sde": "ve"}),
    "blocks": case("ffjord", {"blocks": 2, "network": {"activation": "softplus"}}),
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
    kind, arguments, event, _, plan = case
    names.load(kind)  # what it imports may draw random numbers, once
    for generator in (torch.manual_seed, np.random.seed, random.seed):
        generator(seed)
    method = model.build(kind, event, arguments)
    method.event = event
    base = None
    if "base_rows" in arguments:
        base = Rows(torch.randn(arguments["base_rows"], *event).numpy(), None, CPU)
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
