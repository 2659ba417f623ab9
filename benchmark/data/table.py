"""A table of your own as a data set: a ``.npy``, ``.npz``, ``.csv`` or Parquet file of numbers."""

import math
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pandas as pd

from benchmark.data.dataset import Dataset, Splits
from benchmark.data.spread import require_spread
from benchmark.data.table_file import read_table
from benchmark.names import did_you_mean
from benchmark.shapes import Columns, NonNegativeInt, Shares, Steps

DECIMAL_COMMA = re.compile(r"-?\d+,\d+")


class Table(Dataset):
    """The rows of a table; each column is a dimension.

    Columns are referred to by name or, in an array without names, by index from 0. An ``.npz`` file
    holds one such array, or the columns by name.
    """

    event = None

    @staticmethod
    def prepare(
        file: Path | tuple[Path, Path],
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
        which follow one another in this order; beside a second ``file``, of test rows, it gives
        those of training and validation rows, and the test rows stay as they follow one another
        there. ``standardise: train`` gives the training rows mean 0 and standard deviation 1
        (divided by n). ValueError, with column and row (from 1), for a value that is not a finite
        number, and for columns that ``require_spread`` refuses.
        """
        file, *others = [file] if isinstance(file, Path) else file
        table = _selected(file, read_table(file), columns)
        rows = _numbers_of(file, table)
        if columns is None:
            _refuse_index(file, table.columns, rows)
        _require_parts(file, len(rows), split, bool(others))
        tests = [_numbers_of(other, _alike(other, file, table, columns)) for other in others]
        steps = {
            list(table).index(_known(file, name, table.columns)): float(step)
            for name, step in noise.items()
        }
        rows, *tests = _with_noise([rows, *tests], steps)
        if shuffle is not None:
            rows = rows[np.random.default_rng(shuffle).permutation(len(rows))]
        parts = [*_split(rows, split), *tests]
        splits = Splits(*parts, columns=tuple(map(str, table)), noise=steps)
        for name, column in zip(table, splits.train.T, strict=True):
            kind = float if name in noise else table[name].to_numpy().dtype
            require_spread(f"{file}: column {name!r}", column, kind)
        if standardise is None:
            return splits
        return splits.standardised(splits.train.mean(axis=0), splits.train.std(axis=0))


def _alike(
    test: Path, file: Path, table: pd.DataFrame, columns: Sequence[Any] | None
) -> pd.DataFrame:
    """The columns of a file of test rows that are those of the ``table`` of a ``file``, by name."""
    found = read_table(test)
    missing = [name for name in table if name not in found.columns]
    extra = [name for name in found if columns is None and name not in table.columns]
    if missing or extra:
        which = f"no column {missing[0]!r}, which" if missing else f"a column {extra[0]!r}, which"
        raise ValueError(
            f"{test}: has {which} {file} {'has' if missing else 'has not'}. Give both the same "
            f"columns, or name those that both have in `columns`."
        )
    return found[list(table)]


def _with_noise(parts: Sequence[np.ndarray], steps: Mapping[int, float]) -> list[np.ndarray]:
    """Rows with uniform noise on a step in some columns, by their places."""
    together = np.concatenate(parts)
    for place, step in steps.items():
        together[:, place] += step * np.random.default_rng([0, place]).random(len(together))
    return np.split(together, np.cumsum([len(part) for part in parts])[:-1])


def _selected(file: Path, table: pd.DataFrame, columns: Sequence[Any] | None) -> pd.DataFrame:
    if columns is None:
        return table
    return table[[_known(file, name, table.columns) for name in columns]]


def _known(file: Path, name: Any, names: pd.Index) -> Any:
    if name in names:
        return name
    words = f"{file}: has no column {name!r}; allowed are {', '.join(map(repr, names))}."
    raise ValueError(f"{words}{did_you_mean(str(name), names)}")


def _numbers_of(file: Path, table: pd.DataFrame) -> np.ndarray:
    return np.column_stack([_numbers(file, name, table[name]) for name in table])


def _numbers(file: Path, name: Any, column: pd.Series) -> np.ndarray:
    """The values of a column in double precision; ValueError at the first that is not a number."""
    text = column if column.dtype.kind in "biuf" else column.astype("string").str.strip()
    values: np.ndarray = pd.to_numeric(text, errors="coerce").to_numpy(float, na_value=np.nan)
    if not np.isfinite(values).all():
        row = int(np.flatnonzero(~np.isfinite(values))[0])
        raise ValueError(
            f"{file}: column {name!r}, row {row + 1}: {_no_number(column.iloc[row])}. Correct the "
            f"file, or drop the column or the row."
        )
    exact: np.ndarray = text.to_numpy(float)  # to_numeric is off by a digit for some texts
    if column.dtype.kind in "iu" and _is_beyond(column) and [*map(int, exact)] != column.to_list():
        raise ValueError(
            f"{file}: column {name!r}: whole numbers beyond 2^53 lose digits in double precision. "
            f"Subtract an offset, or drop the column."
        )
    return exact


def _is_beyond(column: pd.Series) -> bool:
    """Whether double precision may lack whole numbers of a column."""
    return max(abs(int(column.min())), abs(int(column.max()))) > 2**53


def _no_number(value: Any) -> str:
    if np.ndim(value) == 0 and (pd.isna(value) or value == ""):
        return "the value is missing"
    comma = " (write decimals with a point)" if DECIMAL_COMMA.fullmatch(str(value).strip()) else ""
    return f"found {str(value)!r}, which is not a finite number{comma}"


def _refuse_index(file: Path, names: pd.Index, rows: np.ndarray) -> None:
    """Refuse a column that counts the rows: it is no data, and nobody has asked for it by name."""
    for name, column in zip(names, rows.T, strict=True):
        if len(column) > 2 and column[0] in (0, 1) and (np.diff(column) == 1).all():
            raise ValueError(
                f"{file}: column {name!r} counts the rows, {column[0]:g}, {column[1]:g}, ...: an "
                f"index is no data. Leave it out, or name the columns that you want in `columns`."
            )


def _require_parts(file: Path, count: int, shares: Sequence[float], has_test: bool) -> None:
    """Refuse shares that leave a part without rows, or a single row to train with."""
    parts = ("train", "validate", "test")[: 2 if has_test else 3]
    if len(shares) != len(parts):
        beside = "beside a file of test rows" if has_test else "without a file of test rows"
        raise ValueError(
            f"{file}: `split: {list(shares)}` has {len(shares)} shares; allowed are "
            f"{len(parts)} {beside}, of rows to {' and to '.join(parts)}."
        )
    sizes = _sizes(count, shares)
    if sizes[0] > 1 and all(sizes):
        return
    *first, last = [f"{size} to {part}" for size, part in zip(sizes, parts, strict=True)]
    least, held = math.ceil(100 * max(count // 10, 1) / count) / 100, len(parts) - 1
    example = [float(f"{1 - held * least:.2g}"), *[least] * held]
    raise ValueError(
        f"{file}: of its {count} rows, `split: {list(shares)}` leaves {', '.join(first)} and "
        f"{last}; allowed are at least {'2, 1 and 1' if held > 1 else '2 and 1'}. "
        f"{f'Write `split: {example}`, for example.' if count > held + 1 else 'Add rows.'}"
    )


def _sizes(count: int, shares: Sequence[float]) -> list[int]:
    """Training rows, and those of each share that is held out, at least one, of so many."""
    held_out = [max(int(share * count), int(share > 0)) for share in shares[1:]]
    return [count - sum(held_out), *held_out]


def _split(rows: np.ndarray, shares: Sequence[float]) -> list[np.ndarray]:
    return np.split(rows, np.cumsum(_sizes(len(rows), shares))[:-1])
