"""Published results beside measured ones: how far apart they are, and whether that is much.

A method stands beside the published number of its name, and a variant (``interpolant-fourier``)
beside that of its method. Methods that are only published follow, for context.
"""

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import pandas as pd

from benchmark.report import tables
from benchmark.report.table import DASH, Cell, Table
from benchmark.report.tables import Comparisons, Footnotes, Styles
from benchmark.suite import published
from benchmark.suite.published import LABELS, MARKS, UPPER_BOUNDS, Published, explained

NOT_PUBLISHED = "not published"
NOT_RUN = "not run in this suite"

Verdict = Literal["within", "better", "worse", "missing"]


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


def rows(
    frame: pd.DataFrame, styles: Styles, against: Mapping[str, Mapping[str, Any]]
) -> list[Row]:
    """Data set by data set the methods of the suite, then those that are only published.

    ``frame`` is that of ``tables.metrics``; ``against`` maps a data set to ``as, tolerance``.
    """
    return list(_rows(frame, styles, against))


def passes(found: Sequence[Row]) -> bool:
    """Whether something was compared, and all of it is within tolerance."""
    return {row.verdict for row in found if row.verdict is not None} == {"within"}


def has_published(method: str, given: str) -> bool:
    """Whether a method, or the one it varies, has a number on the published data set ``given``."""
    return _name(method) in published.results("nll")[given]


def summary(found: Sequence[Row], styles: Styles, labels: Mapping[str, str]) -> str:
    """A line per comparison, and one that says what comes of them."""
    compared = [row for row in found if row.verdict is not None]
    lines = [_words(row, styles, labels) for row in compared]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    text = [
        "  ".join(word.ljust(width) for word, width in zip(line, widths, strict=True)).rstrip()
        for line in lines
    ]
    return "\n".join([*text, _conclusion(compared)])


def table(
    frame: pd.DataFrame,
    styles: Styles,
    labels: Mapping[str, str],
    against: Mapping[str, Mapping[str, Any]],
    comparisons: Comparisons,
) -> Table:
    """Four columns per data set of ``against``: published, measured, difference, verdict."""
    found = rows(frame, styles, against)
    names = {**LABELS, **{name: style["label"] for name, style in styles.items()}}
    shown = {name: labels[name] for name in against}
    footnotes = Footnotes()
    columns, entries = [], []
    for dataset, label in shown.items():
        unit = tables.unit(frame, dataset, "nll")
        heads = ("published", f"measured [{unit}]", "difference", "verdict")
        columns += [f"{label}\n{head}" for head in heads]
        cells = tables.summary(frame[frame.dataset == dataset])
        column = cells[cells.metric == "nll"]
        means = tables.mean_cells(column, styles, label, footnotes, comparisons)
        own = [row for row in found if row.dataset == dataset]
        entries.append({row.method: _cells(row, means, tables.decimals(column)) for row in own})
    methods = dict.fromkeys(row.method for row in found)
    absent = [Cell(DASH)] * 4
    return Table(
        caption=f"Published and measured NLL on test data, suite {tables.suite_of(frame)}.",
        columns=("Method\n", *columns),
        rows=tuple(
            (Cell(names[method]), *(cell for e in entries for cell in e.get(method, absent)))
            for method in methods
        ),
        notes=(
            *_notes(found, styles, shown, against),
            *tables.nll_notes(frame, styles, shown, comparisons),
            *footnotes.notes(),
        ),
    )


# Rows


def _rows(
    frame: pd.DataFrame, styles: Styles, against: Mapping[str, Mapping[str, Any]]
) -> Iterator[Row]:
    cells = tables.summary(frame)
    nll = cells[cells.metric == "nll"]
    measured = {(row["dataset"], row["method"]): row for row in nll.to_dict("records")}
    for dataset, said in against.items():
        known, ours = published.results("nll")[said["as"]], {_name(method) for method in styles}
        for method in (*styles, *(name for name in known if name not in ours)):
            found, value = measured.get((dataset, method)), known.get(_name(method))
            if found is not None or value is not None:
                yield _row(dataset, method, found, value, said["tolerance"])


def _name(method: str) -> str:
    """The method, of a variant of it."""
    return method.partition("-")[0]


