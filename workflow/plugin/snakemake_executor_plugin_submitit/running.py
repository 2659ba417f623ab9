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

from .job import idle_file
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
    idle_told: bool = False

    @property
    def token(self) -> str:
        """The mark of its submission in SLURM's queue."""
        return self.folder.name

    @property
    def paths(self) -> JobPaths:
        """Paths of submitit's files of the job."""
        return JobPaths(self.folder, self.id, 0)

    @cached_property
    def result(self) -> str:
        """Path of its result."""
        return str(self.paths.result_pickle)

    @cached_property
    def idle(self) -> str:
        """Path of the file that tells that it saves nothing."""
        return str(idle_file(self.folder, self.id))

    def error(self) -> str | None:
        """The error in its result, in one line; ``None`` if it has succeeded."""
        outcome, value = pickle_load(self.result)
        return None if outcome == "success" else _last_line(value)

    def log(self) -> str:
        """Its log; empty if there is none."""
        try:
            return self.paths.stdout.read_text(errors="replace")
        except FileNotFoundError:
            return ""

    def log_tail(self) -> str:
        """The last lines of its log."""
        log = self.log()
        if not log:
            return "(There is no log.)\n"
        text, _, rest = log.partition("submitit ERROR")  # then comes its own traceback
        said = [line for line in rest.splitlines() if line.startswith(("slurmstepd:", "srun:"))]
        lines = [*text.splitlines()[-LOG_TAIL_LINES:], *said]
        shown = "\n".join(f"    {line}" for line in lines)
        return f"Its last lines:\n{shown}\n"

    def remove_files(self, keep_log: bool) -> None:
        """Remove the files of a job that has succeeded, and the folder after the last job.

        With ``keep_log`` its log stays, and with it the folder.
        """
        for path in self.folder.glob(f"{self.id}_*"):
            if not (keep_log and path == self.paths.stdout):
                path.unlink(missing_ok=True)
        if not (keep_log or any(self.folder.glob("*_submitted.pkl"))):
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
