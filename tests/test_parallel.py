"""Two processes that train together are one that trains alone, and go on like it."""

import os
import re
import signal
import subprocess
import sys
import time
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
import psutil
import pytest
import torch
from counting import hear_interrupts, until
from plan import plan
from torch import multiprocessing

from benchmark import launch, parallel
from benchmark.baselines.interpolant import ImageInterpolant, InterpolantFlow
from benchmark.data import dataset
from benchmark.data.dataset import Splits
from benchmark.data.digits import Digits
from benchmark.files import read_json
from benchmark.launch import Step
from benchmark.log import FAILURE
from benchmark.source import ROOT
from benchmark.training import Descent

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
    descent = Descent(method, plan(5, 8, 1e-2, clip=0.5, **changes), CPU)
    losses = []
    for step in range(5):
        batch = torch.randn(8, *event, generator=torch.Generator().manual_seed(step))
        rows = batch.chunk(parallel.processes())[parallel.number()]
        losses.append(parallel.mean(descent.step(rows, 1.0).item()))
    state = descent.state_dict()
    return [losses, *state["method"].values(), *state["averaged"].values()]


def one_of_two(number, port, case, folder):
    torch.set_num_threads(1)
    place = {"RANK": number, "WORLD_SIZE": 2, "MASTER_ADDR": "localhost", "MASTER_PORT": port}
    os.environ |= {name: str(value) for name, value in place.items()}
    with parallel.together(CPU):
        torch.save(descended(case), folder / str(number))


@pytest.mark.parametrize("case", CASES)
def test_two_processes_descend_like_one(case, tmp_path):
    multiprocessing.spawn(one_of_two, (launch._free_port(), case, tmp_path), nprocs=2)
    torch.testing.assert_close(torch.load(tmp_path / "0"), torch.load(tmp_path / "1"), rtol=0, atol=0)
    torch.testing.assert_close(torch.load(tmp_path / "0"), descended(case), rtol=1e-9, atol=1e-12)


# --- a training of the workflow -------------------------------------------------------------------


@pytest.fixture
def step(tmp_path):
    """A training on digits of a few seconds."""
    images = np.random.default_rng(0).integers(0, 17, (300, 64), dtype=np.uint8)
    dataset.write(tmp_path / "data", Digits, Splits(images, images[:50], images[:50]), {})
    (tmp_path / "run").mkdir()
    train = asdict(plan(400, 32, 1e-3, coordinates="standardised", validations=3))
    return Step(
        name="train",
        run=["toy", "digits", "interpolant", 3],
        numbers={
            "class": "benchmark.baselines.interpolant.InterpolantFlow",
            "model": MLP,
            "train": train,
        },
        settings={"atol": 1e-3, "rtol": 1e-3, "config": "c1"},
        data=str(tmp_path / "data"),
        folder=str(tmp_path / "run"),
        log=str(tmp_path / "run/train.log"),
        threads=1,
        device="cpu",
        gpus=None,
    )


PERFORM = """
import sys
from benchmark.launch import Step
from benchmark.log import logged
step = Step(**{!r})
with logged(step.log, step.folder):
    step.perform(processes={})
"""


def started(step, processes=2):
    """The step in a process, like a script of the workflow."""
    program = PERFORM.format(asdict(step), processes)
    return subprocess.Popen([sys.executable, "-c", program], cwd=ROOT, preexec_fn=hear_interrupts)


def weights(step):
    return Path(step.folder, "model.safetensors").read_bytes()


def test_a_training_in_two_processes_is_that_of_one_run(step, tmp_path):
    assert started(step).wait() == 0
    folder = tmp_path / "run"
    stored, found = read_json(folder / "model.json"), weights(step)
    assert stored["training"]["processes"] == 2 and stored["training"]["steps"] == 400
    assert stored["provenance"]["device"].startswith("2 processes on ")
    assert len((folder / "training.csv").read_text().splitlines()) > 100
    assert not (folder / FAILURE).exists() and not (folder / "train.checkpoint").exists()
    # It learns as one process does, from other random numbers.
    assert started(step, 1).wait() == 0
    alone = read_json(folder / "model.json")["training"]
    assert alone["processes"] == 1 and weights(step) != found


@pytest.mark.parametrize("request_to_stop", ["SIGTERM", "SIGINT", "SIGKILL"])
def test_an_interrupted_training_goes_on_to_the_same_weights(step, request_to_stop):
    train = {**step.numbers["train"], "steps": 3000}
    longer = replace(step, numbers={**step.numbers, "train": train})
    assert started(longer).wait() == 0
    expected, log = weights(longer), Path(longer.log)
    Path(longer.folder, "model.json").unlink()
    log.unlink()
    process = started(longer)
    until(lambda: log.exists() and "0/3000" in log.read_text(), 60, lambda: "not started")
    time.sleep(0.5)
    if request_to_stop == "SIGKILL":
        for child in psutil.Process(process.pid).children(recursive=True):
            child.kill()
    process.send_signal(signal.Signals[request_to_stop])
    assert process.wait() != 0
    assert not Path(longer.folder, "model.json").exists()
    assert not Path(longer.folder, FAILURE).exists()
    assert started(longer).wait() == 0
    assert weights(longer) == expected
    assert ("Going on after" in log.read_text()) == (request_to_stop != "SIGKILL")
    assert read_json(Path(longer.folder, "model.json"))["training"]["interruptions"] == 1


def test_a_failure_is_told_by_the_process_that_fails(step):
    train = {**step.numbers["train"], "lr": 1e30}
    diverging = replace(step, numbers={**step.numbers, "train": train})
    assert started(diverging).wait() != 0
    told = read_json(Path(step.folder, FAILURE))["reason"]
    assert re.match(r"FloatingPointError: The loss is nan at step \d+", told)
    uneven = replace(step, numbers={**step.numbers, "train": {**train, "batch_size": 33}})
    assert started(uneven).wait() != 0
    told = read_json(Path(step.folder, FAILURE))["reason"]
    assert told.startswith("ValueError: train.batch_size is 33, and 2 processes share a batch")


def test_several_nodes_need_slurm(step, monkeypatch):
    monkeypatch.delenv("SLURM_JOB_ID", raising=False)
    with pytest.raises(RuntimeError, match="nodes=2, but this is no SLURM job"):
        step.perform(nodes=2)


@pytest.mark.parametrize(
    ("device", "gpus", "processes"), [("auto", 4, 4), ("auto", 1, 1), ("auto", None, 1), ("cpu", 4, 1)]
)
def test_there_is_a_process_for_each_gpu(step, device, gpus, processes):
    assert replace(step, device=device, gpus=gpus)._each(None) == processes
    assert replace(step, device=device, gpus=gpus)._each(3) == 3
