"""Densities that can be sampled and evaluated: bases, fitted controls, known targets."""

import abc
import math

import torch
from jaxtyping import Float
from torch import Tensor, nn

from benchmark.shapes import Batch, PerSample


class Density(nn.Module, abc.ABC):
    """A normalised density over events; a module, so that it moves with its model.

    Sampling draws from torch's global generator.
    """

    @abc.abstractmethod
    def sample(self, n: int) -> Batch:
        """``n`` independent samples."""

    @abc.abstractmethod
    def log_prob(self, x: Batch) -> PerSample:
        """Log-density in nats; ``-inf`` outside the support."""


class StandardNormal(Density):
    """``N(0, I)`` over events of any shape."""

    origin: Tensor

    def __init__(self, event: torch.Size) -> None:
        super().__init__()
        self.register_buffer("origin", torch.zeros(event))

    def sample(self, n: int) -> Batch:
        return torch.randn(
            n, *self.origin.shape, dtype=self.origin.dtype, device=self.origin.device
        )

    def log_prob(self, x: Batch) -> PerSample:
        return -0.5 * (x.square() + math.log(2 * math.pi)).flatten(1).sum(dim=1)


class Normal(Density):
    """``N(0, scale^2 I)`` over events of any shape."""

    def __init__(self, event: torch.Size, scale: float) -> None:
        super().__init__()
        self.standard, self.scale = StandardNormal(event), scale

    def sample(self, n: int) -> Batch:
        return self.scale * self.standard.sample(n)

    def log_prob(self, x: Batch) -> PerSample:
        log_det = x.flatten(1).shape[1] * math.log(self.scale)
        return self.standard.log_prob(x / self.scale) - log_det


class GaussianMixture(Density):
    """``sum_k w_k N(m_k, L_k L_k^T)`` over vectors: weights, means and Cholesky factors."""

    weights: Tensor
    means: Tensor
    factors: Tensor

    def __init__(
        self,
        weights: Float[Tensor, " K"],
        means: Float[Tensor, "K D"],
        factors: Float[Tensor, "K D D"],
    ) -> None:
        super().__init__()
        self.register_buffer("weights", weights)
        self.register_buffer("means", means)
        self.register_buffer("factors", factors)

    def sample(self, n: int) -> Batch:
        k = torch.multinomial(self.weights, n, replacement=True)
        noise = torch.randn_like(self.means[k])
        return self.means[k] + (self.factors[k] @ noise.unsqueeze(-1)).squeeze(-1)

    def log_prob(self, x: Batch) -> PerSample:
        return torch.logsumexp(self.weights.to(x).log() + self._component_log_prob(x), dim=1)

    def _component_log_prob(self, x: Batch) -> Float[Tensor, "batch K"]:
        factors, centred = self.factors.to(x), (x.unsqueeze(1) - self.means.to(x)).unsqueeze(-1)
        whitened = torch.linalg.solve_triangular(factors, centred, upper=False)
        log_det = factors.diagonal(dim1=1, dim2=2).log().sum(dim=1)
        normaliser = log_det + 0.5 * x.shape[1] * math.log(2 * math.pi)
        return -0.5 * whitened.square().flatten(2).sum(dim=2) - normaliser


class Checkerboard(Density):
    """Uniform over the eight dark 2 x 2 squares of the board ``[-4, 4]^2``; entropy ``log 32``.

    The board of the FFJORD code (Grathwohl et al., 2019) and of the interpolant papers.
    """

    corners: Tensor

    def __init__(self) -> None:
        super().__init__()
        squares = [(i, j) for i in range(-2, 2) for j in range(-2, 2) if (i + j) % 2 == 0]
        self.register_buffer("corners", 2 * torch.tensor(squares, dtype=torch.get_default_dtype()))

    def sample(self, n: int) -> Batch:
        corner = self.corners[torch.randint(len(self.corners), (n,), device=self.corners.device)]
        return corner + 2 * torch.rand_like(corner)

    def log_prob(self, x: Batch) -> PerSample:
        square = torch.floor(x / 2)
        dark = (square.sum(dim=1) % 2 == 0) & (x.abs() < 4).all(dim=1)
        return torch.where(dark, -math.log(32), -math.inf).to(x)


def eight_gaussians() -> GaussianMixture:
    """Eight Gaussians of standard deviation 0.5 / sqrt 2 on a circle of radius 4 / sqrt 2.

    The ring of the FFJORD code (Grathwohl et al., 2019), whose 1.414 is sqrt 2 here.
    """
    angle = torch.arange(8) * math.pi / 4
    means = 4 / math.sqrt(2) * torch.stack([angle.cos(), angle.sin()], dim=1)
    factors = (0.5 / math.sqrt(2) * torch.eye(2)).expand(8, 2, 2)
    return GaussianMixture(torch.full((8,), 1 / 8), means.to(factors), factors.clone())


