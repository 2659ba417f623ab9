"""Download and verification of published files.

A file is looked for, in packed form, beside its target, then in every mirror (plain, then packed),
then at its official address. A packed file lies where the plain one would, under its official name.
Only a file whose size and hash are those of the catalogue is put in place; one without a published
hash is taken only from its archive, whose hash is known. A folder counts as one file.
"""

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
from pathlib import Path, PurePosixPath
from tempfile import TemporaryDirectory
from typing import IO, cast

import pooch
import requests

from benchmark.data.catalogue import Packed, RemoteFile
from benchmark.files import DiskError, atomic, follow_umask

MIRRORS = "BENCHMARK_MIRRORS"
"""Name of the environment variable with mirrors, separated by ``;`` (addresses contain colons)."""
RETRIES = 3
"""Further attempts at an address that fails temporarily, after 1, 2, 3 seconds."""
FINAL_STATUS_CODES = {400, 401, 403, 404, 405, 410, 451}
"""HTTP status codes that are not retried; S3 answers 403 for files it does not have."""

log = logging.getLogger(__name__)


class FetchError(RuntimeError):
    """No place had the file; the message lists their answers and what to do by hand."""


def mirrors(configured: Sequence[str]) -> list[str]:
    """Folders and http(s) addresses in the order of their use, those of the environment first.

    ValueError for an address of another kind.
    """
    entries = [*os.environ.get(MIRRORS, "").split(";"), *configured]
    places = [entry.strip().rstrip("/") for entry in entries if entry.strip()]
    for entry in places:
        if "://" in entry and not _is_address(entry):
            raise ValueError(
                f"mirrors ({MIRRORS} or `mirrors:` in config.yaml): found {entry!r}; allowed are "
                f"folders and addresses that begin with http:// or https://."
            )
    return places


def fetch(file: RemoteFile, target: Path, mirrors: Sequence[str] = ()) -> None:
    """Copy or download ``file`` to ``target`` from the first place that has an intact copy.

    An existing ``target`` is verified and kept. A downloaded archive stays beside ``target``, for
    its other members. FetchError if no place has the file.
    """
    if target.exists():
        verify(file, target)
        return
    answers = []
    for place, packed in _offers(file, target, mirrors):
        try:
            _fetch_from(place, file, target, packed)
        except DiskError:
            raise
        except (OSError, ValueError) as error:
            answers.append(f"{place}: {getattr(error, 'strerror', None) or error}")
            log.info("not fetched from %s", answers[-1])
        else:
            log.info("fetched %s from %s", target, place)
            return
    raise FetchError(_by_hand(file, target, answers))


def verify(file: RemoteFile, target: Path) -> None:
    """Check that ``target``, perhaps put there by hand, is ``file``; ValueError otherwise."""
    try:
        _compare(target, file)
    except ValueError as error:
        raise ValueError(
            f"{target} is not {file.path} of the catalogue: {error}. It is damaged or another "
            f"file; delete it to download it again, or replace it by the right one."
        ) from error


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


def _fetch_from(place: str, file: RemoteFile, target: Path, packed: Packed | None) -> None:
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
    with _locked(target.parent):
        pooch.create(
            path=target.parent,
            base_url="",
            registry={target.name: known_hash},
            urls={target.name: address},
            retry_if_failed=RETRIES,
        ).fetch(target.name, downloader=_http)
        follow_umask(target)


@contextmanager
def _locked(folder: Path) -> Iterator[None]:
    """A lock for one process at a time, so that an archive of several files is downloaded once."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def _http(address: str, output: str | IO[bytes], caller: object) -> None:
    # Without this header some servers send a .gz in a form that is unpacked in transit.
    headers = {"Accept-Encoding": "identity"}
    try:
        pooch.HTTPDownloader(progressbar=True, headers=headers)(address, output, caller)
    except requests.HTTPError as error:
        if error.response is not None and error.response.status_code in FINAL_STATUS_CODES:
            # pooch retries the errors of requests, but not this one.
            raise FileNotFoundError(str(error)) from error
        raise


def _unpack(arrived: Path, file: RemoteFile, packed: Packed | None, target: Path) -> None:
    if file.pattern is None:
        with _opened(arrived, packed) as content, target.open("wb") as output:
            shutil.copyfileobj(content, output)
    elif packed is None:
        for path in _files(arrived, file.pattern):
            _copy(path, target / path.relative_to(arrived))
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
        actual = f"{algorithm}:{hashed(algorithm)}"
        if actual != expected.hash:
            raise ValueError(f"found {actual}, expected {expected.hash}")


def _files(folder: Path, pattern: str) -> list[Path]:
    if not folder.is_dir():
        raise FileNotFoundError(f"no folder {folder}")
    return sorted(folder.glob(pattern))


def _hash(path: Path, algorithm: str) -> str:
    digest: str = pooch.file_hash(str(path), alg=algorithm)
    return digest


def _hash_of_all(files: Mapping[str, Path], algorithm: str) -> str:
    total = hashlib.new(algorithm)
    for name, file in files.items():
        total.update(name.encode() + b"\0" + file.read_bytes())
    return total.hexdigest()


def _by_hand(file: RemoteFile, target: Path, answers: Sequence[str]) -> str:
    tried = "\n".join(f"  {answer}" for answer in answers) or "  no mirror is configured"
    remark = f" {file.remark}" if file.remark else ""
    return (
        f"No intact copy of {file.path} was found.{remark} Tried, in this order:\n{tried}\n"
        f"{_download_by_hand(file, target)}a mirror, a folder or an http(s) address that has "
        f"{file.path if file.hash else file.offered_path}"
        f"{' or ' + file.offered_path if file.packed and file.hash else ''}: under `mirrors:` in "
        f"config.yaml, or in the environment variable {MIRRORS} (separate several by `;`)."
    )


def _download_by_hand(file: RemoteFile, target: Path) -> str:
    if file.address is None:
        place = f"{target} ({_identity(file)})"
        return f"It has no official address: save it as\n  {place}.\nOr configure "
    unpacked = f", or, unpacked, as\n  {target} ({_identity(file)})" if file.packed else ""
    return (
        f"Download {file.address}\n  ({_identity(file.packed or file)}) and save it as\n"
        f"  {_beside(file, target)}{unpacked}.\nOr configure "
    )


def _identity(form: RemoteFile | Packed) -> str:
    """Size and hash of a file, in words."""
    known = [f"{form.size} bytes" if form.size else "", form.hash or ""]
    return ", ".join(filter(None, known)) or "no checksum of it by itself is published"
