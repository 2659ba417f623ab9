"""Two processes that train together are one that trains alone, and go on like it."""

import os
import re
import subprocess
import sys
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
import pytest
import torch
from counting import hear_interrupts, until
from plan import plan
from torch import multiprocessing

from benchmark.baselines.interpolant import ImageInterpolant, InterpolantFlow
from benchmark.data import dataset
from benchmark.data.dataset import Splits
from benchmark.data.digits import Digits
from benchmark.files import read_json
from benchmark.jobs import launch
from benchmark.jobs.launch import Step
from benchmark.runtime import parallel
from benchmark.runtime.log import FAILURE, logged
from benchmark.source import ROOT
from benchmark.training.descent import Descent

CPU = torch.device("cpu")
MLP = {
    **{"path": "trigonometric", "time_alpha": 1.0, "time_beta": 1.0},
    **{"width": 16, "depth": 2, "time_frequencies": 2, "space_frequencies": 0},
}
UNET = {
    **{"path": "trigonometric", "time_alpha": 1.0, "time_beta": 1.0},
    **{"channels": 4, "multipliers": [1, 2], "residual_blocks": 1, "attention": [4], "heads": 2},
}


class Settled:
    """Times and base samples are functions of a row: however rows are shared, they are the same."""

    def _paired(self, x1):
        return torch.sigmoid(x1.flatten(1).sum(dim=1)), x1.flip(-1), x1


class SettledMLP(Settled, InterpolantFlow):
    pass


class SettledUNet(Settled, ImageInterpolant):
    pass


CASES = {
    "MLP": (SettledMLP, (3,), MLP, {}),
    "in parts": (SettledMLP, (3,), MLP, {"accumulate": 2}),
    # Adam does not see the scale of a gradient, but for what is added to it.
    "scale of the gradient": (SettledMLP, (3,), MLP, {"clip": None, "weight_decay": 0.1}),
    "U-Net": (SettledUNet, (1, 8, 8), UNET, {}),
}


def descended(case):
    """Weights, their average and the losses after a few steps on batches that are always the
    same, of which each process takes its share."""
    kind, event, numbers, changes = CASES[case]
    torch.set_default_dtype(torch.float64)
    torch.manual_seed(0)
    method = kind.build(event, **numbers)
    for weights in method.parameters():
        weights.data += 0.1 * torch.randn_like(weights)  # the last layer of a U-Net starts at zero
    numbers = plan(5, 8, 1e-2, **{"clip": 0.5, **changes})
    descent = Descent(method, numbers, CPU)
    losses = []
    for step in range(5):
        batch = torch.randn(8, *event, generator=torch.Generator().manual_seed(step))
        rows = batch.chunk(parallel.world_size())[parallel.rank()]
        losses.append(parallel.mean(descent.step(rows, 1.0).item()))
    state = descent.state_dict()
    return [losses, *state["method"].values(), *state["averaged"].values()]


def drawn():
    torch.manual_seed(7)
    parallel.separate_seeds()
    return torch.rand(5)


def one_of_two(number, port, folder):
    torch.set_num_threads(1)
    place = {"RANK": number, "WORLD_SIZE": 2, "MASTER_ADDR": "localhost", "MASTER_PORT": port}
    os.environ |= {name: str(value) for name, value in place.items()}
    with parallel.process_group(CPU):
        found = {case: descended(case) for case in CASES}
        torch.save({**found, "drawn": drawn()}, folder / str(number))


@pytest.fixture(scope="module")
def both(tmp_path_factory):
    """What each of two processes has found."""
    folder = tmp_path_factory.mktemp("both")
    multiprocessing.spawn(one_of_two, (launch._free_port(), folder), nprocs=2)
    return [torch.load(folder / name) for name in "01"]


@pytest.mark.parametrize("case", CASES)
def test_two_processes_descend_like_one(both, case):
    first, second = (found[case] for found in both)
    torch.testing.assert_close(first, second, rtol=0, atol=0)
    torch.testing.assert_close(first, descended(case), rtol=1e-9, atol=1e-12)


def test_two_processes_draw_apart_and_the_first_as_if_alone(both):
    first, second = (found["drawn"] for found in both)
    assert torch.equal(first, drawn()) and not (first == second).any()


def test_a_batch_is_shared_evenly(monkeypatch):
    monkeypatch.setattr(parallel, "world_size", lambda: 3)
    assert parallel.rows_per_rank(33) == 11
    with pytest.raises(ValueError, match=r"train.batch_size is 32, and 3 processes share a batch"):
        parallel.rows_per_rank(32)


# --- a training of the workflow -------------------------------------------------------------------


