"""Coordinates in which a method works: invertible maps of the data.

Their Jacobian counts in the likelihood.
"""

import abc
import math
from collections.abc import Iterable

import numpy as np
import scipy  # its subpackages load when they are used
import torch
from torch import Tensor, nn

from benchmark.shapes import Batch, per_sample

NORM_QUANTILES = np.array([1e-3, *(np.arange(16) + 0.5) / 16, 1 - 1e-3])
"""Quantiles of the norm of the rows that ``Radial`` maps to those of a normal distribution."""

DEGENERATE = 1e-10
"""Smallest variance along a direction, relative to the largest, that is not rounding."""


class Coordinates(nn.Module, abc.ABC):
    """An invertible map ``x -> z`` of the data, ``[batch, *event]``.

    Stored in double precision, applied in that of its argument; the inverse is in double precision,
    so that rows far from the origin keep their digits.
    """

    @abc.abstractmethod
    def forward(self, x: Batch) -> Batch:
        """The coordinates ``z`` of the rows ``x``."""

    def rounded(self, x: Batch) -> Batch:
        """``z`` in the default precision, to which nothing is rounded before an offset is off."""
        default = torch.get_default_dtype()
        return self(x.to(torch.promote_types(x.dtype, default))).to(default)

    @abc.abstractmethod
    def inverse(self, z: Batch) -> Batch:
        """The rows ``x`` of the coordinates ``z``, float64."""

    @abc.abstractmethod
    def log_det(self, x: Batch) -> Tensor:
        """``log |dz / dx| = log p(x) - log p(z)`` of each row; a scalar for linear maps."""


class Affine(Coordinates):
    """The map ``z = (x - shift) / scale``, coordinate by coordinate."""

    shift: Tensor
    scale: Tensor

    def __init__(self, shift: Tensor, scale: Tensor) -> None:
        super().__init__()
        self.register_buffer("shift", shift.double())
        self.register_buffer("scale", scale.double())

    @classmethod
    def identity(cls, event: tuple[int, ...]) -> "Affine":
        """The identity ``z = x``."""
        return cls(torch.zeros(event), torch.ones(event))

    @classmethod
    def standardising(cls, event: tuple[int, ...], parts: Iterable[Tensor]) -> "Affine":
        """Map to zero mean and unit variance of every coordinate of vectors or channel of images.

        All pixels of a channel share one shift and one scale: with a scale of its own, a pixel that
        is black in nearly all training images would be extreme in any other. Raises ``ValueError``
        for constant coordinates or channels.
        """
        mean, scale = moments(parts)
        _refuse_constant(scale.flatten(), "Coordinates" if len(event) == 1 else "Channels")
        return cls(mean.expand(event).contiguous(), scale.expand(event).contiguous())

    def forward(self, x: Batch) -> Batch:
        return (x - self.shift.to(x.dtype)) / self.scale.to(x.dtype)

    def inverse(self, z: Batch) -> Batch:
        return z.double() * self.scale + self.shift

    def log_det(self, x: Batch) -> Tensor:
        return -self.scale.double().log().sum()


def moments(parts: Iterable[Tensor]) -> tuple[Tensor, Tensor]:
    """Mean and standard deviation of all rows, each ``[channels, 1, ...]``.

    Merged pairwise in float64 (Chan, Golub and LeVeque, 1983), so that constants have exactly the
    deviation 0; of the precision of the rows.
    """
    n, mean, squares = 0, torch.tensor(0.0).double(), torch.tensor(0.0).double()
    for rows in parts:
        over = (0, *range(2, rows.ndim))
        variance, centre = torch.var_mean(rows.double(), over, correction=0, keepdim=True)
        shift, total = centre[0] - mean, n + len(rows)
        squares = squares + len(rows) * variance[0] + shift.square() * (n * len(rows) / total)
        n, mean = total, mean + shift * (len(rows) / total)
    return mean.to(rows.dtype), (squares / n).sqrt().to(rows.dtype)


def _refuse_constant(scale: Tensor, kind: str) -> None:
    bad = (~(scale.isfinite() & (scale > 0))).nonzero().flatten().tolist()
    if bad:
        raise ValueError(
            f"{kind} {bad} of the training rows are constant, or so large or small that their "
            f"variance is no number of double precision: they cannot be standardised. Drop them, "
            f"rescale them, dequantise them, or set train.coordinates to identity."
        )


