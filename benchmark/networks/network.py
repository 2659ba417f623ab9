"""What every network of a velocity provides."""

import abc

from torch import Tensor, nn

from benchmark.divergence import exact_divergence
from benchmark.shapes import Batch, PerSample


class Network(nn.Module, abc.ABC):
    """A map of ``(t, x)`` to the shape of ``x``; ``t`` is one time, or one per sample."""

    @abc.abstractmethod
    def forward(self, t: Tensor, x: Batch) -> Batch:
        """The value at ``x``, of its shape."""

    def divergence(self, t: Tensor, x: Batch) -> PerSample:
        """Trace of the Jacobian in ``x``; override where it can be had for less."""
        return exact_divergence(self, t, x)
