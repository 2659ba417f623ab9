"""Interpolants ``x_t = alpha(t) x0 + beta(t) x1`` between base and target.

Albergo and Vanden-Eijnden, 2023, equations 4-6 (the paper writes a, b for alpha, beta).
"""

import abc
import math
from typing import Any

import torch

from benchmark.shapes import Batch, PerSample, per_sample


class Interpolant(abc.ABC):
    """A path from ``x0 ~ base`` at ``t = 0`` to ``x1 ~ target`` at ``t = 1``.

    A subclass writes ``coefficients`` only; the velocity is its derivative, taken
    by forward-mode automatic differentiation, so that the two cannot disagree.
    """

    @abc.abstractmethod
    def coefficients(self, t: PerSample) -> tuple[PerSample, PerSample]:
        """``(alpha(t), beta(t))``, with ``(1, 0)`` at 0 and ``(0, 1)`` at 1."""

    def __call__(self, t: PerSample, x0: Batch, x1: Batch) -> Batch:
        alpha, beta = self.coefficients(t)
        return per_sample(alpha, x0) * x0 + per_sample(beta, x1) * x1

    def velocity(self, t: PerSample, x0: Batch, x1: Batch) -> Batch:
        """Time derivative of the path: the regression target of the loss."""
        derivatives: Any = torch.func.jvp(self.coefficients, (t,), (torch.ones_like(t),))[1]
        d_alpha, d_beta = derivatives
        return per_sample(d_alpha, x0) * x0 + per_sample(d_beta, x1) * x1


class Linear(Interpolant):
    """``alpha = 1 - t``, ``beta = t``: straight lines at constant speed."""

    def coefficients(self, t: PerSample) -> tuple[PerSample, PerSample]:
        return 1 - t, t


class Trigonometric(Interpolant):
    """``alpha = cos(pi t / 2)``, ``beta = sin(pi t / 2)``: keeps the variance (equation 5)."""

    def coefficients(self, t: PerSample) -> tuple[PerSample, PerSample]:
        return torch.cos(math.pi / 2 * t), torch.sin(math.pi / 2 * t)
