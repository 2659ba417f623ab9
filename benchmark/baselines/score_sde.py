"""Score-based diffusion: three SDEs, two losses, three samplers (Song et al., 2021).

The paper runs from data at ``s = 0`` to noise at ``s = 1``: ``dx = f(s) x ds + g(s) dW``.
Here ``s = 1 - t (1 - s_min)``: flow and samplers stop at ``s_min``, where the density is that of
the data, scaled by the mean of the kernel, with noise of the kernel's variance added.
"""

import abc
import math
from dataclasses import dataclass
from typing import Annotated, Any, Literal

import torch
from pydantic import Field
from torch import Tensor

from benchmark.densities import Density, Normal
from benchmark.flow import Flow
from benchmark.networks.network import Network
from benchmark.ode import CountCalls, Solution, Tolerance
from benchmark.sde import euler_maruyama
from benchmark.shapes import (
    Batch,
    PerSample,
    PositiveFloat,
    PositiveInt,
    Time,
    Velocity,
    kind_alone,
    per_sample,
)


class Diffusion(abc.ABC):
    """The SDE ``dx = f(s) x ds + g(s) dW``, written as its kernel from ``s = 0``.

    Given ``x`` at 0, ``x_s`` is ``N(exp(log_mean(s)) x, variance(s) I)``. The coefficients are
    derivatives of the two, so that SDE and kernel cannot disagree.
    """

    @abc.abstractmethod
    def log_mean(self, s: Time) -> Time:
        """Logarithm of the kernel's mean factor, 0 at ``s = 0``."""

    @abc.abstractmethod
    def variance(self, s: Time) -> Time:
        """Variance of the kernel, 0 at ``s = 0``."""

    def kernel(self, s: Time) -> tuple[Time, Time]:
        """Mean factor and standard deviation of ``x_s`` given ``x`` at ``s = 0``."""
        return self.log_mean(s).exp(), self.variance(s).sqrt()

    def spread(self, s: Time) -> Time:
        """Standard deviation of ``x_s`` if that of the data is 1."""
        return torch.sqrt(torch.exp(2 * self.log_mean(s)) + self.variance(s))

    def coefficients(self, s: Time) -> tuple[Time, Time]:
        """``f`` and ``g^2``, which solve the moment equations (Särkkä and Solin, 2019).

        ``(log mean)' = f`` and ``variance' = 2 f variance + g^2``.
        """
        moments: Any = torch.func.jvp(
            lambda s: (self.log_mean(s), self.variance(s)), (s,), (torch.ones_like(s),)
        )
        (_, variance), (f, growth) = moments
        return f, growth - 2 * f * variance


@dataclass(frozen=True)
class LinearBeta(Diffusion):
    """``f = -beta / 2``, with ``beta`` linear in ``s``; the paper's limits."""

    beta_min: PositiveFloat = 0.1
    beta_max: PositiveFloat = 20.0

    def log_mean(self, s: Time) -> Time:
        """``-1/2 int_0^s beta``."""
        return -(self.beta_min * s + (self.beta_max - self.beta_min) * s.square() / 2) / 2


@dataclass(frozen=True)
class VariancePreserving(LinearBeta):
    """``g^2 = beta`` (equation 11)."""

    kind: Literal["vp"] = "vp"

    def variance(self, s: Time) -> Time:
        return -torch.expm1(2 * self.log_mean(s))


@dataclass(frozen=True)
class SubVariancePreserving(LinearBeta):
    """``g^2 = beta (1 - exp(-2 int_0^s beta))``: the drift of VP, less noise (equation 12)."""

    kind: Literal["subvp"] = "subvp"

    def variance(self, s: Time) -> Time:
        """The square of that of VP."""
        return torch.expm1(2 * self.log_mean(s)).square()


@dataclass(frozen=True)
class VarianceExploding(Diffusion):
    """``f = 0``, ``g^2 = d sigma^2 / ds``, ``sigma`` geometric in ``s`` (equation 9, appendix C).

    The limits are the paper's. Raises ``ValueError`` unless ``sigma_min < sigma_max``.
    """

    sigma_min: PositiveFloat = 0.01
    sigma_max: PositiveFloat = 50.0
    kind: Literal["ve"] = "ve"

    def __post_init__(self) -> None:
        if not self.sigma_min < self.sigma_max:
            raise ValueError(
                f"sigma_max is {self.sigma_max}; allowed is more than "
                f"sigma_min = {self.sigma_min}. Raise the one or lower the other."
            )

    def log_mean(self, s: Time) -> Time:
        return torch.zeros_like(s)

    def variance(self, s: Time) -> Time:
        """``sigma^2(s) - sigma^2(0)``."""
        ratio = self.sigma_max / self.sigma_min
        return self.sigma_min**2 * torch.expm1(2 * math.log(ratio) * s)