def covariance_of(x: Batch) -> Tensor:
    """Covariance (divided by n) of flattened rows, float64.

    Raises ``ValueError`` if the rows lie, up to rounding, in a subspace, whatever their units.
    """
    flat = x.flatten(1).double()
    covariance = torch.cov(flat.T, correction=0).reshape(flat.shape[1], -1)
    spread = covariance.diagonal().sqrt()
    _refuse_constant(spread, "Coordinates")
    variance, directions = torch.linalg.eigh(covariance / spread / spread[:, None])
    lost = int((variance <= DEGENERATE * variance[-1]).sum())
    if lost:
        bound = (directions[:, :lost].abs().amax(dim=1) > 1e-3).nonzero().flatten().tolist()
        raise ValueError(
            f"The {len(flat)} training rows vary in only {len(variance) - lost} of {len(variance)} "
            f"directions, up to rounding: coordinates {bound} follow from each other, and a "
            f"Gaussian or a whitening of them has no density. Drop some of them, or train in "
            f"train.coordinates standardised."
        )
    return covariance


class Whitening(Coordinates):
    """The map ``z = matrix (x - shift)`` of flattened rows to zero mean and unit covariance.

    ``z`` are the principal components of the rows it was fitted to, each divided by its standard
    deviation.
    """

    shift: Tensor
    matrix: Tensor

    def __init__(self, shift: Tensor, matrix: Tensor) -> None:
        super().__init__()
        self.register_buffer("shift", shift)
        self.register_buffer("matrix", matrix)

    @classmethod
    def unfitted(cls, event: tuple[int, ...]) -> "Whitening":
        """The identity, to be loaded from a state dict."""
        dim = math.prod(event)
        shift, matrix = torch.zeros(dim), torch.eye(dim)
        return cls(shift.double(), matrix.double())

    @classmethod
    def of(cls, x: Batch) -> "Whitening":
        """The map fitted to rows ``x``.

        Raises ``ValueError`` if the rows lie, up to rounding, in a subspace, or their spreads are
        too different for double precision.
        """
        variance, directions = torch.linalg.eigh(covariance_of(x))
        if variance[0] <= DEGENERATE * variance[-1]:
            raise ValueError(
                "The training rows cannot be whitened, as the spreads of their coordinates are of "
                "too different sizes. Standardise the rows, or set train.coordinates to "
                "standardised."
            )
        return cls(x.flatten(1).double().mean(dim=0), (directions / variance.sqrt()).T)

    def forward(self, x: Batch) -> Batch:
        centred = x.flatten(1) - self.shift.to(x.dtype)
        return (centred @ self.matrix.T.to(x.dtype)).reshape(x.shape)

    def inverse(self, z: Batch) -> Batch:
        x = z.flatten(1).double() @ torch.linalg.inv(self.matrix).T + self.shift
        return x.reshape(z.shape)

    def log_det(self, x: Batch) -> Tensor:
        return torch.linalg.slogdet(self.matrix).logabsdet


