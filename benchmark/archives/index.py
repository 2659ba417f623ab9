"""The index of an archive of finished runs: which they are, and what says that they fit a suite."""

import json
import zipfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from hashlib import sha256
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict

from benchmark.records.stored import StoredFile

INDEX, METADATA = "archive.json", "ro-crate-metadata.json"
"""Members of an archive: its index, and the description of all its members as an RO-Crate."""


class ArchivedRun(BaseModel):
    """A run of an archive, and what it was made with.

    ``measurements`` are those with records, ``files`` the names of what there is beside these and
    the log-densities. ``fit`` and ``evaluation`` are hashes of the config, ``None`` of another
    program's run; ``protocol`` is that of the NLL.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    dataset: str
    method: str
    seed: int
    measurements: tuple[str, ...]
    files: tuple[str, ...]
    fit: str | None
    evaluation: str | None
    protocol: dict[str, Any]

    @property
    def name(self) -> str:
        """Its place in an archive, and in the folder of a suite."""
        return f"{self.dataset}/{self.method}/seed{self.seed}"


class ArchivedRows(BaseModel):
    """The rows of a data set that an archive was measured on: the hash of all, and how many."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    label: str
    hash: str
    rows: dict[str, int]
    unit: str
    licence: str


class Index(StoredFile):
    """What an archive of finished runs of a suite has."""

    suite: str
    datasets: dict[str, ArchivedRows]
    runs: tuple[ArchivedRun, ...]

    @cached_property
    def _named(self) -> dict[tuple[str, str, int], ArchivedRun]:
        return {(run.dataset, run.method, run.seed): run for run in self.runs}

    def find(self, dataset: str, method: str, seed: int) -> ArchivedRun | None:
        """The run of a method on a data set with a seed, if it is there."""
        return self._named.get((dataset, method, seed))


@dataclass(frozen=True)
class Archive:
    """An archive from which methods of a suite are taken, and its ``index``.

    ``address`` is where it is fetched from, if it is no file of the user's own; it then has a
    ``sha256``, and no ``index`` until it is fetched.
    """

    path: str
    address: str | None = None
    sha256: str | None = None
    index: Index | None = None


def is_address(given: str) -> bool:
    """Whether an archive is named by an address, and by no path."""
    return given.startswith(("http://", "https://"))


@dataclass(frozen=True)
class Members:
    """The members of an open archive."""

    archive: zipfile.ZipFile

    @cached_property
    def checksums(self) -> Mapping[str, str]:
        """Member -> its SHA-256, as the metadata states it."""
        graph = json.loads(self.archive.read(METADATA))["@graph"]
        return {entity["@id"]: entity["sha256"] for entity in graph if "sha256" in entity}

    def read(self, name: str) -> bytes:
        """The content of a member. Raises ``ValueError`` for another one than was stated."""
        content = self.archive.read(name)
        stated = self.checksums.get(name)
        if stated != (actual := sha256(content).hexdigest()):
            raise ValueError(
                f"{self.archive.filename}: {name} has the SHA-256 {actual}; {METADATA} states "
                f"{stated}. It is damaged or was edited; fetch it again."
            )
        return content


def read(path: str | Path) -> Index:
    """The index of an archive. Raises ``ValueError`` in words for any other file."""
    with opened(path) as members:
        return Index.of_text(members.read(INDEX).decode(), f"{path}: {INDEX}")


@contextmanager
def opened(path: str | Path) -> Iterator[Members]:
    """The members of an archive. Raises ``ValueError`` for a file that is none, or is damaged."""
    try:
        with zipfile.ZipFile(path) as archive:
            yield Members(archive)
    except (zipfile.BadZipFile, KeyError, json.JSONDecodeError) as error:
        raise ValueError(
            f"{path}: is no archive of finished runs, or is damaged ({error.args[0]}); make one "
            f"with `make archive SUITE=...`, or fetch it again."
        ) from None
