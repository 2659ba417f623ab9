"""Facts of prepared rows, which are counted once, when they are prepared.

``benchmark.data.census`` counts them, ``data.json`` keeps them, the data card shows them.
"""

from dataclasses import dataclass

QUANTILES = (0.0, 0.01, 0.25, 0.5, 0.75, 0.99, 1.0)
"""The quantiles of a column that are kept, with its least and its largest value."""


@dataclass(frozen=True)
class Column:
    """Facts of one column of the training rows.

    ``distinct`` counts its values; the most frequent one has ``most`` rows. ``quantiles`` are those
    of ``QUANTILES``, order statistics without interpolation. ``deviation`` is divided by n,
    ``kurtosis`` is that above the 3 of a normal column. ``nearest`` is the column that is
    correlated with it most, ``correlation`` how. What over- or underflows, or has no meaning (a
    constant, a column alone), is ``None``.
    """

    name: str
    distinct: int
    most: int
    quantiles: tuple[float, ...]
    mean: float | None
    deviation: float | None
    kurtosis: float | None
    nearest: str | None = None
    correlation: float | None = None


@dataclass(frozen=True)
class Dependence:
    """A ``column`` that is a linear combination of the columns ``others`` before it, nearly."""

    column: str
    others: tuple[str, ...]


@dataclass(frozen=True)
class Facts:
    """Facts of the rows of a data set.

    ``copies`` counts, by split, rows that are equal to one before them in the split; ``leaks``
    the validation and test rows that are training rows, too. ``columns`` and ``dependences`` are of
    tables of real numbers, ``levels`` counts each grey level among the training values of integer
    rows.
    """

    copies: dict[str, int]
    leaks: dict[str, int]
    columns: tuple[Column, ...] = ()
    dependences: tuple[Dependence, ...] = ()
    levels: tuple[int, ...] = ()
