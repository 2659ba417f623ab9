"""The interface of a method, the only one of the benchmark.

``t = 0`` is the base, ``t = 1`` the target, arguments are ``(t, x)``; a method whose paper runs
time the other way flips it inside its own file.
"""

import abc
import itertools
from collections.abc import Sequence
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from benchmark import likelihood, ode
from benchmark.densities import Density
from benchmark.divergence import exact_divergence, rademacher
from benchmark.likelihood import Drawn, Field, Likelihood
from benchmark.ode import Solution, Tolerance
from benchmark.rows import Rows
from benchmark.shapes import Batch, PerSample


class Method(nn.Module, abc.ABC):
    """A generative model that can be fitted, sampled and evaluated.

    Nearly all methods of this benchmark are flows (``Flow``) or densities in closed form
    (``ClosedForm``). Any other density, such as the spline flow, is a direct subclass.
    """

    requires: ClassVar[tuple[str, ...]] = ()
    """Requirements on a data set: ``"vectors"`` (events of one axis), ``"images"`` (of three axes),
    ``"plane"`` (events of shape (2,)), ``"density"`` (a known target density, whose dotted path is
    then passed to ``build``)."""
    accepts: ClassVar[tuple[str, ...]] = ()
    """Optional inputs it supports: ``"base"`` (a data set with rows of the base; their number is
    passed to ``build`` as ``base_rows``, the rows to ``initialise``)."""
    trained: ClassVar[bool] = True
    """Whether it is fitted by optimiser steps; a class that is not overrides this."""
    is_target: ClassVar[bool] = False
    """Whether it is the density of the data itself, which figures show as the target."""

    @classmethod
    @abc.abstractmethod
    def build(cls, event: tuple[int, ...], *args: Any, **arguments: Any) -> "Method":
        """The method for rows of shape ``event``, from the arguments ``model`` of config.yaml."""

    def initialise(  # noqa: B027 (most methods have nothing to do)
        self, rows: Rows, base: Rows | None = None
    ) -> None:
        """Fit what has a closed form, on all training rows, before the first step.

        ``base`` holds the rows of the base, for a data set that has them.
        """

    @abc.abstractmethod
    def loss(self, x1: Batch) -> Tensor:
        """Training objective on a batch of data, a scalar."""

    def diagnostics(self, x1: Batch) -> dict[str, float]:
        """Further values to record during the training, computed on held-out rows."""
        return {}

    def likelihood_gap(self) -> str | None:
        """The reason why the method has no log-density; ``None`` if it has one."""
        return None

    @abc.abstractmethod
    def log_prob(self, x: Batch, tolerance: Tolerance, t: float = 1.0) -> Likelihood:
        """Log-density in nats of each row, float64; for a flow, at any time ``t``."""

    def log_prob_gradient(self, x: Batch, tolerance: Tolerance) -> Batch:
        """Gradient in ``x`` of ``log_prob`` at ``t = 1``, by automatic differentiation.

        Raises ``ValueError`` where ``log_prob`` cannot be differentiated.
        """
        with torch.enable_grad():
            x = x.detach().requires_grad_()
            values = self.log_prob(x, tolerance).values
            if not values.requires_grad:
                raise ValueError(
                    f"The log-density of {type(self).__name__} has no gradient: it is constant "
                    f"where it is not zero, or log_prob is computed without gradients."
                )
            return torch.autograd.grad(values.sum(), x)[0]

    @abc.abstractmethod
    def sample(self, n: int, tolerance: Tolerance) -> Solution:
        """``n`` samples; draws from torch's global generator."""

    def sample_log_prob(self, n: int, tolerance: Tolerance) -> Drawn:
        """``n`` samples and their log-densities; draws from torch's global generator."""
        x = self.sample(n, tolerance).values
        return Drawn(x, self.log_prob(x, tolerance).values)

    @abc.abstractmethod
    def protocol(self, tolerance: Tolerance) -> dict[str, Any]:
        """Numerical settings of ``log_prob`` and ``sample``, for the records."""


