"""A table of your own: a ``.npy``, ``.npz``, ``.csv`` or Parquet file of numbers as a data set."""

import difflib
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pandas as pd

from benchmark.data.dataset import Dataset, Splits
from benchmark.shapes import Columns, NonNegativeInt, Shares, Steps


class Table(Dataset):
    """The columns of a file, one row for each of its rows; as many dimensions as columns.

    Columns are called by their names or, in an array without names, by their places from 0. An
    ``.npz`` file holds one such array, or its columns by name.
    """

    event = None

    @staticmethod
    def prepare(
        file: Path,
        columns: Columns | None,
        noise: Steps,
        shuffle: NonNegativeInt | None,
        split: Shares,
        standardise: Literal["train"] | None,
    ) -> Splits:
        """Choose, dequantise, shuffle, split, standardise; in this order.

        ``columns`` null is all of them. ``noise`` is the step of each column that is rounded:
        uniform noise on ``[0, step)`` is added to it once. ``shuffle`` is the seed of the order of
        rows, null for that of the file. ``split`` are the shares of training, validation and test
        rows, which follow one another in this order. ``standardise: train`` makes mean 0 and
        standard deviation 1 (divided by n) of the training rows. ValueError, with column and row,
        for what is no finite number; rows count from 1.
        """
        table = _chosen(file, read_table(file), columns)
        rows = np.column_stack([_numbers(file, name, table[name]) for name in table])
        for name, step in noise.items():
            place = list(table).index(_known(file, name, table.columns))
            rows[:, place] += step * np.random.default_rng([0, place]).random(len(rows))
        if shuffle is not None:
            rows = rows[np.random.default_rng(shuffle).permutation(len(rows))]
        splits = _split(rows, split)
        _refuse_constant(file, table.columns, splits.train)
        return splits if standardise is None else _standardised(splits)


def read_table(file: Path) -> pd.DataFrame:
    """The columns of a file by name, or by place in an array without names."""
    readers: dict[str, Callable[[Path], pd.DataFrame]] = {
        ".csv": _columns_of_csv,
        ".parquet": pd.read_parquet,
        ".npy": lambda path: _frame(path, np.load(path)),
        ".npz": _columns_of_npz,
    }
    if file.suffix not in readers:
        raise ValueError(f"{file}: ends with {file.suffix!r}; allowed are {', '.join(readers)}.")
    return readers[file.suffix](file)


def _columns_of_csv(file: Path) -> pd.DataFrame:
    table = pd.read_csv(file)
    if pd.to_numeric(table.columns.to_series(), errors="coerce").notna().all():
        raise ValueError(
            f"{file}: its first line is {', '.join(table.columns)}; write the names of the columns "
            f"above it."
        )
    return table


def _columns_of_npz(file: Path) -> pd.DataFrame:
    with np.load(file) as arrays:
        found = {name: arrays[name] for name in arrays.files}
    if len(found) == 1:
        return _frame(file, *found.values())
    if {array.ndim for array in found.values()} != {1} or len(set(map(len, found.values()))) > 1:
        shapes = ", ".join(f"{name} {array.shape}" for name, array in found.items())
        raise ValueError(
            f"{file}: holds {shapes}; allowed are one array of rows, or one for each column."
        )
    return pd.DataFrame(found)


def _frame(file: Path, array: np.ndarray) -> pd.DataFrame:
    if array.ndim != 2 and array.dtype.names is None:
        raise ValueError(
            f"{file}: holds an array of shape {array.shape}; allowed is [row, column]."
        )
    return pd.DataFrame(array)


def _chosen(file: Path, table: pd.DataFrame, columns: Sequence[Any] | None) -> pd.DataFrame:
    if columns is None:
        return table
    return table[[_known(file, name, table.columns) for name in columns]]


def _known(file: Path, name: Any, names: pd.Index) -> Any:
    if name in names:
        return name
    near = difflib.get_close_matches(str(name), map(str, names), n=1)
    hint = f" Did you mean {near[0]!r}?" if near else ""
    raise ValueError(
        f"{file}: has no column {name!r}; allowed are {', '.join(map(repr, names))}.{hint}"
    )


def _numbers(file: Path, name: Any, column: pd.Series) -> np.ndarray:
    """The values of a column in double precision; ValueError at the first that is no number."""
    text = column if column.dtype.kind in "biuf" else column.astype("string")
    values: np.ndarray = pd.to_numeric(text, errors="coerce").to_numpy(float, na_value=np.nan)
    if not np.isfinite(values).all():
        row = int(np.flatnonzero(~np.isfinite(values))[0])
        found = column.iloc[row]
        problem = (
            "the value is missing" if pd.isna(found) else f"found {str(found)!r}, no finite number"
        )
        raise ValueError(
            f"{file}: column {name!r}, row {row + 1}: {problem}. Mend the file or leave out "
            f"the column or the row."
        )
    return values


def _split(rows: np.ndarray, shares: Sequence[float]) -> Splits:
    test, validation = (int(share * len(rows)) for share in (shares[2], shares[1]))
    train = len(rows) - test - validation
    return Splits(*np.split(rows, [train, train + validation]))


def _refuse_constant(file: Path, names: pd.Index, train: np.ndarray) -> None:
    for name, column in zip(names, train.T, strict=True):
        if len(column) and (column == column[0]).all():
            raise ValueError(
                f"{file}: column {name!r}, every row to train with: the value is {column[0]:g}. A "
                f"constant column has no density; leave it out of `columns`."
            )


def _standardised(splits: Splits) -> Splits:
    mean, deviation = splits.train.mean(axis=0), splits.train.std(axis=0)
    return Splits(*((rows - mean) / deviation for rows in splits.rows.values()))
