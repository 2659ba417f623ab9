"""Cost of a fit and of its evaluation, as ``cost.json`` and ``likelihood.json`` state it."""

from collections.abc import Iterable
from typing import NamedTuple

from benchmark.data.description import describe
from benchmark.measure.measurement import Measurement, Subject
from benchmark.records import arrays
from benchmark.records.cost_file import CostFile
from benchmark.records.likelihood_file import LikelihoodFile
from benchmark.records.records import Direction, Metric, Reading
from benchmark.records.run import Run


class _Kind(NamedTuple):
    """How a number of a file becomes a metric; ``factor`` is from its unit there to ``unit``."""

    metric: str
    key: str
    unit: str
    heading: str | None = None
    direction: Direction = "lower"
    factor: float = 1.0


TIMES = (
    _Kind("training_seconds", "training_seconds", "s", "Training"),
    _Kind("step_time", "seconds_per_step", "ms", "Step", factor=1000.0),
)
COUNTS = (
    _Kind("nfe_likelihood", "nfe", "NFE", "Likelihood"),
    _Kind("nodes_likelihood", "nodes", "nodes", "Divergence"),
)
EVALUATION = (
    _Kind("likelihood_seconds", "likelihood_seconds", "s"),
    _Kind("sampling_seconds", "sampling_seconds", "s"),
    _Kind("nfe_sampling", "nfe_sampling", "NFE", "Sampling"),
    _Kind("samples_per_second", "samples_per_second", "samples/s", "Sampling", "higher"),
    _Kind("evaluation_interruptions", "evaluation_interruptions", "1", direction="none"),
)
TRAINING = (
    _Kind("peak_memory", "peak_memory", "MiB", "Memory"),
    _Kind("parameters", "parameters", "", "Parameters"),
    _Kind("training_interruptions", "training_interruptions", "1", direction="none"),
)
SAMPLING = ("sampling_seconds", "nfe_sampling", "samples_per_second")


class Cost(Measurement):
    """Seconds, evaluations of the velocity, memory and parameters; those that are not stated are
    left out. Samples that are none have the reason instead of costs."""

    needs = ("cost", "likelihood", "samples")
    light = True

    def take(self, subject: Subject) -> Iterable[Reading]:
        cost = _of_samples(CostFile.load(subject.run.cost), _unsampled(subject.run))
        likelihood = LikelihoodFile.load(subject.run.likelihood)
        trained = subject.derived(cost.training_provenance)
        evaluated = subject.derived(cost.provenance)
        solved = subject.derived(likelihood.provenance)
        yield Reading(_stated(cost, TIMES), cost.protocol, trained)
        yield Reading(_counts(likelihood), likelihood.protocol, solved)
        yield Reading(_stated(cost, EVALUATION), cost.protocol, evaluated)
        yield Reading(_stated(cost, TRAINING), cost.protocol, trained)
        yield Reading(_diagnostics(cost), cost.protocol, evaluated)


def _unsampled(run: Run) -> str | None:
    """Why the samples of a run are none; ``None`` if they are."""
    data = describe(run.data)
    try:
        arrays.samples(run.samples, data.event, data.levels)
    except ValueError as error:
        return str(error)
    return None


def _of_samples(cost: CostFile, unsampled: str | None) -> CostFile:
    if unsampled is None:
        return cost
    reasons = {**cost.reasons, **dict.fromkeys(SAMPLING, unsampled)}
    return cost.model_copy(update={**dict.fromkeys(SAMPLING), "reasons": reasons})


def _stated(cost: CostFile, kinds: Iterable[_Kind]) -> list[Metric]:
    metrics = []
    for kind in kinds:
        value, reason = getattr(cost, kind.key), cost.reasons.get(kind.key)
        if value is not None or reason is not None:
            metrics.append(_metric(kind, value, reason, cost.n.get(kind.key)))
    return metrics


def _counts(likelihood: LikelihoodFile) -> list[Metric]:
    reason = likelihood.counts_gap
    return [
        _metric(kind, None if reason else getattr(likelihood, kind.key), reason or "not stated")
        for kind in COUNTS
    ]


def _metric(kind: _Kind, value: float | None, reason: str | None, n: int | None = None) -> Metric:
    return Metric(
        kind.metric,
        None if value is None else kind.factor * value,
        kind.unit,
        kind.direction,
        n=n,
        reason=reason if value is None else None,
        heading=kind.heading,
    )


def _diagnostics(cost: CostFile) -> list[Metric]:
    """Numbers that the method reports of itself, or why it could not."""
    n, reason = cost.n.get("diagnostics"), cost.reasons.get("diagnostics")
    missing = [Metric("diagnostics", None, "1", "none", reason=reason)] if reason else []
    found = [
        Metric(name, value, "1", "none", n=n, reason="is not finite" if value is None else None)
        for name, value in cost.diagnostics.items()
    ]
    return [*found, *missing]
