"""The evaluation of a fit: log-densities of the test rows, samples and diagnostics."""

import logging
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from torch import Tensor

from benchmark import model
from benchmark.data.dataset import TEST_NOISE, noise_in_words, pass_noise
from benchmark.data.description import Description, describe
from benchmark.measure import evaluation
from benchmark.measure.evaluation import HeldOut, Measured, averaged
from benchmark.measure.evaluation_settings import EvaluationSettings
from benchmark.model import Model
from benchmark.records.run import Run
from benchmark.runtime.checkpoint import Checkpoint

log = logging.getLogger(__name__)

TIGHTENING = 10.0
"""Factor between the tolerance of a likelihood and that at which its error is measured."""


class Beside:
    """Numbers beside those of a job: one that fails leaves these, and its reason in ``failures``.

    An interruption is no failure.
    """

    def __init__(self) -> None:
        self.failures: dict[str, str] = {}

    def take(self, name: str, number: Callable[[], Any]) -> Any:
        """What ``number`` returns; ``None`` where it fails, with the traceback in the log."""
        try:
            return number()
        except Exception as error:
            log.warning(f"No {name}:", exc_info=True)
            self.failures[name] = f"{type(error).__name__}: {error}".splitlines()[0]
            return None


@dataclass(frozen=True)
class Evaluated:
    """The results of an evaluation.

    ``passes``: log-densities of the test rows, pass by pass, none for a method without a
    log-density, whose ``reason`` says why. ``tight``: those of the first rows, at a 10x tighter
    tolerance. ``diagnostics``: what the method reports of itself on ``diagnosed`` rows.
    ``parameters``: number of trained numbers. ``interruptions``: of the evaluation. ``failures``:
    why ``tight`` or ``diagnostics``, on which no other number depends, could not be had.
    """

    passes: Sequence[Measured]
    tight: Measured | None
    samples: Measured
    parameters: int
    diagnostics: Mapping[str, float] = field(default_factory=dict)
    diagnosed: int = 0
    interruptions: int = 0
    reason: str | None = None
    failures: Mapping[str, str] = field(default_factory=dict)

    def log_prob(self, rows: int) -> np.ndarray:
        """Log-density in nats of each of ``rows`` test rows, NaN where the method has none."""
        return averaged(self.passes).values if self.passes else np.full(rows, np.nan)


def evaluate(
    run: Run, fitted: Model, settings: EvaluationSettings, checkpoint: Checkpoint
) -> Evaluated:
    """Evaluate a fit on the test rows of its data set, on the device it lies on.

    Solves at the tolerance of ``fitted``. Chunks that are in ``checkpoint`` are not solved again.
    Raises ``Interrupted`` on a request to stop.
    """
    x = HeldOut(run.data, "test", TEST_NOISE, _device(fitted))
    reason, part = fitted.method.likelihood_gap(), checkpoint.part("samples")
    passes = _passes(run, fitted, settings, checkpoint) if reason is None else []
    digits = x[:1].dtype
    samples = evaluation.sample(fitted, settings.samples, settings.chunk, run.seed, part, digits)
    solved = bool(passes and passes[0].nfe)  # by an ODE, whose tolerance matters
    beside = Beside()
    tight = (
        beside.take("tight", lambda: _tight(fitted, x, settings, checkpoint)) if solved else None
    )
    diagnosed = fitted.coordinates.rounded(x[: settings.chunk])
    diagnostics = beside.take("diagnostics", lambda: _diagnostics(fitted, diagnosed))
    return Evaluated(
        passes=passes,
        tight=tight,
        samples=samples,
        parameters=model.parameters(fitted),
        diagnostics=diagnostics or {},
        diagnosed=len(diagnosed),
        interruptions=checkpoint.interruptions,
        reason=reason,
        failures=beside.failures,
    )


def protocol(
    fitted: Model, weights: str, settings: EvaluationSettings, data: Description
) -> dict[str, Any]:
    """How log-densities and samples are computed; ``weights`` says which weights the fit has."""
    passes = _number_of_passes(settings, data)
    noise = noise_in_words(passes)
    return {
        **fitted.method.protocol(fitted.tolerance),
        "trained": fitted.method.trained,
        "chunk": settings.chunk,
        "weights": weights,
        "rows": data.rows["test"],
        "data": data.hash,
        **({"dequantisation": noise} if data.levels is not None else {}),
    }


def _passes(
    run: Run, fitted: Model, settings: EvaluationSettings, checkpoint: Checkpoint
) -> list[Measured]:
    """Log-densities of the test rows, pass by pass: each with other noise and other probes."""
    passes = []
    for number in range(_number_of_passes(settings, describe(run.data))):
        x = HeldOut(run.data, "test", pass_noise(number), _device(fitted))
        part = checkpoint.part(f"likelihood, pass {number + 1}" if number else "likelihood")
        chunk, probes = settings.chunk, evaluation.PROBES + number
        passes.append(evaluation.log_prob(fitted, x, chunk, fitted.tolerance, part, probes))
    return passes


def _tight(
    fitted: Model, x: HeldOut, settings: EvaluationSettings, checkpoint: Checkpoint
) -> Measured:
    """Log-densities of the first rows at the tighter tolerance."""
    part, tolerance = checkpoint.part("tight likelihood"), fitted.tolerance.tightened(TIGHTENING)
    rows = x[: settings.tight_rows]
    return evaluation.log_prob(fitted, rows, settings.chunk, tolerance, part)


def _diagnostics(fitted: Model, z: Tensor) -> dict[str, float]:
    """What the method reports of itself; raises ``FloatingPointError`` for what is not finite."""
    found = fitted.method.diagnostics(z)
    if bad := {name: value for name, value in found.items() if not math.isfinite(value)}:
        raise FloatingPointError(f"not finite: {bad}")
    return found


def _number_of_passes(settings: EvaluationSettings, data: Description) -> int:
    """Passes of dequantisation: one for rows that are real numbers, which are taken as they are."""
    return settings.passes if data.levels is not None else 1


def _device(fitted: Model) -> torch.device:
    return next(fitted.buffers()).device
