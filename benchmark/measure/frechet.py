"""Distances between two sets of images by their features: Fréchet distance and KID.

The Fréchet distance is the squared 2-Wasserstein distance of the Gaussians with the mean and the
covariance of either set (Dowson and Landau, 1982; Heusel et al., 2017),

``|mu1 - mu2|^2 + tr(C1 + C2 - 2 (C1 C2)^(1/2))``;

with ``C1 = F1 F1^T`` and ``C2 = F2 F2^T`` the trace of the root is the sum of the singular values
of ``F1^T F2``, so that no root of a matrix is needed. It is called FID only of Inception's
features. KID, the kernel distance, is the unbiased estimate of the squared maximum mean
discrepancy with the kernel ``(x . y / d + 1)^3`` (Binkowski et al., 2018).
"""

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.linalg import LinAlgError
from scipy.linalg import cholesky, eigh, eigvalsh

from benchmark.files import atomic

COMPARED = ("extractor", "resize")
"""The keys in which two sets of features must agree, or their distance means nothing."""
ROUNDING = 1e-6
"""A distance that is further below zero than this share of the traces is no rounding."""


@dataclass(frozen=True, eq=False)
class Statistics:
    """Mean ``[d]`` and covariance ``[d, d]`` (of ``n - 1``) of ``n`` feature vectors, float64.

    ``key`` says of what: ``extractor``, ``resize``, ``data`` (the hash of the images) and
    ``samples``, their number.
    """

    mean: np.ndarray
    covariance: np.ndarray
    key: Mapping[str, str | int]

    @property
    def n(self) -> int:
        """Number of feature vectors."""
        return int(self.key["samples"])

    @property
    def trace(self) -> float:
        """Trace of the covariance."""
        return float(np.trace(self.covariance))

    def save(self, path: str | Path) -> None:
        """Write an npz file, whole or absent."""
        with atomic(path) as temporary, temporary.open("wb") as file:
            np.savez(
                file, mean=self.mean, covariance=self.covariance, key=json.dumps(dict(self.key))
            )

    @classmethod
    def load(cls, path: str | Path) -> "Statistics":
        """The statistics that ``save`` wrote; ValueError for another npz file."""
        with np.load(path) as stored:
            if set(stored) != {"mean", "covariance", "key"}:
                raise ValueError(
                    f"{path}: holds {', '.join(stored)}; statistics of features are mean, "
                    f"covariance, key. Delete it to have it made anew."
                )
            return cls(stored["mean"], stored["covariance"], json.loads(str(stored["key"])))


@dataclass(eq=False)
class Moments:
    """Running number, mean ``[d]`` and scatter ``[d, d]`` of feature vectors, over chunks.

    The scatter is the sum of squares and products about the mean, float64.
    """

    n: int = 0
    mean: np.ndarray = field(default_factory=lambda: np.zeros(0))
    scatter: np.ndarray = field(default_factory=lambda: np.zeros((0, 0)))

    def add(self, chunk: np.ndarray) -> None:
        """Take in features ``[m, d]``, merged pairwise (Chan, Golub and LeVeque, 1983).

        A large mean costs no precision. Raises ``ValueError`` for rows of another length, and for
        values that are not finite.
        """
        x = _features(chunk, len(self.mean) if self.n else chunk.shape[-1])
        if self.n == 0:
            self.mean, self.scatter = np.zeros(x.shape[1]), np.zeros((x.shape[1], x.shape[1]))
        shift = x.mean(axis=0) - self.mean
        weight = math.sqrt(self.n * len(x) / (self.n + len(x)))
        rows = np.vstack([x - x.mean(axis=0), weight * shift])
        self.scatter += rows.T @ rows
        self.n += len(x)
        self.mean = self.mean + shift * (len(x) / self.n)

    def statistics(self, key: Mapping[str, str]) -> Statistics:
        """Statistics of the rows so far; ValueError for fewer than two."""
        if self.n < 2:
            raise ValueError(f"Statistics need at least two feature vectors; found {self.n}.")
        return Statistics(self.mean, self.scatter / (self.n - 1), {**key, "samples": self.n})


class KernelDistance(NamedTuple):
    """KID, its standard error, and the number of ``subsets`` over which it is the mean."""

    value: float
    standard_error: float
    subsets: int


