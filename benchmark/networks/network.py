"""What every network of a velocity provides, and how the exact ones propagate derivatives."""

import abc

import torch
from torch import Tensor, nn
from torch.nn import functional

from benchmark.divergence import exact_divergence
from benchmark.shapes import Batch, PerSample, Velocity

TANGENTS = 2**20
"""Numbers in the tangents of one block of rows: few enough for the cache of a core."""


class Network(nn.Module, abc.ABC):
    """A map of ``(t, x)`` to the shape of ``x``; ``t`` is one time, or one per sample."""

    @abc.abstractmethod
    def forward(self, t: Tensor, x: Batch) -> Batch:
        """The value at ``x``, of its shape."""

    def divergence(self, t: Tensor, x: Batch) -> PerSample:
        """Trace of the Jacobian in ``x``; override where it can be had for less."""
        return exact_divergence(self, t, x)


def by_rows(function: Velocity, t: Tensor, x: Batch, width: int) -> Tensor:
    """``function(t, x)``, in blocks of rows whose tangents ``[rows, dim, width]`` are few."""
    rows = max(1, TANGENTS // (x.shape[1:].numel() * width))
    parts = [slice(start, start + rows) for start in range(0, len(x), rows)]
    return torch.cat([function(t[part] if t.ndim else t, x[part]) for part in parts])


def through(weight: Tensor, slope: Tensor, tangents: Tensor) -> Tensor:
    """Tangents ``[batch, dim, width]`` after a square layer and an activation of this slope.

    One product over ``[batch * dim, width]``; ``slope`` is ``[batch, width]``. The product is
    written as a convolution by one pixel: on CPUs that is oneDNN's, which takes half of the time of
    a matrix product of MKL on AMD's.
    """
    pixels = tangents.transpose(1, 2).unsqueeze(2)  # channels last, as they lie in memory
    with torch.backends.cudnn.flags(enabled=True, allow_tf32=False):
        product = functional.conv2d(pixels, weight[:, :, None, None])
    return product.squeeze(2).transpose(1, 2).mul_(slope.unsqueeze(1))