Noising = VariancePreserving | SubVariancePreserving | VarianceExploding
SDE = Annotated[Noising, Field(discriminator="kind"), kind_alone(Noising)]
"""An SDE as a config writes it."""


@dataclass(frozen=True)
class ReverseSDE:
    """The SDE of a diffusion run back in ``s``, and a corrector for after each of its steps.

    ``dx = (f x - g^2 score) ds + g dW`` with ``ds < 0`` (equation 6). ``step`` is the size of the
    steps, ``snr`` the signal-to-noise ratio of the corrector.
    """

    diffusion: Diffusion
    score: Velocity
    step: float
    snr: float

    def drift(self, s: Tensor, x: Batch) -> Batch:
        f, g2 = self.diffusion.coefficients(s)
        return f * x - g2 * self.score(s, x)

    def noise(self, s: Tensor) -> Tensor:
        """``g``."""
        _, g2 = self.diffusion.coefficients(s)
        return g2.sqrt()

    def correct(self, s: Tensor, x: Batch) -> Batch:
        """A step of Langevin dynamics, ``x + size score + sqrt(2 size) z`` (algorithms 4 and 5).

        ``size = 2 alpha (snr |z| / |score|)^2``, with norms averaged over the batch and ``alpha``
        the decay of ``|x|^2`` in a step: ``1 - beta step`` to first order, 1 for VE. However many
        the steps, the size does not tend to 0: on a Gaussian it raises the variance by up to
        ``snr^2``.
        """
        score, z = self.score(s, x), torch.randn_like(x)
        f, _ = self.diffusion.coefficients(s)
        ratio = self.snr * _mean_norm(z) / _mean_norm(score)
        size = 2 * torch.exp(2 * f * self.step) * ratio.square()
        return x + size * score + torch.sqrt(2 * size) * z


def _mean_norm(x: Batch) -> Tensor:
    return x.flatten(1).norm(dim=1).mean()


@dataclass(frozen=True)
class Sampler:
    """By the probability flow ODE, or by ``steps`` equal Euler-Maruyama steps of the reverse SDE.

    The predictor-corrector follows each of these with a corrector of signal-to-noise ratio ``snr``.
    """

    kind: Literal["ode", "sde", "predictor_corrector"] = "ode"
    steps: PositiveInt = 500
    snr: PositiveFloat = 0.16

    def protocol(self) -> dict[str, Any]:
        """The settings that distinguish samples from those of the ODE."""
        steps: dict[str, Any] = {"sampler": self.kind, "sampler_steps": self.steps}
        corrected = {**steps, "sampler_snr": self.snr}
        return {"ode": {}, "sde": steps, "predictor_corrector": corrected}[self.kind]


