"""The CPUs and GPUs of this machine, shared out among local jobs."""

import os
import shutil
import subprocess
from collections.abc import Collection
from typing import NamedTuple

from snakemake_interface_common.exceptions import WorkflowError


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


NOTHING = Share(0, ())
"""What a job has of this machine that runs elsewhere."""

ELSEWHERE = Machine(0, ())
"""For jobs that need nothing of this machine: there is always room."""


def this_machine() -> Machine:
    """Its CPUs, and the GPUs of CUDA_VISIBLE_DEVICES or else of nvidia-smi.

    Raises ``WorkflowError`` for GPUs that are not named by their indices.
    """
    visible = os.environ.get("CUDA_VISIBLE_DEVICES")
    if visible is None:
        return Machine(os.cpu_count() or 1, tuple(range(_listed_gpus())))
    named = [gpu for gpu in visible.split(",") if gpu]
    if not all(gpu.isdigit() for gpu in named):
        raise WorkflowError(
            f"CUDA_VISIBLE_DEVICES is {visible!r}; local jobs need GPUs by their indices, as 0,1."
        )
    return Machine(os.cpu_count() or 1, tuple(map(int, named)))


def _listed_gpus() -> int:
    if shutil.which("nvidia-smi") is None:
        return 0
    found = subprocess.run(
        ["nvidia-smi", "--list-gpus"], capture_output=True, text=True, timeout=60
    )
    return len(found.stdout.splitlines()) if found.returncode == 0 else 0
