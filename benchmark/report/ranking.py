"""Which means may be ranked against each other, and the best of them.

Means are ranked only against means measured under one protocol (the ``compared`` of their records).
Controls, which are not trained, are references, not competitors, and are never ranked.
"""

import pandas as pd

from benchmark.records.records import NLL
from benchmark.report.frame import summary


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
    groups: dict[tuple[str, ...], list[str]] = {}
    for row in column[(column.n == column.runs) & ~column.control].to_dict("records"):
        if len(row["protocols"]) == 1:
            groups.setdefault(row["protocols"][0], []).append(row["method"])
    sizes = sorted((len(group) for group in groups.values()), reverse=True)
    if not sizes or sizes[0] < 2 or sizes.count(sizes[0]) > 1:
        return []
    return max(groups.values(), key=len)


def best(column: pd.DataFrame) -> str | None:
    """The method with the best mean, in the direction of the metric; none where it has none."""
    means = column[column.method.isin(ranked(column))].set_index("method")["mean"]
    directions = set(column.direction.dropna())
    if means.empty or directions not in ({"lower"}, {"higher"}):
        return None
    return str(means.idxmin() if directions == {"lower"} else means.idxmax())
