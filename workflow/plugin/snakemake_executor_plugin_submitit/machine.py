"""The CPUs and GPUs of this machine, divided among local jobs."""

import os
import shutil
import subprocess
import sys
from collections.abc import Collection
from pathlib import Path
from typing import NamedTuple

from snakemake_interface_common.exceptions import WorkflowError

QUOTA = Path("/sys/fs/cgroup/cpu.max")
"""The quota of a container: microseconds of CPU, or ``max``, in so many microseconds."""


class Share(NamedTuple):
    """Share of the machine for a local job: a number of CPUs, and the indices of GPUs."""

    cpus: int
    gpus: tuple[int, ...]


class Machine(NamedTuple):
    """CPUs and GPUs of this machine that Snakemake may use."""

    cpus: int
    gpus: tuple[int, ...]

    def share(self, cpus: int, gpus: int, others: Collection[Share]) -> Share | None:
        """The share of a job that requests ``cpus`` and ``gpus``; ``None`` while it has to wait.

        ``others`` are the shares in use. A job that requests more than the machine has gets all.
        """
        cpus, gpus = min(cpus, self.cpus), min(gpus, len(self.gpus))
        taken = {gpu for other in others for gpu in other.gpus}
        free = [gpu for gpu in self.gpus if gpu not in taken]
        if cpus > self.cpus - sum(other.cpus for other in others) or gpus > len(free):
            return None
        return Share(cpus, tuple(free[:gpus]))


NO_SHARE = Share(0, ())
"""Share of a job that runs on another machine."""

NO_MACHINE = Machine(0, ())
"""Machine for jobs that run elsewhere: they never have to wait."""


def this_machine() -> Machine:
    """This machine, with the GPUs of CUDA_VISIBLE_DEVICES or, if it is not set, of nvidia-smi.

    Raises ``WorkflowError`` for GPUs that are not given by their indices.
    """
    visible = os.environ.get("CUDA_VISIBLE_DEVICES")
    if visible is None:
        return Machine(usable_cpus(), tuple(range(_listed_gpus())))
    named = [gpu for gpu in visible.split(",") if gpu]
    if not all(gpu.isdigit() for gpu in named):
        raise WorkflowError(
            f"CUDA_VISIBLE_DEVICES is {visible!r}; local jobs need GPUs by their indices, e.g. 0,1."
        )
    return Machine(usable_cpus(), tuple(map(int, named)))


def usable_cpus() -> int:
    """CPUs that this process may use: less than the machine has where it is bound to some
    (``taskset``), in a container with a quota, and in a SLURM job."""
    limits = [os.cpu_count() or 1, int(os.environ.get("SLURM_CPUS_ON_NODE") or sys.maxsize)]
    if sys.platform == "linux":
        limits.append(len(os.sched_getaffinity(0)))
    if QUOTA.exists():
        quota, period = QUOTA.read_text().split()
        limits.append(sys.maxsize if quota == "max" else int(quota) // int(period))
    return max(1, min(limits))


def _listed_gpus() -> int:
    if shutil.which("nvidia-smi") is None:
        return 0
    listing = subprocess.run(
        ["nvidia-smi", "--list-gpus"], capture_output=True, text=True, timeout=60
    )
    return len(listing.stdout.splitlines()) if listing.returncode == 0 else 0
