"""The catalogue of published files: ``catalogue.yaml`` as types.

A file is identified by its ``path``, its place both in the downloads folder and in a mirror.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path, PurePosixPath
from typing import Any, TypeVar
from urllib.parse import urlsplit

import yaml

from benchmark.names import did_you_mean

Entry = TypeVar("Entry")


@dataclass(frozen=True)
class Packed:
    """A packed form of a file: gzipped, or an archive (tar, zip) that contains it as ``member``.

    ``size`` is ``None`` if it is not known; the hash suffices to verify it.
    """

    size: int | None
    hash: str
    member: str | None = None


@dataclass(frozen=True)
class RemoteFile:
    """A published file: its size in bytes, its hash ``algorithm:hexdigest`` and official address.

    ``size`` and ``hash`` are ``None`` for a member of an archive if they were not published, and
    ``address`` if only mirrors have the file. ``remark`` helps a user who lacks the file. With
    ``pattern`` it is a folder: ``size`` is the total of its matching files, and ``hash`` that of
    path, zero byte and content of each, in order.
    """

    path: str
    size: int | None
    hash: str | None
    address: str | None
    packed: Packed | None = None
    pattern: str | None = None
    remark: str = ""

    @property
    def offered_path(self) -> str:
        """Place of the official form of the file in a mirror."""
        if self.packed is None or self.address is None:
            return self.path
        name = PurePosixPath(urlsplit(self.address).path).name
        return str(PurePosixPath(self.path).with_name(name))


@dataclass(frozen=True)
class Source:
    """A publication of files, with its licence and citation."""

    title: str
    homepage: str
    licence: str
    citation: str
    files: tuple[RemoteFile, ...]


@cache
def catalogue() -> dict[str, Source]:
    """Every source of ``catalogue.yaml``, by name."""
    stored = yaml.safe_load(Path(__file__).with_name("catalogue.yaml").read_text())
    return {name: _source(**entry) for name, entry in stored.items()}


def source(name: str) -> Source:
    """The source called ``name``; ValueError if it is not in the catalogue."""
    return _known("source", name, catalogue())


def remote_files() -> dict[str, RemoteFile]:
    """Every file of every source, by path."""
    return {file.path: file for entry in catalogue().values() for file in entry.files}


def remote_file(path: str) -> RemoteFile:
    """The file called ``path``; ValueError if it is not in the catalogue."""
    return _known("file", path, remote_files())


def _known(kind: str, name: str, known: Mapping[str, Entry]) -> Entry:
    if name in known:
        return known[name]
    words = f"{kind} {name!r} is not in the catalogue; allowed are {', '.join(known)}."
    raise ValueError(f"{words}{did_you_mean(name, known)}")


def _source(files: list[dict[str, Any]], **about: str) -> Source:
    return Source(files=tuple(_remote_file(**entry) for entry in files), **about)


def _remote_file(packed: dict[str, Any] | None = None, **about: Any) -> RemoteFile:
    return RemoteFile(packed=Packed(**packed) if packed else None, **about)
