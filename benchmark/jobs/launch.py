"""A step of a run: in this process, or a training in several, by torch's launcher."""

import contextlib
import ctypes
import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import psutil
import torch

from benchmark.jobs import steps
from benchmark.records.run import Run
from benchmark.runtime import parallel
from benchmark.runtime.log import explained
from benchmark.runtime.machine import configure_process

TOGETHER = ("train",)
"""Steps that several processes share. The others need no gradients, and take one device."""

AGAIN = 1.0
"""Seconds after which a request to stop is repeated: a process may not have listened yet."""

PR_SET_PDEATHSIG = 1
"""Of ``prctl``, in linux/prctl.h."""


@dataclass(frozen=True)
class Step:
    """What a rule says of a step: its function in ``steps``, the arguments, and the machine.

    ``gpus`` as in ``machine.configure_process``; ``threads`` are those of the job on a node.
    """

    name: str
    run: Sequence[Any]
    numbers: dict[str, Any]
    settings: dict[str, Any]
    data: str
    folder: str
    log: str
    threads: int
    device: str
    gpus: int | None

    def perform(self, processes: int | None = None, nodes: int = 1) -> None:
        """Do it, on ``nodes`` in ``processes`` each; without a number, in one for each GPU.

        Raises what the step raises, ``SystemExit`` if several processes have stopped before the
        end, which have then said why, and ``RuntimeError`` for several nodes without SLURM.
        """
        each = self._each(processes)
        if self.name not in TOGETHER or nodes * each == 1:
            self._alone(configure_process(self.threads, self.device, self.gpus))
            return
        command = [*_torchrun(nodes, each, self.threads), "-m", "benchmark.jobs.launch"]
        status = _run([*command, str(self.threads // each or 1), json.dumps(asdict(self))])
        if status:
            raise SystemExit(f"torch's launcher ended with status {status}; see above.")

    def join(self, threads: int) -> None:
        """Be one of its processes."""
        _outlived()
        with explained(self.log, Path(self.folder)):
            device = configure_process(threads, self.device, self.gpus)
            with parallel.process_group(device):
                self._alone(device)

    def _alone(self, device: torch.device) -> None:
        step, folder = getattr(steps, self.name), Path(self.folder)
        step(Run(*self.run), self.numbers, self.settings, self.data, folder, device)

    def _each(self, processes: int | None) -> int:
        if processes is not None:
            return processes
        on_gpus = self.device != "cpu" and torch.cuda.is_available()
        return max(1, self.gpus or 1) if on_gpus else 1


def _torchrun(nodes: int, processes: int, threads: int) -> list[str]:
    """The command that starts ``processes`` on each of the nodes of this job."""
    launcher = [sys.executable, "-m", "torch.distributed.run", f"--nproc-per-node={processes}"]
    if nodes == 1:
        return [*launcher, "--standalone", "--local-addr=localhost"]
    if "SLURM_JOB_ID" not in os.environ:
        raise RuntimeError(f"nodes={nodes}, but this is no SLURM job: only srun reaches others.")
    cpus = os.environ.get("SLURM_CPUS_PER_TASK", threads)
    # One launcher on each node; the binding of this step to CPUs is not theirs.
    spread = [f"--nodes={nodes}", f"--ntasks={nodes}", f"--cpus-per-task={cpus}", "--cpu-bind=none"]
    # A warning is for the processes, which save their work; it would end their launcher.
    deaf = ["sh", "-c", 'trap "" USR2; exec "$@"', "sh"]
    meeting = ["--rdzv-backend=c10d", f"--rdzv-endpoint={socket.gethostname()}:{_free_port()}"]
    named = [f"--nnodes={nodes}", f"--rdzv-id={os.environ['SLURM_JOB_ID']}"]
    srun = ["srun", "--overlap", "--kill-on-bad-exit=1", *spread]
    return [*srun, *deaf, *launcher, *named, *meeting]


def _free_port() -> int:
    with socket.socket() as one:
        one.bind(("", 0))
        return int(one.getsockname()[1])


def _run(command: Sequence[str]) -> int:
    """Its exit status. A request to stop is passed on to all processes below, until they have
    saved their work: by SIGUSR2, which launchers ignore, and srun passes on to other nodes."""
    requests: list[int] = []
    for request in (signal.SIGTERM, signal.SIGINT):
        signal.signal(request, lambda number, _: requests.append(number))
    signal.signal(signal.SIGUSR2, signal.SIG_IGN)  # inherited
    process = subprocess.Popen(
        command, stdout=sys.stderr, stderr=sys.stderr, start_new_session=True, preexec_fn=_outlived
    )
    while True:
        with contextlib.suppress(subprocess.TimeoutExpired):
            return process.wait(AGAIN)
        for below in psutil.Process().children(recursive=True) if requests else ():
            with contextlib.suppress(psutil.NoSuchProcess):
                below.send_signal(signal.SIGUSR2)


def _outlived() -> None:
    """Get SIGTERM when the parent dies, in a new process, so that no orphan trains on (Linux)."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGTERM)


if __name__ == "__main__":
    Step(**json.loads(sys.argv[2])).join(int(sys.argv[1]))
