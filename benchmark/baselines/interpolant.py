"""Stochastic-interpolant flow (Albergo and Vanden-Eijnden, 2023): the method under test."""

import math
from collections.abc import Callable
from typing import Any, Literal

import torch
from torch import Tensor
from torch.distributions import Beta

from benchmark import diffusion
from benchmark.ascent import ascend
from benchmark.densities import Density, Empirical, LearnedNormal, StandardNormal
from benchmark.diffusion import Diffusion
from benchmark.flow import Flow
from benchmark.interpolants import FIXED_PATHS, Fourier, Interpolant
from benchmark.networks.mlp import MLP
from benchmark.networks.network import Network
from benchmark.networks.unet import UNet
from benchmark.ode import Solution, Tolerance
from benchmark.rows import Rows
from benchmark.shapes import (
    Batch,
    NonNegativeInt,
    PerSample,
    PositiveFloat,
    PositiveInt,
    Positives,
    Time,
)

ODE = Diffusion(0.0)


class InterpolantFlow(Flow):
    """Regresses a network on the velocity of an interpolant, with no ODE solve in training.

    Times are drawn from ``Beta(*times)``: (1, 1) is uniform, (1, 0.5) the paper's usual choice for
    tables, with more weight near the target. The minimiser does not depend on it. ``product`` is
    ``None`` (a time and a base sample for each row) or the numbers of times and of base samples
    that are combined with each other and with every row (equation I.1).
    """

    accepts = ("base",)

    def __init__(  # noqa: PLR0913 (its parts)
        self,
        network: Network,
        path: Interpolant,
        base: Density,
        times: tuple[float, float],
        product: tuple[int, int] | None = None,
        sampler: Diffusion = ODE,
    ) -> None:
        super().__init__()
        self.network, self.path, self.base, self.times = network, path, base, times
        self.product, self.sampler = product, sampler
        if sampler.epsilon != 0:
            diffusion.require_gaussian(base)

    @classmethod
    def build(  # noqa: PLR0913 (the numbers of config.yaml)
        cls,
        event: tuple[int, ...],
        path: Literal["linear", "trigonometric", "fourier"],
        width: PositiveInt,
        depth: PositiveInt,
        time_frequencies: NonNegativeInt,
        space_frequencies: NonNegativeInt,
        time_alpha: PositiveFloat,
        time_beta: PositiveFloat,
        terms: PositiveInt = 7,
        base: Literal["normal", "learned"] = "normal",
        pace: PositiveFloat = 0.1,
        product_times: PositiveInt | None = None,
        product_bases: PositiveInt | None = None,
        epsilon: PositiveFloat | None = None,
        sde_steps: PositiveInt = 500,
        gated: bool = False,
        base_rows: PositiveInt | None = None,
    ) -> "InterpolantFlow":
        """``terms`` are those of the Fourier path; it and a learned base maximise the loss that the
        network minimises, at ``pace`` times its learning rate (equation 24): slow enough for the
        network to follow. Samples are drawn by the ODE, or by ``sde_steps`` steps of the SDE with
        ``epsilon``. Of ``product_times`` and ``product_bases`` one alone means 1 of the other."""
        return cls(
            MLP(math.prod(event), width, depth, time_frequencies, space_frequencies, gated),
            _path(path, terms, pace),
            _base(base, event, pace, base_rows),
            (time_alpha, time_beta),
            _product(product_times, product_bases),
            Diffusion(epsilon or 0.0, sde_steps),
        )

    def initialise(self, rows: Rows, base: Rows | None = None) -> None:
        if isinstance(self.base, Empirical):
            self.base.fill(None if base is None else base.all())

    def velocity(self, t: Time, x: Batch) -> Batch:
        return self.network(t, x)

    def divergence(self, t: Time, x: Batch) -> PerSample:
        return self.network.divergence(t, x)

    def score(self, t: Time, x: Batch) -> Batch:
        """``grad log rho_t(x)``; raises ``ValueError`` if the base is not Gaussian."""
        return diffusion.score(self.velocity, self.path, self.base, t, x)

    def loss(self, x1: Batch) -> Tensor:
        """``E[ |v(t, x_t)|^2 - 2 (d/dt x_t) . v(t, x_t) ]`` over times and pairs (equation 9)."""
        t, x0, x1 = self._paired(x1) if self.product is None else self._crossed(x1, *self.product)
        x, rate = self.path.with_velocity(t, x0, x1)
        v = self.velocity(t, x)
        return (v * (v - 2 * rate)).flatten(1).sum(dim=1).mean()

    @torch.no_grad()
    def diagnostics(self, x1: Batch) -> dict[str, float]:
        """``monitor``: the loss plus ``path_length``, 0 at the optimum (equation 11; necessary, not
        sufficient). ``path_length``: ``E |v(t, x_t)|^2``. Both with uniform times."""
        x0 = self.base.sample(len(x1))
        x1, t = x1.to(x0), torch.rand(len(x0)).to(x0)
        x, rate = self.path.with_velocity(t, x0, x1)
        v = self.velocity(t, x)
        excess = 2 * (v * (v - rate)).flatten(1).sum(dim=1)
        length = v.square().flatten(1).sum(dim=1)
        return {"monitor": excess.mean().item(), "path_length": length.mean().item()}

    def likelihood_gap(self) -> str | None:
        known = not isinstance(self.base, Empirical)
        return None if known else "the base is known by samples only"

    def sample(
        self,
        n: int,
        tolerance: Tolerance,
        epsilon: float | Callable[[Tensor], Tensor] | None = None,
        steps: int | None = None,
    ) -> Solution:
        """By the ODE where ``epsilon`` is 0, else by the SDE that ``Diffusion`` describes.

        ``epsilon``, a number or a function of time, and ``steps`` are by default those of
        ``build``. Raises ``ValueError`` where ``epsilon`` is negative, or the base not Gaussian.
        """
        chosen = Diffusion(
            self.sampler.epsilon if epsilon is None else epsilon,
            self.sampler.steps if steps is None else steps,
        )
        if chosen.epsilon == 0:
            return super().sample(n, tolerance)
        score, velocity = self._in_double(self.score), self._in_double(self.velocity)
        return chosen.solve(velocity, score, self.base.sample(n))

    def protocol(self, tolerance: Tolerance) -> dict[str, Any]:
        used = {"sampler": str(self.sampler)} if self.sampler.epsilon != 0 else {}
        return {**super().protocol(tolerance), **used}

    def _times(self, n: int, like: Tensor) -> PerSample:
        alpha, beta = self.times
        if alpha == 1:  # by its quantile function, twenty times as fast
            return 1 - torch.rand(n, dtype=like.dtype, device=like.device) ** (1 / beta)
        return Beta(*like.new_tensor([alpha, beta])).sample((n,))

    def _paired(self, x1: Batch) -> tuple[PerSample, Batch, Batch]:
        return self._times(len(x1), x1), self.base.sample(len(x1)), x1

    def _crossed(self, x1: Batch, times: int, bases: int) -> tuple[Tensor, Tensor, Tensor]:
        """Every time with every base sample with every row."""
        t, x0 = self._times(times, x1), self.base.sample(bases)
        k, i, j = (
            index.flatten()
            for index in torch.meshgrid(
                *(torch.arange(n, device=x1.device) for n in (times, bases, len(x1))), indexing="ij"
            )
        )
        return t[k], x0[i], x1[j]


