"""What makes numbers on a data set doubtful, in words, from the facts of its rows."""

import math
from collections.abc import Iterable, Sequence

import pandas as pd

from benchmark.data.description import DESCRIPTION, Description, describe
from benchmark.data.facts import Column, Facts
from benchmark.records.records import NLL
from benchmark.records.run import data_folder
from benchmark.report.asked import Suite
from benchmark.report.labels import Styles, labels_of, styles_of

REPEATED, OFTEN = 2, 20
"""Rows for each value of a column, on average, from which on its values are few.

Of the different rows, and of all: rows that are copies do not make a column discrete.
"""
MASS, LEAST = 0.01, 5
"""Share of the rows, and number, from which on one value of a column is a point mass."""
SHOWN = 4
"""Columns that a sentence names."""
BOUNDLESS = "the NLL has no lower bound"


def notes(suite: Suite, frame: pd.DataFrame, datasets: Iterable[str]) -> list[str]:
    """Notes below a table of NLLs, by data set; ``frame`` is that of ``metrics``."""
    lines, labels = [], labels_of(suite)
    for name in datasets:
        folder = data_folder(suite.name, name)
        if (folder / DESCRIPTION).exists():
            described = describe(folder)
            own = frame[(frame.dataset == name) & (frame.metric == NLL) & frame.value.notna()]
            doubts = [*of_rows(described), *of_scale(described, own, styles_of(suite))]
            lines += [f"{labels[name]}: {doubt}." for doubt in doubts]
    return lines


def of_rows(described: Description) -> list[str]:
    """Leaks, columns without a density, grey levels that do not occur."""
    facts = described.facts
    if facts is None:
        return []
    return [
        *_leaks(facts, described.rows),
        *_few_values(facts, described.rows["train"]),
        *_masses(facts, described.rows["train"]),
        *_dependent(facts),
        *_unused_levels(facts),
    ]


def of_scale(described: Description, nll: pd.DataFrame, styles: Styles) -> list[str]:
    """Methods with an NLL of integer rows that another scale of the rows would explain."""
    if described.levels is None:
        return []
    uniform, means = math.log2(described.levels), nll.groupby("method", sort=False).value.mean()
    worse = [styles[method].label for method in means[means > uniform].index]
    what = f"more than the {uniform:.2f} bits/dim of the uniform density, which suggests another"
    scale = f"scale than that of (k + u) / {described.levels}"
    return [f"{', '.join(worse)}: {what} {scale}"] if worse else []


def is_discrete(column: Column, facts: Facts, rows: int) -> bool:
    """Whether a column of so many training rows has few values."""
    alone = len(facts.columns) == 1
    different = rows if alone else rows - facts.copies["train"]
    return column.distinct * REPEATED <= different or column.distinct * OFTEN <= rows


def _leaks(facts: Facts, rows: dict[str, int]) -> list[str]:
    leaked = [f"{n:,} of {rows[name]:,} {name} rows" for name, n in facts.leaks.items() if n]
    return [f"{' and '.join(leaked)} are also training rows"] if leaked else []


def _few_values(facts: Facts, rows: int) -> list[str]:
    few = [column for column in facts.columns if is_discrete(column, facts, rows)]
    names = [f"{c.name!r} ({c.distinct:,} distinct value{'s'[: c.distinct > 1]})" for c in few]
    what = f"no noise: {BOUNDLESS}; dequantise it, in a table by `noise`"
    return _sentence(names, ("has", "have"), what)


def _masses(facts: Facts, rows: int) -> list[str]:
    least = max(MASS * rows, LEAST)
    names = [
        f"{column.name!r} (one value in {column.most / rows:.0%} of the rows)"
        for column in facts.columns
        if column.most >= least and not is_discrete(column, facts, rows)
    ]
    return _sentence(names, ("has", "have"), f"a point mass: {BOUNDLESS}; drop or dequantise it")


def _dependent(facts: Facts) -> list[str]:
    names = [f"{d.column!r} (of {_listed(map(repr, d.others))})" for d in facts.dependences]
    what = f"a linear combination of others: {BOUNDLESS}; drop it"
    return _sentence(names, ("is", "are each"), what)


def _unused_levels(facts: Facts) -> list[str]:
    used = sum(count > 0 for count in facts.levels)
    if 2 * used >= len(facts.levels):
        return []
    return [f"only {used} of {len(facts.levels)} grey levels occur; are there as many?"]


def _sentence(columns: Sequence[str], verbs: tuple[str, str], what: str) -> list[str]:
    if not columns:
        return []
    one = len(columns) == 1
    return [f"column{'s'[one:]} {_listed(columns)} {verbs[not one]} {what}"]


def _listed(names: Iterable[str]) -> str:
    names = list(names)
    more = [f"and {len(names) - SHOWN} more"] if len(names) > SHOWN else []
    return ", ".join([*names[:SHOWN], *more])
