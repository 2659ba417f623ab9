"""Submitted jobs: their files, their result and the end of their log."""

import contextlib
import os
import shutil
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from snakemake_interface_executor_plugins.executors.base import SubmittedJobInfo
from submitit.core.utils import JobPaths, pickle_load

from .machine import NO_SHARE, Share

LOG_TAIL_LINES = 25
"""Number of lines of a failed job's log that are shown."""


@dataclass
class RunningJob:
    """A submitted job: its SLURM id, or its process and share of this machine.

    ``ended`` is the time at which SLURM first reported its end.
    """

    id: str
    folder: Path
    handle: Any = None
    share: Share = NO_SHARE
    ended: float | None = None

    @property
    def paths(self) -> JobPaths:
        """Paths of submitit's files of the job."""
        return JobPaths(self.folder, self.id, 0)

    @cached_property
    def result(self) -> str:
        """Path of its result."""
        return str(self.paths.result_pickle)

    def error(self) -> str | None:
        """The error in its result, in one line; ``None`` if it has succeeded."""
        outcome, value = pickle_load(self.result)
        return None if outcome == "success" else _last_line(value)

    def log_tail(self) -> str:
        """The last lines of its log."""
        if not self.paths.stdout.exists():
            return "(There is no log.)\n"
        text = self.paths.stdout.read_text(errors="replace")
        lines = text.partition("submitit ERROR")[0].splitlines()  # then comes its own traceback
        shown = "\n".join(f"    {line}" for line in lines[-LOG_TAIL_LINES:])
        return f"Its last lines:\n{shown}\n"

    def remove_files(self) -> None:
        """Remove the files of a job that has succeeded, and the folder after the last job."""
        for path in self.folder.glob(f"{self.id}_*"):
            path.unlink(missing_ok=True)
        if not any(self.folder.glob("*_submitted.pkl")):
            shutil.rmtree(self.folder, ignore_errors=True)


def running_of(info: SubmittedJobInfo) -> RunningJob:
    """The job that the executor reported to Snakemake as ``info``."""
    assert info.aux is not None
    running: RunningJob = info.aux["running"]
    return running


def files_of(jobs: Iterable[SubmittedJobInfo]) -> set[str]:
    """All files of jobs, by listing each folder: a check per job takes thirty times as long."""
    files: set[str] = set()
    for folder in {running_of(info).folder for info in jobs}:
        with contextlib.suppress(FileNotFoundError):  # removed by hand
            files.update(entry.path for entry in os.scandir(folder))
    return files


def _last_line(text: str) -> str:
    return text.strip().splitlines()[-1].removeprefix("RuntimeError: ")
