"""A job that computes on a device: in this process, or in several, by torch's launcher."""

import contextlib
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import psutil
import torch

from benchmark import names, parts
from benchmark.jobs import task
from benchmark.jobs.task import Machine, Task
from benchmark.records import usage
from benchmark.runtime import parallel
from benchmark.runtime.log import CHECKPOINT, explained
from benchmark.runtime.machine import configure_process
from benchmark.runtime.parent import end_with_parent
from benchmark.source import look_in

PARALLEL_JOBS = ("train.train",)
"""Jobs that several processes share. The others need no gradients, and take one device."""

REPEAT_SECONDS = 1.0
"""Seconds after which a request to stop is repeated: a process may not have listened yet."""


def perform(given: Task) -> None:
    """Do a task, alone or in several processes, and record what it has used.

    Raises what the job raises, ``SystemExit`` if several processes have stopped before the end,
    which have then said why, and ``RuntimeError`` for several nodes without SLURM.
    """
    machine = given.machine
    assert machine is not None
    resumes = Path(given.log).with_suffix(CHECKPOINT).exists()
    with usage.recorded(given.log, machine.asked, resumes):
        _perform(given, machine)


def _perform(given: Task, machine: Machine) -> None:
    each = _processes(machine)
    if given.name not in PARALLEL_JOBS or machine.nodes * each == 1:
        _alone(given, configure_process(machine.threads, machine.device, machine.gpus))
        return
    command = [*_torchrun(machine.nodes, each, machine.threads), "-m", "benchmark.jobs.launch"]
    status = _run([*command, str(machine.threads // each or 1), given.text()])
    if status:
        raise SystemExit(f"torch's launcher ended with status {status}; see above.")


def join(given: Task, threads: int) -> None:
    """Run as one of the processes that share a task."""
    machine = given.machine
    assert machine is not None
    end_with_parent()
    with explained(given.log):
        look_in(given.path)
        device = configure_process(threads, machine.device, machine.gpus)
        with parallel.process_group(device):
            _alone(given, device)


def _alone(given: Task, device: torch.device) -> None:
    function = names.load(f"benchmark.jobs.{given.name}")
    function(**parts.convert(function, given.arguments), device=device)


def _processes(machine: Machine) -> int:
    """The processes on each node."""
    if machine.processes is not None:
        return machine.processes
    on_gpus = machine.device != "cpu" and torch.cuda.is_available()
    return max(1, machine.gpus or 1) if on_gpus else 1


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
    """The exit status of a command. A request to stop is passed on to all processes below, until
    they have saved their work: by SIGUSR2, which launchers ignore, and srun passes on to other
    nodes."""
    requests: list[int] = []
    for request in (signal.SIGTERM, signal.SIGINT):
        signal.signal(request, lambda number, _: requests.append(number))
    signal.signal(signal.SIGUSR2, signal.SIG_IGN)  # inherited
    process = subprocess.Popen(
        command,
        stdout=sys.stderr,
        stderr=sys.stderr,
        start_new_session=True,
        preexec_fn=end_with_parent,
    )
    while True:
        with contextlib.suppress(subprocess.TimeoutExpired):
            return process.wait(REPEAT_SECONDS)
        for below in psutil.Process().children(recursive=True) if requests else ():
            with contextlib.suppress(psutil.NoSuchProcess):
                below.send_signal(signal.SIGUSR2)


if __name__ == "__main__":
    join(task.read(sys.argv[2]), int(sys.argv[1]))
