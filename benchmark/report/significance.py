"""Whether one method is better than another, or luck: paired tests, corrected for their number."""

import math
from collections.abc import Mapping, Sequence
from typing import Literal, NamedTuple

import numpy as np
from scipy.stats import ttest_1samp

LEVEL = 0.05
"""The largest corrected p-value with which two methods are said to differ."""


class Paired(NamedTuple):
    """Tests of a mean difference against zero, two-sided p-values.

    ``rows`` is that over test rows, of differences averaged over the refits: whether these fits
    differ on other test rows. ``seeds`` is that over refits, of differences averaged over the rows:
    whether other refits differ; ``None`` with fewer than two, which are too few to tell.
    """

    rows: float
    seeds: float | None

    @property
    def p(self) -> float | None:
        """The larger p-value, as a difference needs both; ``None`` where one is missing."""
        return None if self.seeds is None else max(self.rows, self.seeds)


class Comparison(NamedTuple):
    """The method with the lowest mean NLL and another, on the ``n`` refits that both have.

    ``difference`` is the mean NLL of the other less that of the best, ``corrected`` the p-value
    with Holm's correction; ``None`` where ``p`` has none.
    """

    best: str
    other: str
    n: int
    difference: float
    p: Paired
    corrected: float | None

    @property
    def verdict(self) -> Literal["differs", "tied", "n too small to tell"]:
        if self.corrected is None:
            return "n too small to tell"
        return "differs" if self.corrected <= LEVEL else "tied"


def comparisons(nll: Mapping[str, Mapping[int, np.ndarray]]) -> list[Comparison]:
    """The first method against each of the others; method -> seed -> NLL of every test row.

    Corrected for the number of those that have a p-value.
    """
    best, *others = nll
    pairs = [_of_both(nll[best], nll[other]) for other in others]
    tests = [paired(*pair) if len(pair[0]) else Paired(rows=math.nan, seeds=None) for pair in pairs]
    corrected = iter(holm([test.p for test in tests if test.p is not None]))
    return [
        Comparison(
            *(best, other, len(first)),
            difference=float(np.mean(second - first)) if len(first) else math.nan,
            p=test,
            corrected=None if test.p is None else next(corrected),
        )
        for other, (first, second), test in zip(others, pairs, tests, strict=True)
    ]


def paired(first: np.ndarray, second: np.ndarray) -> Paired:
    """t tests of ``second - first``, two arrays ``[seeds, rows]`` of the same seeds and rows.

    (Student, 1908.) A difference that is the same everywhere has p-value 0, and 1 if it is zero.
    """
    difference = np.asarray(second) - np.asarray(first)
    over_rows = _p_value(difference.mean(axis=0))
    over_seeds = _p_value(difference.mean(axis=1)) if len(difference) > 1 else None
    return Paired(over_rows, over_seeds)


def holm(p_values: Sequence[float]) -> list[float]:
    """p-values corrected for their number (Holm, 1979), in the order given.

    The k-th smallest of n is multiplied by ``n - k + 1``, and is no smaller than those before it.
    """
    p = np.asarray(p_values, dtype=float)
    order = np.argsort(p, kind="stable")
    stepped = np.maximum.accumulate(p[order] * np.arange(len(p), 0, -1))
    corrected = np.empty_like(p)
    corrected[order] = np.minimum(stepped, 1.0)
    return corrected.tolist()


def _of_both(
    first: Mapping[int, np.ndarray], second: Mapping[int, np.ndarray]
) -> tuple[np.ndarray, np.ndarray]:
    """Arrays ``[seeds, rows]`` of the seeds that both have."""
    seeds = [seed for seed in first if seed in second]
    return np.array([first[seed] for seed in seeds]), np.array([second[seed] for seed in seeds])


def _p_value(values: np.ndarray) -> float:
    if np.ptp(values) == 0:
        return float(values[0] == 0)
    return float(ttest_1samp(values, 0.0).pvalue)
