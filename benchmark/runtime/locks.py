"""Stale locks: those that a killed Snakemake leaves behind.

Snakemake locks its folder and unlocks it when it ends, but not when it is killed, and its lock does
not record who holds it. We store the host and the process ID of the owner beside the lock, which
show whether it is stale. Jobs write their files atomically, so resuming after a kill is safe.
"""

import os
import socket
from pathlib import Path

OWNER = "owner"
"""Name of the file with the host and the process ID of the owner."""


def claim(folder: Path) -> None:
    """Record this process as the owner of ``folder`` (Snakemake's ``.snakemake``)."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / OWNER).write_text(f"{socket.gethostname()} {os.getpid()}\n")


def release_stale(folder: Path) -> bool:
    """Remove the locks of a dead owner on this host and claim ``folder``; whether there were any.

    The lock of a process that is alive, or that ran on another host, is left to Snakemake.
    """
    host, process = _owner(folder)
    if host is not None and (host != socket.gethostname() or _is_alive(process)):
        return False
    locks = list((folder / "locks").glob("*.lock")) if host is not None else []
    for lock in locks:
        lock.unlink(missing_ok=True)
    claim(folder)
    return bool(locks)


def _owner(folder: Path) -> tuple[str | None, int]:
    try:
        host, process = (folder / OWNER).read_text().split()
        return host, int(process)
    except (FileNotFoundError, ValueError):
        return None, 0


def _is_alive(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
