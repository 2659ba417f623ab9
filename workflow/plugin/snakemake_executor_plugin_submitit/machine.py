"""The CPUs and GPUs of this machine, shared out among local jobs."""

import os
import shutil
import subprocess
from collections.abc import Collection
from typing import NamedTuple


class Share(NamedTuple):
    """What a local job has: a number of CPUs, and GPUs by their indices."""

    cpus: int
    gpus: tuple[int, ...]


class Machine(NamedTuple):
    """What Snakemake may use of this machine."""

    cpus: int
    gpus: tuple[int, ...]

    def share(self, cpus: int, gpus: int, others: Collection[Share]) -> Share | None:
        """What a job that asks for so many gets beside ``others``; ``None`` while it has to wait.

        A job that asks for more than the machine has gets all of it.
        """
        cpus, gpus = min(cpus, self.cpus), min(gpus, len(self.gpus))
        taken = {gpu for other in others for gpu in other.gpus}
        free = [gpu for gpu in self.gpus if gpu not in taken]
        if cpus > self.cpus - sum(other.cpus for other in others) or gpus > len(free):
            return None
        return Share(cpus, tuple(free[:gpus]))


def this_machine() -> Machine:
    """The CPUs of this process, and the GPUs of CUDA_VISIBLE_DEVICES or else of nvidia-smi."""
    visible = os.environ.get("CUDA_VISIBLE_DEVICES")
    if visible is not None:
        gpus = tuple(int(gpu) for gpu in visible.split(",") if gpu.isdigit())
    else:
        gpus = tuple(range(_listed_gpus()))
    return Machine(len(os.sched_getaffinity(0)), gpus)


def _listed_gpus() -> int:
    if shutil.which("nvidia-smi") is None:
        return 0
    found = subprocess.run(["nvidia-smi", "--list-gpus"], capture_output=True, text=True)
    return len(found.stdout.splitlines()) if found.returncode == 0 else 0
