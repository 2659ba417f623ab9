"""Data sets: the interface of their classes, and prepared rows on disk.

A prepared folder holds ``train.npy``, ``validation.npy``, ``test.npy`` (rows of shape ``event``,
float or unsigned integer) and ``data.json``, the ``Description``. Integer rows are dequantised
when they are used: ``(k + u) / levels``, ``u`` uniform on ``[0, 1)``. If the base is known only by
samples, they are in ``base.npy`` (to fit) and ``base_test.npy`` (for figures). Labels of the rows,
whole numbers from 0, are in ``labels_train.npy``, ``labels_validation.npy``, ``labels_test.npy``.
"""

import abc
import hashlib
import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from types import MappingProxyType
from typing import Any, ClassVar

import numpy as np

from benchmark.data import census
from benchmark.data.description import DESCRIPTION, Description, describe
from benchmark.data.spread import require_spread
from benchmark.files import atomic, write_json
from benchmark.records.units import UNITS, Units

TEST_NOISE, VALIDATION_NOISE = 0, 1
"""Seeds of the noise that dequantises held-out rows: the same for every method and seed."""

Labelled = tuple[np.ndarray, np.ndarray]
"""Rows ``[n, *event]`` and their labels ``[n]``."""


@dataclass(frozen=True)
class Splits:
    """Rows for training, validation and test, each ``[n, *event]``.

    ``labels`` maps splits to the labels ``[n]`` of their rows; it is empty if there are none.
    ``columns`` are the names of the columns of a table, where they are known, ``noise`` the steps
    of the noise that was added to some, by their places, ``scale`` the mean and the deviation by
    which all were standardised.
    """

    train: np.ndarray
    validation: np.ndarray
    test: np.ndarray
    labels: Mapping[str, np.ndarray] = field(default_factory=dict, kw_only=True)
    columns: tuple[str, ...] | None = field(default=None, kw_only=True)
    noise: Mapping[int, float] = field(default_factory=dict, kw_only=True)
    scale: tuple[np.ndarray, np.ndarray] | None = field(default=None, kw_only=True)

    @classmethod
    def labelled(cls, train: Labelled, validation: Labelled, test: Labelled) -> "Splits":
        """Splits of rows with labels."""
        labels = {"train": train[1], "validation": validation[1], "test": test[1]}
        return cls(train[0], validation[0], test[0], labels=labels)

    @classmethod
    def published(cls, train: Labelled, test: Labelled, validation: int) -> "Splits":
        """A published split in two, with the last ``validation`` training rows set aside."""
        rows, labels = train
        if not 0 < validation < len(rows):
            raise ValueError(
                f"validation is {validation}; allowed is 1 to {len(rows) - 1}, a part of the "
                f"{len(rows)} training rows."
            )
        kept, aside = slice(None, -validation), slice(-validation, None)
        return cls.labelled((rows[kept], labels[kept]), (rows[aside], labels[aside]), test)

    @property
    def rows(self) -> dict[str, np.ndarray]:
        """The rows of each split, by its name."""
        return {"train": self.train, "validation": self.validation, "test": self.test}

    def standardised(self, mean: np.ndarray, deviation: np.ndarray) -> "Splits":
        """The splits with ``(rows - mean) / deviation`` as rows, column by column."""
        scaled: dict[str, Any] = {k: (rows - mean) / deviation for k, rows in self.rows.items()}
        return replace(self, **scaled, scale=(mean, deviation))

    @property
    def units(self) -> Units | None:
        """The units of the rows, where something is known of them."""
        if self.columns is None and self.scale is None and not self.noise:
            return None
        count = self.train.shape[1]
        mean, deviation = self.scale or (np.zeros(count), np.ones(count))
        return Units(
            columns=self.columns,
            mean=tuple(map(float, mean)),
            deviation=tuple(map(float, deviation)),
            noise=tuple(float(self.noise.get(place, 0)) for place in range(count)),
        )

    def some(self, held_out: Mapping[str, int]) -> "Splits":
        """The splits with at most ``held_out[name]`` rows of each split: a fixed random subset."""
        kept: dict[str, Any] = {name: _some(self.rows[name], n) for name, n in held_out.items()}
        labels = {
            name: _some(known, held_out[name]) if name in held_out else known
            for name, known in self.labels.items()
        }
        return replace(self, **kept, labels=labels)


