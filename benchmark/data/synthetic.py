"""Synthetic data sets: samples of known densities, and two moons."""

import numpy as np
import torch
from sklearn.datasets import make_moons

from benchmark.data.dataset import Dataset, Splits
from benchmark.densities import Checkerboard as CheckerboardDensity
from benchmark.densities import Density, eight_gaussians
from benchmark.densities import ManyWell as ManyWellDensity
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


class ManyWell(Dataset):
    """Samples of ``benchmark.densities.ManyWell``: 32 dimensions, 65,536 modes."""

    event = (32,)
    density = "benchmark.densities.ManyWell"

    @staticmethod
    def prepare(train: PositiveInt, validation: PositiveInt, test: PositiveInt) -> Splits:
        """Independent samples, the same at every call."""
        return _sample(ManyWellDensity(), train, validation, test)


class TwoMoons(Dataset):
    """Two interlocking half circles, stretched to the square ``[-4, 4]^2``, with normal noise.

    The noise has standard deviation 0.2 on both axes. The density is not known.
    """

    event = (2,)

    @staticmethod
    def prepare(train: PositiveInt, validation: PositiveInt, test: PositiveInt) -> Splits:
        """Equidistant points along the half circles, in one fixed random order."""
        arcs, _ = make_moons(train + validation + test, random_state=0)
        stretched = (arcs - [0.5, 0.25]) * [8 / 3, 16 / 3]
        noise = np.random.default_rng(0).normal(scale=0.2, size=arcs.shape)
        rows = (stretched + noise).astype(np.float32)
        return Splits(*np.split(rows, [train, train + validation]))


def _sample(density: Density, train: int, validation: int, test: int) -> Splits:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return Splits(*(density.sample(n).numpy() for n in (train, validation, test)))
