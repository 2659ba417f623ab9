"""Two processes that train together are one that trains alone, and go on like it."""

import contextlib
import os
import re
import subprocess
import sys
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import numpy as np
import pytest
import torch
from counting import hear_interrupts, until
from plan import plan
from torch import multiprocessing

from benchmark import parts
from benchmark.baselines.interpolant import InterpolantFlow
from benchmark.data import dataset
from benchmark.data.dataset import Splits
from benchmark.data.digits import Digits
from benchmark.files import read_json
from benchmark.jobs import __main__ as command
from benchmark.jobs import launch
from benchmark.jobs.task import Machine, Task
from benchmark.records.run import Run
from benchmark.runtime import parallel
from benchmark.runtime.log import failure_of
from benchmark.source import ROOT
from benchmark.training.descent import Descent

pytestmark = pytest.mark.slow

CPU = torch.device("cpu")
MLP = {
    "network": {
        **{"class": "benchmark.networks.mlp.MLP", "width": 16, "depth": 2},
        **{"time_frequencies": 2, "space_frequencies": 0},
    },
    "path": "trigonometric",
}
UNET = {
    "network": {
        **{"class": "benchmark.networks.unet.UNet", "channels": 4, "multipliers": [1, 2]},
        **{"residual_blocks": 1, "attention": [4], "heads": 2},
    },
    "path": "trigonometric",
}


class Settled(InterpolantFlow):
    """Times and base samples are functions of a row: however rows are shared, they are the same."""

    def _paired(self, x1):
        return torch.sigmoid(x1.flatten(1).sum(dim=1)), x1.flip(-1), x1


CASES = {
    "MLP": ((3,), MLP, {}),
    "in parts": ((3,), MLP, {"accumulate": 2}),
    # Adam does not see the scale of a gradient, but for what is added to it.
    "scale of the gradient": ((3,), MLP, {"clip": None, "weight_decay": 0.1}),
    "U-Net": ((1, 8, 8), UNET, {}),
}


def descended(case):
    """Weights, their average and the losses after a few steps on batches that are always the
    same, of which each process takes its share."""
    event, arguments, changes = CASES[case]
    torch.set_default_dtype(torch.float64)
    torch.manual_seed(0)
    method = Settled.build(event, **parts.convert(Settled.build, arguments, event))
    for weights in method.parameters():
        weights.data += 0.1 * torch.randn_like(weights)  # the last layer of a U-Net starts at zero
    descent = Descent(method, plan(5, 8, 1e-2, **{"clip": 0.5, **changes}), CPU)
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
        results = {case: descended(case) for case in CASES}
        torch.save({**results, "drawn": drawn()}, folder / str(number))


@pytest.fixture(scope="module")
def both(tmp_path_factory):
    """The results of each of two processes."""
    folder = tmp_path_factory.mktemp("both")
    multiprocessing.spawn(one_of_two, (launch._free_port(), folder), nprocs=2)
    return [torch.load(folder / name) for name in "01"]


@pytest.mark.parametrize("case", CASES)
def test_two_processes_descend_like_one(both, case):
    first, second = (results[case] for results in both)
    torch.testing.assert_close(first, second, rtol=0, atol=0)
    torch.testing.assert_close(first, descended(case), rtol=1e-9, atol=1e-12)


def test_two_processes_draw_apart_and_the_first_as_if_alone(both):
    first, second = (results["drawn"] for results in both)
    assert torch.equal(first, drawn()) and not (first == second).any()


def test_a_batch_is_shared_evenly(monkeypatch):
    monkeypatch.setattr(parallel, "world_size", lambda: 3)
    assert parallel.rows_per_rank(33) == 11
    with pytest.raises(ValueError, match=r"train.batch_size is 32, and 3 processes share a batch"):
        parallel.rows_per_rank(32)


# --- a training of the workflow -------------------------------------------------------------------

RUN = Run("toy", "digits", "interpolant", 3)


@dataclass(frozen=True)
class Work:
    """A task, and the folder in which it is done."""

    folder: Path
    task: Task

    def changed(self, kind, **train):
        """The same with another class and other settings."""
        fit = self.task.arguments["fit"]
        made_with = fit["hyperparameters"]
        changed = {**made_with, "kind": kind, "train": {**made_with["train"], **train}}
        arguments = {**self.task.arguments, "fit": {**fit, "hyperparameters": changed}}
        return replace(self, task=replace(self.task, arguments=arguments))

    @property
    def log(self):
        return self.folder / self.task.log

    @property
    def description(self):
        """The content of ``model.json``."""
        return read_json(self.folder / RUN.model)

    @property
    def weights(self):
        return (self.folder / RUN.weights).read_bytes()

    @property
    def last_nll(self):
        lines = (self.folder / RUN.history).read_text().splitlines()
        return float(lines[-1].split(",")[3])


KIND = "benchmark.baselines.interpolant.InterpolantFlow"


