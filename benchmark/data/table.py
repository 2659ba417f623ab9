"""A table of your own as a data set: a ``.npy``, ``.npz``, ``.csv`` or Parquet file of numbers."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pandas as pd

from benchmark.data.dataset import Dataset, Splits
from benchmark.names import did_you_mean
from benchmark.shapes import Columns, NonNegativeInt, Shares, Steps


class Table(Dataset):
    """The rows of a table; each column is a dimension.

    Columns are referred to by name or, in an array without names, by index from 0. An ``.npz`` file
    holds one such array, or the columns by name.
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
        """Select columns, dequantise, shuffle, split, standardise, in this order.

        ``columns`` null means all of them. ``noise`` maps each rounded column to its step: uniform
        noise on ``[0, step)`` is added once. ``shuffle`` is the seed of the order of the rows, null
        for that of the file. ``split`` gives the shares of training, validation and test rows,
        which follow one another in this order. ``standardise: train`` gives the training rows mean
        0 and standard deviation 1 (divided by n). ValueError, with column and row (from 1), for a
        value that is not a finite number.
        """
        table = _selected(file, read_table(file), columns)
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
            f"{file}: its first line is {', '.join(table.columns)}; add a line with the names of "
            f"the columns above it."
        )
    return table


def _columns_of_npz(file: Path) -> pd.DataFrame:
    with np.load(file) as arrays:
        columns = {name: arrays[name] for name in arrays.files}
    if len(columns) == 1:
        return _frame(file, *columns.values())
    if {c.ndim for c in columns.values()} != {1} or len(set(map(len, columns.values()))) > 1:
        shapes = ", ".join(f"{name} {array.shape}" for name, array in columns.items())
        raise ValueError(
            f"{file}: holds {shapes}; allowed are one array of rows, or one for each column."
        )
    return pd.DataFrame(columns)


def _frame(file: Path, array: np.ndarray) -> pd.DataFrame:
    if array.ndim != 2 and array.dtype.names is None:
        raise ValueError(
            f"{file}: holds an array of shape {array.shape}; allowed is [row, column]."
        )
    return pd.DataFrame(array)


def _selected(file: Path, table: pd.DataFrame, columns: Sequence[Any] | None) -> pd.DataFrame:
    if columns is None:
        return table
    return table[[_known(file, name, table.columns) for name in columns]]


def _known(file: Path, name: Any, names: pd.Index) -> Any:
    if name in names:
        return name
    words = f"{file}: has no column {name!r}; allowed are {', '.join(map(repr, names))}."
    raise ValueError(f"{words}{did_you_mean(str(name), names)}")


def _numbers(file: Path, name: Any, column: pd.Series) -> np.ndarray:
    """The values of a column in double precision; ValueError at the first that is not a number."""
    text = column if column.dtype.kind in "biuf" else column.astype("string")
    values: np.ndarray = pd.to_numeric(text, errors="coerce").to_numpy(float, na_value=np.nan)
    if not np.isfinite(values).all():
        row = int(np.flatnonzero(~np.isfinite(values))[0])
        value = column.iloc[row]
        problem = (
            "the value is missing"
            if pd.isna(value)
            else f"found {str(value)!r}, which is not a finite number"
        )
        raise ValueError(
            f"{file}: column {name!r}, row {row + 1}: {problem}. Correct the file, or drop the "
            f"column or the row."
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
                f"{file}: column {name!r}, every training row: the value is {column[0]:g}. A "
                f"constant column has no density; drop it from `columns`."
            )


def _standardised(splits: Splits) -> Splits:
    mean, deviation = splits.train.mean(axis=0), splits.train.std(axis=0)
    return Splits(*((rows - mean) / deviation for rows in splits.rows.values()))
