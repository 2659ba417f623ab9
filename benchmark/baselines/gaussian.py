"""Control: the Gaussian of maximum likelihood, fitted in closed form."""

import math

import torch

from benchmark.coordinates import covariance_of
from benchmark.densities import GaussianMixture
from benchmark.flow import ClosedForm
from benchmark.rows import Rows


class Gaussian(ClosedForm):
    """``N(m, C)`` with the mean and the covariance (divided by n) of the training rows, float64."""

    requires = ("vectors",)

    def __init__(self, density: GaussianMixture) -> None:
        super().__init__()
        self.density = density.double()

    @classmethod
    def build(cls, event: tuple[int, ...]) -> "Gaussian":
        dim = math.prod(event)
        return cls(GaussianMixture(torch.ones(1), torch.zeros(1, dim), torch.eye(dim)[None]))

    def initialise(self, rows: Rows, base: Rows | None = None) -> None:
        """Raises ``ValueError`` if the rows lie, up to rounding, in a subspace."""
        x1 = rows.all(torch.float64)
        covariance = covariance_of(x1)
        spread = covariance.diagonal().sqrt()
        factor = torch.linalg.cholesky(covariance / spread / spread[:, None])
        means, factors = x1.mean(dim=0)[None], (spread[:, None] * factor)[None]
        self.density = GaussianMixture(torch.ones(1).to(x1), means, factors)