class ScoreSDE(Flow):
    """Learns the noise ``z`` in ``x_s = mean x + deviation z``; the score is ``-z / deviation``.

    The network sees ``x_s`` divided by its spread for data of unit variance. That is 1 for VP; it
    is ours, not the paper's, for VE, whose ``x_s`` reach ``sigma_max`` times the data.
    """

    def __init__(
        self,
        network: Network,
        base: Density,
        diffusion: Diffusion,
        s_min: float,
        weighting: Literal["variance", "likelihood"] = "variance",
        sampler: Sampler = Sampler(),
    ) -> None:
        super().__init__()
        if not 0 < s_min < 1:
            raise ValueError(f"model.s_min is {s_min}; allowed is between 0 and 1, e.g. 1.0e-3.")
        self.network, self.base, self.diffusion = network, base, diffusion
        self.s_min, self.weighting, self.sampler = s_min, weighting, sampler

    @classmethod
    def build(
        cls,
        event: tuple[int, ...],
        network: Network,
        sde: SDE,
        weighting: Literal["variance", "likelihood"],
        s_min: PositiveFloat,
        sampler: Annotated[Sampler, kind_alone(Sampler)] = Sampler(),
    ) -> "ScoreSDE":
        """``sde`` and ``sampler`` are mappings, or their ``kind`` alone."""
        return cls(network, _base(event, sde), sde, s_min, weighting, sampler)

    def noise(self, s: Time, x: Batch) -> Batch:
        """``E[z | x_s = x]``, learned."""
        return self.network(s, x / per_sample(self.diffusion.spread(s), x))

    def score(self, s: Time, x: Batch) -> Batch:
        """``grad log p_s(x)``, learned."""
        _, deviation = self.diffusion.kernel(s)
        return -self.noise(s, x) / per_sample(deviation, x)

    def velocity(self, t: Tensor, x: Batch) -> Batch:
        """``-(1 - s_min) (f x - g^2 score / 2)``: the probability flow in ``s``, backward."""
        s, linear, noise = self._flow_coefficients(t)
        return per_sample(linear, x) * x + per_sample(noise, x) * self.noise(s, x)

    def divergence(self, t: Tensor, x: Batch) -> PerSample:
        s, linear, noise = self._flow_coefficients(t)
        spread = self.diffusion.spread(s)
        trace = self.network.divergence(s, x / per_sample(spread, x)) / spread
        return linear * x.flatten(1).shape[1] + noise * trace

    def _flow_coefficients(self, t: Time) -> tuple[Time, Time, Time]:
        """The paper's time, and the factors of ``x`` and of the noise in ``velocity``."""
        s = 1 - t * (1 - self.s_min)
        f, g2 = self.diffusion.coefficients(s)
        _, deviation = self.diffusion.kernel(s)
        return s, -(1 - self.s_min) * f, -(1 - self.s_min) * g2 / (2 * deviation)

    def loss(self, x1: Batch) -> Tensor:
        """Denoising score matching, ``E weight |z_hat - z|^2`` (equation 7), uniform in ``s``."""
        s: PerSample = self.s_min + (1 - self.s_min) * torch.rand_like(x1.flatten(1)[:, 0])
        mean, deviation = self.diffusion.kernel(s)
        z = torch.randn_like(x1)
        noisy = per_sample(mean, x1) * x1 + per_sample(deviation, x1) * z
        error = (self.noise(s, noisy) - z).square().flatten(1).sum(dim=1)
        return (self._weight(s) * error).mean()

    def _weight(self, s: PerSample) -> PerSample:
        """1, or ``g^2 / variance``, which makes it ``g^2 |score + z / deviation|^2``.

        With the latter, the loss bounds the KL divergence (Song, Durkan et al., 2021, theorem 1).
        """
        if self.weighting == "variance":
            return torch.ones_like(s)
        _, g2 = self.diffusion.coefficients(s)
        return g2 / self.diffusion.variance(s)

    def sample(self, n: int, tolerance: Tolerance) -> Solution:
        """``n`` samples of the density at ``s_min``; ``nfe`` counts evaluations of the network.

        Those of the predictor-corrector depend on each other through the size of its corrector.
        """
        if self.sampler.kind == "ode":
            return super().sample(n, tolerance)
        x0, score = self.base.sample(n).double(), CountCalls(self._in_double(self.score))
        step = (1 - self.s_min) / self.sampler.steps
        reverse = ReverseSDE(self.diffusion, score, step, self.sampler.snr)
        times = torch.linspace(1, self.s_min, self.sampler.steps + 1, dtype=x0.dtype).to(x0)
        corrector = {"sde": (), "predictor_corrector": (reverse.correct,)}[self.sampler.kind]
        x = euler_maruyama(reverse.drift, reverse.noise, x0, times, *corrector).values
        return Solution(x, score.nfe)

    def protocol(self, tolerance: Tolerance) -> dict[str, Any]:
        return {**super().protocol(tolerance), **self.sampler.protocol()}


def _base(event: tuple[int, ...], diffusion: Diffusion) -> Density:
    """A normal base, of the variance that data of unit variance have at ``s = 1``.

    1 for VP, and nearly the paper's 1 and ``sigma_max^2`` for sub-VP and VE.
    """
    scale = diffusion.spread(torch.tensor(1.0, dtype=torch.float64)).item()
    return Normal(torch.Size(event), scale)
