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
from benchmark.jobs.fit import made_by
from benchmark.measure import evaluated
from benchmark.measure.evaluation_settings import EvaluationSettings
from benchmark.measure.raw_files import Trained, cost_file, likelihood_file
from benchmark.model import ModelFile
from benchmark.ode import Tolerance
from benchmark.records import provenance
from benchmark.records.run import Run
from benchmark.runtime.checkpoint import Checkpoint
from benchmark.runtime.device import device_name
from benchmark.runtime.log import CHECKPOINT

CLOCK = "wall clock, stopped during validation, without imports; other jobs may run beside"


@dataclass(frozen=True)
class Evaluation:
    """A run, the class of its method, and what its evaluation depends on.

    ``config`` and ``source`` are the hash of the config and the digest of the source.
    """

    run: Run
    kind: str
    settings: EvaluationSettings
    config: str
    source: str


def evaluate(given: Evaluation, device: torch.device) -> None:
    """Evaluate one fit: ``log_prob.npy``, ``likelihood.json``, ``samples.npy``, ``cost.json``.

    An evaluation that was cut short leaves ``evaluate.checkpoint``, from which it resumes.
    """
    run, settings = given.run, given.settings
    torch.manual_seed(run.seed)
    data, stored = describe(run.data), ModelFile.read(run.folder)
    tolerance = Tolerance(settings.atol, settings.rtol, settings.probes)
    fitted = model.load(run.folder, tolerance).to(device)
    key = provenance.resume_key(run, given.source, given.config, data.hash, device)
    key |= {"model": hashlib.sha256(run.weights.read_bytes()).hexdigest()}
    with Checkpoint(run.folder / f"evaluate{CHECKPOINT}", key) as checkpoint:
        devices = checkpoint.visit(device_name(device))
        results = evaluated.evaluate(run, fitted, settings, checkpoint)
        protocol = evaluated.protocol(fitted, str(stored.weights), settings, data)
        made = made_by(given.kind, given.source, given.config, devices)
        _write_rows(run.samples, results.samples.values)
        _write_rows(run.log_prob, results.log_prob(data.rows["test"]))
        likelihood_file(results, protocol, made).save(run.likelihood)
        clocked = _clocked(protocol, stored)
        cost_file(results, _trained(stored), clocked, made).save(run.cost)
        checkpoint.remove()


def _clocked(protocol: dict[str, Any], stored: ModelFile) -> dict[str, Any]:
    """The protocol of costs: how the clocks ran, and the precision of the training."""
    assert stored.training is not None
    return {**protocol, "clock": CLOCK, "training_precision": stored.training.precision}


def _trained(stored: ModelFile) -> Trained:
    """What ``model.json`` states of the training."""
    training = stored.training
    assert training is not None
    return Trained(
        steps=training.steps,
        seconds=training.seconds,
        peak_memory=training.peak_memory,
        interruptions=training.interruptions,
        provenance=stored.provenance,
    )


def _write_rows(path: Path, rows: np.ndarray) -> None:
    with atomic(path) as temporary:
        np.save(temporary, rows)