class ImageInterpolant(InterpolantFlow):
    """The interpolant of images, its velocity a U-Net."""

    requires = ("images",)

    @classmethod
    def build(  # type: ignore[override] # noqa: PLR0913 (the numbers of config.yaml)
        cls,
        event: tuple[int, ...],
        path: Literal["linear", "trigonometric", "fourier"],
        channels: PositiveInt,
        multipliers: Positives,
        residual_blocks: PositiveInt,
        attention: Positives,
        heads: PositiveInt,
        time_alpha: PositiveFloat,
        time_beta: PositiveFloat,
        terms: PositiveInt = 7,
        pace: PositiveFloat = 0.1,
        epsilon: PositiveFloat | None = None,
        sde_steps: PositiveInt = 500,
        base_rows: PositiveInt | None = None,
    ) -> "ImageInterpolant":
        """The numbers of ``UNet``, and of ``InterpolantFlow`` those that are not its network's."""
        return cls(
            UNet(event, channels, multipliers, residual_blocks, attention, heads),
            _path(path, terms, pace),
            _base("normal", event, pace, base_rows),
            (time_alpha, time_beta),
            sampler=Diffusion(epsilon or 0.0, sde_steps),
        )


def _path(kind: str, terms: int, pace: float) -> Interpolant:
    if kind != "fourier":
        return FIXED_PATHS[kind]()
    path = Fourier(terms)
    ascend(path, pace)
    return path


def _base(kind: str, event: tuple[int, ...], pace: float, rows: int | None) -> Density:
    if kind == "normal":
        return (
            StandardNormal(torch.Size(event))
            if rows is None
            else Empirical(torch.zeros(rows, *event))
        )
    if rows is not None or len(event) != 1:
        raise ValueError(
            f"model.base is 'learned', for rows of shape {event}"
            f"{' and a data set with rows of the base' if rows is not None else ''}; "
            f"allowed are vectors and no rows of the base. Set model.base to 'normal'."
        )
    base = LearnedNormal(event[0])
    ascend(base, pace)
    return base


def _product(times: int | None, bases: int | None) -> tuple[int, int] | None:
    if times is None and bases is None:
        return None
    return times or 1, bases or 1
