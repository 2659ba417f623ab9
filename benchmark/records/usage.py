"""What a job has asked for and what it has used, beside its log: ``train.usage.json``.

A job that is interrupted resumes, and has several starts. Each is written down when it begins and
again when it ends: one that was killed has no end.
"""

import os
import resource
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psutil
from pydantic import BaseModel, ConfigDict

from benchmark.records.stored import StoredFile

USAGE = ".usage.json"
"""Suffix, instead of a log's, of the file of a job."""


class Asked(BaseModel):
    """What a job has asked for: CPUs, GPUs, MiB of memory, minutes (``None``: nothing was said),
    and the processes that share it."""

    model_config = ConfigDict(frozen=True)

    cpus: int
    gpus: int | None = None
    memory: int | None = None
    minutes: int | None = None
    processes: int = 1


class Used(BaseModel):
    """What it has used. ``memory`` and ``gpu_memory`` [MiB] are peaks; ``None``: not known.

    ``memory`` is that of all its processes, each at its own peak.
    """

    model_config = ConfigDict(frozen=True)

    seconds: float
    cpu_seconds: float
    memory: float
    gpu_memory: float | None = None


class Start(BaseModel):
    """One start of a job. ``slurm`` is the number of its SLURM job, ``used`` what it ended with."""

    model_config = ConfigDict(frozen=True)

    asked: Asked
    slurm: str | None = None
    used: Used | None = None


class UsageFile(StoredFile):
    """All starts of a job since it began anew."""

    starts: tuple[Start, ...] = ()


def usage_of(log: str | Path) -> Path:
    """The file of the job with this log."""
    return Path(log).with_suffix(USAGE)


@contextmanager
def recorded(log: str | Path, asked: Asked, resumes: bool) -> Iterator[None]:
    """A block, all the work of this process, which is written down as a start of a job."""
    path = usage_of(log)
    earlier = UsageFile.load(path).starts if resumes and path.exists() else ()
    start = Start(asked=asked, slurm=os.environ.get("SLURM_JOB_ID"))
    UsageFile(starts=(*earlier, start)).save(path)
    try:
        yield
    finally:
        ended = start.model_copy(update={"used": used(asked.processes)})
        UsageFile(starts=(*earlier, ended)).save(path)


def used(processes: int) -> Used:
    """What this process, and ``processes`` below it that have ended, have used since it began."""
    cpu = os.times()
    return Used(
        seconds=time.time() - psutil.Process().create_time(),
        cpu_seconds=cpu.user + cpu.system + cpu.children_user + cpu.children_system,
        memory=_peak(resource.RUSAGE_SELF) + processes * _peak(resource.RUSAGE_CHILDREN),
        gpu_memory=_gpu_memory(),
    )


def _peak(whose: int) -> float:
    size = resource.getrusage(whose).ru_maxrss
    return size / (2**20 if sys.platform == "darwin" else 2**10)  # bytes there, KiB elsewhere


def _gpu_memory() -> float | None:
    """Of this process; ``None`` where it has used no GPU itself."""
    torch: Any = sys.modules.get("torch")
    on_gpu = torch is not None and torch.cuda.is_available() and torch.cuda.is_initialized()
    return torch.cuda.max_memory_reserved() / 2**20 if on_gpu else None
