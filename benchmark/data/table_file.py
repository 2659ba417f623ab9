"""The columns of a file of numbers, ``.csv``, Parquet, ``.npy`` or ``.npz``: nothing is guessed.

A CSV file is UTF-8; its first line has the names of the columns, and every other line has as many
fields, separated by commas, with decimal points. Whatever else is found is refused in words that
say what to write.
"""

import contextlib
import csv
import io
import re
import zipfile
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow
from pyarrow import parquet

SEPARATORS = {";": "semicolons", "\t": "tabs", "|": "bars", " ": "blanks"}
"""Of other dialects than ours, by which a line may turn out to be separated."""
INDEX_OF_PANDAS = re.compile(r"__index_level_\d+__")
"""Columns of a Parquet file that hold an index without a name."""
TRUTH = re.compile(r"\b(true|false)\b", re.IGNORECASE)
SHOWN = 80
"""Characters of a line that an error message shows."""


def read_table(file: Path) -> pd.DataFrame:
    """The columns of a file by name, or by place in an array without names.

    Raises ``ValueError`` with the file, and the line where there is one, for what is no table.
    """
    readers: dict[str, Callable[[Path], pd.DataFrame]] = {
        ".csv": _csv,
        ".parquet": _parquet,
        ".npy": lambda path: _frame(path, np.load(path)),
        ".npz": _npz,
    }
    if file.suffix.lower() not in readers:
        raise ValueError(f"{file}: ends with {file.suffix!r}; allowed are {', '.join(readers)}.")
    if not file.stat().st_size:
        raise ValueError(f"{file}: is empty; allowed are columns of numbers.")
    try:
        table = readers[file.suffix.lower()](file)
    except (pyarrow.ArrowException, zipfile.BadZipFile, csv.Error, EOFError, OSError) as error:
        raise ValueError(f"{file}: cannot be read as {file.suffix}: {error}") from error
    except ValueError as error:
        known = str(error).startswith(str(file))
        raise error if known else ValueError(f"{file}: cannot be read: {error}") from error
    if not table.size:
        raise ValueError(f"{file}: has {len(table.columns)} columns and no rows.")
    return table


# Arrays and Parquet


def _npz(file: Path) -> pd.DataFrame:
    with np.load(file) as arrays:
        columns = {name: arrays[name] for name in arrays.files}
    if len(columns) == 1:
        return _frame(file, *columns.values())
    if {c.ndim for c in columns.values()} != {1} or len(set(map(len, columns.values()))) > 1:
        shapes = ", ".join(f"{name} {array.shape}" for name, array in columns.items())
        raise ValueError(
            f"{file}: holds {shapes or 'nothing'}; allowed are one array of rows, or one for each "
            f"column."
        )
    return pd.DataFrame(columns)


def _frame(file: Path, array: np.ndarray) -> pd.DataFrame:
    if array.ndim != 2 and array.dtype.names is None:
        raise ValueError(
            f"{file}: holds an array of shape {array.shape}; allowed is [row, column]."
        )
    return pd.DataFrame(array)


def _parquet(file: Path) -> pd.DataFrame:
    stored = parquet.ParquetFile(file)
    names = [name for name in stored.schema_arrow.names if not INDEX_OF_PANDAS.fullmatch(name)]
    _refuse_repeated(f"{file}", names)
    return stored.read(names).to_pandas(ignore_metadata=True)


# CSV


def _csv(file: Path) -> pd.DataFrame:
    text = _decoded(file)
    names = _names(file, text)
    _check_lines(file, text, len(names))
    given: dict[str, Any] = {
        **{"header": None, "names": names, "index_col": False, "skiprows": _lines_above(text)},
        **{"skipinitialspace": True, "keep_default_na": False, "float_precision": "round_trip"},
    }
    if not TRUTH.search(text):  # pandas would take them for 1 and 0
        with contextlib.suppress(ValueError):  # whoever takes a column says what is no number
            return pd.read_csv(io.StringIO(text), dtype=float, **given)
    return pd.read_csv(io.StringIO(text), dtype=str, **given)


def _decoded(file: Path) -> str:
    content = file.read_bytes()
    if content.startswith((b"\xff\xfe", b"\xfe\xff")):
        raise ValueError(f"{file}: is encoded as UTF-16; save it as UTF-8.")
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise ValueError(
            f"{file}: line {line} has a byte that is no UTF-8 ({content[error.start]:#04x}); save "
            f"the file as UTF-8."
        ) from None
    return text.replace("\r\n", "\n").replace("\r", "\n") if "\r" in text else text


def _lines(text: str) -> Iterator[tuple[int, list[str]]]:
    """The fields of each line that has some, with its number from 1."""
    lines = csv.reader(io.StringIO(text), skipinitialspace=True)
    return ((lines.line_num, fields) for fields in lines if fields)


def _lines_above(text: str) -> int:
    """Lines up to that of the names."""
    return next(_lines(text))[0]


def _names(file: Path, text: str) -> list[str]:
    """The names in the first line."""
    line, fields = next(_lines(text), (1, []))
    where, names = f"{file}: line {line}", [field.strip() for field in fields]
    if not names:
        raise ValueError(f"{file}: is empty; allowed are columns of numbers.")
    _refuse_separators(where, text)
    numbers = [name for name in names if _is_number(name)]
    if names == [str(place) for place in range(len(names))]:
        raise ValueError(
            f"{where} is {_shown(fields)}: places instead of names, as pandas writes them for an "
            f"array. Name the columns there (x0,x1,...), or save the array as .npy. If it is a "
            f"row, add a line of names above it."
        )
    if numbers:
        raise ValueError(
            f"{where} is {_shown(fields)}: {numbers[0]!r} is no name of a column. If it is a row, "
            f"add a line with the names of the columns above it (x0,x1,...)."
        )
    if "" in names:
        index = " It looks like an index of pandas: write the file with index=False."
        raise ValueError(
            f"{where} is {_shown(fields)}: column {names.index('') + 1} has no name. Give it one, "
            f"or remove the column.{'' if names[0] else index}"
        )
    _refuse_repeated(where, names)
    return names


def _refuse_repeated(where: str, names: Sequence[str]) -> None:
    twice = [name for name, count in Counter(names).items() if count > 1]
    if twice:
        raise ValueError(f"{where}: the name {twice[0]!r} stands there more than once; rename one.")


def _refuse_separators(where: str, text: str) -> None:
    """Refuse a file whose lines have more fields by another separator than by commas."""
    first, second, *_ = [*text.lstrip().split("\n", 2), ""]
    for separator, name in SEPARATORS.items():
        fields = first.strip().split(separator)
        same = len(second.strip().split(separator)) == len(fields)
        if len(fields) > len(first.split(",")) and same:
            raise ValueError(
                f"{where} is {_shown([first])}: separated by {name}. Separate fields by commas, "
                f"and write decimals with a point."
            )


def _check_lines(file: Path, text: str, count: int) -> None:
    """Every line has to have as many fields as there are names."""
    lines = _lines(text)
    next(lines)
    for line, fields in lines:
        if len(fields) != count:
            hint = " Decimals are written with a point." if len(fields) == 2 * count else ""
            raise ValueError(
                f"{file}: line {line} has {len(fields)} fields ({_shown(fields)}), and there are "
                f"{count} names of columns in the first one.{hint}"
            )


def _is_number(field: str) -> bool:
    try:
        float(field)
    except ValueError:
        return False
    return True


def _shown(fields: Sequence[str]) -> str:
    text = ",".join(fields)
    return text if len(text) <= SHOWN else f"{text[:SHOWN]}..."
