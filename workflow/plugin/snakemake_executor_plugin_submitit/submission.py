"""Submissions: jobs that are submitted together, and their folder.

The files of the executor are in one folder per submission, ``<root>/<rule>-<token>/``: the list of
its jobs, submitit's files and the logs. The token is a part of the path of the submission file, so
that SLURM's queue itself shows which jobs are ours, even after Snakemake was killed. (Name and
comment of a job belong to the user and to the site.)
"""

import contextlib
import hashlib
import json
import os
import shutil
import uuid
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from .running import RunningJob

JOBS = "jobs.json"
"""File of a submission: ``key`` and ``made_from`` of each job, in the order of the array."""


@dataclass
class Submission:
    """Jobs of one rule with the same resources: a single job, or a job array."""

    name: str
    parameters: dict[str, Any]
    jobs: list[Any]
    root: Path
    attempt: int = 0
    due: float = 0.0
    words: str = ""
    """What SLURM said at the last attempt."""
    after: set[tuple[str, str]] = field(default_factory=set)
    """Id and token of SLURM jobs that have to leave the queue first: they write the same files."""

    def __post_init__(self) -> None:
        self.folder = self.root / f"{self.name}-{uuid.uuid4().hex[:12]}"

    @property
    def token(self) -> str:
        """The mark of the submission in SLURM's queue."""
        return self.folder.name

    def save(self) -> None:
        """Make the folder, with the list of the jobs."""
        self.folder.mkdir(parents=True, exist_ok=True)
        jobs = [[key(job), made_from(job)] for job in self.jobs]
        (self.folder / JOBS).write_text(json.dumps(jobs))

    def told(self, running: Sequence[RunningJob]) -> str:
        """The submission, as these jobs, in words, with the log of each."""
        first, last = running[0].id, running[-1].id
        ids = first if first == last else f"{first} to {last}"
        lines = [f"Submitted {len(running)} of {self.name} as {ids}, logs in {self.folder}"]
        for job, one in zip(self.jobs, running, strict=True):
            log = os.path.relpath(one.paths.stdout)
            lines.append(f"    {next(iter(job.output), job.name)}: {log}")
        return "\n".join(lines)

    def remove(self) -> None:
        """Remove the folder of a submission that was not accepted."""
        shutil.rmtree(self.folder, ignore_errors=True)

    def halves(self) -> list["Submission"]:
        """Two submissions, each of half the jobs."""
        middle = len(self.jobs) // 2
        parts = self.jobs[:middle], self.jobs[middle:]
        return [Submission(self.name, self.parameters, part, self.root) for part in parts]


def saved_jobs(folder: Path) -> list[tuple[str, str]]:
    """``key`` and ``made_from`` of each job of a submission, in the order of the array."""
    return [(key, made_from) for key, made_from in json.loads((folder / JOBS).read_text())]


def key(job: Any) -> str:
    """Identity of a job across runs of Snakemake: its rule and its outputs."""
    text = "\n".join([job.name, *sorted(map(str, job.output))])
    return hashlib.sha256(text.encode()).hexdigest()[:24]


def made_from(job: Any) -> str:
    """Digest of a job's parameters and of the current state of its inputs."""
    parts = list(job.jobs) if job.is_group() else [job]
    text = [repr(part.params) for part in parts]
    for path in sorted(map(str, job.input)):
        with contextlib.suppress(OSError):
            text.append(f"{path} {os.stat(path).st_mtime_ns}")
    return hashlib.sha256("\n".join(text).encode()).hexdigest()[:24]
