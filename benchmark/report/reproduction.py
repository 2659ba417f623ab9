"""Published results beside measured ones: how far apart they are, and whether that is much.

A method stands beside the published number of its name, and a variant (``interpolant-fourier``)
beside that of its method.
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from benchmark.files import read_json
from benchmark.records.run import suite_folder
from benchmark.report.asked import Suite
from benchmark.report.labels import Labels, Styles, labels_of, styles_of
from benchmark.report.numbers import mean_sd
from benchmark.report.table import DASH
from benchmark.suite.published import MARKS

Verdict = Literal["within", "better", "worse", "missing"]


@dataclass(frozen=True)
class Against:
    """The published data set beside which one of the suite stands; ``tolerance`` is in its unit."""

    published: str
    tolerance: float
    remark: str | None = None


def against_of(suite: Suite) -> Mapping[str, Against]:
    """The published data set beside each data set of a suite that names one."""
    return {
        name: Against(entry.as_, entry.tolerance, entry.remark)
        for name, entry in suite.published.items()
    }


@dataclass(frozen=True)
class Row:
    """The NLL of a method on a data set; ``difference`` is measured less published.

    ``verdict`` is ``None`` where there is nothing to compare, and ``missing`` unless every seed was
    measured; ``reason`` says why. All numbers are in the unit of the data set.
    """

    dataset: str
    method: str
    published: float | None
    status: str | None
    measured: float | None
    sd: float | None
    n: int
    difference: float | None
    tolerance: float
    verdict: Verdict | None
    reason: str | None


def print_reproduction(suite: Suite, names: Iterable[str]) -> bool:
    """Prints the verdicts of tables of published and measured numbers; whether all of them pass.

    A table that compares nothing does not pass.
    """
    stems = [suite_folder(suite.name) / "tables" / name for name in names]
    tables = [[Row(**row) for row in read_json(f"{stem}.json")] for stem in stems]
    for rows in tables:
        print(summary(rows, styles_of(suite), labels_of(suite)), flush=True)
    return all(map(passes, tables))


def passes(rows: Sequence[Row]) -> bool:
    """Whether something was compared, and all of it is within tolerance."""
    return {row.verdict for row in rows if row.verdict is not None} == {"within"}


def summary(rows: Sequence[Row], styles: Styles, labels: Labels) -> str:
    """A line per comparison, and one with the verdict on all of them."""
    compared = [row for row in rows if row.verdict is not None]
    lines = [_words(row, styles, labels) for row in compared]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    text = [
        "  ".join(word.ljust(width) for word, width in zip(line, widths, strict=True)).rstrip()
        for line in lines
    ]
    return "\n".join([*text, _conclusion(compared)])


def marked(row: Row) -> str:
    """The published number with the mark of its status."""
    return DASH if row.status is None else f"{row.published:.2f}{MARKS[row.status]}"


def signed(difference: float | None, decimals: int | None) -> str:
    """A difference with its sign."""
    if difference is None:
        return DASH
    text = mean_sd(difference, math.nan, decimals)
    return text if text.startswith("-") else f"+{text}"


def _words(row: Row, styles: Styles, labels: Labels) -> tuple[str, ...]:
    sd = math.nan if row.sd is None else row.sd
    mean = DASH if row.measured is None else mean_sd(row.measured, sd, None)
    return (
        labels[row.dataset],
        styles[row.method].label,
        f"published {marked(row)}",
        f"measured {mean} (n={row.n})",
        f"difference {signed(row.difference, None)}",
        f"tolerance {row.tolerance:g}",
        f"{row.verdict}: {row.reason}" if row.reason else f"{row.verdict}",
    )


def _conclusion(compared: Sequence[Row]) -> str:
    total = len(compared)
    within = sum(row.verdict == "within" for row in compared)
    if not compared:
        return "Not reproduced: nothing was compared with a published number."
    if passes(compared):
        return f"Reproduced: {within} of {total} published numbers are within tolerance."
    missing = sum(row.verdict == "missing" for row in compared)
    return (
        f"Not reproduced: {within} of {total} published numbers are within tolerance, "
        f"{total - within - missing} are not, {missing} were not measured by every seed."
    )