def _row(
    dataset: str,
    method: str,
    found: Mapping[Any, Any] | None,
    value: Published | None,
    tolerance: float,
) -> Row:
    measured = found["mean"] if found and found["n"] else None
    difference = measured - value.value if measured is not None and value else None
    verdict, reason = _verdict(found, value, difference, tolerance)
    return Row(
        *(dataset, method),
        published=value.value if value else None,
        status=value.status if value else None,
        measured=measured,
        sd=found["sd"] if found and not math.isnan(found["sd"]) else None,
        n=found["n"] if found else 0,
        difference=difference,
        tolerance=tolerance,
        verdict=verdict,
        reason=reason,
    )


def _verdict(
    found: Mapping[Any, Any] | None,
    value: Published | None,
    difference: float | None,
    tolerance: float,
) -> tuple[Verdict | None, str | None]:
    """The verdict, and the reason where nothing is compared or something is missing."""
    if value is None:
        return None, NOT_PUBLISHED
    if found is None:
        return None, NOT_RUN
    if difference is None or found["n"] < found["runs"]:
        return "missing", "; ".join(dict.fromkeys(found["reasons"].values()))
    if abs(difference) <= tolerance:
        return "within", None
    return ("better" if difference < 0 else "worse"), None


# Cells and words


def _cells(row: Row, means: Mapping[str, Cell], decimals: int) -> list[Cell]:
    nothing = NOT_PUBLISHED if row.reason == NOT_PUBLISHED else DASH
    return [
        Cell(_published(row)),
        means.get(row.method, Cell(DASH)),
        Cell(_signed(row.difference, decimals)),
        Cell(row.verdict or nothing),
    ]


def _published(row: Row) -> str:
    return DASH if row.status is None else f"{row.published:.2f}{MARKS[row.status]}"


def _signed(difference: float | None, decimals: int | None) -> str:
    if difference is None:
        return DASH
    text = tables.mean_sd(difference, math.nan, decimals)
    return text if text.startswith("-") else f"+{text}"


def _words(row: Row, styles: Styles, labels: Mapping[str, str]) -> tuple[str, ...]:
    sd = math.nan if row.sd is None else row.sd
    mean = DASH if row.measured is None else tables.mean_sd(row.measured, sd, None)
    return (
        labels[row.dataset],
        styles[row.method]["label"],
        f"published {_published(row)}",
        f"measured {mean} (n={row.n})",
        f"difference {_signed(row.difference, None)}",
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


# Notes


def _notes(
    found: Sequence[Row],
    styles: Styles,
    labels: Mapping[str, str],
    against: Mapping[str, Mapping[str, Any]],
) -> list[str]:
    shown = [row for row in found if row.status is not None]
    tolerances = [f"{label} {against[name]['tolerance']:g}" for name, label in labels.items()]
    return [
        *_origin(shown, against),
        "Difference: measured less published. Verdict: within the tolerance, or better (lower) or "
        "worse (higher) than published by more, either of which is out of tolerance; missing: not "
        "measured by every seed.",
        f"The tolerances are ours, in the unit of the NLL: {', '.join(tolerances)}.",
        *(_beside(label, against[name]) for name, label in labels.items()),
        *_variants({row.method for row in shown if row.method in styles}, styles),
    ]


def _origin(shown: Iterable[Row], against: Mapping[str, Mapping[str, Any]]) -> list[str]:
    """Where the published numbers come from, what their marks mean, and which are bounds."""
    known = published.results("nll")
    pairs = [(known[against[row.dataset]["as"]][_name(row.method)], row) for row in shown]
    sources = sorted({value.source for value, _ in pairs})
    marks = explained(value.status for value, _ in pairs)
    bounds = sorted({LABELS[row.method] for _, row in pairs if row.method in UPPER_BOUNDS})
    return [
        *([f"Published: test NLL from {', '.join(sources)}. {marks}"] if sources else []),
        *([f"Upper bounds: {', '.join(bounds)}."] if bounds else []),
    ]


def _beside(label: str, said: Mapping[str, Any]) -> str:
    remark = f": {said['remark'].rstrip('.')}" if "remark" in said else ""
    return f"{label} stands beside the published {said['as']}{remark}."


def _variants(methods: Iterable[str], styles: Styles) -> list[str]:
    found = [styles[name]["label"] for name in styles if name in methods and name != _name(name)]
    return [f"Beside the number of the method they vary: {', '.join(found)}."] if found else []
