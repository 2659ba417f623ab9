"""Leftovers: jobs of an earlier Snakemake, killed or interrupted, that SLURM still has."""

import contextlib
import shutil
import time
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from . import slurm
from .running import RunningJob
from .slurm import JobStatus
from .submission import JOBS, key, made_from, saved_jobs

LOG_RETENTION_SECONDS = 10 * 24 * 3600
"""Time for which logs are kept."""


class LeftoverJob(NamedTuple):
    """A job of an earlier Snakemake that is still in SLURM's queue."""

    id: str
    folder: Path
    made_from: str
    ending: bool


class Leftovers:
    """The leftovers in a folder, read from SLURM's queue when the first job is looked for."""

    def __init__(
        self, root: Path, read_queue: Callable[[], Mapping[str, JobStatus]], logger: Any
    ) -> None:
        self.root, self.read_queue, self.logger = root, read_queue, logger
        self.jobs: dict[str, LeftoverJob] | None = None

    def of(self, job: Any) -> LeftoverJob | None:
        """The same job, left by an earlier Snakemake."""
        if self.jobs is None:
            self.jobs = leftover_jobs(self.root, self.read_queue)
        return self.jobs.pop(key(job), None)

    def attached(self, job: Any, leftover: LeftoverJob) -> RunningJob | None:
        """The leftover as the job to wait for; ``None``, and it is cancelled, if it is another."""
        running = RunningJob(leftover.id, leftover.folder)
        if leftover.ending:
            words = f"waiting for the end of {leftover.id}, which was cancelled."
        elif leftover.made_from != made_from(job):
            words = f"{leftover.id} has other parameters or inputs; cancelling it."
        elif not running.paths.submitted_pickle.exists():
            words = f"{leftover.id} was being submitted when Snakemake was killed; cancelling it."
        else:
            self.logger.info(
                f"{job.name}: SLURM still has this job as {leftover.id}; waiting for it."
            )
            return running
        self.logger.info(f"{job.name}: {words}")
        with contextlib.suppress(slurm.NoAnswer):
            slurm.cancel([] if leftover.ending else [leftover.id])
        return None


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
        if status.alive and status.token in folders:
            folder = folders[status.token]
            name, digest = saved_jobs(folder)[int(number.partition("_")[2] or 0)]
            ending = status.state == "COMPLETING"
            leftovers[name] = LeftoverJob(number, folder, digest, ending)
    _remove_old(set(folders.values()) - {leftover.folder for leftover in leftovers.values()})
    return leftovers


def _remove_old(folders: Iterable[Path]) -> None:
    for folder in folders:
        if time.time() - folder.stat().st_mtime > LOG_RETENTION_SECONDS:
            shutil.rmtree(folder, ignore_errors=True)
