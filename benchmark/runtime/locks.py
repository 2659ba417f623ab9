"""Locks on what a run makes, held for as long as the run lives.

Snakemake's own locks outlive a run that is killed, and the end of any run removes those of all
others in its folder. Ours are files, one for each thing, that their owner has locked (``flock``):
the kernel gives them up with the process, however that ends. A file names its owner, host and
process, until the owner has ended by itself. It decides where the kernel cannot: between hosts,
whose disks may not share their locks, and on a disk that has none.
"""

import fcntl
import os
import re
import socket
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import IO
from urllib.parse import quote

import psutil


class LockedError(RuntimeError):
    """Another run makes the same, or may still do so; the message says which and what to do."""


@contextmanager
def held(things: Iterable[str], folder: Path) -> Iterator[list[str]]:
    """Lock ``things``, by files in ``folder``; those whose last owner was killed.

    Raises ``LockedError`` if one of them has another owner.
    """
    with ExitStack() as stack:
        owned = {thing: stack.enter_context(_held(thing, folder)) for thing in things}
        yield [thing for thing, owner in owned.items() if owner]


@contextmanager
def _held(thing: str, folder: Path) -> Iterator[str]:
    """Lock a thing; its last owner, if that was killed."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / quote(thing, safe=" ")
    with path.open("a+") as file:
        is_free = _flock(file)
        owner = _owner(file)
        if not is_free or (owner and not _is_here(owner)):
            raise LockedError(f"{thing}: {_words(owner, path)}")
        _write(file, f"{socket.gethostname()} {os.getpid()}\n")
        try:
            yield owner
        finally:
            _write(file, "")


def _flock(file: IO[str]) -> bool:
    """Lock a file if it is free; on a disk without locks, whether its owner has died."""
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:
        return not _is_alive(_owner(file))
    return True


def _owner(file: IO[str]) -> str:
    """Host and process of the owner of a file; nothing where it has none."""
    file.seek(0)
    found = re.fullmatch(r"\S+ \d+", file.read().strip())
    return found[0] if found else ""


def _write(file: IO[str], owner: str) -> None:
    file.truncate(0)
    file.write(owner)
    file.flush()


def _is_here(owner: str) -> bool:
    return owner.partition(" ")[0] == socket.gethostname()


def _is_alive(owner: str) -> bool:
    """Whether there is the process of an owner on this host; nobody is not alive."""
    return bool(owner) and psutil.pid_exists(int(owner.partition(" ")[2]))


def _words(owner: str, path: Path) -> str:
    host, _, process = owner.partition(" ")
    if not owner:
        return "a process that has only just started makes it. Let it end."
    if _is_here(owner):
        stop = f"Let it end, or stop it (kill -INT {process})."
        return f"process {process} on {host}, this host, makes it. {stop}"
    stop = f"Let it end, or stop it there; if it is no more, remove {path}."
    return f"process {process} on {host} makes it, or was killed there. {stop}"
