"""The counting of the facts of prepared rows."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

import numpy as np

from benchmark.data.facts import QUANTILES, Column, Dependence, Facts

AT_ONCE = 20_000
"""Rows that are looked at together, which bounds memory."""
MAX_COMPARED = 500
"""Columns of a table that are compared with one another; of a wider one, none are."""
COLLINEAR = 1e-4
"""What the others leave of a column, in its deviations, if it counts as their combination."""


def count(rows: Mapping[str, np.ndarray], names: Sequence[str] | None, levels: int | None) -> Facts:
    """The facts of the rows of each split, ``[n, *event]``.

    ``names`` are those of the columns, without which they are called by their places from 0.
    """
    kind = np.result_type(*rows.values())
    hashes = {split: np.sort(_hashes(part, kind)) for split, part in rows.items()}
    facts = Facts(
        copies={split: int((known[1:] == known[:-1]).sum()) for split, known in hashes.items()},
        leaks={
            split: _shared(hashes[split], hashes["train"]) for split in rows if split != "train"
        },
    )
    train = rows["train"]
    if levels is not None:
        return replace(facts, levels=_levels(train, levels))
    if train.ndim > 2:
        return facts
    return _with_columns(facts, train, names or [str(place) for place in range(train.shape[1])])


def _parts(rows: np.ndarray) -> Iterator[np.ndarray]:
    for start in range(0, len(rows), AT_ONCE):
        yield rows[start : start + AT_ONCE].reshape(-1, rows[0].size)


def _hashes(rows: np.ndarray, kind: np.dtype) -> np.ndarray:
    """A 64-bit hash of each row: equal for equal numbers, of whatever sign of a zero."""
    parts = (part.astype(kind) + kind.type(0) for part in _parts(rows))
    return np.fromiter((hash(row.tobytes()) for part in parts for row in part), np.int64, len(rows))


def _shared(some: np.ndarray, known: np.ndarray) -> int:
    """How many of ``some`` are in ``known``, which is sorted."""
    places = np.searchsorted(known, some).clip(max=len(known) - 1)
    return int((known[places] == some).sum())


def _levels(rows: np.ndarray, levels: int) -> tuple[int, ...]:
    counts = sum(np.bincount(part.ravel(), minlength=levels) for part in _parts(rows))
    return tuple(np.asarray(counts).tolist())


def _with_columns(facts: Facts, train: np.ndarray, names: Sequence[str]) -> Facts:
    with np.errstate(all="ignore"):  # what over- or underflows is None
        columns = [_column(name, values) for name, values in zip(names, train.T, strict=True)]
        if not 1 < len(columns) <= MAX_COMPARED:
            return replace(facts, columns=tuple(columns))
        correlation = _correlation(train, columns)
    near = (_beside(column, row, names) for column, row in zip(columns, correlation, strict=True))
    return replace(facts, columns=tuple(near), dependences=_dependences(correlation, names))


def _column(name: str, values: np.ndarray) -> Column:
    values = np.sort(values.astype(float))
    first = np.flatnonzero(np.append(True, values[1:] != values[:-1]))
    places = np.rint(np.array(QUANTILES) * (len(values) - 1)).astype(int)
    mean, deviation = values.mean(), values.std()
    scale = deviation if len(first) > 1 and np.isfinite(deviation) else np.nan
    fourth = np.square(np.square((values - mean) / scale)).mean()
    return Column(
        name=name,
        distinct=len(first),
        most=int(np.diff(first, append=len(values)).max()),
        quantiles=tuple(values[places].tolist()),
        mean=_finite(mean),
        deviation=_finite(deviation),
        kurtosis=_finite(fourth - 3),
    )


def _finite(value: float) -> float | None:
    return float(value) if np.isfinite(value) else None


def _correlation(train: np.ndarray, columns: Sequence[Column]) -> np.ndarray:
    """Correlations of all pairs of columns; zero, also on the diagonal, where there is none."""
    known = np.array([bool(c.deviation and c.distinct > 1 and c.mean is not None) for c in columns])
    mean = np.where(known, [c.mean or 0.0 for c in columns], 0.0)
    scale = np.where(known, [c.deviation or 1.0 for c in columns], np.inf)
    total = np.zeros((len(columns), len(columns)))
    for part in _parts(train):
        scaled = (part.astype(float) - mean) / scale
        total += scaled.T @ scaled
    return total / len(train)


def _beside(column: Column, correlation: np.ndarray, names: Sequence[str]) -> Column:
    """The column with the one that is correlated with it most."""
    size = np.where(np.array(names) == column.name, 0.0, np.abs(correlation))
    if not size.any():
        return column
    nearest = int(size.argmax())
    return replace(column, nearest=names[nearest], correlation=float(correlation[nearest]))


def _dependences(correlation: np.ndarray, names: Sequence[str]) -> tuple[Dependence, ...]:
    """The columns that those before them determine, by elimination of one after the other."""
    left, found = correlation.copy(), []
    kept: list[int] = []
    for place in map(int, np.flatnonzero(correlation.diagonal())):
        rest = left[place, place]
        if rest > COLLINEAR**2:
            left = left - np.outer(left[:, place], left[place]) / rest
            kept.append(place)
        else:
            weights = np.linalg.solve(correlation[np.ix_(kept, kept)], correlation[kept, place])
            others = [names[k] for k, w in zip(kept, weights, strict=True) if abs(w) > COLLINEAR]
            found.append(Dependence(names[place], tuple(others)))
    return tuple(found)