class Dataset(abc.ABC):
    """A data set: properties of its rows (class attributes) and their preparation."""

    event: ClassVar[tuple[int, ...] | None]
    """Shape of one row; ``None`` if it depends on the file."""
    levels: ClassVar[int | None] = None
    """Number of grey levels of integer rows; ``None`` for real-valued rows."""
    picture: ClassVar[tuple[int, int, int] | None] = None
    """Shape of a row displayed as an image, ``(channels, height, width)``."""
    density: ClassVar[str | None] = None
    """Dotted path of a callable that returns the true ``Density``, if it is known."""

    @staticmethod
    @abc.abstractmethod
    def prepare(*args: Any, **arguments: Any) -> Splits:
        """The rows, from the arguments in config.yaml.

        ``source`` is the folder of downloaded files, ``file`` a file of the user's own or, for
        classes that take one of test rows as well, the two.
        """


def write(
    folder: str | Path,
    dataset: type[Dataset],
    splits: Splits,
    truth: Mapping[str, np.ndarray],
    base: Splits | None = None,
    made: Mapping[str, Any] = MappingProxyType({}),
) -> None:
    """Write a prepared folder.

    ``truth`` maps a split to the true log-density in nats of its rows, where it is known;
    ``base`` are rows of the base, of the same kind; ``made`` says by what: ``source`` and
    ``packages`` of the ``Description``.
    """
    arrays = splits.rows
    if base is not None:
        arrays |= {"base": base.train, "base_test": base.test}
    event = dataset.event or splits.train.shape[1:]
    for name, rows in arrays.items():
        _check(dataset, event, name, rows)
    for name, labels in splits.labels.items():
        _check_labels(dataset, name, labels, len(arrays[name]))
    _check_columns(dataset, event, splits.columns)
    description = Description(
        event=event,
        levels=dataset.levels,
        picture=dataset.picture,
        density=dataset.density,
        rows={name: len(rows) for name, rows in splits.rows.items()},
        hash=_hash(arrays),
        base=None if base is None else len(base.train),
        columns=splits.columns,
        facts=census.count(splits.rows, splits.columns, dataset.levels),
        **made,
    )
    with atomic(folder) as temporary:
        temporary.mkdir()
        for name, rows in arrays.items():
            np.save(temporary / f"{name}.npy", rows)
        for name, labels in splits.labels.items():
            np.save(temporary / f"labels_{name}.npy", labels)
        for name, log_prob in truth.items():
            np.save(temporary / f"true_log_prob_{name}.npy", log_prob)
        if splits.units is not None:
            splits.units.save(temporary / UNITS)
        write_json(temporary / DESCRIPTION, asdict(description))


def rows(folder: str | Path, split: str) -> np.ndarray:
    """The rows of one split, read from disk on use."""
    return np.load(Path(folder) / f"{split}.npy", mmap_mode="r")


def labels(folder: str | Path, split: str) -> np.ndarray | None:
    """The labels of the rows of a split, ``None`` if they have none."""
    path = Path(folder) / f"labels_{split}.npy"
    return np.load(path) if path.exists() else None


def true_log_prob(folder: str | Path, split: str) -> np.ndarray | None:
    """True log-density in nats of the rows of a split, ``None`` if it is not known."""
    path = Path(folder) / f"true_log_prob_{split}.npy"
    return np.load(path) if path.exists() else None


def pass_rows(folder: str | Path, number: int = 0) -> np.ndarray:
    """The test rows as a pass of the evaluation takes them, the first being ``number`` 0.

    Integer rows are ``(k + u) / levels``, float32, bit for bit those whose log-densities the
    methods of this library have; real-valued rows are as they are.
    """
    return dequantise(rows(folder, "test"), describe(folder).levels, pass_noise(number))


