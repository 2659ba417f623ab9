"""Which means may be ranked against each other, and the best of them.

Means are ranked only against means measured under one protocol (the ``compared`` of their records).
An exact log-density, for which no ODE is solved, is ranked with those of a solver on the same test
rows where the error of the solver is far below their differences. Controls, which are not trained,
are references, not competitors, and are never ranked.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from benchmark.records.records import NLL
from benchmark.report.frame import summary

SOLVED = ("solver ", "atol ", "rtol ", "divergence ")
"""What a protocol says of the solve of an ODE, which an exact log-density does without."""
FAR = 10.0
"""How many times the error of the solver a difference has to be, to be told from it."""

Row = Mapping[Any, Any]
"""A row of ``summary``."""


def ranking(frame: pd.DataFrame) -> dict[str, list[str]]:
    """Data set -> the methods that may be ranked, lowest mean NLL first; none where there are none.

    They have a likelihood, of all of their seeds, and one protocol.
    """
    cells = summary(frame)
    nll = cells[cells.metric == NLL].sort_values("mean", kind="stable")
    methods = {str(dataset): ranked(column) for dataset, column in nll.groupby("dataset")}
    return {dataset: names for dataset, names in methods.items() if names}


def ranked(column: pd.DataFrame) -> list[str]:
    """Methods that may be ranked: the one largest group under equal protocols, without gaps.

    ``column`` has the rows of ``summary`` of one metric on one data set.
    """
    rows = column[(column.n == column.runs) & ~column.control].to_dict("records")
    rows = [row for row in rows if len(row["protocols"]) == 1]
    groups: set[tuple[str, ...]] = {tuple(_with(row, rows)) for row in rows}
    sizes = sorted((len(group) for group in groups), reverse=True)
    if not sizes or sizes[0] < 2 or sizes.count(sizes[0]) > 1:
        return []
    largest = max(groups, key=len)
    return list(largest)


def best(column: pd.DataFrame) -> str | None:
    """The method with the best mean, in the direction of the metric; none where it has none."""
    means = column[column.method.isin(ranked(column))].set_index("method")["mean"]
    directions = set(column.direction.dropna())
    if means.empty or directions not in ({"lower"}, {"higher"}):
        return None
    return str(means.idxmin() if directions == {"lower"} else means.idxmax())


def is_exact(protocol: tuple[str, ...]) -> bool:
    """Whether no ODE is solved by a protocol, in words."""
    solvers = [item for item in protocol if item.startswith("solver ")]
    return all(solver.startswith("solver none") for solver in solvers)


def what(protocol: tuple[str, ...]) -> tuple[str, ...]:
    """What is measured by a protocol, such as the test rows, without how an ODE is solved."""
    return tuple(item for item in protocol if not item.startswith(SOLVED))


def _with(row: Row, rows: Sequence[Row]) -> list[str]:
    """The methods of a group: those of one protocol, and exact ones that are told from them."""
    (protocol,) = row["protocols"]
    same = [other for other in rows if other["protocols"][0] == protocol]
    exact = [
        other
        for other in rows
        if is_exact(other["protocols"][0])
        and what(other["protocols"][0]) == what(protocol)
        and (is_exact(protocol) or all(_is_far(other, solved) for solved in same))
    ]
    return [other["method"] for other in rows if other in same or other in exact]


def _is_far(exact: Row, solved: Row) -> bool:
    """Whether the solver of one has an error, which is known, far below their difference."""
    return bool(abs(exact["mean"] - solved["mean"]) > FAR * solved["solver_error"])
