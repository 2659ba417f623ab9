"""The problem of the benchmark: a mixture of eight Gaussians, as wide as a table of data."""

import math

import torch
from torch import Tensor

from benchmark.densities import GaussianMixture
from benchmark.training.settings import ConstantOrCosine, Precision, Training


def mixture(dim: int) -> GaussianMixture:
    """Eight correlated Gaussians with unlike scales, the same at every call."""
    draw = torch.Generator().manual_seed(1)
    means = 1.5 * torch.randn(8, dim, generator=draw)
    factors = 0.2 / math.sqrt(dim) * torch.randn(8, dim, dim, generator=draw).tril(-1)
    scales = 0.3 + 0.7 * torch.rand(8, dim, generator=draw)
    return GaussianMixture(torch.full((8,), 1 / 8), means, factors + torch.diag_embed(scales))


def plan(
    steps: int, schedule: ConstantOrCosine, ema: float, precision: Precision = "float32"
) -> Training:
    """The numbers of a training loop over batches of 1,000 rows."""
    return Training(
        steps=steps,
        batch_size=1000,
        optimiser="adam",
        lr=1e-3,
        weight_decay=0.0,
        schedule=schedule,
        clip=1.0,
        ema=ema,
        precision=precision,
        coordinates="identity",
        validations=1,
        early_stopping=None,
    )


def rows(dim: int, n: int) -> Tensor:
    """``n`` samples, standardised by the mean and the deviation of 30,000 others."""
    density = mixture(dim)
    train = density.sample(30_000)
    return (density.sample(n) - train.mean(dim=0)) / train.std(dim=0)