def pass_noise(number: int) -> int | list[int]:
    """The seed of the noise that dequantises the test rows in a pass of the evaluation."""
    return [TEST_NOISE, number] if number else TEST_NOISE


def noise_in_words(passes: int) -> str:
    """``dequantisation`` in the protocol of log-densities of so many passes."""
    return f"uniform, seed {TEST_NOISE}, {passes} pass{'es' if passes > 1 else ''}"


def dequantise(
    rows: np.ndarray, levels: int | None, seed: int | list[int], start: int = 0
) -> np.ndarray:
    """Real-valued rows: ``(k + u) / levels`` with uniform noise of ``seed``, or unchanged.

    ``rows`` may be a part of all rows that begins at row ``start``: its noise is the same.
    """
    if levels is None:
        return np.array(rows, np.result_type(rows, np.float32))
    bits = np.random.PCG64(seed)
    bits.advance(start * math.prod(rows.shape[1:]))  # one draw for each value
    noise = np.random.Generator(bits).random(rows.shape)
    return ((rows + noise) / levels).astype(np.float32)


def _some(rows: np.ndarray, n: int) -> np.ndarray:
    return rows[np.sort(np.random.default_rng(0).permutation(len(rows))[:n])]


def _check(dataset: type[Dataset], event: tuple[int, ...], name: str, rows: np.ndarray) -> None:
    if not len(rows) or not event or rows.shape[1:] != tuple(event):
        raise ValueError(
            f"{dataset.__name__}.prepare: {name} has shape {rows.shape}; allowed is at least one "
            f"row, each of shape {tuple(event) or '(d,)'}."
        )
    if rows.dtype.kind not in "fiu":
        raise ValueError(
            f"{dataset.__name__}.prepare: {name} is {rows.dtype}; allowed are numbers."
        )
    if dataset.levels is None and not np.isfinite(rows).all():
        raise ValueError(f"{dataset.__name__}.prepare: {name} has values that are not finite.")
    if dataset.levels is not None and (rows.dtype.kind != "u" or rows.max() >= dataset.levels):
        raise ValueError(
            f"{dataset.__name__}.prepare: {name} is {rows.dtype} up to {rows.max()}; "
            f"allowed are unsigned integers below {dataset.levels}."
        )
    if dataset.levels is None and name in ("train", "base"):
        _check_spreads(f"{dataset.__name__}.prepare: {name}", rows)


def _check_spreads(where: str, rows: np.ndarray) -> None:
    """Each coordinate of vectors and each channel of images has to vary."""
    what = "coordinate" if rows.ndim == 2 else "channel"
    for place in range(rows.shape[1]):
        require_spread(f"{where}, {what} {place}", rows[:, place], rows.dtype)


def _check_labels(dataset: type[Dataset], name: str, labels: np.ndarray, count: int) -> None:
    whole = labels.dtype.kind in "ui"
    if not whole or labels.shape != (count,) or labels.min() < 0:
        least = f", at least {labels.min()}" if whole and labels.size else ""
        raise ValueError(
            f"{dataset.__name__}.prepare: the labels of {name} are {labels.dtype} of shape "
            f"{labels.shape}{least}; allowed are whole numbers from 0, one for each of "
            f"{count} rows."
        )


def _check_columns(
    dataset: type[Dataset], event: tuple[int, ...], columns: tuple[str, ...] | None
) -> None:
    if columns is not None and (len(columns),) != tuple(event):
        raise ValueError(
            f"{dataset.__name__}.prepare: names {len(columns)} columns ({', '.join(columns)}); "
            f"rows are of shape {tuple(event)}."
        )


def _hash(arrays: dict[str, np.ndarray]) -> str:
    total = hashlib.sha256()
    for name in sorted(arrays):
        total.update(f"{name} {arrays[name].dtype} {arrays[name].shape}".encode())
        total.update(np.ascontiguousarray(arrays[name]).data)
    return total.hexdigest()[:16]
