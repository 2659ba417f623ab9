"""Importance sampling: the mass of one density by rows that are drawn from another."""

import math
from dataclasses import dataclass

import numpy as np

from benchmark.measure.two_samples import jackknife, subsets


@dataclass(frozen=True, eq=False)
class Weights:
    """Importance weights ``w = p(x) / q(x)`` of independent rows x of q, by ``log``, ``[n]``."""

    log: np.ndarray

    @property
    def values(self) -> np.ndarray:
        return np.exp(self.log)

    @property
    def mass(self) -> float:
        """The mean weight: the mass of p where q has any, without bias."""
        return float(self.values.mean())

    @property
    def mass_error(self) -> float | None:
        """Standard error of the mass."""
        n = len(self.log)
        return float(self.values.std(ddof=1) / math.sqrt(n)) if n > 1 else None

    @property
    def effective(self) -> float:
        """Effective sample size ``(sum w)^2 / sum w^2`` (Kong, 1992); 0 where all weights are."""
        return _effective_share(self.log) * len(self.log)

    @property
    def effective_error(self) -> float | None:
        """Standard error of the effective sample size, by the jackknife."""
        parts = subsets(self.log)
        kept = [np.concatenate(parts[:g] + parts[g + 1 :]) for g in range(len(parts))]
        error = jackknife([_effective_share(part) for part in kept] if len(parts) > 1 else [])
        return None if error is None else error * len(self.log)


def _effective_share(log: np.ndarray) -> float:
    """``(sum w)^2 / (n sum w^2)``, whatever the scale of the weights."""
    top = log.max()
    if not np.isfinite(top):
        return 0.0 if top == -np.inf else math.nan
    w = np.exp(log - top)
    return float(w.sum() ** 2 / (w**2).sum() / len(w))
