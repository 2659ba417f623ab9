"""The job that evaluates one fit: log-densities of the test rows, samples, and what they took."""

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from benchmark import model
from benchmark.data.description import describe
from benchmark.files import atomic
from benchmark.measure import evaluated
from benchmark.measure.evaluation_settings import EvaluationSettings
from benchmark.measure.raw_files import cost_file, likelihood_file
from benchmark.ode import Tolerance
from benchmark.records import provenance
from benchmark.records.model_file import ModelFile
from benchmark.records.run import Run
from benchmark.runtime.checkpoint import Checkpoint
from benchmark.runtime.device import device_name
from benchmark.runtime.log import CHECKPOINT

CLOCK = "wall clock, stopped during validation, without imports; other jobs may run beside"


@dataclass(frozen=True)
class Evaluation:
    """A run, the classes of its method, and what its evaluation depends on.

    ``config`` and ``source`` are the hash of the config and the digest of the source.
    """

    run: Run
    classes: list[str]
    settings: EvaluationSettings
    config: str
    source: str


def evaluate(given: Evaluation, device: torch.device) -> None:
    """Evaluate one fit: ``log_prob.npy``, ``likelihood.json``, ``samples.npy``, ``cost.json``.

    An evaluation that was cut short leaves ``evaluate.checkpoint``, from which it resumes.
    """
    run, settings = given.run, given.settings
    torch.manual_seed(run.seed)
    data, stored = describe(run.data), ModelFile.load(run.model)
    tolerance = Tolerance.of(settings)
    fitted = model.load(run.folder, tolerance).to(device)
    key = provenance.resume_key(run, given.source, given.config, data.hash, device)
    key |= {"model": hashlib.sha256(run.weights.read_bytes()).hexdigest()}
    with Checkpoint(run.folder / f"evaluate{CHECKPOINT}", key) as checkpoint:
        devices = checkpoint.visit(device_name(device))
        results = evaluated.evaluate(run, fitted, settings, checkpoint)
        protocol = evaluated.protocol(fitted, str(stored.weights), settings, data)
        made = provenance.of_classes(
            *(given.classes, given.source, given.config),
            device=devices,
            threads=torch.get_num_threads(),
        )
        _write_rows(run.samples, results.samples.values)
        _write_rows(run.log_prob, results.log_prob(data.rows["test"]))
        likelihood_file(results, protocol, made).save(run.likelihood)
        clocked = _clocked(protocol, stored)
        cost_file(results, stored, clocked, made).save(run.cost)
        checkpoint.remove()


def _clocked(protocol: dict[str, Any], stored: ModelFile) -> dict[str, Any]:
    """The protocol of costs: how the clocks ran, and the precision of the training."""
    assert stored.training is not None
    return {**protocol, "clock": CLOCK, "training_precision": stored.training.precision}


def _write_rows(path: Path, rows: np.ndarray) -> None:
    with atomic(path) as temporary:
        np.save(temporary, rows)
