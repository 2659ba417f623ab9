"""The job that measures one fit: log-densities of the test rows, samples, and what they took."""

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from benchmark import model
from benchmark.data import dataset
from benchmark.data.dataset import Description
from benchmark.files import atomic
from benchmark.jobs.fit import made_by
from benchmark.measure import evaluation
from benchmark.measure.evaluated import Evaluated, Trained, cost_file, likelihood_file
from benchmark.measure.evaluation import HeldOut, Measured
from benchmark.model import Model, ModelFile
from benchmark.ode import Tolerance
from benchmark.records import provenance
from benchmark.records.run import Run
from benchmark.runtime.checkpoint import Checkpoint
from benchmark.runtime.device import device_name
from benchmark.runtime.log import CHECKPOINT

TEST_NOISE = 0
"""Seed of the noise that dequantises test rows: the same for every method and seed."""

CLOCK = "wall clock, stopped during validation, without imports; other jobs may run beside"


@dataclass(frozen=True)
class Settings:
    """How a fit is measured: the key ``evaluation`` of a suite, without what figures need."""

    atol: float
    rtol: float
    chunk: int
    tight_rows: int
    samples: int
    probes: int = 0
    passes: int = 1

    @property
    def tolerance(self) -> Tolerance:
        """The tolerance of the ODE solves."""
        return Tolerance(self.atol, self.rtol, self.probes)

    def passes_over(self, data: Description) -> int:
        """Passes over the test rows: rows that are real numbers are taken as they are, once."""
        return self.passes if data.levels is not None else 1


@dataclass(frozen=True)
class Evaluation:
    """A run, the class of its method, and what its evaluation depends on.

    ``config`` and ``source`` are the hash of the config and the digest of the source.
    """

    run: Run
    kind: str
    settings: Settings
    config: str
    source: str


def evaluate(given: Evaluation, device: torch.device) -> None:
    """Measure one fit: ``log_prob.npy``, ``likelihood.json``, ``samples.npy``, ``cost.json``.

    A measurement that was cut short leaves ``evaluate.checkpoint``, from which it resumes.
    """
    run, settings = given.run, given.settings
    torch.manual_seed(run.seed)
    data, stored = dataset.describe(run.data), ModelFile.read(run.folder)
    fitted = model.load(run.folder, settings.tolerance).to(device)
    weights = hashlib.sha256(run.weights.read_bytes()).hexdigest()
    key = provenance.resume_key(run, given.source, given.config, data.hash, device)
    key |= {"model": weights}
    with Checkpoint(run.folder / f"evaluate{CHECKPOINT}", key) as checkpoint:
        devices = checkpoint.visit(device_name(device))
        evaluated = _evaluated(run, fitted, settings, checkpoint)
        protocol = _protocol(fitted, stored, settings, data)
        made = made_by(given.kind, given.source, given.config, devices)
        _write_rows(run.samples, evaluated.samples.values)
        _write_rows(run.log_prob, evaluated.log_prob(data.rows["test"]))
        likelihood_file(evaluated, protocol, made).save(run.likelihood)
        cost_file(evaluated, _trained(stored), _clocked(protocol, stored), made).save(run.cost)
        checkpoint.remove()


def _evaluated(run: Run, fitted: Model, settings: Settings, checkpoint: Checkpoint) -> Evaluated:
    device, chunk = next(fitted.buffers()).device, settings.chunk
    x, reason = HeldOut(run.data, "test", TEST_NOISE, device), fitted.method.likelihood_gap()
    passes = _likelihoods(run, fitted, settings, checkpoint) if reason is None else []
    part = checkpoint.part("samples")
    samples = evaluation.sample(fitted, settings.samples, chunk, run.seed, part)
    tight = None
    if passes and passes[0].nfe:
        part, tolerance = checkpoint.part("tight likelihood"), fitted.tolerance.tightened(10.0)
        few = x[: settings.tight_rows]
        tight = evaluation.log_prob(fitted, few, chunk, tolerance, part)
    diagnosed = x[:chunk].to(torch.get_default_dtype())
    return Evaluated(
        passes=passes,
        tight=tight,
        samples=samples,
        parameters=model.parameters(fitted),
        diagnostics=fitted.method.diagnostics(fitted.coordinates(diagnosed)),
        diagnosed=len(diagnosed),
        interruptions=checkpoint.interruptions,
        reason=reason,
    )


def _likelihoods(
    run: Run, fitted: Model, settings: Settings, checkpoint: Checkpoint
) -> list[Measured]:
    """Those of the test rows, pass by pass: each with other noise and other probes."""
    likelihoods, device = [], next(fitted.buffers()).device
    for number in range(settings.passes_over(dataset.describe(run.data))):
        x = HeldOut(run.data, "test", [TEST_NOISE, number] if number else TEST_NOISE, device)
        part = checkpoint.part(f"likelihood, pass {number + 1}" if number else "likelihood")
        chunk, probes = settings.chunk, evaluation.PROBES + number
        likelihoods.append(evaluation.log_prob(fitted, x, chunk, fitted.tolerance, part, probes))
    return likelihoods


def _protocol(
    fitted: Model, stored: ModelFile, settings: Settings, data: Description
) -> dict[str, Any]:
    passes = settings.passes_over(data)
    plural = "es" if passes > 1 else ""
    noise = f"uniform, seed {TEST_NOISE}, {passes} pass{plural}"
    return {
        **fitted.method.protocol(fitted.tolerance),
        "trained": fitted.method.trained,
        "chunk": settings.chunk,
        "weights": stored.weights,
        "rows": data.rows["test"],
        "data": data.hash,
        **({"dequantisation": noise} if data.levels is not None else {}),
    }


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
