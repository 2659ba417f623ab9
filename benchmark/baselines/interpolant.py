"""Stochastic-interpolant flow (Albergo and Vanden-Eijnden, 2023): the method under test."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, Any, Literal

import torch
from torch import Tensor
from torch.distributions import Beta

from benchmark import diffusion
from benchmark.ascent import ascend
from benchmark.densities import Density, Empirical, LearnedNormal, StandardNormal
from benchmark.diffusion import Diffusion
from benchmark.flow import Flow
from benchmark.interpolants import FIXED_PATHS, Fourier, Interpolant
from benchmark.networks.network import Network
from benchmark.ode import Solution, Tolerance
from benchmark.rows import Rows
from benchmark.shapes import (
    Batch,
    NonNegativeFloat,
    PerSample,
    PositiveFloat,
    PositiveInt,
    Time,
    kind_alone,
)

ODE = Diffusion(0.0)


@dataclass(frozen=True)
class PathSettings:
    """The path, the base, and what of them is learned.

    The Fourier path, of so many ``terms``, and a ``learned`` base maximise the loss that the
    network minimises, at ``pace`` times its learning rate (equation 24): slow enough for the
    network to follow.
    """

    kind: Literal["linear", "trigonometric", "fourier"]
    terms: PositiveInt = 7
    base: Literal["normal", "learned"] = "normal"
    pace: PositiveFloat = 0.1

    def interpolant(self) -> Interpolant:
        """The path."""
        if self.kind != "fourier":
            return FIXED_PATHS[self.kind]()
        path = Fourier(self.terms)
        ascend(path, self.pace)
        return path

    def density(self, event: tuple[int, ...], rows: int | None) -> Density:
        """The base; ``rows`` is the number of its rows where it is known by these only.

        Raises ``ValueError`` for a learned base of images, or of such rows.
        """
        if self.base == "learned":
            return self._learned(event, rows)
        if rows is None:
            return StandardNormal(torch.Size(event))
        return Empirical(torch.zeros(rows, *event))

    def _learned(self, event: tuple[int, ...], rows: int | None) -> Density:
        if rows is not None or len(event) != 1:
            raise ValueError(
                f"model.path.base is 'learned', for rows of shape {event}"
                f"{' and a data set with rows of the base' if rows is not None else ''}; "
                f"allowed are vectors and no rows of the base. Set model.path.base to 'normal'."
            )
        base = LearnedNormal(event[0])
        ascend(base, self.pace)
        return base


@dataclass(frozen=True)
class Draws:
    """Times and samples of the base that a batch is combined with.

    Times are drawn from ``Beta(alpha, beta)``: (1, 1) is uniform, (1, 0.5) the paper's usual choice
    for tables, with more weight near the target. The minimiser does not depend on it. By default
    each row has a time and a sample of its own; with ``times`` and ``bases`` so many of them are
    combined with each other and with every row (equation I.1), where one alone means 1 of the
    other.
    """

    alpha: PositiveFloat = 1.0
    beta: PositiveFloat = 1.0
    times: PositiveInt | None = None
    bases: PositiveInt | None = None

    @property
    def crossed(self) -> tuple[int, int] | None:
        """Numbers of times and of samples of the base, ``None`` of draws for each row."""
        alone = self.times is None and self.bases is None
        return None if alone else (self.times or 1, self.bases or 1)

    def draw_times(self, n: int, like: Tensor) -> PerSample:
        """``n`` times, of the type and on the device of ``like``."""
        if self.alpha == 1:  # by its quantile function, twenty times as fast
            return 1 - torch.rand(n, dtype=like.dtype, device=like.device) ** (1 / self.beta)
        return Beta(*like.new_tensor([self.alpha, self.beta])).sample((n,))


@dataclass(frozen=True)
class Sampler:
    """By the ODE where ``epsilon`` is 0, else by ``steps`` of the SDE (``Diffusion``)."""

    epsilon: NonNegativeFloat = 0.0
    steps: PositiveInt = 500


class InterpolantFlow(Flow):
    """Regresses a network on the velocity of an interpolant, with no ODE solve in training."""

    accepts = ("base",)

    def __init__(
        self,
        network: Network,
        path: Interpolant,
        base: Density,
        draws: Draws = Draws(),
        sampler: Diffusion = ODE,
    ) -> None:
        super().__init__()
        self.network, self.path, self.base = network, path, base
        self.draws, self.sampler = draws, sampler
        if sampler.epsilon != 0:
            diffusion.require_gaussian(base)

    @classmethod
    def build(
        cls,
        event: tuple[int, ...],
        network: Network,
        path: Annotated[PathSettings, kind_alone(PathSettings)],
        draws: Draws = Draws(),
        sampler: Sampler = Sampler(),
        base_rows: PositiveInt | None = None,
    ) -> "InterpolantFlow":
        """``path`` is a mapping, or its ``kind`` alone."""
        base = path.density(event, base_rows)
        diffusion = Diffusion(sampler.epsilon, sampler.steps)
        return cls(network, path.interpolant(), base, draws, diffusion)

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
        crossed = self.draws.crossed
        t, x0, x1 = self._crossed(x1, *crossed) if crossed else self._paired(x1)
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

    def _paired(self, x1: Batch) -> tuple[PerSample, Batch, Batch]:
        t = self.draws.draw_times(len(x1), x1)
        return t, self.base.sample(len(x1)), x1

    def _crossed(self, x1: Batch, times: int, bases: int) -> tuple[Tensor, Tensor, Tensor]:
        """Every time with every base sample with every row."""
        t, x0 = self.draws.draw_times(times, x1), self.base.sample(bases)
        k, i, j = (
            index.flatten()
            for index in torch.meshgrid(
                *(torch.arange(n, device=x1.device) for n in (times, bases, len(x1))), indexing="ij"
            )
        )
        return t[k], x0[i], x1[j]
