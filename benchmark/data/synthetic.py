"""Synthetic data sets: samples of densities that are known."""

import torch

from benchmark.data.dataset import Dataset, Splits
from benchmark.densities import Checkerboard as CheckerboardDensity
from benchmark.densities import Density, eight_gaussians
from benchmark.shapes import PositiveInt


class Checkerboard(Dataset):
    """Samples of ``benchmark.densities.Checkerboard``."""

    event = (2,)
    density = "benchmark.densities.Checkerboard"

    @staticmethod
    def prepare(train: PositiveInt, validation: PositiveInt, test: PositiveInt) -> Splits:
        """Independent samples, the same at every call."""
        return _sample(CheckerboardDensity(), train, validation, test)


class EightGaussians(Dataset):
    """Samples of ``benchmark.densities.eight_gaussians``."""

    event = (2,)
    density = "benchmark.densities.eight_gaussians"

    @staticmethod
    def prepare(train: PositiveInt, validation: PositiveInt, test: PositiveInt) -> Splits:
        """Independent samples, the same at every call."""
        return _sample(eight_gaussians(), train, validation, test)


def _sample(density: Density, train: int, validation: int, test: int) -> Splits:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return Splits(*(density.sample(n).numpy() for n in (train, validation, test)))
