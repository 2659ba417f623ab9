"""Effective sample size of the samples of a fit, against a density that is known."""

from collections.abc import Iterable

import torch
from pydantic import PositiveInt

from benchmark import model
from benchmark.data.description import describe
from benchmark.measure.importance import Weights
from benchmark.measure.measurement import Measurement, Subject
from benchmark.names import load
from benchmark.records.records import Direction, Metric, Reading


class EffectiveSampleSize(Measurement):
    """Samples of a fit as proposals for the true density, by the weights ``p_true / p``.

    The effective sample size ``(sum w)^2 / sum w^2`` is given as a share of the samples, which is 1
    of the true density itself. Samples that miss a mode do not show in it: the covered mass, the
    mean weight, is then below 1.
    """

    needs = ("weights", "model", "likelihood")
    requires = ("density",)
    compared = ("solver", "atol", "rtol", "samples", "data")

    def __init__(self, samples: PositiveInt = 5000) -> None:
        self.samples = samples

    def take(self, subject: Subject) -> Iterable[Reading]:
        data, fitted = describe(subject.run.data), model.load(subject.run.folder)
        assert data.density is not None and subject.device is not None
        fitted, truth = fitted.to(subject.device), load(data.density)().to(subject.device)
        protocol = {
            **fitted.method.protocol(fitted.tolerance),
            "trained": fitted.method.trained,
            "samples": self.samples,
            "data": data.hash,
            "standard_error": "over subsets of the samples",
        }
        gap = fitted.method.likelihood_gap()
        if gap is not None:
            yield Reading([_metric("ess", None, gap), _metric("covered_mass", None, gap)], protocol)
            return
        torch.manual_seed(subject.run.seed)
        x, log_prob = fitted.sample(self.samples, log_prob=True)
        yield Reading(_metrics(Weights((truth.log_prob(x) - log_prob).cpu().numpy())), protocol)


def _metrics(weights: Weights) -> list[Metric]:
    n = len(weights.log)
    error = weights.effective_error
    share, share_error = weights.effective / n, None if error is None else error / n
    return [
        _metric("ess", share, error=share_error, n=n),
        _metric("covered_mass", weights.mass, error=weights.mass_error, n=n),
    ]


def _metric(
    name: str,
    value: float | None,
    reason: str | None = None,
    error: float | None = None,
    n: int | None = None,
) -> Metric:
    heading = {"ess": "ESS / n", "covered_mass": "Covered mass"}[name]
    direction: Direction = "higher" if name == "ess" else "none"
    return Metric(name, value, "1", direction, error, n, reason, heading, least=0.0)
