"""Files of data sets that others publish: where they are offered, and how one is brought here.

A file is named by its ``path``, its place in the downloads folder and in a mirror alike. It is
looked for, packed, beside its target, then in every mirror (plain, then packed), then at its
official address. A packed file lies where the plain one would, under its official name. Only a
file whose size and hash are those of ``catalogue.yaml`` is ever put in place; one whose own hash
nobody published is taken only from its archive, whose hash is known. A folder counts as one file.
"""

import difflib
import fcntl
import gzip
import hashlib
import logging
import os
import shutil
import tarfile
import zipfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path, PurePosixPath
from tempfile import TemporaryDirectory
from typing import IO, Any, TypeVar, cast
from urllib.parse import urlsplit

import pooch
import requests
import yaml

from benchmark.files import atomic

MIRRORS = "BENCHMARK_MIRRORS"
"""Environment variable with mirrors, separated by ``;`` (addresses contain colons)."""
RETRIES = 3
"""Further attempts at an address that fails for a moment, after 1, 2, 3 seconds."""
FINAL = {400, 401, 403, 404, 405, 410, 451}
"""Answers of HTTP that another attempt does not change; S3 says 403 for what it does not have."""

log = logging.getLogger(__name__)
T = TypeVar("T")


class FetchError(RuntimeError):
    """No place had the file; the message says what each answered and what to do by hand."""


@dataclass(frozen=True)
class Packed:
    """A published form of a file: gzipped, or the archive (tar, zip) that has it as ``member``.

    ``size`` is ``None`` where it is not known; the hash verifies it all the same.
    """

    size: int | None
    hash: str
    member: str | None = None