def prepared(folder):
    """A training on digits of a few seconds, for two processes."""
    images = np.random.default_rng(0).integers(0, 17, (300, 64), dtype=np.uint8)
    with contextlib.chdir(folder):
        dataset.write(RUN.data, Digits, Splits(images, images[:50], images[:50]), {})
        RUN.folder.mkdir(parents=True)
    train = plan(1500, 32, 1e-3, coordinates="standardised", validations=3).model_dump()
    fit = {
        "run": asdict(RUN),
        "hyperparameters": {"kind": KIND, "model": MLP, "train": train},
        "validation": {"atol": 1e-3, "rtol": 1e-3},
        **{"config": "c1", "source": "d1"},
    }
    return Work(
        folder,
        Task(
            name="train.train",
            log=str(RUN.folder / "train.log"),
            arguments={"fit": fit, "searched": False},
            machine=Machine(processes=2),
            path=(str(Path(__file__).parent),),
        ),
    )


@pytest.fixture
def work(tmp_path):
    return prepared(tmp_path)


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """The same, and two processes have done it."""
    work = prepared(tmp_path_factory.mktemp("finished"))
    assert done(work) == 0
    return work


def started(work):
    """The command of a rule."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    return subprocess.Popen(
        [sys.executable, "-m", "benchmark.jobs", work.task.text()],
        cwd=work.folder, env=environment, preexec_fn=hear_interrupts,
    )  # fmt: skip


def done(work):
    """Its exit status."""
    return started(work).wait(timeout=200)


def test_a_training_in_two_processes_is_one_run(finished, work, monkeypatch, single_precision):
    stored = finished.description
    assert stored["training"]["processes"] == 2 and stored["training"]["steps"] == 1500
    assert stored["provenance"]["device"].startswith("2 processes on ")
    assert {path.name for path in (finished.folder / RUN.folder).iterdir()} == {
        *("model.json", "model.safetensors", "training.csv", "train.log", "train.usage.json")
    }
    monkeypatch.chdir(work.folder)
    command.main(replace(work.task, machine=Machine()).text())
    assert work.description["training"]["processes"] == 1
    assert work.weights != finished.weights  # from other random numbers, and as good
    assert work.last_nll == pytest.approx(finished.last_nll, rel=0.02)


def test_an_interrupted_training_resumes_to_the_same_weights(finished, work):
    process, log = started(work), work.log
    until(lambda: log.exists() and "0/1500" in log.read_text(), 60, lambda: "not started")
    process.terminate()
    assert process.wait(timeout=200) != 0
    assert not (work.folder / RUN.model).exists()
    assert not failure_of(log).exists()
    assert done(work) == 0
    assert work.weights == finished.weights and "Resuming after" in log.read_text()
    assert work.description["training"]["interruptions"] == 1


class Failing(InterpolantFlow):
    """Fails in the second of several processes."""

    def loss(self, x1):
        if parallel.rank() == 1:
            raise AssertionError("underflow in dt")
        return super().loss(x1)


@pytest.mark.parametrize(
    ("kind", "train", "reason"),
    [
        (KIND, {"lr": 1e30}, r"FloatingPointError: The loss is nan at step \d+"),
        (
            *("test_parallel.Failing", {}),
            "FloatingPointError: The ODE of the training loss has no solution any more",
        ),
    ],
    ids=["all diverge", "one diverges"],
)
def test_the_reason_of_a_failure_is_that_of_the_process_that_fails(work, kind, train, reason):
    assert done(work.changed(kind, **train)) != 0
    assert re.match(reason, read_json(failure_of(work.log))["reason"])


def test_several_nodes_need_slurm(work, monkeypatch):
    monkeypatch.delenv("SLURM_JOB_ID", raising=False)
    with pytest.raises(RuntimeError, match="nodes=2, but this is no SLURM job"):
        launch.perform(replace(work.task, machine=Machine(nodes=2)))


def test_only_trainings_are_shared(work, monkeypatch):
    alone = []
    monkeypatch.setattr(launch, "_alone", lambda given, device: alone.append((given.name, device)))
    monkeypatch.setattr(launch, "_run", lambda command: 1)
    launch.perform(replace(work.task, name="evaluate.evaluate"))
    assert alone == [("evaluate.evaluate", CPU)]
    with pytest.raises(SystemExit, match="ended with status 1"):
        launch.perform(work.task)


@pytest.mark.parametrize(
    ("device", "gpus", "available", "processes"),
    [
        ("auto", 4, True, 4),
        ("auto", 1, True, 1),
        ("auto", None, True, 1),
        ("cpu", 4, True, 1),
        ("auto", 4, False, 1),
    ],
)
def test_there_is_a_process_for_each_gpu(monkeypatch, device, gpus, available, processes):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: available)
    asked = Machine(device=device, gpus=gpus)
    assert launch._processes(asked) == processes
    assert launch._processes(replace(asked, processes=3)) == 3
