"""Controls: the true density of a synthetic data set, and the true velocity that leads to it."""

import math
from typing import Literal

import torch
from torch import Tensor

from benchmark.densities import Density, GaussianMixture, StandardNormal
from benchmark.flow import ClosedForm, Flow
from benchmark.interpolants import FIXED_PATHS
from benchmark.names import load
from benchmark.oracles import MixtureVelocity
from benchmark.shapes import Batch, Time


class Oracle(ClosedForm):
    """The density that made the data, the best any method can do."""

    requires = ("density",)
    is_target = True

    def __init__(self, density: Density) -> None:
        super().__init__()
        self.density = density

    @classmethod
    def build(cls, event: tuple[int, ...], density: str) -> "Oracle":
        return cls(load(density)())


class OracleFlow(Flow):
    """The flow of the closed-form velocity from ``N(0, I)`` to a known mixture of Gaussians.

    What it loses against the density itself is the error of the solver and of the harness. In
    double precision; its coordinates have to be those of the data (train.coordinates: identity).
    """

    requires = ("density",)
    trained = False

    def __init__(self, network: MixtureVelocity) -> None:
        super().__init__()
        self.network = network
        self.base = StandardNormal(network.target.means.shape[1:]).to(network.target.means)

    @classmethod
    def build(
        cls, event: tuple[int, ...], density: str, path: Literal["linear", "trigonometric"]
    ) -> "OracleFlow":
        """Raises ``ValueError`` where the density is not a mixture of Gaussians."""
        target, dim = load(density)(), math.prod(event)
        if not isinstance(target, GaussianMixture):
            raise ValueError(
                f"{density} is a {type(target).__name__}: its velocity is not known. "
                f"{cls.__name__} runs on mixtures of Gaussians only; set its 'datasets' to those."
            )
        base = GaussianMixture(torch.ones(1), torch.zeros(1, dim), torch.eye(dim)[None])
        return cls(MixtureVelocity(base, target, FIXED_PATHS[path]()).double())

    def velocity(self, t: Time, x: Batch) -> Batch:
        return self.network(t, x)

    def loss(self, x1: Batch) -> Tensor:
        raise TypeError(
            f"{type(self).__name__} has no training loss: its velocity is known. "
            f"Set train.steps to 0 in config.yaml."
        )
