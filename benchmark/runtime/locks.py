"""The lock that a killed Snakemake leaves behind.

Snakemake locks its folder and unlocks it when it ends, but not when it is killed; its lock does
not say by whom it was taken. The owner's host and process number beside it tell whether it is
stale. Jobs write their files atomically, so going on after a kill is safe.
"""

import os
import socket
from pathlib import Path

OWNER = "owner"


def claim(folder: Path) -> None:
    """Note this process as the one that works in ``folder`` (Snakemake's ``.snakemake``)."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / OWNER).write_text(f"{socket.gethostname()} {os.getpid()}\n")


def release_stale(folder: Path) -> bool:
    """Remove the lock of a dead owner on this host, and claim ``folder``; whether one was there.

    The lock of a process that lives, or that ran on another host, is left to Snakemake.
    """
    host, number = _owner(folder)
    if host is not None and (host != socket.gethostname() or _lives(number)):
        return False
    locks = list((folder / "locks").glob("*.lock")) if host is not None else []
    for lock in locks:
        lock.unlink(missing_ok=True)
    claim(folder)
    return bool(locks)


def _owner(folder: Path) -> tuple[str | None, int]:
    try:
        host, number = (folder / OWNER).read_text().split()
        return host, int(number)
    except (FileNotFoundError, ValueError):
        return None, 0


def _lives(number: int) -> bool:
    try:
        os.kill(number, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
