"""Entropy of a density by the distances between its samples (Kozachenko and Leonenko, 1987)."""

import math
from typing import NamedTuple

import numpy as np
from scipy.special import digamma, gammaln
from sklearn.neighbors import NearestNeighbors

NEIGHBOUR = 4
"""The neighbour whose distance is taken: a few, for less variance than the nearest."""


class Entropy(NamedTuple):
    """Nats for each sample, whose mean is the entropy, and how far its bias may move the mean."""

    values: np.ndarray
    bias: float


def entropy(samples: np.ndarray) -> Entropy:
    """The entropy of the density of ``samples``, ``[n, d]``, of which none is repeated.

    The bias is extrapolated from halves of the samples, as if it fell like the distance between
    neighbours, ``n^(-1/d)``, which is the slowest that it does (at edges of the density). Raises
    ``ValueError`` for fewer than 20 samples, and for repeated ones.
    """
    n, dim = samples.shape
    if n < 20:
        raise ValueError(f"found {n} samples; an entropy takes at least 20")
    values = _contributions(samples)
    if not np.isfinite(values).all():
        raise ValueError(f"{(~np.isfinite(values)).sum()} of {n} samples are repeated")
    order = np.random.default_rng(0).permutation(n)
    halves = [_contributions(samples[half]).mean() for half in np.array_split(order, 2)]
    change = abs(float(np.mean(halves)) - float(values.mean()))
    return Entropy(values, change / (2 ** (1 / dim) - 1))


def _contributions(x: np.ndarray) -> np.ndarray:
    """``psi(n) - psi(k) + log V_d + d log r_k`` of each row, r_k the distance to its neighbour."""
    n, dim = x.shape
    near = NearestNeighbors(n_neighbors=NEIGHBOUR).fit(x).kneighbors()[0][:, -1]
    ball = dim / 2 * math.log(math.pi) - gammaln(dim / 2 + 1)
    with np.errstate(divide="ignore"):
        return np.asarray(digamma(n) - digamma(NEIGHBOUR) + ball + dim * np.log(near))