def prepared(folder):
    """A training on digits of a few seconds."""
    images = np.random.default_rng(0).integers(0, 17, (300, 64), dtype=np.uint8)
    dataset.write(folder / "data", Digits, Splits(images, images[:50], images[:50]), {})
    (folder / "run").mkdir()
    train = plan(1500, 32, 1e-3, coordinates="standardised", validations=3).model_dump()
    return Step(
        name="train",
        run=["toy", "digits", "interpolant", 3],
        numbers={
            "class": "benchmark.baselines.interpolant.InterpolantFlow",
            "model": MLP,
            "train": train,
        },
        settings={"atol": 1e-3, "rtol": 1e-3, "config": "c1"},
        data=str(folder / "data"),
        folder=str(folder / "run"),
        log=str(folder / "run/train.log"),
        threads=1,
        device="cpu",
        gpus=None,
    )


@pytest.fixture
def step(tmp_path):
    return prepared(tmp_path)


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """The same, and two processes have done it."""
    step = prepared(tmp_path_factory.mktemp("finished"))
    assert done(step) == 0
    return step


PERFORM = """
from benchmark.jobs.launch import Step
from benchmark.runtime.log import logged
step = Step(**{!r})
with logged(step.log, step.folder):
    step.perform(processes={})
"""


def started(step, processes=2):
    """The step in a process, like a script of the workflow."""
    program = PERFORM.format(asdict(step), processes)
    environment = {**os.environ, "PYTHONPATH": f"{ROOT}:{Path(__file__).parent}"}
    return subprocess.Popen(
        [sys.executable, "-c", program], env=environment, preexec_fn=hear_interrupts
    )


def done(step, processes=2):
    """Its exit status."""
    return started(step, processes).wait(timeout=200)


def weights(step):
    return Path(step.folder, "model.safetensors").read_bytes()


def test_a_training_in_two_processes_is_one_run(finished, step, single_precision):
    folder = Path(finished.folder)
    stored = read_json(folder / "model.json")
    assert stored["training"]["processes"] == 2 and stored["training"]["steps"] == 1500
    assert stored["provenance"]["device"].startswith("2 processes on ")
    assert {path.name for path in folder.iterdir()} == {
        *("model.json", "model.safetensors", "training.csv", "train.log")
    }
    with logged(step.log, step.folder):
        step.perform()
    assert read_json(Path(step.folder, "model.json"))["training"]["processes"] == 1
    assert weights(step) != weights(finished)  # from other random numbers, and as good
    nll = [last_nll(Path(folder, "training.csv")) for folder in (step.folder, finished.folder)]
    assert nll[0] == pytest.approx(nll[1], rel=0.02)


def last_nll(path):
    return float(path.read_text().splitlines()[-1].split(",")[3])


def test_an_interrupted_training_goes_on_to_the_same_weights(finished, step):
    process, log = started(step), Path(step.log)
    until(lambda: log.exists() and "0/1500" in log.read_text(), 60, lambda: "not started")
    process.terminate()
    assert process.wait(timeout=200) != 0
    assert not Path(step.folder, "model.json").exists()
    assert not Path(step.folder, FAILURE).exists()
    assert done(step) == 0
    assert weights(step) == weights(finished) and "Resuming after" in log.read_text()
    assert read_json(Path(step.folder, "model.json"))["training"]["interruptions"] == 1


class Failing(InterpolantFlow):
    """Fails in the second of several processes."""

    def loss(self, x1):
        if parallel.rank() == 1:
            raise AssertionError("underflow in dt")
        return super().loss(x1)


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"lr": 1e30}, r"FloatingPointError: The loss is nan at step \d+"),
        ({}, "FloatingPointError: The ODE of the training loss has no solution any more"),
    ],
    ids=["all diverge", "one diverges"],
)
def test_a_failure_is_told_by_the_process_that_fails(step, changes, told):
    train = {**step.numbers["train"], **changes}
    kind = step.numbers["class"] if changes else "test_parallel.Failing"
    failing = replace(step, numbers={**step.numbers, "class": kind, "train": train})
    assert done(failing) != 0
    assert re.match(told, read_json(Path(step.folder, FAILURE))["reason"])


def test_several_nodes_need_slurm(step, monkeypatch):
    monkeypatch.delenv("SLURM_JOB_ID", raising=False)
    with pytest.raises(RuntimeError, match="nodes=2, but this is no SLURM job"):
        step.perform(nodes=2)


@pytest.mark.parametrize(
    ("device", "gpus", "found", "processes"),
    [
        ("auto", 4, True, 4),
        ("auto", 1, True, 1),
        ("auto", None, True, 1),
        ("cpu", 4, True, 1),
        ("auto", 4, False, 1),
    ],
)
def test_there_is_a_process_for_each_gpu(step, monkeypatch, device, gpus, found, processes):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: found)
    assert replace(step, device=device, gpus=gpus)._each(None) == processes
    assert replace(step, device=device, gpus=gpus)._each(3) == 3
