"""Digests of the source that jobs depend on, and results that are kept after an edit of it.

After an edit that changes the code and not the numbers, ``make keep`` notes in ``kept.json`` of the
suite that the source of today counts as the source of then. Nothing of that is run again, and
tables say at which commit it was made.
"""

import hashlib
from collections.abc import Iterable
from functools import cached_property
from pathlib import Path

from pydantic import BaseModel, TypeAdapter

from benchmark import source
from benchmark.files import read_json, write_json
from benchmark.names import module_of
from benchmark.records.run import suite_folder

FILES = Path(".snakemake/benchmark/files.json")
"""Hash of the content of files of the user's own, by path, size and time of the last change."""


def content_hash(path: str | Path) -> str:
    """First 16 hex digits of the SHA-256 of a file, which is read again when it has changed."""
    stat = Path(path).stat()
    key = f"{path} {stat.st_size} {stat.st_mtime_ns}"
    known = read_json(FILES) if FILES.exists() else {}
    if key not in known:
        with Path(path).open("rb") as file:
            known[key] = hashlib.file_digest(file, "sha256").hexdigest()[:16]
        write_json(FILES, known)
    return str(known[key])


class Kept(BaseModel):
    """Results that count as made with the source of today: the digest and the commit of then."""

    source: str
    commit: str | None
    what: list[str]


class Sources:
    """The digests of one suite."""

    def __init__(self, suite: str) -> None:
        self.file: Path = suite_folder(suite) / "kept.json"

    def of(self, job: str, classes: Iterable[str] = ()) -> str:
        """The digest under which results of ``job`` (a module) with these classes count."""
        now = self.now(job, classes)
        return self.kept[now].source if now in self.kept else now

    def now(self, job: str, classes: Iterable[str] = ()) -> str:
        """The digest of the source of today."""
        return source.digest(job, *map(module_of, classes))

    @cached_property
    def kept(self) -> dict[str, Kept]:
        """By the digest of the source of today."""
        stored = read_json(self.file) if self.file.exists() else {}
        return TypeAdapter(dict[str, Kept]).validate_python(stored)

    def keep(self, kept: dict[str, Kept]) -> None:
        """Add to what is kept."""
        both = {**self.kept, **kept}
        write_json(self.file, {key: entry.model_dump() for key, entry in both.items()})
        del self.kept
