"""Leftovers: jobs of an earlier Snakemake, killed or interrupted, that SLURM still has."""

import shutil
import time
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import NamedTuple

from .slurm import JobStatus
from .submission import JOBS, saved_jobs

LOG_RETENTION_SECONDS = 10 * 24 * 3600
"""Time for which the logs of failed jobs are kept."""


class LeftoverJob(NamedTuple):
    """A job of an earlier Snakemake that is still in SLURM's queue."""

    id: str
    folder: Path
    made_from: str
    ending: bool


def leftover_jobs(
    root: Path, read_queue: Callable[[], Mapping[str, JobStatus]]
) -> dict[str, LeftoverJob]:
    """Jobs of the submissions in ``root`` that are still in SLURM's queue, by their key.

    The queue is read only if there are submissions. Old files of other jobs, logs of failed ones,
    are removed.
    """
    folders = {path.parent.name: path.parent for path in root.glob(f"*/{JOBS}")}
    leftovers: dict[str, LeftoverJob] = {}
    for number, status in (read_queue() if folders else {}).items():
        if status.alive and status.comment in folders:
            folder = folders[status.comment]
            key, made_from = saved_jobs(folder)[int(number.partition("_")[2] or 0)]
            ending = status.state == "COMPLETING"
            leftovers[key] = LeftoverJob(number, folder, made_from, ending)
    _remove_old(set(folders.values()) - {leftover.folder for leftover in leftovers.values()})
    return leftovers


def _remove_old(folders: Iterable[Path]) -> None:
    for folder in folders:
        if time.time() - folder.stat().st_mtime > LOG_RETENTION_SECONDS:
            shutil.rmtree(folder, ignore_errors=True)