class ManyWell(Density):
    """``pairs`` of a double well and a standard normal: the many-well of 32 dimensions by default.

    ``p(x) = prod_k exp(-a^4 + 6 a^2 + a / 2) / Z exp(-b^2 / 2) / sqrt(2 pi)`` with ``a = x_2k`` and
    ``b = x_2k+1`` (Noe et al., 2019; Midgley et al., 2023), of 2 to the power of ``pairs`` modes.
    ``Z`` is by quadrature. Samples are exact, by rejection from two normal distributions around the
    wells.
    """

    origin: Tensor
    log_normaliser: Tensor
    log_bound: Tensor

    def __init__(self, pairs: int = 16) -> None:
        super().__init__()
        self.pairs = pairs
        weights = torch.tensor([0.15, 0.85], dtype=torch.float64)
        means = torch.tensor([[-1.7], [1.7]], dtype=torch.float64)
        scales = torch.full((2, 1, 1), 0.45, dtype=torch.float64)
        self.proposal = GaussianMixture(weights, means, scales)
        # The trapezoidal rule converges faster than any power on what vanishes at both ends.
        a = torch.linspace(-5, 5, 10_001, dtype=torch.float64)
        well = self._log_well(a)
        self.register_buffer("log_normaliser", well.logsumexp(0) + math.log(1e-3))
        ratio = well - self.proposal.log_prob(a[:, None])
        # Between two points of the grid the ratio rises by far less than the 1 % that is added.
        self.register_buffer("log_bound", ratio.max() + 0.01)
        self.register_buffer("origin", torch.zeros(()))

    def sample(self, n: int) -> Batch:
        wells = self._wells(n * self.pairs).reshape(n, self.pairs)
        return torch.stack([wells, torch.randn_like(wells)], dim=2).flatten(1).to(self.origin)

    def log_prob(self, x: Batch) -> PerSample:
        a, b = x[:, ::2], x[:, 1::2]
        normal = -0.5 * (b.square() + math.log(2 * math.pi))
        return (self._log_well(a) - self.log_normaliser.to(x) + normal).sum(dim=1)

    def _wells(self, n: int) -> Tensor:
        """``n`` exact draws of the double well, float64."""
        kept = [self.log_bound.new_empty(0)]
        while sum(map(len, kept)) < n:
            a = self.proposal.sample(2 * n)
            accepted = self._log_well(a[:, 0]) - self.proposal.log_prob(a) - self.log_bound
            kept.append(a[torch.rand_like(accepted).log() < accepted, 0])
        return torch.cat(kept)[:n]

    @staticmethod
    def _log_well(a: Tensor) -> Tensor:
        return -a.pow(4) + 6 * a.square() + a / 2


class LearnedNormal(Density):
    """``N(m, L L^T)`` over vectors with learnable mean and factor, initially ``N(0, I)``.

    Samples ``m + L z`` are differentiable in both. ``L`` is lower triangular with the diagonal
    ``exp(log_scales)``.
    """

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.mean = nn.Parameter(torch.zeros(dim))
        self.log_scales = nn.Parameter(torch.zeros(dim))
        self.lower = nn.Parameter(torch.zeros(dim * (dim - 1) // 2))

    @property
    def factor(self) -> Float[Tensor, "D D"]:
        """``L``, a Cholesky factor of the covariance."""
        row, column = torch.tril_indices(len(self.mean), len(self.mean), -1)
        return torch.diag(self.log_scales.exp()).index_put((row, column), self.lower)

    def sample(self, n: int) -> Batch:
        return self.mean + self._noise(n) @ self.factor.T

    def log_prob(self, x: Batch) -> PerSample:
        factor = self.factor.to(x)
        whitened = torch.linalg.solve_triangular(factor, (x - self.mean).T, upper=False).T
        normal = -0.5 * (whitened.square() + math.log(2 * math.pi)).sum(dim=1)
        return normal - self.log_scales.sum()

    def _noise(self, n: int) -> Batch:
        return torch.randn(n, len(self.mean), dtype=self.mean.dtype, device=self.mean.device)


class Empirical(Density):
    """A density known only by samples: ``sample`` draws ``rows`` with replacement."""

    rows: Tensor

    def __init__(self, rows: Batch) -> None:
        super().__init__()
        self.register_buffer("rows", rows)

    def fill(self, rows: Batch | None) -> None:
        """Replace the rows by others of the same shape; ``ValueError`` for any other shape."""
        if rows is None or rows.shape != self.rows.shape:
            given = "no rows" if rows is None else f"rows of shape {tuple(rows.shape)}"
            raise ValueError(
                f"The base was given {given}; allowed is {tuple(self.rows.shape)}, as base_rows "
                f"says. Pass the rows of the base to initialise(rows, base)."
            )
        self.rows = rows.to(self.rows)

    def sample(self, n: int) -> Batch:
        return self.rows[torch.randint(len(self.rows), (n,), device=self.rows.device)]

    def log_prob(self, x: Batch) -> PerSample:
        raise TypeError(
            f"A density known only by {len(self.rows)} samples has no log_prob. Use a base or a "
            f"target in closed form, e.g. benchmark.densities.StandardNormal."
        )
