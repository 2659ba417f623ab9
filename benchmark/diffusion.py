"""The score of an interpolant from its velocity, and the diffusions that share its densities.

Both need a Gaussian base ``N(mu, Sigma)`` (Albergo and Vanden-Eijnden, 2023, proposition 4).
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from benchmark import sde
from benchmark.densities import Density, LearnedNormal, StandardNormal
from benchmark.interpolants import Interpolant
from benchmark.ode import Solution
from benchmark.shapes import Batch, Time, Velocity, per_sample


def score(velocity: Velocity, path: Interpolant, base: Density, t: Time, x: Batch) -> Batch:
    """``grad log rho_t(x) = -Sigma^-1 (E[x0 | x_t = x] - mu) / alpha(t)``, finite on [0, 1].

    ``E[x0 | x] = (beta' x - beta v) / (alpha beta' - alpha' beta)`` solves ``x = alpha E[x0 | x] +
    beta E[x1 | x]`` with ``v = alpha' E[x0 | x] + beta' E[x1 | x]``. Where ``alpha`` vanishes, e.g.
    at ``t = 1``, the limit is taken by de l'Hopital's rule, with derivatives in time. For
    ``N(0, I)`` and the trigonometric path, ``-x + (2 / pi) tan(pi t / 2) v``: the sign is plus.
    """
    require_gaussian(base)

    def total_log_prob(x0: Batch) -> Tensor:
        return base.log_prob(x0).sum()

    score_of_base: Any = torch.func.grad(total_log_prob)

    def numerator(t: Time) -> Batch:
        (alpha, beta), (d_alpha, d_beta) = path.coefficients(t), path.rates(t)
        x0 = per_sample(d_beta, x) * x - per_sample(beta, x) * velocity(t, x)
        x0 = x0 / per_sample(alpha * d_beta - d_alpha * beta, x)
        return score_of_base(x0)

    alpha, above = path.coefficients(t)[0], numerator(t)
    # Closer than this to its zero, the fraction has lost half of its digits.
    vanishes = alpha.abs() < math.sqrt(torch.finfo(t.dtype).eps)
    if vanishes.any():
        limit: Any = torch.func.jvp(numerator, (t,), (torch.ones_like(t),))[1]
        alpha = torch.where(vanishes, path.rates(t)[0], alpha)
        above = torch.where(per_sample(vanishes, x), limit, above)
    return above / per_sample(alpha, x)


def require_gaussian(base: Density) -> None:
    """Check that the base is Gaussian; ``ValueError`` otherwise, where no score follows."""
    if not isinstance(base, StandardNormal | LearnedNormal):
        raise ValueError(
            f"The base is {type(base).__name__}: the score follows from the velocity only for a "
            f"Gaussian base (StandardNormal, LearnedNormal). Sample by the ODE: leave out epsilon."
        )


@dataclass(frozen=True)
class Diffusion:
    """The SDE ``dX = (v + epsilon s) dt + sqrt(2 epsilon) dW``, in equal Euler-Maruyama ``steps``.

    If ``s`` is the score of the densities of the flow of ``v``, the SDE has the same densities for
    any ``epsilon >= 0``, a number or a function of time; with ``epsilon = 0`` it is the ODE.
    """

    epsilon: float | Callable[[Tensor], Tensor] = 0.0
    steps: int = 500

    def __post_init__(self) -> None:
        if self.steps < 1:
            raise ValueError(f"steps is {self.steps}; allowed is at least 1.")
        if not callable(self.epsilon):
            _checked(torch.tensor(self.epsilon), "epsilon")

    def rate(self, t: Tensor) -> Tensor:
        """``epsilon`` at time ``t``."""
        if not callable(self.epsilon):
            return torch.full_like(t, self.epsilon)
        return _checked(self.epsilon(t), f"epsilon at t = {t.item():g}")

    def solve(self, velocity: Velocity, score: Velocity, x: Batch) -> Solution:
        """Solution from ``x`` at ``t = 0`` to ``t = 1``; ``nfe`` counts evaluations of the velocity
        (one per step, and another in the score)."""

        def drift(t: Tensor, x: Batch) -> Batch:
            return velocity(t, x) + self.rate(t) * score(t, x)

        times = torch.linspace(0, 1, self.steps + 1, dtype=torch.float64, device=x.device)
        values, _ = sde.euler_maruyama(drift, lambda t: (2 * self.rate(t)).sqrt(), x, times)
        return Solution(values, 2 * self.steps)

    def __str__(self) -> str:
        return f"Euler-Maruyama, epsilon {self.epsilon}, {self.steps} steps"


def _checked(epsilon: Tensor, what: str) -> Tensor:
    if not (epsilon.isfinite() & (epsilon >= 0)).all():
        raise ValueError(f"{what} is {epsilon.item():g}; allowed is finite and at least 0.")
    return epsilon
