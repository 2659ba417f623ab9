"""The table of distances of samples from training images, above the floor."""

import math
from collections.abc import Mapping

import pandas as pd

from benchmark.records.records import DISTANCES, FLOOR
from benchmark.report import collected
from benchmark.report.asked import Suite
from benchmark.report.frame import selected, suite_name
from benchmark.report.labels import Labels, Styles, labels_of, styles_of
from benchmark.report.numbers import mean_sd
from benchmark.report.reproduction import against_of
from benchmark.report.table import DASH, Cell, Table
from benchmark.report.tables import notes
from benchmark.report.tables.cells import decimals
from benchmark.report.tables.columns import Column, columns, method_rows, methods_of
from benchmark.report.tables.footnotes import Footnotes
from benchmark.report.tables.measurement import cells
from benchmark.report.tables.written import write_table
from benchmark.suite import published

ACCURACY = "classifier_accuracy"
STATED = ("extractor", "resize", "reference", "samples", "noise", "solver", "atol", "rtol")
"""Keys of the protocol that a note gives."""


def write(suite: Suite) -> None:
    """The files of the table."""
    frame, floors = collected.read(suite), collected.floors(suite)
    labels = {name: label for name, label in labels_of(suite).items() if name in suite.images}
    against = {name: other.published for name, other in against_of(suite).items()}
    made = table(frame, floors, styles_of(suite), labels, against)
    write_table(suite, DISTANCES, made, frame[frame.measurement == DISTANCES])


def table(
    frame: pd.DataFrame,
    floors: pd.DataFrame,
    styles: Styles,
    labels: Labels,
    against: Mapping[str, str],
) -> Table:
    """Distances of samples from training images; below, those of test images, the floor.

    ``floors`` is the frame of the records of the floor, ``labels`` are those of data sets of
    images, and ``against`` says what data sets with published results are called there.
    """
    frame, footnotes = selected(frame, styles, labels), Footnotes()
    shown = columns(frame, DISTANCES, "Distance", labels)
    entries = [
        {**cells(column, styles, footnotes), FLOOR: _floor_cell(column, floors)} for column in shown
    ]
    return Table(
        caption=f"Distance of samples from training images, suite {suite_name(frame)}.",
        columns=("Method\n", *(column.heading for column in shown)),
        rows=method_rows({**methods_of(frame, styles), FLOOR: "Test images (floor)"}, entries),
        notes=(
            *_notes(frame, floors, shown, styles, labels),
            *_published(shown, against),
            *footnotes.notes(),
        ),
    )


def _floor_cell(column: Column, floors: pd.DataFrame) -> Cell:
    values = floors.value[(floors.dataset == column.dataset) & (floors.metric == column.metric)]
    if values.empty:
        return Cell(DASH)
    return Cell(mean_sd(values.iloc[0], math.nan, decimals(column.means)))


def _notes(
    frame: pd.DataFrame,
    floors: pd.DataFrame,
    shown: list[Column],
    styles: Styles,
    labels: Labels,
) -> list[str]:
    """Notes on the distances, and on how the images were drawn."""
    lines = [
        "Mean ± standard deviation over n refits (seeds). Bold: lowest mean among the methods "
        "measured under one protocol, without a test of significance. NFE: evaluations of the "
        "velocity for one image. The floor is the distance of test images from the training "
        "images by the same code; a set of samples of another size has another bias. Outside: "
        "values of samples outside the range of images, which count as its nearest end.",
    ]
    first = {column.dataset: column.metric for column in reversed(shown)}
    for dataset, label in labels.items():
        floor = floors[floors.dataset == dataset]
        runs = frame[(frame.dataset == dataset) & (frame.metric == first.get(dataset))]
        words = notes.all_stated(runs, [f"protocol.{key}" for key in STATED], styles)
        lines.append(f"{label}: {words or 'not measured'}.")
        lines += [f"{label}: floor of {n:,} test images." for n in floor.n[:1]]
        lines += [
            f"{label}: the classifier classifies {share:.1%} of the test images correctly."
            for share in floor.value[floor.metric == ACCURACY]
        ]
    own = frame[(frame.measurement == DISTANCES) & frame.heading.notna()]
    return lines + notes.origins(own[own.direction != "none"], styles, labels)


def _published(shown: list[Column], against: Mapping[str, str]) -> list[str]:
    """Published FIDs, for context: of other code, and of other numbers of images."""
    lines, statuses = [], []
    for column in shown:
        results = published.results(column.metric).get(against.get(column.dataset, ""), {})
        words = [
            f"{published.LABELS[method]} {result.value:g}{published.MARKS[result.status]}"
            for method, result in results.items()
        ]
        statuses += [result.status for result in results.values()]
        if words:
            lines.append(
                f"{column.label}: published {column.metric.upper()}, by other code (of the "
                f"resizing, on which it depends, papers say little): {', '.join(words)}."
            )
    return [*lines, published.explained(statuses)] if lines else []
