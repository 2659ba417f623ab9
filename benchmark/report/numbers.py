"""Numbers and lists in tables, as text."""

import math
from collections.abc import Iterable


def mean_sd(mean: float, sd: float, decimals: int | None) -> str:
    """``3.512 ± 0.012``; no sd for one run. ``decimals`` None: decided by this number alone."""
    if decimals is None and not sd > 1e-12 * abs(mean):  # equal values, up to rounding
        return number(mean, 0 if mean == round(mean) else max(places(abs(mean), 3), 0))
    shown = places(sd, 2) if decimals is None else decimals
    return number(mean, shown) + ("" if math.isnan(sd) else f" ± {number(sd, shown)}")


def number(value: float, decimals: int) -> str:
    """Rounded, thousands set apart by commas, and no minus before a zero."""
    return f"{round(value, decimals):z,.{max(decimals, 0)}f}"


def places(value: float, significant: int) -> int:
    """Decimals that show ``value`` with so many significant digits; negative above them."""
    exponent = int(f"{value:.{significant - 1}e}".split("e")[1])
    return significant - 1 - exponent


def upper(value: float) -> float:
    """The next number above with one significant digit."""
    step = 10.0 ** math.floor(math.log10(value)) if value else 1.0
    return math.ceil(value / step) * step


def count(n: int, runs: int) -> str:
    """``(n=2 of 3)``, or ``(n=3)`` where none is missing."""
    return f"(n={n})" if n == runs else f"(n={n} of {runs})"


def count_noun(noun: str, items: Iterable[object]) -> str:
    """``seeds 0, 1``."""
    words = [str(item) for item in items]
    return f"{noun}{'s' if len(words) > 1 else ''} {', '.join(words)}"


def letters(index: int) -> str:
    """a, b, ..., z, aa, ab, ..."""
    head, last = divmod(index, 26)
    return (letters(head - 1) if head else "") + chr(ord("a") + last)
