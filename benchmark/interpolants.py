"""Interpolants ``x_t = alpha(t) x0 + beta(t) x1`` between base and target.

Albergo and Vanden-Eijnden, 2023, equations 4-6 (the paper writes a, b for alpha, beta).
"""

import abc
import math
from typing import Any

import torch
from torch import nn

from benchmark.shapes import Batch, PerSample, Time, per_sample


class Interpolant(nn.Module, abc.ABC):
    """A path from ``x0 ~ base`` at ``t = 0`` to ``x1 ~ target`` at ``t = 1``.

    A subclass defines only ``coefficients``; the velocity is their derivative, taken by
    forward-mode automatic differentiation, so that the two cannot disagree.
    """

    @abc.abstractmethod
    def coefficients(self, t: Time) -> tuple[Time, Time]:
        """``(alpha(t), beta(t))``, with ``(1, 0)`` at 0 and ``(0, 1)`` at 1."""

    def rates(self, t: Time) -> tuple[Time, Time]:
        """Derivatives in time of ``coefficients``."""
        return self._moving(t)[1]

    def forward(self, t: PerSample, x0: Batch, x1: Batch) -> Batch:
        return _combined(self.coefficients(t), x0, x1)

    def with_velocity(self, t: PerSample, x0: Batch, x1: Batch) -> tuple[Batch, Batch]:
        """The point of the path, and its time derivative: the regression target of the loss."""
        coefficients, rates = self._moving(t)
        return _combined(coefficients, x0, x1), _combined(rates, x0, x1)

    def velocity(self, t: PerSample, x0: Batch, x1: Batch) -> Batch:
        """Time derivative of the path."""
        return self.with_velocity(t, x0, x1)[1]

    def _moving(self, t: Time) -> Any:
        """``coefficients`` and their derivatives in time."""
        return torch.func.jvp(self.coefficients, (t,), (torch.ones_like(t),))


def _combined(coefficients: tuple[Time, Time], x0: Batch, x1: Batch) -> Batch:
    alpha, beta = coefficients
    return per_sample(alpha, x0) * x0 + per_sample(beta, x1) * x1


class Linear(Interpolant):
    """``alpha = 1 - t``, ``beta = t``: straight lines at constant speed."""

    def coefficients(self, t: Time) -> tuple[Time, Time]:
        return 1 - t, t


class Trigonometric(Interpolant):
    """``alpha = cos(pi t / 2)``, ``beta = sin(pi t / 2)``: keeps the variance (equation 5)."""

    def coefficients(self, t: Time) -> tuple[Time, Time]:
        return torch.cos(math.pi / 2 * t), torch.sin(math.pi / 2 * t)


FIXED_PATHS: dict[str, type[Interpolant]] = {"linear": Linear, "trigonometric": Trigonometric}
"""Interpolants without learnable parameters, by their names in config.yaml."""


class Fourier(Trigonometric):
    """The trigonometric path plus ``terms`` sine waves of learnable, initially zero amplitudes.

    ``alpha = cos(pi t / 2) + sum_m A_m sin(m pi t)``, ``beta = sin(pi t / 2) + sum_m B_m
    sin(m pi t)``, ``m = 1 .. terms``; ``amplitudes`` holds A and B. The paper optimises such
    a series with 7 terms (appendix H); using no further factor is our choice.
    """

    def __init__(self, terms: int) -> None:
        super().__init__()
        self.amplitudes = nn.Parameter(torch.zeros(2, terms))

    def coefficients(self, t: Time) -> tuple[Time, Time]:
        alpha, beta = super().coefficients(t)
        m = torch.arange(1, self.amplitudes.shape[1] + 1, device=t.device)
        waves = torch.sin(math.pi * m * t.unsqueeze(-1)) @ self.amplitudes.T
        return alpha + waves[..., 0], beta + waves[..., 1]
