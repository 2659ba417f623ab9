"""Coordinates in which a method works: a linear map of the data, its log-determinant counted."""

import abc
import math

import torch
from torch import Tensor, nn

from benchmark.shapes import Batch


class Coordinates(nn.Module, abc.ABC):
    """An invertible map ``x -> z`` of the data, linear up to a shift."""

    @abc.abstractmethod
    def forward(self, x: Batch) -> Batch:
        """``z`` of ``x``."""

    @abc.abstractmethod
    def inverse(self, z: Batch) -> Batch:
        """``x`` of ``z``."""

    @abc.abstractmethod
    def log_det(self) -> Tensor:
        """``log |dz / dx|``, a scalar: what ``log p(x)`` adds to ``log p(z)``."""


class Affine(Coordinates):
    """``z = (x - shift) / scale``, coordinate by coordinate."""

    shift: Tensor
    scale: Tensor

    def __init__(self, shift: Tensor, scale: Tensor) -> None:
        super().__init__()
        self.register_buffer("shift", shift)
        self.register_buffer("scale", scale)

    @classmethod
    def identity(cls, event: tuple[int, ...]) -> "Affine":
        """``z = x``."""
        return cls(torch.zeros(event), torch.ones(event))

    @classmethod
    def standardising(cls, x: Batch) -> "Affine":
        """Zero mean and unit variance of every coordinate of ``x``.

        Raises ``ValueError`` for a coordinate that is constant.
        """
        scale = x.double().std(dim=0, correction=0)
        if not scale.all():
            constant = (scale.flatten() == 0).nonzero().flatten().tolist()
            raise ValueError(
                f"Coordinates {constant} of the training rows are constant and cannot be "
                f"standardised. Drop them, dequantise them, or set train.coordinates to identity."
            )
        return cls(x.double().mean(dim=0).to(x), scale.to(x))

    def forward(self, x: Batch) -> Batch:
        return (x - self.shift) / self.scale

    def inverse(self, z: Batch) -> Batch:
        return z * self.scale + self.shift

    def log_det(self) -> Tensor:
        return -self.scale.double().log().sum()


class Whitening(Coordinates):
    """``z = matrix (x - shift)`` on flattened rows, of zero mean and covariance one.

    The principal coordinates of the rows it was fitted to, each over its standard deviation; held
    in float64, and applied in the precision of what it is given.
    """

    shift: Tensor
    matrix: Tensor

    def __init__(self, shift: Tensor, matrix: Tensor) -> None:
        super().__init__()
        self.register_buffer("shift", shift)
        self.register_buffer("matrix", matrix)

    @classmethod
    def unfitted(cls, event: tuple[int, ...]) -> "Whitening":
        """``z = x``, to be filled from a state dict."""
        dim = math.prod(event)
        shift, matrix = torch.zeros(dim), torch.eye(dim)
        return cls(shift.double(), matrix.double())

    @classmethod
    def of(cls, x: Batch) -> "Whitening":
        """Fitted to rows ``x``.

        Raises ``ValueError`` where they lie, up to rounding, in fewer dimensions than they have.
        """
        flat = x.flatten(1).double()
        variance, directions = torch.linalg.eigh(torch.cov(flat.T, correction=0))
        flattened = int((variance <= 1e-10 * variance[-1]).sum())
        if flattened:
            raise ValueError(
                f"The training rows vary in {len(variance) - flattened} of {len(variance)} "
                f"directions only and cannot be whitened. Drop coordinates that follow from "
                f"others, or set train.coordinates to standardised."
            )
        return cls(flat.mean(dim=0), (directions / variance.sqrt()).T)

    def forward(self, x: Batch) -> Batch:
        centred = x.flatten(1) - self.shift.to(x.dtype)
        return (centred @ self.matrix.T.to(x.dtype)).reshape(x.shape)

    def inverse(self, z: Batch) -> Batch:
        x = z.flatten(1) @ torch.linalg.inv(self.matrix).T.to(z.dtype) + self.shift.to(z.dtype)
        return x.reshape(z.shape)

    def log_det(self) -> Tensor:
        return torch.linalg.slogdet(self.matrix).logabsdet


def fitted(kind: str, x: Batch) -> Coordinates:
    """The coordinates of a ``kind`` of config.yaml: ``identity``, or fitted to rows ``x``."""
    match kind:
        case "standardised":
            return Affine.standardising(x)
        case "whitened":
            return Whitening.of(x)
    return unfitted(kind, x.shape[1:]).to(x.device)


def unfitted(kind: str, event: tuple[int, ...]) -> Coordinates:
    """Coordinates of a ``kind``, to be filled from a state dict; the data's own as they are."""
    return Whitening.unfitted(event) if kind == "whitened" else Affine.identity(event)
