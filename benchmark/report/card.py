"""The data card: what the rows of a data set are, on a page with a figure."""

import math
from collections.abc import Sequence

from benchmark.data import dataset
from benchmark.data.description import Description, describe
from benchmark.data.facts import QUANTILES, Column
from benchmark.files import atomic
from benchmark.records.run import data_folder, suite_folder
from benchmark.report import doubts
from benchmark.report.asked import Suite
from benchmark.report.figures import rows
from benchmark.report.figures.theme import save
from benchmark.report.labels import labels_of
from benchmark.report.table import Cell, Table, as_markdown

SOUND = "Nothing was found that makes a likelihood doubtful."
ENDS = {0.0: "least", 0.5: "median", 1.0: "largest"}
"""Quantiles that have a name."""


def write(suite: Suite, name: str) -> None:
    """The page and the figure of the data set ``name``."""
    folder, stem = data_folder(suite.name, name), suite_folder(suite.name) / "data" / name
    described = describe(folder)
    figure = rows.draw(dataset.rows(folder, "train"), described)
    save(figure, stem, ["png"])
    with atomic(f"{stem}.md") as temporary:
        temporary.write_text(page(name, labels_of(suite)[name], described))


def page(name: str, label: str, described: Description) -> str:
    """The data card in Markdown, beside its figure."""
    found = [f"- {doubt[0].upper()}{doubt[1:]}." for doubt in doubts.of_rows(described)]
    parts = [f"# {' '.join(label.split())}", _summary(described), "\n".join(found or [SOUND])]
    if described.facts is not None:
        parts += [_splits(described), *_values(described)]
    return "\n\n".join([*parts, f"![Training rows]({name}.png)"]) + "\n"


def _summary(described: Description) -> str:
    shape = " x ".join(map(str, described.event))
    what = "values" if described.event[1:] else f"column{'s'[: described.event[0] > 1]}"
    integers = f", integers below {described.levels}" if described.levels else ""
    base = f" {described.base:,} rows of the base." if described.base else ""
    return (
        f"Rows of {shape} {what}{integers}; NLL in {described.unit}. Counted once, of the rows as "
        f"they are prepared (digest {described.hash}).{base}"
    )


def _splits(described: Description) -> str:
    """Rows of each split, copies among them, and those that are training rows, too."""
    assert described.facts is not None
    copies, leaks = described.facts.copies, described.facts.leaks
    lines = [
        (name, f"{n:,}", f"{copies[name]:,}", f"{leaks[name]:,}" if name in leaks else "")
        for name, n in described.rows.items()
    ]
    return _table(("part", "rows", "copies of rows before", "also training rows"), lines)


def _values(described: Description) -> list[str]:
    """The table of the columns, or what the grey levels are."""
    assert described.facts is not None
    if described.facts.levels:
        return [_grey(described.facts.levels)]
    if not described.facts.columns:
        return []
    quantiles = [ENDS.get(q, f"{q:.0%}") for q in QUANTILES]
    heading = ("column", "distinct (most frequent)", "mean ± deviation", *quantiles)
    lines = [_line(column, described.rows["train"]) for column in described.facts.columns]
    return [
        _table((*heading, "kurtosis - 3", "nearest (correlation)"), lines),
        "Columns of the training rows: their distinct values, and the share of rows with the most "
        "frequent one; quantiles; the column that each is correlated with most.",
    ]


def _line(column: Column, rows: int) -> tuple[str, ...]:
    near = "" if column.nearest is None else f"{column.nearest} ({column.correlation:.2f})"
    shown = [_number(value, column.deviation) for value in column.quantiles]
    moments = [_number(m, column.deviation) for m in (column.mean, column.deviation)]
    values, kurtosis = f"{column.distinct:,} ({column.most / rows:.2%})", column.kurtosis
    return (column.name, values, " ± ".join(moments), *shown, _number(kurtosis, None), near)


def _number(value: float | None, deviation: float | None) -> str:
    """A number with the digits that tell it from its neighbours."""
    if value is None:
        return "none"
    far = math.ceil(math.log10(abs(value) / deviation)) if value and deviation else 0
    return f"{value:.{min(max(far + 3, 4), 17)}g}"


def _grey(levels: tuple[int, ...]) -> str:
    most, total = max(range(len(levels)), key=levels.__getitem__), sum(levels)
    used = sum(count > 0 for count in levels)
    mean = sum(level * count for level, count in enumerate(levels)) / total
    return (
        f"{used} of {len(levels)} grey levels occur in the training rows; the most frequent is "
        f"{most}, {levels[most] / total:.1%} of the values. Their mean is {mean:.4g}."
    )


def _table(heading: tuple[str, ...], lines: Sequence[tuple[str, ...]]) -> str:
    cells = tuple(tuple(map(Cell, line)) for line in lines)
    return as_markdown(Table("", heading, cells, ()))
