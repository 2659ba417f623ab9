"""The contents of an archive of finished runs, as it is written, read and merged.

An archive is one zip file, an RO-Crate: an index, the records of all runs, a table of the
log-densities of the test rows for each data set (a column for each run), further files of runs, and
what the suite was made with. The same contents give the same bytes.
"""

import io
import json
import zipfile
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from benchmark.archives import index
from benchmark.archives.crate import metadata
from benchmark.archives.index import INDEX, METADATA, ArchivedRows, ArchivedRun, Index
from benchmark.files import atomic
from benchmark.records.records import Record, RecordFile

RECORDS, TABLES = "records.json", "tables/"
THEN = (1980, 1, 1, 0, 0, 0)
"""The time of every member: the first that a zip file knows."""
TABLE: dict[str, Any] = {
    **{"compression": "zstd", "compression_level": 19, "use_byte_stream_split": True},
    **{"use_dictionary": False, "write_statistics": False, "store_schema": False},
}
"""How log-densities are written: byte by byte, of which the first ones compress well."""
Place = tuple[str, str, int]
"""Data set, method and seed of a run."""


@dataclass(frozen=True, eq=False)
class Finished:
    """A finished run: what it was made with, log-densities of the test rows, records and files."""

    about: ArchivedRun
    log_prob: np.ndarray
    records: tuple[Record, ...]
    files: Mapping[str, bytes]

    def is_same(self, other: "Finished") -> bool:
        """Whether two are equal, bit by bit."""
        parts = (
            (run.about, run.records, run.files, run.log_prob.tobytes()) for run in (self, other)
        )
        first, second = parts
        return first == second


@dataclass(frozen=True)
class Contents:
    """What an archive has: ``runs`` by their names, ``shared`` files by theirs.

    The name of a shared file that is no table has a hash of its content: two of one name are equal.
    """

    suite: str
    datasets: Mapping[str, ArchivedRows]
    runs: Mapping[str, Finished]
    shared: Mapping[str, bytes]

    def write(self, path: str | Path) -> None:
        """Write the archive."""
        members = self._members()
        described = metadata(self.suite, self.datasets, self._records(), members)
        with atomic(path) as temporary, zipfile.ZipFile(temporary, "w") as archive:
            for name, content in sorted({**members, METADATA: described}.items()):
                about = zipfile.ZipInfo(name, THEN)
                about.external_attr, about.create_system = 0o644 << 16, 3
                archive.writestr(about, content, zipfile.ZIP_DEFLATED, 9)

    def _members(self) -> dict[str, bytes]:
        records = RecordFile(records=self._records()).model_dump(by_alias=True)
        files = {
            _member(name, file): content
            for name, run in self.runs.items()
            for file, content in run.files.items()
        }
        tables = {_table(name): self._log_prob(name) for name in self.datasets}
        return {
            INDEX: _json(self._index().model_dump(by_alias=True)),
            RECORDS: _json(records),
            **tables,
            **files,
            **self.shared,
        }

    def _index(self) -> Index:
        runs = tuple(self.runs[name].about for name in sorted(self.runs))
        return Index(suite=self.suite, datasets=dict(sorted(self.datasets.items())), runs=runs)

    def _records(self) -> list[Record]:
        return [record for name in sorted(self.runs) for record in self.runs[name].records]

    def _log_prob(self, dataset: str) -> bytes:
        own = {name: run for name, run in self.runs.items() if run.about.dataset == dataset}
        columns = {name: pa.array(own[name].log_prob) for name in sorted(own)}
        written = io.BytesIO()
        pq.write_table(pa.table(columns), written, **TABLE)
        return written.getvalue()


def read(path: str | Path) -> Contents:
    """All that an archive has. Raises ``ValueError`` in words for any other file."""
    with index.opened(path) as archive:
        members = {name: archive.read(name) for name in archive.checksums}
    listed = Index.of_text(members[INDEX].decode(), f"{path}: {INDEX}")
    records = _records_of(members, path)
    runs = {about.name: _finished(about, members, records) for about in listed.runs}
    own = {_member(name, file) for name, run in runs.items() for file in run.files}
    known = {INDEX, RECORDS, *map(_table, listed.datasets), *own}
    shared = {name: content for name, content in members.items() if name not in known}
    return Contents(listed.suite, listed.datasets, runs, shared)


def run_of(path: str | Path, about: ArchivedRun) -> Finished:
    """A run of an archive, of which nothing else is read."""
    names = [RECORDS, _table(about.dataset), *(_member(about.name, file) for file in about.files)]
    with index.opened(path) as archive:
        members = {name: archive.read(name) for name in names}
    return _finished(about, members, _records_of(members, path))


def _records_of(members: Mapping[str, bytes], path: str | Path) -> Mapping[Place, list[Record]]:
    """The records of each run of an archive."""
    records: dict[Place, list[Record]] = {}
    for record in RecordFile.of_text(members[RECORDS].decode(), f"{path}: {RECORDS}").records:
        place = record.dataset, record.method, record.seed
        records.setdefault(place, []).append(record)
    return records


def _finished(
    about: ArchivedRun, members: Mapping[str, bytes], records: Mapping[Place, list[Record]]
) -> Finished:
    table = pq.read_table(io.BytesIO(members[_table(about.dataset)]), columns=[about.name])
    return Finished(
        about,
        table.column(0).to_numpy(),
        tuple(records.get((about.dataset, about.method, about.seed), ())),
        {file: members[_member(about.name, file)] for file in about.files},
    )


def merged(first: Contents, second: Contents) -> Contents:
    """Both in one: more runs, methods or data sets of one suite.

    Raises ``ValueError`` that names each data set and run in which they contradict each other.
    Tables are left out: they show the runs of one.
    """
    if problems := list(_contradictions(first, second)):
        raise ValueError("These archives cannot be merged:\n" + "\n".join(problems))
    both = {**first.shared, **second.shared}
    kept = {name: content for name, content in both.items() if not name.startswith(TABLES)}
    datasets = {**first.datasets, **second.datasets}
    return Contents(first.suite, datasets, {**first.runs, **second.runs}, kept)


def _contradictions(first: Contents, second: Contents) -> Iterable[str]:
    if first.suite != second.suite:
        yield f"found the suites {first.suite} and {second.suite}; allowed are archives of one."
    for name in sorted(first.datasets.keys() & second.datasets.keys()):
        one, other = first.datasets[name].hash, second.datasets[name].hash
        if one != other:
            yield f"{name}: its rows differ, with the hashes {one} and {other}."
    for name in sorted(first.runs.keys() & second.runs.keys()):
        if not first.runs[name].is_same(second.runs[name]):
            yield f"{name}: the same run with different results; leave one of the two out."


def _json(content: Any) -> bytes:
    return json.dumps(content, separators=(",", ":"), allow_nan=False).encode()


def _table(dataset: str) -> str:
    return f"log_prob/{dataset}.parquet"


def _member(run: str, file: str) -> str:
    return f"runs/{run}/{file}"
