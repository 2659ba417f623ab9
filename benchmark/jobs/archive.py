"""Packs the finished runs of a suite into one file, and merges such files.

``python -m benchmark.jobs.archive SUITE [SAMPLES]`` writes ``results/archives/SUITE.crate.zip``,
with so many samples of each run, none without that. With ``merge TARGET ARCHIVE ARCHIVE ...`` it
writes several archives of one suite as one.
"""

import csv
import importlib.metadata
import io
import json
import sys
from collections.abc import Iterable, Iterator
from functools import reduce
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np

from benchmark.archives import contents
from benchmark.archives.contents import Contents, Finished
from benchmark.archives.index import ArchivedRows, ArchivedRun
from benchmark.data import catalogue
from benchmark.data.description import Description, describe
from benchmark.jobs.command import suite_named
from benchmark.records import arrays
from benchmark.records.model_file import ModelFile
from benchmark.records.records import NLL, Record, RecordFile
from benchmark.records.run import Run, data_folder, suite_folder
from benchmark.report.gaps import gaps, measurement_gap
from benchmark.section import plain
from benchmark.suite.suite import Suite

FOLDER = suite_folder("archives")
LOSS = 3
"""Columns of a training curve that every step has: step, seconds, loss."""
NO_DOWNLOAD = "made without a download"


def packed(suite: Suite, samples: int = 0) -> Contents:
    """The finished runs of a suite, each with as many ``samples``.

    Runs with a gap, and those that come from an archive themselves, are left out.
    """
    missing = gaps(suite)
    whole = [r for r in suite.runs if r not in missing and r.method not in suite.archives]
    datasets = {name: _rows(suite, name) for name in dict.fromkeys(run.dataset for run in whole)}
    runs = {run.folder.relative_to(suite_folder(suite.name)): run for run in whole}
    finished = {name.as_posix(): _finished(suite, run, samples) for name, run in runs.items()}
    return Contents(suite.name, datasets, finished, dict(_shared(suite)))


def _rows(suite: Suite, name: str) -> ArchivedRows:
    described, entry = describe(data_folder(suite.name, name)), suite.datasets[name]
    licence = catalogue.source(entry.source).licence if entry.source else NO_DOWNLOAD
    return ArchivedRows(
        label=entry.label,
        hash=described.hash,
        rows=described.rows,
        unit=described.unit,
        licence=licence,
    )


def _finished(suite: Suite, run: Run, samples: int) -> Finished:
    described = describe(run.data)
    measured = [n for n in suite.measurements_of(run) if measurement_gap(suite, run, n) is None]
    records = {name: RecordFile.load(run.measurement(name)).records for name in measured}
    files = dict(_files(suite, run, described, samples))
    values = arrays.log_prob(run.log_prob, described.rows["test"]).astype(np.float32)
    about = _about(suite, run, records, files)
    return Finished(about, values, tuple(r for own in records.values() for r in own), files)


def _about(
    suite: Suite, run: Run, records: dict[str, list[Record]], files: Iterable[str]
) -> ArchivedRun:
    nll, ours = records[NLL][0], suite.is_ours(run.method)
    return ArchivedRun(
        dataset=run.dataset,
        method=run.method,
        seed=run.seed,
        measurements=tuple(records),
        files=tuple(sorted(files)),
        fit=ModelFile.load(run.model).provenance["config"] if ours else None,
        evaluation=nll.provenance["config"] if ours else None,
        protocol=nll.protocol,
    )


def _files(
    suite: Suite, run: Run, described: Description, samples: int
) -> Iterator[tuple[str, bytes]]:
    """The training curve where it was evaluated, the target of figures, and samples."""
    if suite.is_trained(run):
        yield run.history.name, _evaluated(run.history.read_text()).encode()
    if suite.is_oracle(run.method) and run.density.exists():
        with np.load(run.density) as drawn:
            log_density = drawn["log_density"].astype(np.float32)
            both = {"log_density": log_density, "extent": drawn["extent"]}
        yield run.density.name, _saved(np.savez_compressed, **both)
    if samples:
        drawn = arrays.drawn(run.samples, described.event, described.levels)
        yield run.samples.name, _saved(np.save, drawn[:samples].astype(np.float32))


def _evaluated(curve: str) -> str:
    """The rows of a training curve in which something beside the loss was evaluated."""
    header, *rows = csv.reader(io.StringIO(curve))
    kept = io.StringIO()
    writer = csv.writer(kept, lineterminator="\n")
    writer.writerows([header, *(row for row in rows if any(row[LOSS:]))])
    return kept.getvalue()


def _saved(save: Any, *values: np.ndarray, **named: np.ndarray) -> bytes:
    """The file that numpy writes."""
    written = io.BytesIO()
    save(written, *values, **named)
    return written.getvalue()


def _shared(suite: Suite) -> Iterator[tuple[str, bytes]]:
    """The config, the packages that are installed, and the tables as they are now."""
    config = json.dumps(_without_folders(plain(suite.section)), indent=1, sort_keys=True)
    installed = {f"{d.name}=={d.version}" for d in importlib.metadata.distributions()}
    yield _by_content("config", ".json", config)
    yield _by_content("environment", ".txt", "\n".join(sorted(installed, key=str.lower)) + "\n")
    for table in sorted((suite_folder(suite.name) / "tables").glob("*.md")):
        yield f"{contents.TABLES}{table.name}", table.read_bytes()


def _by_content(folder: str, suffix: str, text: str) -> tuple[str, bytes]:
    return f"{folder}/{sha256(text.encode()).hexdigest()[:16]}{suffix}", text.encode()


def _without_folders(section: Any) -> Any:
    """A section of a config in which of absolute paths only the names of files are left."""
    if isinstance(section, dict):
        return {key: _without_folders(value) for key, value in section.items()}
    if isinstance(section, list):
        return [_without_folders(value) for value in section]
    return Path(section).name if isinstance(section, str) and section[:1] == "/" else section


def write(name: str, samples: int, config: str = "config.yaml") -> Path:
    """Pack a suite of a config file. Raises ``ValueError`` where no run is finished."""
    suite = suite_named(name, config)
    made, target = packed(suite, samples), FOLDER / f"{name}.crate.zip"
    if not made.runs:
        raise ValueError(f"Suite {name} has no finished run of its own. Run it first.")
    made.write(target)
    left = len(suite.runs) - len(made.runs)
    rest = f" {left} runs have gaps, or come from an archive, and are left out." if left else ""
    print(f"{target}: {len(made.runs)} runs, {target.stat().st_size:,} bytes.{rest}")
    return target


def merge(target: Path, archives: Iterable[str]) -> None:
    """Write several archives of one suite as one."""
    made = reduce(contents.merged, map(contents.read, archives))
    made.write(target)
    print(f"{target}: {len(made.runs)} runs, {target.stat().st_size:,} bytes.")


def _number(word: str) -> int:
    if not word.isdecimal():
        raise ValueError(f"SAMPLES is {word!r}; allowed is a number of samples, 0 or more.")
    return int(word)


def main(words: list[str]) -> None:
    """Pack or merge; ends with the reason where that cannot be."""
    try:
        if words[0] == "merge":
            merge(Path(words[1]), words[2:])
        else:
            write(words[0], _number(words[1]) if words[1:] else 0)
    except (ValueError, OSError) as error:
        sys.exit(str(error))


if __name__ == "__main__":
    main(sys.argv[1:])
