"""The five sets of Papamakarios, Pavlakou and Murray (2017), prepared as they prepared them.

Their code is ``datasets/`` of github.com/gpapamak/maf; each docstring says what it does. Row counts
are checked after preparation against those published in papers; those of POWER, GAS and MINIBOONE
also follow from the raw file and the rule of the splits. Rows are stored in double precision, where
their code rounds to single (as the methods do when they compute). Negative log-likelihoods are in
nats and in standardised coordinates.
"""

from dataclasses import replace
from pathlib import Path
from types import MappingProxyType
from typing import ClassVar

import h5py
import numpy as np
import pandas as pd

from benchmark.data.dataset import Dataset, Splits
from benchmark.data.frame import read_frame

MAX_REPEATS = 5
"""Largest count of the smallest value of a column that is regarded as continuous."""
MAX_CORRELATION = 0.98
"""Largest correlation of two columns that are both kept."""


class Published(Dataset):
    """A data set with published row counts: training, validation, test."""

    event: ClassVar[tuple[int]]
    rows: ClassVar[tuple[int, int, int]]

    @classmethod
    def counted(cls, splits: Splits) -> Splits:
        """``splits``; ValueError if the numbers of rows and columns are not the published ones."""
        arrays = (splits.train, splits.validation, splits.test)
        prepared = [f"{len(array):,} x {array.shape[1]}" for array in arrays]
        published = [f"{count:,} x {cls.event[0]}" for count in cls.rows]
        if prepared != published:
            raise ValueError(
                f"{cls.__name__}: the prepared rows are {', '.join(prepared)} (training, "
                f"validation, test); published are {', '.join(published)}. The downloaded file is "
                f"another one."
            )
        return splits


class POWER(Published):
    """Electric power consumption of a household, minute by minute, in 6 dimensions."""

    columns = ("active power", "voltage", "sub-meter 1", "sub-meter 2", "sub-meter 3", "time")
    noise = MappingProxyType({0: 0.001, 1: 0.01, 2: 1.0, 3: 1.0, 4: 1.0})
    event = (6,)
    rows = (1_659_917, 184_435, 204_928)

    @staticmethod
    def prepare(source: Path) -> Splits:
        """The rows of ``power.npy`` as ``power`` prepares them."""
        return POWER.counted(power(np.load(source / "power.npy")))


class GAS(Published):
    """Readings of chemical sensors exposed to mixtures of gases, in 8 dimensions."""

    event = (8,)
    rows = (852_174, 94_685, 105_206)

    @staticmethod
    def prepare(source: Path) -> Splits:
        """The rows of ``ethylene_CO.pickle`` as ``gas`` prepares them."""
        return GAS.counted(gas(read_frame(source / "ethylene_CO.pickle")))


class HEPMASS(Published):
    """Simulated collisions that produce a particle of mass 1000, in 21 dimensions."""

    event = (21,)
    rows = (315_123, 35_013, 174_987)

    @staticmethod
    def prepare(source: Path) -> Splits:
        """The rows of ``1000_train.csv`` and ``1000_test.csv`` as ``hepmass`` prepares them."""
        train, test = (
            pd.read_csv(source / f"1000_{part}.csv", index_col=False) for part in ("train", "test")
        )
        return HEPMASS.counted(hepmass(train, test))


class MINIBOONE(Published):
    """Electron neutrinos of the MiniBooNE experiment, in 43 dimensions."""

    event = (43,)
    rows = (29_556, 3_284, 3_648)

    @staticmethod
    def prepare(source: Path) -> Splits:
        """The rows of ``miniboone.npy``, which is cleaned already, as ``miniboone`` does."""
        return MINIBOONE.counted(miniboone(np.load(source / "miniboone.npy")))


class BSDS300(Published):
    """Grey patches of 8 x 8 pixels without their mean and their last pixel, in 63 dimensions."""

    event = (63,)
    rows = (1_000_000, 50_000, 250_000)

    @staticmethod
    def prepare(source: Path) -> Splits:
        """The three tables of ``BSDS300.hdf5`` as they are; nothing is standardised."""
        with h5py.File(source / "BSDS300.hdf5") as file:
            return BSDS300.counted(
                Splits(*(file[name][:] for name in ("train", "validation", "test")))
            )


