"""What runs on the node: one ``python -m snakemake --mode remote ...``, protected and resumable.

Three things can end a job before its work is done. SLURM's **warning** (``SIGUSR2``: the time limit
is near, or a preemption is announced) is passed on to the processes below until they have saved
their work and stopped; then submitit requeues the job, in which the same command goes on. A
**SIGTERM** (preemption without a warning, ``scontrol requeue``, ``scancel``) is passed on too, but
what happens to the job is SLURM's business: nothing is requeued and no result is written, since a
result would say "failed" of a job that SLURM starts again. A **kill** leaves what was saved before.

A process that wants to save its work handles ``SIGUSR2`` and ends with a status other than 0. One
that does not handle it is not disturbed: the job runs on to its limit.
"""

import contextlib
import math
import os
import shlex
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psutil
from submitit.core.utils import DelayedSubmission

TICK = 0.1
"""Seconds between two looks at the process."""

AGAIN = 1.0
"""Seconds after which a request to stop is repeated: a process may not have listened yet."""

KILLED_WITHIN = 600.0
"""Seconds in which SLURM kills a job after its SIGTERM; longer than any usual ``GraceTime``."""


class SnakemakeJob:
    """A shell command in a folder, as a callable for submitit.

    ``parent`` is the process whose end ends the job, of jobs on the submitting machine.
    """

    def __init__(self, command: str, folder: Path, parent: int | None = None) -> None:
        self.command, self.folder, self.parent = command, folder, parent
        self.warned = self.terminated = False

    def __call__(self) -> None:
        """Run the command. Raises ``RuntimeError`` when it fails, and does not return when it was
        stopped: submitit requeues it, or SLURM kills it."""
        requeue = self._listen()
        status = self._run()
        if status and self.terminated and "SLURM_JOB_ID" in os.environ:
            time.sleep(KILLED_WITHIN)
        if status and self.warned and callable(requeue):
            _persist(requeue)
        if status:
            raise RuntimeError(f"the job ended with exit status {status}")

    def checkpoint(self) -> DelayedSubmission:
        """What submitit requeues: the same command."""
        return DelayedSubmission(SnakemakeJob(self.command, self.folder, self.parent))

    def _listen(self) -> Any:
        """Take over the signals; submitit's handler of the warning, which requeues."""
        if threading.current_thread() is not threading.main_thread():
            return None  # submitit's cluster "debug"
        signal.signal(signal.SIGTERM, self._on_term)
        return signal.signal(signal.SIGUSR2, self._on_warning)

    def _on_warning(self, *_: Any) -> None:
        self.warned = True

    def _on_term(self, *_: Any) -> None:
        self.terminated = True

    def _run(self) -> int:
        # Ignored signals stay ignored below; a trap keeps bash alive without being inherited.
        script = f"trap '' USR2\ntrap : TERM\ncd {shlex.quote(str(self.folder))}\n{self.command}\n"
        # `python` in a rule is that of the submitting side also where the PATH is reset.
        path = [os.path.dirname(sys.executable), os.environ.get("PATH", os.defpath)]
        _say(f"started on {os.uname().nodename}, process {os.getpid()}")
        process = subprocess.Popen(
            ["bash", "-c", script], env={**os.environ, "PATH": os.pathsep.join(path)}
        )
        try:
            return self._watched(process)
        except KeyboardInterrupt:
            _tell(signal.SIGTERM)
            raise

    def _watched(self, process: subprocess.Popen) -> int:
        """The exit status of the process, which is asked to stop when this job is."""
        asked = -math.inf
        while (status := process.poll()) is None:
            orphan = self.parent is not None and not psutil.pid_exists(self.parent)
            wanted = self.warned or self.terminated or orphan
            if wanted and time.monotonic() - asked > AGAIN:
                if asked < 0:
                    _say("asked to stop: waiting until the work is saved")
                _tell(signal.SIGTERM if orphan else signal.SIGUSR2)
                asked = time.monotonic()
            time.sleep(TICK)
        return status


def _persist(requeue: Callable[[int, None], Any]) -> None:
    """Requeue, also when the controller does not answer at once."""
    for _ in range(20):
        try:
            requeue(signal.SIGUSR2, None)
            return
        except (subprocess.CalledProcessError, subprocess.TimeoutExpired) as error:
            _say(f"not requeued ({error}); trying again")
            time.sleep(AGAIN)


def _tell(number: signal.Signals) -> None:
    """Send a signal to every process below this one: SLURM may have told this one only."""
    for process in psutil.Process().children(recursive=True):
        with contextlib.suppress(psutil.NoSuchProcess):
            process.send_signal(number)


def _say(message: str) -> None:
    print(f"[{time.strftime('%H:%M:%S')}] {message}", file=sys.stderr, flush=True)
