"""The files of a table of a suite, with the terms of the comparison and what was kept."""

from dataclasses import replace

import pandas as pd

from benchmark.records.run import suite_folder
from benchmark.report.asked import Suite
from benchmark.report.table import Table, write
from benchmark.report.tables import notes


def write_table(suite: Suite, name: str, table: Table, shown: pd.DataFrame) -> None:
    """The table as ``tables/<name>``; ``shown`` are the rows of the frame that it shows.

    Its caption is followed by the terms on which the methods are compared, its notes by the
    commits of results that were kept.
    """
    caption = f"{table.caption} {suite.comparison_terms}".strip()
    lines = (*table.notes, *notes.kept(suite.kept, shown))
    stem = suite_folder(suite.name) / "tables" / name
    write(replace(table, caption=caption, notes=lines), stem)
