"""Whether one method is better than another, or luck: paired tests, corrected for their number."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from scipy.stats import ttest_1samp


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
        """That the methods differ needs both: the larger one; ``None`` where one is missing."""
        return None if self.seeds is None else max(self.rows, self.seeds)


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


def _p_value(values: np.ndarray) -> float:
    if np.ptp(values) == 0:
        return float(values[0] == 0)
    return float(ttest_1samp(values, 0.0).pvalue)
