"""Control: the Gaussian of maximum likelihood, fitted in closed form."""

import math

import torch

from benchmark.densities import GaussianMixture
from benchmark.flow import ClosedForm
from benchmark.rows import Rows


class Gaussian(ClosedForm):
    """``N(m, C)`` with the mean and the covariance (divided by n) of the training rows."""

    requires = ("vectors",)

    def __init__(self, density: GaussianMixture) -> None:
        super().__init__()
        self.density = density

    @classmethod
    def build(cls, event: tuple[int, ...]) -> "Gaussian":
        dim = math.prod(event)
        return cls(GaussianMixture(torch.ones(1), torch.zeros(1, dim), torch.eye(dim)[None]))

    def initialise(self, rows: Rows, base: Rows | None = None) -> None:
        x1 = rows.all()
        covariance = torch.cov(x1.double().T, correction=0).reshape(x1.shape[1], -1)
        factor = torch.linalg.cholesky(covariance)
        self.density = GaussianMixture(
            torch.ones(1).to(x1), x1.double().mean(dim=0)[None].to(x1), factor[None].to(x1)
        )
