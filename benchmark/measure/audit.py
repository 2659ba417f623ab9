"""Audit of a log-density that a program claims: whether it is one, and that of its samples.

What no ODE normalises (a learned likelihood, one of few steps, another program's) may be too high
or a bound. Two numbers tell, where they can be had: its mass by importance sampling from points
that are broader than the data, and the mean log-density of its own samples beside minus their
entropy, by nearest neighbours. (That it is not above the true one is seen to by the NLL.)
"""

import math
from collections.abc import Iterable
from typing import Any, NamedTuple

import numpy as np

from benchmark.data.description import Description, describe
from benchmark.measure.entropy import entropy
from benchmark.measure.importance import Weights
from benchmark.measure.measurement import Measurement, Subject
from benchmark.records import arrays
from benchmark.records.likelihood_file import LikelihoodFile
from benchmark.records.records import CLEAR, Metric, Reading
from benchmark.records.run import Run

FEWEST = 100.0
"""Effective sample size below which a mass cannot be told."""
OPEN = 0.5
"""Nats that an entropy may leave open before nothing can be told of a mean log-density."""
SAMPLES = 5000
"""Samples at most whose entropy is estimated."""
UNTOLD = "cannot be told"
UNITS = {"audit_excess": "nats", "audit_bias": "nats"}
HEADINGS = {"audit_mass": "Mass", "audit_ess": "ESS", "audit_excess": "-log p less entropy"}


class Claim(NamedTuple):
    """Log-densities in nats that a run claims: at the points of the audit, and of its samples.

    One that is not there is the reason for that.
    """

    points: np.ndarray | str
    samples: np.ndarray | str


class Audit(Measurement):
    """The mass of the density of a run, and the excess of minus log-density over entropy.

    Of a method of this library the log-densities are computed, those of another program are read
    from the optional files ``points_log_prob.npy`` and ``samples_log_prob.npy``.
    """

    needs = ("log_prob", "likelihood", "samples", "audit_points", "audit_proposal")
    requires = ("vectors",)
    of_files = True

    def take(self, subject: Subject) -> Iterable[Reading]:
        run, data = subject.run, describe(subject.run.data)
        likelihood = LikelihoodFile.load(run.likelihood)
        samples = np.asarray(arrays.drawn(run.samples, data.event, data.levels)[:SAMPLES], float)
        reason = likelihood.reason or _random(likelihood)
        claim = Claim(reason, reason) if reason else _claim(subject, samples, data)
        protocol = {"trained": likelihood.protocol.get("trained", True), "data": data.hash}
        metrics = [*_mass(run, claim.points, data), *_excess(samples, claim.samples)]
        yield Reading(metrics, {**protocol, "points": "a broadened Gaussian mixture"})


def _random(likelihood: LikelihoodFile) -> str | None:
    """Random probes move each log-density, and so the mean of its exponential."""
    probed = str(likelihood.protocol.get("divergence", "")).startswith("Hutchinson")
    moved = probed or (likelihood.probe_error or 0.0) > 0
    return f"{UNTOLD}: each log-density has a random error" if moved else None


def _claim(subject: Subject, samples: np.ndarray, data: Description) -> Claim:
    run = subject.run
    if run.weights.exists():
        return _computed(subject, samples)
    count = len(np.load(run.audit_points, mmap_mode="r"))
    whole = len(arrays.drawn(run.samples, data.event, data.levels))
    missing = f"{UNTOLD}: the program gives no {{}}"
    points, own = (
        arrays.log_prob(path, n) if path.exists() else missing.format(path.name)
        for path, n in ((run.points_log_prob, count), (run.samples_log_prob, whole))
    )
    return Claim(points, own if isinstance(own, str) else own[: len(samples)])


def _computed(subject: Subject, samples: np.ndarray) -> Claim:
    from benchmark import model  # torch, for methods of this library only

    fitted = model.load(subject.run.folder).to(subject.device)
    points = np.load(subject.run.audit_points)
    return Claim(*(fitted.log_prob(x).cpu().numpy() for x in (points, samples)))


def _mass(run: Run, log_prob: np.ndarray | str, data: Description) -> list[Metric]:
    """The mass of the density, and the effective sample size by which it is known."""
    if isinstance(log_prob, str):
        return [_metric("audit_mass", None, log_prob)]
    if np.isnan(log_prob).any():
        return [_metric("audit_mass", None, f"{UNTOLD}: not all points have a log-density")]
    with np.load(run.audit_proposal) as proposal:
        weights = Weights(log_prob - proposal["points"])
        test = arrays.log_prob(run.log_prob, data.rows["test"]) - proposal["test"]
    effective, n = _effective(weights, test[np.isfinite(test)]), len(log_prob)
    size = _metric("audit_ess", effective, n=n)
    if not effective >= FEWEST:
        reason = f"{UNTOLD}: {effective:.3g} of {n:,} points are effective, below {FEWEST:g}"
        return [_metric("audit_mass", None, reason), size]
    return [_metric("audit_mass", weights.mass, error=weights.mass_error, n=n), size]


def _effective(weights: Weights, test: np.ndarray) -> float:
    """The effective sample size, at most that which the weights at the test rows give.

    Where points miss a part of the density, the weights there are large: at rows x of the density
    itself the mean of w is that of its square at the points, over the mass.
    """
    own = weights.effective
    if not len(test) or not own:
        return own
    top = max(float(test.max()), float(weights.log.max()))
    mean = np.exp(test - top).mean()
    mass = np.exp(weights.log - top).mean()
    return float(min(own, len(weights.log) * mass / mean)) if mean > 0 else own


def _excess(samples: np.ndarray, log_prob: np.ndarray | str) -> list[Metric]:
    """Minus the mean log-density of the samples, less their entropy; 0 of a true density."""
    name = "audit_excess"
    if isinstance(log_prob, str):
        return [_metric(name, None, log_prob)]
    if not np.isfinite(log_prob).all() or not np.isfinite(samples).all():
        return [_metric(name, None, f"{UNTOLD}: not all samples have a log-density")]
    try:
        known = entropy(samples.reshape(len(samples), -1))
    except ValueError as why:
        return [_metric(name, None, f"{UNTOLD}: {why}")]
    values = -log_prob - known.values
    value, error = float(values.mean()), float(values.std(ddof=1) / math.sqrt(len(values)))
    open_by = CLEAR * error + known.bias
    bias = _metric("audit_bias", known.bias, n=len(values))
    if abs(value) <= open_by and open_by > OPEN:
        reason = f"{UNTOLD}: the entropy of the samples leaves {open_by:.2g} nats open"
        return [_metric(name, None, reason), bias]
    return [_metric(name, value, error=error, n=len(values)), bias]


def _metric(name: str, value: float | None, reason: str | None = None, **more: Any) -> Metric:
    error, n, unit = more.get("error"), more.get("n"), UNITS.get(name, "")
    return Metric(name, value, unit, "none", error, n, reason, HEADINGS.get(name))
