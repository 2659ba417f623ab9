"""Coordinates in which a method works: an affine map of the data, its log-determinant counted."""

import torch
from torch import Tensor, nn

from benchmark.shapes import Batch


class Affine(nn.Module):
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
        """``z`` of ``x``."""
        return (x - self.shift) / self.scale

    def inverse(self, z: Batch) -> Batch:
        """``x`` of ``z``."""
        return z * self.scale + self.shift

    def log_det(self) -> Tensor:
        """``log |dz / dx|``, a scalar: what ``log p(x)`` adds to ``log p(z)``."""
        return -self.scale.double().log().sum()
