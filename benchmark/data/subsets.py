"""Subsets of four of the five sets, for machines that cannot reach the archive.

They are data sets in their own right: their likelihoods are not comparable with those published for
the full sets.
"""

from pathlib import Path

import numpy as np

from benchmark.data.dataset import Dataset, Splits
from benchmark.data.papamakarios import power


class Miniboone8k(Dataset):
    """MINIBOONE with only the first 1,523 of its 29,556 training rows; other rows as published.

    Standardised by the published mean and standard deviation, those of all 32,840 rows.
    """

    event = (43,)

    @staticmethod
    def prepare(source: Path) -> Splits:
        """The rows of ``miniboone_8k.npz``."""
        with np.load(source / "miniboone_8k.npz") as table:
            mean, deviation = table["mean"], table["sd"]
            raw = Splits(*(table[part] for part in ("train", "val", "test")))
            return raw.standardised(mean, deviation)


class Power10k(Dataset):
    """Every hundredth minute of POWER, prepared as POWER: 9,959 rows.

    Its times of day are the 72 multiples of 20 minutes after some start, without noise: a flow can
    increase the likelihood without bound by concentrating on them.
    """

    event = (6,)

    @staticmethod
    def prepare(source: Path) -> Splits:
        """The rows of ``power_10k.npz``."""
        with np.load(source / "power_10k.npz") as table:
            return power(table["rows"])


class Gas30k(Dataset):
    """30,000 random rows of GAS, of eight sensors, perhaps not the same as in GAS.

    Standardised by all rows, as GAS.
    """

    event = (8,)

    @staticmethod
    def prepare(source: Path) -> Splits:
        """The rows of ``gas_30k.npz``."""
        with np.load(source / "gas_30k.npz") as table:
            parts = [table[part] for part in ("train", "val", "test")]
        together = np.concatenate(parts)
        mean, deviation = together.mean(axis=0), together.std(axis=0, ddof=1)
        return Splits(*parts).standardised(mean, deviation)


class Hepmass10k(Dataset):
    """9,930 signal rows of HEPMASS, with 22 columns, where HEPMASS keeps 21.

    The rows are already standardised; the last tenth of the training rows is for validation.
    """

    event = (22,)

    @staticmethod
    def prepare(source: Path) -> Splits:
        """The rows of ``hepmass_10k.npz``."""
        with np.load(source / "hepmass_10k.npz") as table:
            rows, test = table["train"], table["test"]
        first = len(rows) - len(rows) // 10
        return Splits(rows[:first], rows[first:], test)