class Radial(Coordinates):
    """Radial Gaussianisation of whitened rows ``y`` (Lyu and Simoncelli, 2009).

    ``z = y exp(g(s) - s)`` with ``s = log |y|``. ``g`` is a monotone piecewise cubic that maps
    quantiles of ``s`` to those of the logarithm of a chi variable, and is linear beyond them. An
    elliptically symmetric density, as that of natural images nearly is, becomes ``N(0, I)``.
    """

    knots: Tensor
    values: Tensor
    slopes: Tensor

    def __init__(self, whitening: Whitening, knots: Tensor, values: Tensor, slopes: Tensor) -> None:
        super().__init__()
        self.whitening = whitening
        for name, buffer in (("knots", knots), ("values", values), ("slopes", slopes)):
            self.register_buffer(name, buffer)

    @classmethod
    def unfitted(cls, event: tuple[int, ...]) -> "Radial":
        """The identity, to be loaded from a state dict."""
        knots = torch.arange(float(len(NORM_QUANTILES)), dtype=torch.float64)
        return cls(Whitening.unfitted(event), knots, knots.clone(), torch.ones_like(knots))

    @classmethod
    def of(cls, x: Batch) -> "Radial":
        """The map fitted to rows ``x``.

        Raises ``ValueError`` if they cannot be whitened, or too many have the same norm.
        """
        whitening = Whitening.of(x)
        logs = whitening(x.double()).flatten(1).norm(dim=1).log().cpu().numpy()
        knots = np.quantile(logs, NORM_QUANTILES)
        values = np.log(scipy.stats.chi.ppf(NORM_QUANTILES, x[0].numel()))
        if not (np.diff(knots) > 1e-6).all():
            raise ValueError(
                "More than a thousandth of the whitened training rows have the same norm, which "
                "cannot be spread out. Dequantise them, or set train.coordinates to whitened."
            )
        slopes = scipy.interpolate.PchipInterpolator(knots, values).derivative()(knots)
        return cls(
            whitening, *(torch.as_tensor(v, device=x.device) for v in (knots, values, slopes))
        )

    def forward(self, x: Batch) -> Batch:
        y = self.whitening(x)
        logs = _log_norm(y)
        return y * per_sample((self._moved(logs)[0] - logs).exp(), y).to(y.dtype)

    def inverse(self, z: Batch) -> Batch:
        moved = _log_norm(z)
        logs = self._moved_back(moved)
        return self.whitening.inverse(z.double() * per_sample((logs - moved).exp(), z))

    def log_det(self, x: Batch) -> Tensor:
        y = self.whitening(x)
        logs = _log_norm(y)
        moved, slope = self._moved(logs)
        return self.whitening.log_det(x) + slope.log() + y[0].numel() * (moved - logs)

    def _moved(self, logs: Tensor) -> tuple[Tensor, Tensor]:
        """``g`` and its derivative."""
        inside = logs.clamp(self.knots[0], self.knots[-1])
        last = len(self.knots) - 2
        k = (torch.searchsorted(self.knots, inside.contiguous(), right=True) - 1).clamp(0, last)
        width = self.knots[k + 1] - self.knots[k]
        rise = self.values[k + 1] - self.values[k]
        start, end = width * self.slopes[k], width * self.slopes[k + 1]
        u = (inside - self.knots[k]) / width
        # Hermite cubic in u, from values and slopes at both ends.
        square, cube = 3 * rise - 2 * start - end, start + end - 2 * rise
        value = self.values[k] + u * (start + u * (square + u * cube))
        slope = (start + u * (2 * square + 3 * u * cube)) / width
        return value + slope * (logs - inside), slope

    def _moved_back(self, moved: Tensor) -> Tensor:
        """The inverse of ``g``, by bisection between knots."""
        last = len(self.knots) - 2
        k = (torch.searchsorted(self.values, moved.contiguous(), right=True) - 1).clamp(0, last)
        low, high = self.knots[k], self.knots[k + 1]
        for _ in range(60):
            middle = (low + high) / 2
            above = self._moved(middle)[0] > moved
            low, high = torch.where(above, low, middle), torch.where(above, middle, high)
        beyond = moved - moved.clamp(self.values[0], self.values[-1])
        return (low + high) / 2 + beyond / torch.where(beyond < 0, self.slopes[0], self.slopes[-1])


def _log_norm(rows: Batch) -> Tensor:
    return rows.flatten(1).double().norm(dim=1).clamp_min(1e-30).log()


class Composed(Coordinates):
    """One map after another: ``z = second(first(x))``."""

    def __init__(self, first: Coordinates, second: Coordinates) -> None:
        super().__init__()
        self.first, self.second = first, second

    def forward(self, x: Batch) -> Batch:
        return self.second(self.first(x))

    def inverse(self, z: Batch) -> Batch:
        return self.first.inverse(self.second.inverse(z))

    def log_det(self, x: Batch) -> Tensor:
        return self.first.log_det(x) + self.second.log_det(self.first(x))


def fitted(kind: str, event: tuple[int, ...], parts: Iterable[Tensor]) -> Coordinates:
    """Coordinates of a ``kind``, as named in config.yaml, fitted to the rows of all ``parts``, each
    ``[n, *event]``."""
    match kind:
        case "standardised":
            return Affine.standardising(event, parts)
        case "whitened":
            return Whitening.of(torch.cat(list(parts)))
        case "radial":
            return Radial.of(torch.cat(list(parts)))
    return unfitted(kind, event)


def unfitted(kind: str, event: tuple[int, ...]) -> Coordinates:
    """Coordinates of a ``kind``, to be loaded from a state dict; initially ``z = x``."""
    match kind:
        case "whitened":
            return Whitening.unfitted(event)
        case "radial":
            return Radial.unfitted(event)
    return Affine.identity(event)
