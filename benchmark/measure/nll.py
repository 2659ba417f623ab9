"""Negative log-likelihood of the test rows, whichever program made the log-densities."""

import math
from collections.abc import Iterable, Iterator
from dataclasses import replace

import numpy as np

from benchmark.data import dataset
from benchmark.data.description import Description, describe
from benchmark.measure.measurement import Measurement, Subject
from benchmark.records import arrays
from benchmark.records.likelihood_file import LikelihoodFile
from benchmark.records.records import Metric, Reading

HEADINGS = {"nll": "NLL", "kl": "KL"}
CHANCE = 0.01
"""Chance at most with which a normalised density is taken for one that is not."""


class NLL(Measurement):
    """NLL, KL divergence where the true density is known, errors of the solver and of probes."""

    needs = ("log_prob", "likelihood")
    compared = ("solver", "atol", "rtol", "divergence", "rows", "data", "dequantisation")
    light = True

    def take(self, subject: Subject) -> Iterable[Reading]:
        run, likelihood = subject.run, LikelihoodFile.load(subject.run.likelihood)
        data, truth = describe(run.data), dataset.true_log_prob(run.data, "test")
        for problem in _contradictions(likelihood, data):
            raise ValueError(f"{run.likelihood}: {problem}.")
        log_prob = arrays.log_prob(run.log_prob, data.rows["test"])
        metrics = likelihood_metrics(log_prob, truth, data, likelihood)
        # A program need not say what is checked here: one value for each of these rows.
        protocol = {"rows": data.rows["test"], "data": data.hash, **likelihood.protocol}
        yield Reading(metrics, protocol, subject.derived(likelihood.provenance))


def likelihood_metrics(
    log_prob: np.ndarray,
    true_log_prob: np.ndarray | None,
    data: Description,
    likelihood: LikelihoodFile,
) -> list[Metric]:
    """NLL of the test rows, KL divergence where the truth is known, solver and probe error.

    ``log_prob`` and ``true_log_prob`` are nats, one value per test row. Where the method has no
    log-density, one that cannot be right, or does not say of what integers are dequantised, every
    metric has that reason instead of a value.
    """
    reason = (
        likelihood.reason
        or _unstated(likelihood, data)
        or _impossible(log_prob, true_log_prob, data, likelihood)
    )
    if reason:
        return _missing(reason, true_log_prob is not None, data.unit)
    metrics = [_mean("nll", data.nll(log_prob), data.unit)]
    if true_log_prob is not None:
        metrics.append(_mean("kl", true_log_prob - log_prob, "nats"))
    return [*metrics, _solver_error(log_prob, data, likelihood), *_probe_error(likelihood, data)]


def _unstated(likelihood: LikelihoodFile, data: Description) -> str | None:
    """Why log-densities are of no known scale: nothing is said of the noise of integer rows."""
    if data.levels is None or likelihood.protocol.get("dequantisation"):
        return None
    return (
        f"its protocol has no `dequantisation`, of integer rows: evaluate (k + u) / {data.levels}, "
        f"the rows of `benchmark.data.dataset.pass_rows`, and write {dataset.noise_in_words(1)!r}"
    )


def _contradictions(likelihood: LikelihoodFile, data: Description) -> Iterator[str]:
    """What a file says of other test rows than those of the data set."""
    rows, known = data.rows["test"], {"rows": data.rows["test"], "data": data.hash}
    for key, value in known.items():
        stated = likelihood.protocol.get(key, value)
        if stated != value:
            yield f"protocol.{key} is {stated!r}; allowed is {value!r}, that of the data set"
    tight, loose = likelihood.tight_log_prob, likelihood.loose_log_prob
    if tight is not None and len(tight) > rows:
        yield f"tight_log_prob has {len(tight)} values; there are {rows} test rows"
    if loose is not None and len(loose) != len(tight or ()):
        yield f"loose_log_prob has {len(loose)} values, and tight_log_prob {len(tight or ())}"


def _missing(reason: str, truth: bool, unit: str) -> list[Metric]:
    units = {"nll": unit, **({"kl": "nats"} if truth else {}), "solver_error": unit}
    return [
        Metric(name, None, unit, reason=reason, heading=HEADINGS.get(name))
        for name, unit in units.items()
    ]


def _impossible(
    log_prob: np.ndarray,
    true_log_prob: np.ndarray | None,
    data: Description,
    likelihood: LikelihoodFile,
) -> str | None:
    """Why no normalised density has these values; ``None`` where one may.

    Of rows of the density p and any other density q, the product of q / p is 1 in the mean, so that
    ``sum log q - log p >= log(1 / c)`` has at most the probability c (Markov). Integers that are
    dequantised have a p of at most ``levels`` to the power of the number of coordinates.
    """
    if not np.isfinite(log_prob).all():
        return None
    if true_log_prob is not None:
        ceiling, words = (
            true_log_prob,
            "the true density: not normalised, or fitted to the test rows",
        )
    elif data.levels is not None:
        ceiling = np.full(log_prob.shape, math.prod(data.event) * math.log(data.levels))
        words = f"any density of integers: not normalised, or not of (k + u) / {data.levels}"
    else:
        return None
    above = log_prob - ceiling
    excess = above.sum() - len(above) * _errors(log_prob, likelihood)
    by = f"by {above.mean():.4g} nats a row"
    return f"above {words} ({by})" if excess > -math.log(CHANCE) else None


def _errors(log_prob: np.ndarray, likelihood: LikelihoodFile) -> float:
    """How far the solver and probes may have moved the mean log-density, in nats."""
    tight, loose = _tightened(log_prob, likelihood)
    solver = abs(float((tight - loose).mean())) if len(tight) else 0.0
    return 2 * (solver if math.isfinite(solver) else 0.0) + 3 * (likelihood.probe_error or 0.0)


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
    if likelihood.counts_gap or not likelihood.tight_log_prob:
        reason = likelihood.counts_gap or likelihood.tight_reason or "not stated"
        return Metric("solver_error", None, data.unit, reason=reason)
    tight, loose = _tightened(log_prob, likelihood)
    change = _mean("solver_error", data.nll(tight) - data.nll(loose), data.unit)
    size = None if change.value is None else abs(change.value)
    return replace(change, value=size, standard_error=None)


def _tightened(log_prob: np.ndarray, likelihood: LikelihoodFile) -> tuple[np.ndarray, np.ndarray]:
    """Log-densities of the first rows at a tighter tolerance, and at that of ``log_prob``."""
    tight = np.array(likelihood.tight_log_prob or [], dtype=float)
    same = likelihood.loose_log_prob
    return tight, log_prob[: len(tight)] if same is None else np.array(same, dtype=float)


def _probe_error(likelihood: LikelihoodFile, data: Description) -> list[Metric]:
    """Standard error of the mean NLL due to random probes, where it is known."""
    if likelihood.probe_error is None:
        return []
    change = data.nll(np.array([likelihood.probe_error])) - data.nll(np.zeros(1))
    return [Metric("probe_error", abs(float(change[0])), data.unit)]
