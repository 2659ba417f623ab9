"""Keeps finished results after an edit of the code that changes no numbers.

``python -m benchmark.jobs.keep SUITE`` notes, in ``results/SUITE/kept.json``, that results count as
made with the source of today. Nothing of them is run again, and tables say at which commit they
were made.
"""

import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from benchmark.data.description import DESCRIPTION
from benchmark.files import read_json
from benchmark.jobs.command import suite_named
from benchmark.records.run import Run, data_folder, floor_file
from benchmark.report.runs import drawn
from benchmark.suite.sources import Kept
from benchmark.suite.suite import Parts, Suite
from benchmark.suite.words import ConfigError, in_file


@dataclass(frozen=True)
class Result:
    """A file, the source that it depends on, and what it says of the source that made it."""

    file: Path
    parts: Parts
    source: str
    commit: str | None


def results(suite: Suite) -> Iterator[Result]:
    """The finished results of a suite."""
    for dataset in suite.datasets:
        yield from _of_data(suite, dataset)
    for run in suite.runs:
        if run.method in suite.archives:
            continue
        if suite.is_ours(run.method):
            yield from _of_run(suite, run)
        for name in suite.measurements_of(run):
            parts = suite.measurement_parts(run, name)
            yield from _of_records(run.measurement(name), parts)
    for job, runs in drawn(suite).items():
        for run in runs:
            yield from _of_drawing(suite, run, run.drawing(job))


def keep(suite: Suite) -> dict[str, Kept]:
    """Keep all finished results that were made with other source; what is kept, by its digest.

    Raises ``ConfigError`` where results of one kind were made with different versions of the
    source, of which only one can count.
    """
    kept: dict[str, Kept] = {}
    for result in results(suite):
        now = suite.sources.now(*result.parts)
        if result.source != suite.sources.of(*result.parts):
            known = kept.setdefault(now, Kept(source=result.source, commit=result.commit, what=[]))
            if known.source != result.source:
                raise ConfigError(in_file("results", [_two_versions(known, result)]))
            known.what.append(str(result.file))
    suite.sources.keep(kept)
    return kept


def _of_data(suite: Suite, dataset: str) -> Iterator[Result]:
    described = data_folder(suite.name, dataset) / DESCRIPTION
    if described.exists() and (source := read_json(described).get("source")):
        yield Result(described, suite.prepare_parts(dataset), source, None)
    floor = floor_file(suite.name, dataset)
    yield from _of_records(floor, ("benchmark.jobs.reference", []))


def _of_run(suite: Suite, run: Run) -> Iterator[Result]:
    for job, file in (("search", run.search), ("train", run.model), ("evaluate", run.likelihood)):
        if file.exists():
            made = read_json(file)["provenance"]
            yield _result(file, suite.run_parts(run, job), made, made["source"])


def _of_drawing(suite: Suite, run: Run, file: Path) -> Iterator[Result]:
    if file.exists():
        with np.load(file) as stored:
            yield Result(file, suite.run_parts(run, "draw"), str(stored["source"]), None)


def _of_records(file: Path, parts: Parts) -> Iterator[Result]:
    """The records of a measurement, which may derive from files with a source of their own."""
    if file.exists() and (records := read_json(file)["records"]):
        made = records[0]["provenance"]
        yield _result(file, parts, made, made.get("measurement", made["source"]))


def _result(file: Path, parts: Parts, made: dict[str, Any], source: str) -> Result:
    return Result(file, parts, source, made.get("commit"))


def _two_versions(known: Kept, result: Result) -> str:
    return (
        f"{known.what[0] if known.what else '?'} and {result.file} were made with different "
        f"versions of the source ({known.source}, {result.source}), of which one can be kept. "
        f"Remove the older one; it is made again."
    )


def main(suite: str, config: str = "config.yaml") -> None:
    """Keep the results of a suite of a config file, and print what that was."""
    kept = keep(suite_named(suite, config))
    count = sum(len(entry.what) for entry in kept.values())
    print(f"Kept {count} results of suite {suite}." if count else "Nothing to keep.")


if __name__ == "__main__":
    main(*sys.argv[1:])
