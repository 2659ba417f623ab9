"""Whether one method is better than another, or luck: paired tests, corrected for their number."""

import math
from collections.abc import Mapping, Sequence
from typing import Literal, NamedTuple

import numpy as np
from scipy.stats import t as student
from scipy.stats import ttest_1samp

LEVEL = 0.05
"""The largest corrected p-value with which two methods are said to differ."""
CLEAR = 10.0
"""A clear difference, in standard deviations over refits (or rows): with so few of them that not
even its p-value would be at most ``LEVEL``, their number is too small to tell."""
ROUNDING = 1e-9
"""Spread, relative to the numbers compared, that is rounding and none of rows or refits."""

Verdict = Literal["differs", "tied", "n too small to tell", "no spread to tell by"]


class Paired(NamedTuple):
    """Tests of a mean difference against zero, two-sided p-values.

    ``rows`` is that over test rows, of differences averaged over the refits: whether these fits
    differ on other test rows. ``seeds`` is that over refits, of differences averaged over the rows:
    whether other refits differ. ``None`` with fewer than two, or where they do not differ at all.
    """

    rows: float | None
    seeds: float | None

    @property
    def p(self) -> float | None:
        """The larger p-value, as a difference needs both; ``None`` where one is missing."""
        if self.rows is None or self.seeds is None:
            return None
        return max(self.rows, self.seeds)


class Comparison(NamedTuple):
    """The method with the lowest mean NLL and another, on the ``n`` refits that both have.

    ``difference`` is the mean NLL of the other less that of the best, ``corrected`` the p-value
    with Holm's correction; ``None`` where ``p`` has none. ``least`` is that of a clear difference.
    """

    best: str
    other: str
    n: int
    difference: float
    p: Paired
    corrected: float | None
    least: float

    @property
    def verdict(self) -> Verdict:
        if self.corrected is not None and self.corrected <= LEVEL:
            return "differs"
        if self.least > LEVEL:
            return "n too small to tell"
        return "no spread to tell by" if self.corrected is None else "tied"


def comparisons(nll: Mapping[str, Mapping[int, np.ndarray]]) -> list[Comparison]:
    """The first method against each of the others; method -> seed -> NLL of every test row.

    Corrected for the number of those that have a p-value.
    """
    best, *others = nll
    pairs = [_of_both(nll[best], nll[other]) for other in others]
    tests = [paired(*pair) if len(pair[0]) else Paired(rows=None, seeds=None) for pair in pairs]
    known = holm([test.p for test in tests if test.p is not None])
    untold = max(sum(p > LEVEL for p in known), 1)
    corrected = iter(known)
    return [
        Comparison(
            *(best, other, len(first)),
            difference=float(np.mean(second - first)) if len(first) else math.nan,
            p=test,
            corrected=None if test.p is None else next(corrected),
            least=untold * clear(min(first.shape)),
        )
        for other, (first, second), test in zip(others, pairs, tests, strict=True)
    ]


def clear(n: int) -> float:
    """The two-sided p-value of a mean of ``n`` values ``CLEAR`` standard deviations from zero.

    Infinite where there is no test. A difference that is clearer still may have a lower one.
    """
    return 2 * float(student.sf(CLEAR * math.sqrt(n), n - 1)) if n > 1 else math.inf


def paired(first: np.ndarray, second: np.ndarray) -> Paired:
    """t tests of ``second - first``, two arrays ``[seeds, rows]`` of the same seeds and rows.

    (Student, 1908.) A difference that is the same everywhere, but for rounding, has no p-value.
    """
    difference = np.asarray(second) - np.asarray(first)
    rounding = ROUNDING * max(np.abs(first).max(), np.abs(second).max())
    return Paired(*(_p_value(difference.mean(axis=axis), rounding) for axis in (0, 1)))


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


def _p_value(values: np.ndarray, rounding: float) -> float | None:
    if len(values) < 2 or np.ptp(values) <= rounding:
        return None
    return float(ttest_1samp(values, 0.0).pvalue)
