"""The table of significance: which methods differ from the best, and how sure that is."""

import math

import pandas as pd

from benchmark.records.records import NLL
from benchmark.report import collected
from benchmark.report.asked import Suite
from benchmark.report.frame import suite_name, unit
from benchmark.report.labels import Labels, Styles, labels_of, styles_of
from benchmark.report.significance import CLEAR, LEVEL, Comparison
from benchmark.report.table import DASH, Cell, Table
from benchmark.report.tables.cells import Comparisons
from benchmark.report.tables.written import write_table

COLUMNS = (
    *("Data set\n", "Best\n", "Other\n", "n\n", "Difference\nof the mean NLL"),
    *("p over\ntest rows", "p over\nseeds", "p\n(Holm)", "In words\n"),
)

NOTES = (
    "Best: lowest mean NLL among the methods measured under one protocol, here against each of the "
    "others. Difference: that of the other less that of the best, on the n refits (seeds) that "
    "both have.",
    "p: two-sided paired t tests, over test rows (of differences averaged over the refits: whether "
    "these fits differ on other rows) and over seeds (of differences averaged over the rows: "
    "whether other refits differ). p (Holm): the larger of the two, with Holm's correction for the "
    "comparisons on the data set.",
    f"differs: p (Holm) is at most {LEVEL}; tied: it is above, which is not to say that they are "
    f"equal; n too small to tell: with so few refits or test rows, and so many comparisons, not "
    f"even a difference of {CLEAR:g} standard deviations would be significant, or there is no test "
    "at all (of one refit or row); no spread to tell by: all refits, or all rows, differ by the "
    "same.",
)


def write(suite: Suite) -> None:
    """The files of the table."""
    frame = collected.read(suite)
    compared = collected.comparisons(suite, frame)
    made = table(frame, styles_of(suite), labels_of(suite), compared)
    write_table(suite, "significance", made, frame[frame.measurement == NLL])


def table(frame: pd.DataFrame, styles: Styles, labels: Labels, comparisons: Comparisons) -> Table:
    """A row per data set and comparison; see ``nll.table``."""
    rows = [
        (Cell(label), *_cells(compared, styles, unit(frame, dataset, NLL)))
        for dataset, label in labels.items()
        for compared in comparisons.get(dataset, ())
    ]
    none = () if rows else ("No data set has two methods that may be ranked.",)
    return Table(
        caption=f"Significance of the differences of the NLL, suite {suite_name(frame)}.",
        columns=COLUMNS,
        rows=tuple(rows),
        notes=(*NOTES, *none),
    )


def _cells(compared: Comparison, styles: Styles, unit: str) -> tuple[Cell, ...]:
    best, other = styles[compared.best].label, styles[compared.other].label
    difference = DASH if math.isnan(compared.difference) else f"{compared.difference:.2g} {unit}"
    p_values = map(_p, (compared.p.rows, compared.p.seeds, compared.corrected))
    words = (best, other, f"{compared.n}", difference, *p_values, compared.verdict)
    return tuple(Cell(text) for text in words)


def _p(value: float | None) -> str:
    if value is None or math.isnan(value):
        return DASH
    return f"{value:.2g}" if value >= 1e-4 else "<0.0001"