class Flow(Method, abc.ABC):
    """A velocity field that carries ``base`` at ``t = 0`` to the data at ``t = 1``.

    A method defines ``velocity`` and ``loss``, and ``divergence`` only where a closed form exists.
    Sampling and likelihood are implemented here, the same for every flow.
    """

    base: Density
    breaks: Sequence[float] = ()
    """Times inside (0, 1) at which the velocity jumps, e.g. from one block to the next."""

    @abc.abstractmethod
    def velocity(self, t: Tensor, x: Batch) -> Batch:
        """Right-hand side of the probability flow ODE, ``dx / dt``."""

    def divergence(self, t: Tensor, x: Batch) -> PerSample:
        """Divergence of ``velocity``; override where a closed form exists."""
        return exact_divergence(self.velocity, t, x)

    def log_prob(self, x: Batch, tolerance: Tolerance, t: float = 1.0) -> Likelihood:
        return likelihood.log_prob(self._field(x, tolerance), self.base.log_prob, x, tolerance, t)

    def log_prob_gradient(self, x: Batch, tolerance: Tolerance) -> Batch:
        """The same by the adjoint of the likelihood, whose divergence is exact."""
        velocity = self._in_double(self.velocity)
        return likelihood.score(velocity, self.base.log_prob, x, tolerance, self.breaks)

    def sample(self, n: int, tolerance: Tolerance) -> Solution:
        return self.transport(self.base.sample(n), tolerance)

    def sample_log_prob(self, n: int, tolerance: Tolerance) -> Drawn:
        """The same by the ODE, whose one solve gives both."""
        x0 = self.base.sample(n)
        return likelihood.push(self._field(x0, tolerance), self.base.log_prob, x0, tolerance)

    def transport(
        self, x: Batch, tolerance: Tolerance, start: float = 0.0, end: float = 1.0
    ) -> Solution:
        """The points to which the flow carries ``x`` from time ``start`` to ``end``."""
        velocity = self._in_double(self.velocity)
        return ode.transport(velocity, x, tolerance, (start, end), self.breaks)

    def protocol(self, tolerance: Tolerance) -> dict[str, Any]:
        probes = tolerance.probes
        return {
            "solver": ode.SOLVER,
            "atol": tolerance.atol,
            "rtol": tolerance.rtol,
            "divergence": f"Hutchinson, {probes} Rademacher probes" if probes else "exact",
        }

    def _field(self, x: Batch, tolerance: Tolerance) -> Field:
        """The velocity and its divergence, with the probes of the rows ``x`` if there are any."""
        velocity, divergence = self._in_double(self.velocity), self._in_double(self.divergence)
        probes = rademacher(x, tolerance.probes).double() if tolerance.probes else None
        return Field(velocity, divergence, self.breaks, probes)

    def _in_double(self, function: Any) -> Any:
        dtype = next(itertools.chain(self.parameters(), self.buffers())).dtype
        return lambda t, x: function(t.to(dtype), x.to(dtype)).double()


class ClosedForm(Method, abc.ABC):
    """A density in closed form: nothing is trained and no ODE is solved."""

    trained = False
    density: Density

    def loss(self, x1: Batch) -> Tensor:
        raise TypeError(
            f"{type(self).__name__} has no training loss: it is fitted in closed form. "
            f"Set train.steps to 0 in config.yaml."
        )

    def log_prob(self, x: Batch, tolerance: Tolerance, t: float = 1.0) -> Likelihood:
        if t != 1.0:
            raise ValueError(f"{type(self).__name__} is not a flow: it has no density at t = {t}.")
        return Likelihood(self.density.log_prob(x.double()), 0, 0)

    def sample(self, n: int, tolerance: Tolerance) -> Solution:
        return Solution(self.density.sample(n).double(), 0)

    def protocol(self, tolerance: Tolerance) -> dict[str, Any]:
        return {"solver": "none (closed form)"}