@dataclass(frozen=True)
class RemoteFile:
    """A published file: its content (bytes, ``algorithm:hexdigest``) and its official address.

    ``size`` and ``hash`` are ``None`` for a member of an archive that were not published, and
    ``address`` where only mirrors have the file. ``remark`` is what one who misses it should know.
    With ``pattern`` it is a folder: its files that match, their bytes together, and the hash of
    path, zero byte and content of one after the other in order.
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
        """Where the official form of the file lies in a mirror."""
        if self.packed is None or self.address is None:
            return self.path
        name = PurePosixPath(urlsplit(self.address).path).name
        return str(PurePosixPath(self.path).with_name(name))


@dataclass(frozen=True)
class Source:
    """A publication of files, and what its users must know and cite."""

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
    """The source called ``name``; ValueError for one that is not in the catalogue."""
    return _known("source", name, catalogue())


def remote_files() -> dict[str, RemoteFile]:
    """Every file of every source, by path."""
    return {file.path: file for entry in catalogue().values() for file in entry.files}


def remote_file(path: str) -> RemoteFile:
    """The file called ``path``; ValueError for one that is not in the catalogue."""
    return _known("file", path, remote_files())


def mirrors(configured: Sequence[str]) -> list[str]:
    """Folders and http(s) addresses in the order of their use: the environment's come first.

    ValueError for an address of another kind.
    """
    entries = [*os.environ.get(MIRRORS, "").split(";"), *configured]
    found = [entry.strip().rstrip("/") for entry in entries if entry.strip()]
    for entry in found:
        if "://" in entry and not _is_address(entry):
            raise ValueError(
                f"mirrors ({MIRRORS} or `mirrors:` in config.yaml): found {entry!r}; allowed are "
                f"folders and addresses that begin with http:// or https://."
            )
    return found


def fetch(file: RemoteFile, target: Path, mirrors: Sequence[str] = ()) -> None:
    """Bring ``file`` to ``target`` from the first place that has it undamaged.

    A ``target`` that is there already is verified and kept. An archive that was downloaded stays
    beside ``target``, for its other members. FetchError when no place has the file.
    """
    if target.exists():
        verify(file, target)
        return
    answers = []
    for place, packed in _offers(file, target, mirrors):
        try:
            _bring(file, target, place, packed)
        except (OSError, ValueError) as error:
            answers.append(f"{place}: {getattr(error, 'strerror', None) or error}")
            log.info("not fetched from %s", answers[-1])
        else:
            log.info("fetched %s from %s", target, place)
            return
    raise FetchError(_by_hand(file, target, answers))


def verify(file: RemoteFile, target: Path) -> None:
    """ValueError unless ``target``, which may have been put there by hand, is ``file``."""
    try:
        _compare(target, file)
    except ValueError as error:
        raise ValueError(
            f"{target} is not {file.path} of the catalogue: {error}. It is damaged or another "
            f"file; delete it to have it fetched, or put the right one there."
        ) from error


def _known(kind: str, name: str, known: Mapping[str, T]) -> T:
    if name in known:
        return known[name]
    nearest = difflib.get_close_matches(name, known, n=1)
    hint = f" Did you mean {nearest[0]!r}?" if nearest else ""
    raise ValueError(
        f"{kind} {name!r} is not in the catalogue; allowed are {', '.join(known)}.{hint}"
    )


def _source(files: list[dict[str, Any]], **about: str) -> Source:
    return Source(files=tuple(_remote_file(**entry) for entry in files), **about)


def _remote_file(packed: dict[str, Any] | None = None, **about: Any) -> RemoteFile:
    return RemoteFile(packed=Packed(**packed) if packed else None, **about)


def _is_address(place: str) -> bool:
    return place.startswith(("http://", "https://"))


def _offers(
    file: RemoteFile, target: Path, mirrors: Sequence[str]
) -> Iterator[tuple[str, Packed | None]]:
    if file.packed:
        yield str(_beside(file, target)), file.packed
    for mirror in mirrors:
        if file.hash and not (file.pattern and _is_address(mirror)):
            yield f"{mirror}/{file.path}", None
        if file.packed:
            yield f"{mirror}/{file.offered_path}", file.packed
    if file.address:
        yield file.address, file.packed


def _beside(file: RemoteFile, target: Path) -> Path:
    return target.with_name(PurePosixPath(file.offered_path).name)


def _bring(file: RemoteFile, target: Path, place: str, packed: Packed | None) -> None:
    with (
        atomic(target) as temporary,
        TemporaryDirectory(prefix=f".{target.name}.", dir=target.parent) as folder,
    ):
        arrived = Path(place).expanduser()
        if _is_address(place):
            beside = _beside(file, target)
            archive = packed is not None and packed.member is not None
            arrived = beside if archive else Path(folder, beside.name)
            _download(place, (packed or file).hash, arrived)
        if packed is None:
            _compare(arrived, file)
        else:
            _check(packed, arrived.stat().st_size, lambda name: _hash(arrived, name))
        _unpack(arrived, file, packed, temporary)
        _compare(temporary, file)


def _download(address: str, known_hash: str | None, target: Path) -> None:
    with _turn(target.parent):
        pooch.create(
            path=target.parent,
            base_url="",
            registry={target.name: known_hash},
            urls={target.name: address},
            retry_if_failed=RETRIES,
        ).fetch(target.name, downloader=_http)


@contextmanager
def _turn(folder: Path) -> Iterator[None]:
    """One process at a time, so that an archive of several files is downloaded once."""
    opened = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(opened, fcntl.LOCK_EX)
        yield
    finally:
        os.close(opened)


def _http(address: str, output: str | IO[bytes], caller: object) -> None:
    # Without this header some servers have a .gz unpacked on the way.
    headers = {"Accept-Encoding": "identity"}
    try:
        pooch.HTTPDownloader(progressbar=True, headers=headers)(address, output, caller)
    except requests.HTTPError as error:
        if error.response is not None and error.response.status_code in FINAL:
            # pooch retries the errors of requests, and not this one.
            raise FileNotFoundError(str(error)) from error
        raise


def _unpack(arrived: Path, file: RemoteFile, packed: Packed | None, target: Path) -> None:
    if file.pattern is None:
        with _opened(arrived, packed) as content, target.open("wb") as output:
            shutil.copyfileobj(content, output)
    elif packed is None:
        for found in _files(arrived, file.pattern):
            _copy(found, target / found.relative_to(arrived))
    else:
        with TemporaryDirectory(dir=target.parent) as folder, tarfile.open(arrived) as tar:
            tar.extractall(folder, filter="data")
            _unpack(Path(folder, cast(str, packed.member)), file, None, target)


def _copy(source: Path, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(source, target)


@contextmanager
def _opened(path: Path, packed: Packed | None) -> Iterator[IO[bytes]]:
    if packed is None:
        with path.open("rb") as plain:
            yield plain
    elif packed.member is None:
        with gzip.open(path) as unzipped:
            yield cast(IO[bytes], unzipped)
    elif zipfile.is_zipfile(path):
        with zipfile.ZipFile(path) as archive, archive.open(packed.member) as member:
            yield member
    else:
        with tarfile.open(path) as tar:
            yield cast(IO[bytes], tar.extractfile(packed.member))


def _compare(path: Path, expected: RemoteFile) -> None:
    if expected.pattern is None:
        _check(expected, path.stat().st_size, lambda name: _hash(path, name))
        return
    files = _files(path, expected.pattern)
    names = [str(PurePosixPath(expected.path, file.relative_to(path))) for file in files]
    size = sum(file.stat().st_size for file in files)
    _check(expected, size, lambda name: _hash_of_all(dict(zip(names, files, strict=True)), name))


def _check(expected: RemoteFile | Packed, size: int, hashed: Callable[[str], str]) -> None:
    if expected.size is not None and size != expected.size:
        raise ValueError(f"found {size} bytes, expected {expected.size}")
    if expected.hash is not None:
        algorithm = expected.hash.partition(":")[0]
        found = f"{algorithm}:{hashed(algorithm)}"
        if found != expected.hash:
            raise ValueError(f"found {found}, expected {expected.hash}")


def _files(folder: Path, pattern: str) -> list[Path]:
    if not folder.is_dir():
        raise FileNotFoundError(f"no folder {folder}")
    return sorted(folder.glob(pattern))


def _hash(path: Path, algorithm: str) -> str:
    found: str = pooch.file_hash(str(path), alg=algorithm)
    return found


def _hash_of_all(files: Mapping[str, Path], algorithm: str) -> str:
    total = hashlib.new(algorithm)
    for name, file in files.items():
        total.update(name.encode() + b"\0" + file.read_bytes())
    return total.hexdigest()


def _by_hand(file: RemoteFile, target: Path, answers: Sequence[str]) -> str:
    tried = "\n".join(f"  {answer}" for answer in answers) or "  no mirror is named"
    remark = f" {file.remark}" if file.remark else ""
    return (
        f"{file.path} was found undamaged nowhere.{remark} Tried, in this order:\n{tried}\n"
        f"{_download_by_hand(file, target)}a mirror, a folder or an http(s) address that has "
        f"{file.path if file.hash else file.offered_path}"
        f"{' or ' + file.offered_path if file.packed and file.hash else ''}: under `mirrors:` in "
        f"config.yaml, or in the environment variable {MIRRORS} (several are separated by `;`)."
    )


def _download_by_hand(file: RemoteFile, target: Path) -> str:
    if file.address is None:
        return f"It has no official address: save it as\n  {target} ({_known_of(file)}).\nOr name "
    unpacked = f", or, unpacked, as\n  {target} ({_known_of(file)})" if file.packed else ""
    return (
        f"Download {file.address}\n  ({_known_of(file.packed or file)}) and save it as\n"
        f"  {_beside(file, target)}{unpacked}.\nOr name "
    )


def _known_of(form: RemoteFile | Packed) -> str:
    """What identifies a file, in words."""
    known = [f"{form.size} bytes" if form.size else "", form.hash or ""]
    return ", ".join(filter(None, known)) or "no checksum is published of it by itself"
