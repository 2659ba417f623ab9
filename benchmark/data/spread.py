"""The offset and the spread of a column: whether it has a variance, and digits enough for one."""

from typing import Any

import numpy as np

SMALLEST, LARGEST = 1e-150, 1e150
"""Spreads whose squares, and sums of these, double precision holds."""
STEPS = 100
"""Steps of rounding that a standard deviation has at least: with fewer, rows lie on a lattice."""


def require_spread(where: str, values: np.ndarray, kind: Any = float) -> None:
    """Refuse a column, ``values`` of the training rows, that has no density in its precision.

    ``kind`` is the type in which the values were stored. Raises ``ValueError`` with ``where``, the
    offset and the spread of a column that is constant, varies by little more than the rounding of
    its offset, or has a variance beyond double precision.
    """
    offset, spread = offset_and_spread(values)
    step = abs(offset) * _rounding(np.dtype(kind))
    found = f"{where}: offset {offset:.15g}, spread {spread:.3g}"
    if not spread:
        raise ValueError(
            f"{where}, every training row: the value is {offset:.15g}. A constant column has no "
            f"density; drop it."
        )
    if spread < STEPS * step:
        raise ValueError(
            f"{found} over the training rows, of which rounding keeps steps of {step:.2g}: too "
            f"coarse for a density. Subtract the offset where the numbers are still exact, or drop "
            f"the column."
        )
    if not SMALLEST < spread < LARGEST:
        raise ValueError(
            f"{found} over the training rows: the variance is beyond double precision. Divide the "
            f"column by its spread, or drop it."
        )


def offset_and_spread(values: np.ndarray) -> tuple[float, float]:
    """Mean and standard deviation (divided by n), which neither over- nor underflow."""
    exponent = int(np.frexp(np.abs(values).max())[1])
    unit = np.ldexp(values.astype(float).ravel(), -exponent)
    rest = unit - unit[0]
    mean, deviation = unit[0] + rest.mean(), rest.std()
    return float(np.ldexp(mean, exponent)), float(np.ldexp(deviation, exponent))


def _rounding(kind: np.dtype) -> float:
    """Relative step between numbers of a type; whole numbers are kept in double precision."""
    single = kind.kind == "f" and kind.itemsize < 8
    return float(np.finfo(kind if single else float).eps)
