"""The table of significance, by hand."""

import math

from reporting import DATASETS, STYLES, record, seeds

from benchmark.report import frame as frames
from benchmark.report.significance import Comparison, Paired
from benchmark.report.tables import significance

__all__ = ["record"]  # the fixture


def test_every_comparison_is_a_row_in_words(record):
    frame = frames.metrics(seeds(record, "ffjord", [1.0]), {})
    found = {
        "moons": [
            Comparison("ffjord", "ot_flow", 3, 0.1234, Paired(0.00001, 0.021), 0.042, 0.01),
            Comparison("ffjord", "interpolant", 1, 0.5, Paired(0.03, None), None, math.inf),
            Comparison("ffjord", "score_sde", 0, math.nan, Paired(None, None), None, math.inf),
        ]
    }
    table = significance.table(frame, STYLES, DATASETS, found)
    heads = [column.replace("\n", " ").strip() for column in table.columns]
    assert heads == [
        *("Data set", "Best", "Other", "n", "Difference of the mean NLL"),
        *("p over test rows", "p over seeds", "p (Holm)", "In words"),
    ]
    few = "n too small to tell"
    assert [[cell.text for cell in row] for row in table.rows] == [
        ["Moons", "FFJORD", "OT-Flow", "3", "0.12 nats", "<0.0001", "0.021", "0.042", "differs"],
        ["Moons", "FFJORD", "Interpolant", "1", "0.5 nats", "0.03", "—", "—", few],
        ["Moons", "FFJORD", "Score SDE", "0", "—", "—", "—", "—", few],
    ]
    assert not any("may be ranked" in note for note in table.notes)


def test_nothing_to_compare_is_said(record):
    frame = frames.metrics(seeds(record, "ffjord", [1.0]), {})
    table = significance.table(frame, STYLES, DATASETS, {})
    assert table.rows == () and "No data set has two methods" in table.notes[-1]