def distance(a: Statistics, b: Statistics) -> float:
    """The Fréchet distance, in squared units of the features; symmetric.

    Rounding leaves about 1e-8 of the traces, and so a number as small, of either sign, of equal
    statistics. Raises ``ValueError`` unless both are of one extractor and one way of resizing.
    """
    _compare(a, b)
    shift = a.mean - b.mean
    return float(shift @ shift + a.trace + b.trace - 2 * _trace_of_root(_factor(a), _factor(b)))


def kid(a: np.ndarray, b: np.ndarray, size: int, seed: int) -> KernelDistance:
    """KID of features ``[n, d]`` and ``[m, d]``, the mean over subsets of ``size`` rows of each.

    The subsets are disjoint parts of both in a random order, as many as there are, so they are
    independent and their spread gives the standard error. (clean-fid draws 100 subsets of 1,000
    that overlap: the same in expectation, but their spread is no error of the mean.) Of arrays
    mapped from a file, one subset at a time is read. Raises ``ValueError`` where fewer than two
    subsets of two rows can be had.
    """
    subsets = min(len(a), len(b)) // size if size > 1 else 0
    if subsets < 2:
        raise ValueError(
            f"KID: size is {size}, of {len(a)} and {len(b)} rows; allowed is 2 to "
            f"{min(len(a), len(b)) // 2}, two subsets at least. Take more samples or smaller ones."
        )
    draw = np.random.default_rng(seed)
    parts = (draw.permutation(len(x))[: subsets * size].reshape(subsets, size) for x in (a, b))
    values = [
        _squared_discrepancy(_features(a[p], a.shape[1]), _features(b[q], a.shape[1]))
        for p, q in zip(*parts, strict=True)
    ]
    error = np.std(values, ddof=1) / math.sqrt(subsets)
    return KernelDistance(float(np.mean(values)), float(error), subsets)


def _features(x: np.ndarray, d: int) -> np.ndarray:
    """``x`` in float64; ValueError unless it is ``[m, d]`` and finite."""
    if x.ndim != 2 or x.shape[1] != d or len(x) == 0:
        raise ValueError(f"Features have shape {x.shape}; expected is [m, {d}], m at least 1.")
    bad = int((~np.isfinite(x)).any(axis=1).sum())
    if bad:
        raise ValueError(f"{bad} of {len(x)} feature vectors are not finite.")
    return x.astype(np.float64)


def _compare(a: Statistics, b: Statistics) -> None:
    differing = [
        f"{name} ({a.key[name]}, {b.key[name]})" for name in COMPARED if a.key[name] != b.key[name]
    ]
    if differing:
        raise ValueError(
            f"These statistics have no distance: they differ in {' and '.join(differing)}. "
            f"Compute both from the images by the same extractor and the same resizing."
        )


def _factor(statistics: Statistics) -> np.ndarray:
    """``F`` with ``C = F F^T``: triangular, or of as many columns as ``C`` has rank."""
    if statistics.n > len(statistics.mean):
        try:
            factor: np.ndarray = cholesky(statistics.covariance, lower=True, check_finite=False)
            return factor
        except LinAlgError:  # of lower rank all the same, e.g. for a feature that is constant
            pass
    variance, directions = eigh(statistics.covariance, check_finite=False)
    kept = variance > len(variance) * np.finfo(float).eps * variance[-1]
    return directions[:, kept] * np.sqrt(variance[kept])


def _trace_of_root(f: np.ndarray, g: np.ndarray) -> float:
    """``tr (f f^T g g^T)^(1/2)``, the sum of the singular values of ``f^T g``."""
    product = f.T @ g if f.shape[1] <= g.shape[1] else g.T @ f
    squares = eigvalsh(product @ product.T, check_finite=False, overwrite_a=True)
    return float(np.sqrt(squares.clip(min=0)).sum())  # below 0 by rounding only


def _squared_discrepancy(x: np.ndarray, y: np.ndarray) -> float:
    """Unbiased: the diagonals, a row with itself, are left out."""
    within = sum(_sum_of_kernel(z, z) - _diagonal_of_kernel(z) for z in (x, y))
    m = len(x)
    return float(within / (m * (m - 1)) - 2 * _sum_of_kernel(x, y) / m**2)


def _sum_of_kernel(x: np.ndarray, y: np.ndarray) -> float:
    base = x @ y.T / x.shape[1] + 1
    return float((base * base * base).sum())


def _diagonal_of_kernel(x: np.ndarray) -> float:
    return float((((x * x).sum(axis=1) / x.shape[1] + 1) ** 3).sum())
