"""All tables and figures: which of them a suite has, made from which files, by which function.

The rules of the workflow are made from ``outputs`` in a loop, and each of them calls ``write``.
Nothing here reads a result, and no writer is imported before it is needed.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from benchmark import names
from benchmark.data.description import DESCRIPTION
from benchmark.records.records import COST, DISTANCES, NLL, config_hash
from benchmark.records.run import SAMPLES, Run, data_folder, floor_file, metrics_file, suite_folder
from benchmark.report import runs
from benchmark.report.asked import Suite
from benchmark.report.gaps import gaps
from benchmark.report.labels import labels_of, styles_of
from benchmark.report.reproduction import against_of
from benchmark.suite import published

OWN_TABLES = (NLL, COST, DISTANCES)
"""Measurements with a table of their own; every other one has the general table."""


@dataclass(frozen=True)
class Output:
    """A table or figure of a suite, which is made by a rule of its own.

    ``name`` is its place in the folder of the suite without a suffix, ``writer`` the dotted name of
    a function of the suite and ``arguments``, ``shows`` a hash of what it shows of the suite itself
    (labels, colours, terms). ``data`` are prepared folders without which there is no output, not
    even one with gaps. An output ``on_request`` is made only for a target that names it.
    """

    name: str
    rule: str
    inputs: tuple[Path, ...]
    outputs: tuple[Path, ...]
    writer: str
    arguments: tuple[str, ...] = ()
    shows: str = ""
    data: tuple[Path, ...] = ()
    on_request: bool = False

    @property
    def module(self) -> str:
        """The module whose source the output depends on."""
        return names.module_of(self.writer)

    def write(self, suite: Suite) -> None:
        """Make it of what is there."""
        names.load(self.writer)(suite, *self.arguments)


def outputs(suite: Suite) -> list[Output]:
    """All tables and figures of a suite."""
    return [output for kind in (*TABLES, *FIGURES, _cards) for output in kind(suite)]


def outputs_with_gaps(suite: Suite) -> list[Output]:
    """The tables and figures that can be made of what is there, from the files of whole runs."""
    every, incomplete = outputs(suite), [run.folder for run in gaps(suite)]
    made = {file for output in every for file in output.outputs}
    return [
        replace(output, inputs=tuple(_whole(output.inputs, incomplete, made)))
        for output in every
        if all((folder / DESCRIPTION).exists() for folder in output.data)
    ]


def write(suite: Suite, name: str) -> None:
    """Make the table or figure ``name``; raises ``ValueError`` if the suite has none."""
    known = {output.name: output for output in outputs(suite)}
    if name not in known:
        raise ValueError(f"Report: found {name!r}; allowed are {', '.join(known)}.")
    known[name].write(suite)


def write_failure(suite: Suite, name: str, reason: str) -> None:
    """In place of the figure ``name`` one that says why it could not be drawn."""
    (figure,) = [output for output in outputs(suite) if output.name == name]
    names.load("benchmark.report.figures.missing.write")(figure.outputs, reason)


def _whole(files: Iterable[Path], incomplete: Sequence[Path], made: set[Path]) -> list[Path]:
    """Files that exist, in no folder of an incomplete run; and those that other outputs are."""
    there = (file for file in files if file in made or file.exists())
    return [file for file in there if not any(map(file.is_relative_to, incomplete))]


# Tables


def _metrics(suite: Suite) -> list[Output]:
    """The frame of all records, which the tables of the whole suite are made from."""
    files, inputs = _files(suite, "metrics", ".csv", ".parquet"), tuple(_records(suite, suite.runs))
    return [Output("metrics", "metrics", inputs, files, "benchmark.report.collected.write")]


def _nll(suite: Suite) -> list[Output]:
    return [_table(suite, NLL, [_frame(suite), *_rows(suite.runs)])]


def _cost(suite: Suite) -> list[Output]:
    return [_table(suite, COST, [_frame(suite)])]


def _significance(suite: Suite) -> list[Output]:
    return [_table(suite, "significance", [_frame(suite), *_rows(suite.runs)])]


def _distances(suite: Suite) -> list[Output]:
    """Where images are compared by their features."""
    return [_table(suite, DISTANCES, [_frame(suite), *_floors(suite)])] if suite.images else []


def _further(suite: Suite) -> list[Output]:
    """A table for each further measurement."""
    further = [name for name in runs.measurements(suite) if name not in OWN_TABLES]
    return [
        replace(
            _table(suite, name, [_frame(suite)]),
            rule=f"measurement_table_{name}",
            writer="benchmark.report.tables.measurement.write",
            arguments=(name,),
        )
        for name in further
    ]


def _reproduction(suite: Suite) -> list[Output]:
    """Published and measured numbers of every data set that stands beside published ones."""
    every = tuple(suite.published)
    return [_reproduced(suite, "reproduction", every)] if every else []


def _reproductions(suite: Suite) -> list[Output]:
    """Published and measured numbers of one data set, for a target that asks for it."""
    return [
        replace(_reproduced(suite, f"reproduction_{name}", (name,)), on_request=True)
        for name in suite.published
    ]


def _reproduced(suite: Suite, name: str, datasets: tuple[str, ...]) -> Output:
    """From the records, not from the frame of all: other data sets are not waited for."""
    own = [run for run in suite.runs if run.dataset in datasets]
    table = _table(suite, name, [*_records(suite, own), *_rows(own)])
    return replace(
        table,
        outputs=(*table.outputs, suite_folder(suite.name) / "tables" / f"{name}.json"),
        writer="benchmark.report.tables.reproduction.write",
        arguments=(name, *datasets),
    )


TABLES: tuple[Callable[[Suite], list[Output]], ...] = (
    *(_metrics, _nll, _cost, _significance, _distances, _further),
    *(_reproduction, _reproductions),
)


# Figures


def _samples(suite: Suite) -> list[Output]:
    """Samples of each data set."""
    figures = []
    for name in suite.datasets:
        fits = runs.first_runs_with(suite, name, SAMPLES)
        back = [run.samples_base for run in runs.with_backward(suite) if run.dataset == name]
        drawn = [*(run.samples for run in fits), *back]
        figures.append(_of_data(suite, "samples", name, [*drawn, *_nll_records(fits)]))
    return figures


def _density(suite: Suite) -> list[Output]:
    """Where a density can be drawn: in the plane."""
    fits = runs.with_density(suite)
    files = [*(run.density for run in fits), *_nll_records(fits)]
    return [_figure(suite, "density", files)] if fits else []


def _path(suite: Suite) -> list[Output]:
    """Paths from base to data, of each data set with flows whose path can be drawn."""
    figures = []
    for name in dict.fromkeys(run.dataset for run in runs.with_path(suite)):
        flows = [run for run in runs.with_path(suite) if run.dataset == name]
        drawn = [run for run in runs.with_density(suite) if run.dataset == name]
        truth = [run for run in drawn if suite.is_oracle(run.method)]
        files = [*(run.path for run in flows), *(run.density for run in truth)]
        figure = _of_dataset(suite, "path", name, [*files, *_nll_records([*flows, *truth])])
        film = suite_folder(suite.name) / "figures" / f"path_{name}.gif"
        figures.append(replace(figure, outputs=(*figure.outputs, film)))
    return figures


def _nearest(suite: Suite) -> list[Output]:
    """Samples above their nearest training images, of each data set with ``features``."""
    figures = []
    for name in suite.images:
        fits = runs.first_runs_with(suite, name, SAMPLES)
        files = [*(run.samples for run in fits), *_nll_records(fits)]
        figures.append(_of_data(suite, "nearest", name, files))
    return figures


def _distance_curves(suite: Suite) -> list[Output]:
    """Where images are compared by their features."""
    fits = runs.measured(suite, DISTANCES)
    curves = [run.measurement(DISTANCES, "csv") for run in fits]
    files = [*curves, *_nll_records(fits), *_floors(suite)]
    return [_figure(suite, DISTANCES, files)] if suite.images else []


def _sample_curves(suite: Suite) -> list[Output]:
    """Distances against NFE of each further measurement that has them."""
    figures, writer = [], "benchmark.report.figures.distances.write_curve"
    for name in filter(suite.has_curve, runs.measurements(suite)):
        fits = runs.measured(suite, name)
        files = [run.measurement(name, suffix) for run in fits for suffix in ("csv", "json")]
        figure = _figure(suite, f"nfe_{name}", [*files, *_nll_records(fits)])
        figures.append(replace(figure, writer=writer, arguments=(name,)))
    return figures


def _learning_curves(suite: Suite) -> list[Output]:
    """Where anything is trained."""
    fits = runs.trained(suite)
    files = [*(run.history for run in fits), *_nll_records(fits)]
    return [_figure(suite, "learning_curves", files)] if fits else []


def _diagnostics(suite: Suite) -> list[Output]:
    """Where a method records diagnostics along its training."""
    fits = runs.diagnosed(suite)
    files = [*(run.history for run in fits), *_nll_records(fits)]
    return [_figure(suite, "diagnostics", files)] if fits else []


def _nll_time(suite: Suite) -> list[Output]:
    """Where anything is trained."""
    return [_figure(suite, "nll_time", [_frame(suite)])] if runs.trained(suite) else []


FIGURES: tuple[Callable[[Suite], list[Output]], ...] = (
    *(_samples, _density, _path, _nearest),
    *(_distance_curves, _sample_curves, _learning_curves, _diagnostics, _nll_time),
)


def _cards(suite: Suite) -> list[Output]:
    """The data card of each data set: a page and a figure."""
    return [_card(suite, name, label) for name, label in labels_of(suite).items()]


def _card(suite: Suite, name: str, label: str) -> Output:
    data = data_folder(suite.name, name)
    return Output(
        *(f"data/{name}", f"data_card_{name}", (data,)),
        outputs=_files(suite, f"data/{name}", ".md", ".png"),
        writer="benchmark.report.card.write", arguments=(name,),
        shows=config_hash({"label": label}), data=(data,),
    )  # fmt: skip


# Their parts


def _table(suite: Suite, name: str, inputs: Sequence[Path]) -> Output:
    """The table that ``tables/<name>.py`` writes."""
    return Output(
        *(f"tables/{name}", f"{name}_table", tuple(inputs)),
        outputs=_files(suite, f"tables/{name}", ".csv", ".md", ".tex"),
        writer=f"benchmark.report.tables.{name}.write",
        shows=config_hash(_words(suite)),
    )


def _figure(suite: Suite, name: str, inputs: Sequence[Path]) -> Output:
    """The figure that ``figures/<name>.py`` writes."""
    return Output(
        *(f"figures/{name}", f"{name}_figure", tuple(inputs)),
        outputs=_files(suite, f"figures/{name}", ".png", ".pdf"),
        writer=f"benchmark.report.figures.{name}.write",
        shows=config_hash(_looks(suite)),
    )


def _of_dataset(suite: Suite, name: str, dataset: str, inputs: Sequence[Path]) -> Output:
    """The figure of one data set that ``figures/<name>.py`` writes."""
    stem = f"figures/{name}_{dataset}"
    return replace(
        _figure(suite, name, inputs),
        name=stem,
        rule=f"{name}_figure_{dataset}",
        outputs=_files(suite, stem, ".png", ".pdf"),
        arguments=(dataset,),
    )


def _of_data(suite: Suite, name: str, dataset: str, inputs: Sequence[Path]) -> Output:
    """The figure of one data set that shows its rows too."""
    data = data_folder(suite.name, dataset)
    return replace(_of_dataset(suite, name, dataset, [data, *inputs]), data=(data,))


def _files(suite: Suite, stem: str, *suffixes: str) -> tuple[Path, ...]:
    return tuple(suite_folder(suite.name) / f"{stem}{suffix}" for suffix in suffixes)


def _looks(suite: Suite) -> dict[str, Any]:
    """Labels and colours, in order."""
    styles = [[name, asdict(style)] for name, style in styles_of(suite).items()]
    return {"styles": styles, "labels": list(labels_of(suite).items())}


def _words(suite: Suite) -> dict[str, Any]:
    """The texts of tables beside results: labels, terms, and notes."""
    methods = [[name, style.label] for name, style in styles_of(suite).items()]
    against = {name: asdict(other) for name, other in against_of(suite).items()}
    numbers = published.FILE.read_text() if against else ""
    kept = {commit: list(paths) for commit, paths in suite.kept.items()}
    labels, terms = list(labels_of(suite).items()), suite.comparison_terms
    beside = {"against": against, "published": numbers, "kept": kept}
    return {"methods": methods, "labels": labels, "terms": terms, **beside}


def _frame(suite: Suite) -> Path:
    return metrics_file(suite.name)


def _records(suite: Suite, chosen: Iterable[Run]) -> list[Path]:
    """The record files of all measurements of these runs."""
    return [run.measurement(name) for run in chosen for name in suite.measurements_of(run)]


def _nll_records(chosen: Iterable[Run]) -> list[Path]:
    return [run.measurement(NLL) for run in chosen]


def _rows(chosen: Iterable[Run]) -> list[Path]:
    """The log-densities that are compared in pairs."""
    return [run.log_prob for run in chosen]


def _floors(suite: Suite) -> list[Path]:
    return [floor_file(suite.name, name) for name in suite.images]
