"""Atomic writing of files: beside the target, then renamed over it, so that none is ever half."""

import errno
import json
import os
import shutil
import stat
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

FULL = (errno.ENOSPC, errno.EDQUOT)
REASONS = {
    errno.ENOSPC: "is on a full disk: free some space",
    errno.EDQUOT: "is over a disk quota: free some space",
    errno.EROFS: "is on a disk that is mounted read-only: have it mounted with write access",
    errno.EACCES: "may not be written to by you: have its permissions changed",
}
"""What may be wrong with a folder, and what to do about it."""


class DiskError(OSError):
    """A folder that cannot be written to; the message says which, why, and what to do."""


@contextmanager
def writing(folder: Path) -> Iterator[None]:
    """A block that writes to ``folder``; raises ``DiskError`` if it fails because of the disk."""
    try:
        yield
    except Exception as error:
        reason = REASONS.get(_refusal(folder, error) or 0)
        if reason is None or isinstance(error, DiskError):
            raise
        raise DiskError(
            f"{folder.absolute()} {reason}, and call the same command again."
        ) from error


def _refusal(folder: Path, error: BaseException | None) -> int | None:
    """The error number of a disk that takes no more. Not every library says it: we write, too."""
    while error is not None:
        if isinstance(error, OSError) and error.errno in FULL:
            return error.errno
        error = error.__cause__ or error.__context__
    while not folder.exists():
        folder = folder.parent
    try:
        with tempfile.TemporaryFile(dir=folder, buffering=0) as file:
            file.write(b"0" * 2**16)
            os.fsync(file.fileno())
    except OSError as refused:
        return refused.errno
    return None


@contextmanager
def atomic(path: str | Path) -> Iterator[Path]:
    """A temporary path (file or folder) that replaces ``path`` when the block succeeds.

    A block that fails or is killed leaves ``path`` as it was. (An old folder is moved away before
    the new one is moved in: after a kill between the two it is absent, never half.) The mode of a
    file is that of any new one there, whatever wrote it.
    """
    path = Path(path)
    with ExitStack() as last, writing(path.parent):
        path.parent.mkdir(parents=True, exist_ok=True)
        folder = Path(tempfile.mkdtemp(prefix=f".{path.name}.", dir=path.parent))
        last.callback(shutil.rmtree, folder, ignore_errors=True)
        temporary = folder / path.name
        yield temporary
        _replace(path, temporary)


def _replace(path: Path, temporary: Path) -> None:
    if temporary.is_file():
        follow_umask(temporary)
    if path.is_dir():
        os.replace(path, temporary.with_name(f"{path.name}.old"))
    os.replace(temporary, path)


def follow_umask(path: Path) -> None:
    """Give a file the mode of a new one: libraries that write through temporary files leave 600."""
    new = path.with_name(f".{path.name}.new")
    new.touch()
    path.chmod(stat.S_IMODE(new.stat().st_mode))
    new.unlink()


def write_json(path: str | Path, content: Any) -> None:
    """Write ``content`` as indented JSON; ``ValueError`` for NaN, which JSON does not have."""
    with atomic(path) as temporary:
        temporary.write_text(json.dumps(content, indent=2, allow_nan=False) + "\n")


def read_json(path: str | Path) -> Any:
    """The content of a JSON file."""
    return json.loads(Path(path).read_text())
