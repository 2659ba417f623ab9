"""Two processes that train together are one that trains alone, and go on like it."""

import os
import signal
import subprocess
import sys
import time
from dataclasses import asdict, replace

import numpy as np
import pytest
import torch
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
    return subprocess.Popen([sys.executable, "-c", program], cwd=ROOT)


def weights(step):
    return (launch.Path(step.folder) / "model.safetensors").read_bytes()


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


@pytest.mark.parametrize("request_to_stop", [signal.SIGTERM, signal.SIGINT, signal.SIGKILL])
def test_an_interrupted_training_goes_on_to_the_same_weights(step, tmp_path, request_to_stop):
    longer = replace(step, numbers={**step.numbers, "train": {**step.numbers["train"], "steps": 3000}})
    assert started(longer).wait() == 0
    expected = weights(longer)
    (tmp_path / "run/model.json").unlink()
    process, checkpoint = started(longer), tmp_path / "run/train.checkpoint"
    while not (checkpoint.exists() and " 1500/" in (tmp_path / "run/train.log").read_text()):
        time.sleep(0.05)
        assert process.poll() is None
    process.send_signal(request_to_stop)
    assert process.wait() != 0
    assert not (tmp_path / "run/model.json").exists()
    assert started(longer).wait() == 0
    assert weights(longer) == expected
    assert read_json(tmp_path / "run/model.json")["training"]["interruptions"] == 1
