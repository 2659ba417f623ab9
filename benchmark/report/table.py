"""A formatted table, and its files: CSV, Markdown and LaTeX."""

import csv
import re
from dataclasses import dataclass, replace
from itertools import groupby, zip_longest
from pathlib import Path
from typing import NamedTuple

from benchmark.files import atomic
from benchmark.report.escapes import latex, markdown, markdown_cell

DASH = "—"
MAX_COLUMNS = 12
"""Columns of a table in Markdown or LaTeX; one with more is broken into parts."""


class Cell(NamedTuple):
    """One entry; ``bold``: the best mean of a column, ``underlined``: not significantly worse."""

    text: str
    bold: bool = False
    underlined: bool = False


@dataclass(frozen=True)
class Table:
    """Formatted cells with what is needed to read them. A newline in a heading splits it."""

    caption: str
    columns: tuple[str, ...]
    rows: tuple[tuple[Cell, ...], ...]
    notes: tuple[str, ...]


def write(table: Table, stem: str | Path) -> None:
    """The table as ``<stem>.csv``, ``<stem>.md`` and ``<stem>.tex`` (needs only booktabs)."""
    with atomic(f"{stem}.csv") as temporary, temporary.open("w", newline="") as file:
        lines = csv.writer(file, lineterminator="\n")
        lines.writerow([column.replace("\n", " ").strip() for column in table.columns])
        lines.writerows([[cell.text for cell in row] for row in table.rows])
    with atomic(f"{stem}.md") as temporary:
        temporary.write_text(_markdown(table))
    with atomic(f"{stem}.tex") as temporary:
        temporary.write_text(_latex(table))


def _parts(table: Table) -> list[Table]:
    """Parts of at most ``MAX_COLUMNS`` columns, each with the first one.

    Columns that share the first line of their heading stay together.
    """
    places = range(1, len(table.columns))
    parts = [[0]]
    for _, group in groupby(places, key=lambda place: table.columns[place].split("\n")[0]):
        together = list(group)
        if 1 < len(parts[-1]) > MAX_COLUMNS - len(together):
            parts.append([0])
        parts[-1] += together
    return [
        replace(
            table,
            columns=tuple(table.columns[place] for place in part),
            rows=tuple(tuple(row[place] for place in part) for row in table.rows),
        )
        for part in parts
    ]


def as_markdown(table: Table) -> str:
    """The cells of a table in Markdown, without caption and notes."""
    return "\n\n".join(map(_markdown_part, _parts(table)))


def _markdown(table: Table) -> str:
    notes = "\n".join(f"- {markdown(note)}" for note in table.notes)
    return "\n\n".join([markdown(table.caption), *map(_markdown_part, _parts(table)), f"{notes}\n"])


def _markdown_part(table: Table) -> str:
    heading = [
        "<br>".join(map(markdown_cell, column.strip().split("\n"))) for column in table.columns
    ]
    lines = [heading, *([_markdown_cell(cell) for cell in row] for row in table.rows)]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    rule = "|" + "|".join("-" * (width + 2) for width in widths) + "|"
    text = [
        "| "
        + " | ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True))
        + " |"
        for line in lines
    ]
    return "\n".join([text[0], rule, *text[1:]])


def _markdown_cell(cell: Cell) -> str:
    text = markdown_cell(cell.text)
    text = f"<u>{text}</u>" if cell.underlined else text
    return f"**{text}**" if cell.bold else text


def _latex(table: Table) -> str:
    return "\n".join(
        [
            r"\begin{table}",
            r"\centering\small\setlength{\tabcolsep}{4pt}",
            rf"\caption{{{latex(table.caption)}}}",
            "\\par\\medskip\n".join(map(_latex_part, _parts(table))),
            r"\par\medskip\raggedright\footnotesize",
            *(rf"{latex(note)}\par" for note in table.notes),
            r"\end{table}",
            "",
        ]
    )


def _latex_part(table: Table) -> str:
    rows = [" & ".join(map(_latex_cell, row)) + r" \\" for row in table.rows]
    return "\n".join(
        [
            rf"\begin{{tabular}}{{{'l' * len(table.columns)}}}",
            r"\toprule",
            *_latex_headings(table),
            r"\midrule",
            *rows,
            r"\bottomrule",
            r"\end{tabular}",
        ]
    )


def _latex_headings(table: Table) -> list[str]:
    """Lines of headings, with one for neighbours that share their first line, and a rule below."""
    first, *others = zip_longest(*(column.split("\n") for column in table.columns), fillvalue="")
    texts, rules, place = [], [], 1
    for text, group in groupby(first):
        span = len(list(group))
        texts.append(latex(text) if span == 1 else rf"\multicolumn{{{span}}}{{c}}{{{latex(text)}}}")
        rules += [rf"\cmidrule(lr){{{place}-{place + span - 1}}}"] if span > 1 else []
        place += span
    lines = [" & ".join(texts), *(" & ".join(map(latex, line)) for line in others)]
    top, *below = [rf"{line} \\" for line in lines]
    return [top, *rules, *below]


def _latex_cell(cell: Cell) -> str:
    text = latex(cell.text)
    text = f"$-${text[1:]}" if re.match(r"-\d", text) else text
    text = rf"\underline{{{text}}}" if cell.underlined else text
    return rf"\textbf{{{text}}}" if cell.bold else text