def power(rows: np.ndarray) -> Splits:
    """Shuffle, drop columns 1 and 3, add noise, split, standardise by all but the test rows.

    Columns of ``rows``: active power, reactive power, voltage, intensity, three sub-meters, time.
    The noise undoes rounding, except for the time. Its draws follow those of the shuffling:
    voltage, active power, sub-meters. ``rows`` is shuffled in place.
    """
    draw = np.random.RandomState(42)
    draw.shuffle(rows)
    kept = np.delete(rows, (1, 3), axis=1)
    voltage = 0.01 * draw.rand(len(rows))
    kept[:, 0] += 0.001 * draw.rand(len(rows))
    kept[:, 1] += voltage
    kept[:, 2:5] += draw.rand(len(rows), 3)
    splits = _standardised_by_the_rest(_split(kept))
    return replace(splits, columns=POWER.columns, noise=POWER.noise)


def gas(table: pd.DataFrame) -> Splits:
    """Drop the mixture, the time and correlated sensors, standardise by all rows, split.

    "All rows" include the test rows, and the standard deviation is that of a sample (n - 1). Rows
    stay in the order of time.
    """
    kept = _uncorrelated(table.drop(columns=["Meth", "Eth", "Time"]))
    sensors = kept.to_numpy()
    splits = replace(_split(sensors), columns=tuple(map(str, kept)))
    return _standardised(splits, sensors, ddof=1)


def hepmass(train: pd.DataFrame, test: pd.DataFrame) -> Splits:
    """Keep the signal, standardise by the training file, drop discrete columns, split.

    The first column is the label (1: signal). The test file has one column too many, its last. The
    standard deviation is that of a sample (n - 1) and includes the validation rows, which are the
    last tenth of the training file. Nothing is shuffled.
    """
    rows = train[train.iloc[:, 0] == 1].iloc[:, 1:].to_numpy()
    others = test[test.iloc[:, 0] == 1].iloc[:, 1:-1].to_numpy()
    if rows.shape[1] != others.shape[1]:
        raise ValueError(
            f"HEPMASS: without the label and the last column of the test file there are "
            f"{rows.shape[1]} columns to train with and {others.shape[1]} to test with."
        )
    kept = _continuous(rows)
    names = tuple(map(str, train.columns[1:][kept]))
    rows, others = rows[:, kept], others[:, kept]
    splits = Splits(*_last_tenth(rows), test=others, columns=names)
    return _standardised(splits, rows, ddof=1)


def miniboone(rows: np.ndarray) -> Splits:
    """Split, standardise by all but the test rows; nothing is shuffled."""
    return _standardised_by_the_rest(_split(rows))


def _uncorrelated(table: pd.DataFrame) -> pd.DataFrame:
    """The table without its first column that is correlated with another, repeatedly."""
    near = table.corr().to_numpy() > MAX_CORRELATION
    kept = list(range(len(near)))
    while several := [column for column in kept if near[column, kept].sum() > 1]:
        kept.remove(several[0])
    return table.iloc[:, kept]


def _continuous(rows: np.ndarray) -> np.ndarray:
    """Whether each column is continuous, not discrete.

    Their code counts how often the smallest value occurs, although it calls that the largest count.
    """
    continuous: np.ndarray = (rows == rows.min(axis=0)).sum(axis=0) <= MAX_REPEATS
    return continuous


def _last_tenth(rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """All rows but the last tenth (rounded down), and this tenth."""
    first = len(rows) - int(0.1 * len(rows))
    return rows[:first], rows[first:]


def _split(rows: np.ndarray) -> Splits:
    """Splits with the last tenth for test, and the last tenth of the rest for validation."""
    rest, test = _last_tenth(rows)
    return Splits(*_last_tenth(rest), test=test)


def _standardised_by_the_rest(splits: Splits) -> Splits:
    """Splits standardised by mean and deviation (divided by n) of training and validation rows."""
    return _standardised(splits, np.concatenate([splits.train, splits.validation]), ddof=0)


def _standardised(splits: Splits, by: np.ndarray, ddof: int) -> Splits:
    return splits.standardised(by.mean(axis=0), by.std(axis=0, ddof=ddof))
