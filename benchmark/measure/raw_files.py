"""The files ``likelihood.json`` and ``cost.json`` of a fit, from the results of evaluating it."""

import math
from typing import Any

from benchmark.measure.evaluated import Evaluated
from benchmark.measure.evaluation import averaged
from benchmark.records.cost_file import CostFile
from benchmark.records.likelihood_file import LikelihoodFile
from benchmark.records.model_file import ModelFile, Trained

UNTRAINED = "closed form: nothing is trained"


def likelihood_file(
    evaluated: Evaluated, protocol: dict[str, Any], provenance: dict[str, Any]
) -> LikelihoodFile:
    """The content of ``likelihood.json``; without NFE where no ODE was solved."""
    stated: dict[str, Any] = {
        "reason": evaluated.reason,
        "protocol": protocol,
        "provenance": provenance,
    }
    if not evaluated.passes or not evaluated.passes[0].nfe:
        return LikelihoodFile(nfe=None, **stated)
    likelihood, tight = averaged(evaluated.passes), evaluated.tight
    loose = evaluated.passes[0].values[: len(tight.values)] if tight else None
    return LikelihoodFile(
        nfe=likelihood.nfe,
        nodes=likelihood.nodes,
        probe_error=_finite(likelihood.probe_error),
        tight_log_prob=None if tight is None else list(map(_finite, tight.values.tolist())),
        tight_reason=evaluated.failures.get("tight"),
        loose_log_prob=None if loose is None else list(map(_finite, loose.tolist())),
        **stated,
    )


def cost_file(
    evaluated: Evaluated, stored: ModelFile, protocol: dict[str, Any], provenance: dict[str, Any]
) -> CostFile:
    """The content of ``cost.json``. ``protocol`` says how the clocks ran, too."""
    trained = stored.training
    assert trained is not None
    samples, likelihood = evaluated.samples, evaluated.passes
    rows = len(likelihood[0].values) if likelihood else 0
    n = {"sampling_seconds": len(samples.values), "samples_per_second": len(samples.values)}
    return CostFile(
        training_seconds=trained.seconds,
        seconds_per_step=None if trained.seconds is None else trained.seconds / trained.steps,
        peak_memory=trained.peak_memory,
        training_interruptions=trained.interruptions,
        parameters=evaluated.parameters or None,
        likelihood_seconds=averaged(likelihood).seconds if likelihood else None,
        sampling_seconds=samples.seconds,
        nfe_sampling=samples.nfe or None,
        samples_per_second=len(samples.values) / samples.seconds,
        evaluation_interruptions=evaluated.interruptions,
        diagnostics={name: _finite(value) for name, value in evaluated.diagnostics.items()},
        n={**n, "likelihood_seconds": rows, "diagnostics": evaluated.diagnosed},
        reasons=_reasons(evaluated, trained, f"solver {protocol['solver']}"),
        protocol=protocol,
        provenance=provenance,
        training_provenance=stored.provenance,
    )


def _reasons(evaluated: Evaluated, trained: Trained, solver: str) -> dict[str, str]:
    """Cost -> why it has no value."""
    missing = {
        **dict.fromkeys(["training_seconds", "seconds_per_step"], trained.seconds is None),
        "parameters": not evaluated.parameters,
    }
    reasons = {name: UNTRAINED for name, is_missing in missing.items() if is_missing}
    if "diagnostics" in evaluated.failures:
        reasons["diagnostics"] = evaluated.failures["diagnostics"]
    if not evaluated.samples.nfe:
        reasons["nfe_sampling"] = f"no ODE is solved, {solver}"
    if evaluated.reason is not None:
        reasons["likelihood_seconds"] = evaluated.reason
    return reasons


def _finite(value: float | None) -> float | None:
    """A number for JSON, which has no NaN: ``None`` where it is not finite."""
    return value if value is not None and math.isfinite(value) else None
