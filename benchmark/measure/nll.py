"""Negative log-likelihood of the test rows, whichever program made the log-densities."""

from collections.abc import Iterable
from dataclasses import replace

import numpy as np

from benchmark.data import dataset
from benchmark.data.description import Description, describe
from benchmark.measure.measurement import Measurement, Subject
from benchmark.records.likelihood_file import LikelihoodFile
from benchmark.records.records import Metric, Reading

HEADINGS = {"nll": "NLL", "kl": "KL"}


class NLL(Measurement):
    """NLL, KL divergence where the true density is known, errors of the solver and of probes."""

    needs = ("log_prob", "likelihood")
    compared = ("solver", "atol", "rtol", "divergence", "rows", "data", "dequantisation")
    light = True

    def take(self, subject: Subject) -> Iterable[Reading]:
        run, likelihood = subject.run, LikelihoodFile.load(subject.run.likelihood)
        metrics = likelihood_metrics(
            np.load(run.log_prob),
            dataset.true_log_prob(run.data, "test"),
            describe(run.data),
            likelihood,
        )
        yield Reading(metrics, likelihood.protocol, subject.derived(likelihood.provenance))


def likelihood_metrics(
    log_prob: np.ndarray,
    true_log_prob: np.ndarray | None,
    data: Description,
    likelihood: LikelihoodFile,
) -> list[Metric]:
    """NLL of the test rows, KL divergence where the truth is known, solver and probe error.

    ``log_prob`` and ``true_log_prob`` are nats, one value per test row. Where the method has no
    log-density, every metric has that reason instead of a value. Raises ``ValueError`` if rows are
    missing.
    """
    if log_prob.shape != (data.rows["test"],):
        raise ValueError(
            f"log_prob has shape {log_prob.shape}; the data set has {data.rows['test']} test "
            f"rows, and each needs one value, in their order."
        )
    if likelihood.reason:
        return _missing(likelihood.reason, true_log_prob is not None, data.unit)
    metrics = [_mean("nll", data.nll(log_prob), data.unit)]
    if true_log_prob is not None:
        metrics.append(_mean("kl", true_log_prob - log_prob, "nats"))
    return [*metrics, _solver_error(log_prob, data, likelihood), *_probe_error(likelihood, data)]


def _missing(reason: str, truth: bool, unit: str) -> list[Metric]:
    units = {"nll": unit, **({"kl": "nats"} if truth else {}), "solver_error": unit}
    return [
        Metric(name, None, unit, reason=reason, heading=HEADINGS.get(name))
        for name, unit in units.items()
    ]


def _mean(name: str, values: np.ndarray, unit: str) -> Metric:
    """The mean over rows with its standard error; missing if a row has no finite value."""
    metric = Metric(name, 0.0, unit, n=len(values), heading=HEADINGS.get(name))
    bad = int((~np.isfinite(values)).sum())
    if bad:
        reason = f"{bad} of {len(values)} test rows have no finite log-density"
        return replace(metric, value=None, reason=reason)
    error = float(values.std(ddof=1) / np.sqrt(len(values))) if len(values) > 1 else None
    return replace(metric, value=float(values.mean()), standard_error=error)


def _solver_error(log_prob: np.ndarray, data: Description, likelihood: LikelihoodFile) -> Metric:
    """Change of the mean NLL of the first rows at a tighter tolerance."""
    reason = likelihood.counts_gap or ("not stated" if not likelihood.tight_log_prob else None)
    if reason:
        return Metric("solver_error", None, data.unit, reason=reason)
    tight = np.array(likelihood.tight_log_prob, dtype=float)
    same = likelihood.loose_log_prob
    loose = log_prob[: len(tight)] if same is None else np.array(same, dtype=float)
    change = _mean("solver_error", data.nll(tight) - data.nll(loose), data.unit)
    size = None if change.value is None else abs(change.value)
    return replace(change, value=size, standard_error=None)


def _probe_error(likelihood: LikelihoodFile, data: Description) -> list[Metric]:
    """Standard error of the mean NLL due to random probes, where it is known."""
    if likelihood.probe_error is None:
        return []
    change = data.nll(np.array([likelihood.probe_error])) - data.nll(np.zeros(1))
    return [Metric("probe_error", abs(float(change[0])), data.unit)]
