"""The process on the node: one ``python -m snakemake --mode remote ...``, resumable.

Three things can end a job before its work is done. SLURM's **warning** (``SIGUSR2``: the time limit
is near, or a preemption is announced) is passed on to the child processes until they have saved
their work and stopped; then submitit requeues the job, and the same command resumes in it. A
**SIGTERM** (preemption without a warning, ``scontrol requeue``, ``scancel``) is passed on too, but
SLURM decides what happens to the job: nothing is requeued and no result is written, since a result
would report a job as failed that SLURM starts again. A **kill** leaves what was saved before.

A process that saves its work handles ``SIGUSR2`` and exits with a status other than 0. A process
that does not handle it is not affected: the job continues to its limit.
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
from typing import Any, NamedTuple

import psutil
import submitit
from submitit.core.utils import DelayedSubmission

POLL_SECONDS = 0.1
"""Seconds between two checks of the process."""

REPEAT_SECONDS = 1.0
"""Seconds after which a signal (or requeue) is repeated: a process may not have handled it yet."""

REQUEUE_ATTEMPTS = 600
"""Attempts to requeue a job; SLURM ends it before, at its limit, unless the warning came early."""

KILL_GRACE_SECONDS = 600.0
"""Seconds within which SLURM kills a job after SIGTERM; longer than any usual ``GraceTime``."""

IDLE_STARTS = 3
"""Starts in a row without saved work of which the submitting side is told."""


def idle_file(folder: Path, job: str) -> Path:
    """The file, in the folder of its submission, that tells of a job that saves nothing."""
    return folder / f"{job}_idle"


class Watched(NamedTuple):
    """Folders in which a job saves its work, and the files there, its logs, that say nothing."""

    folders: tuple[str, ...] = ()
    logs: tuple[str, ...] = ()

    @classmethod
    def of(cls, job: Any) -> "Watched":
        """Of one of Snakemake's jobs: the folders of its outputs and logs."""
        logs = [os.path.abspath(path) for path in job.log]
        folders = {os.path.dirname(os.path.abspath(path)) for path in [*job.output, *logs]}
        return cls(tuple(sorted(folders)), tuple(logs))

    def files(self) -> set[tuple[str, int]]:
        """The files, with the times at which they were last written."""
        entries = []
        for folder in self.folders:
            with contextlib.suppress(OSError):
                entries += [entry for entry in os.scandir(folder) if entry.is_file()]
        return {(one.path, one.stat().st_mtime_ns) for one in entries if one.path not in self.logs}


NOTHING = Watched()
"""No folder."""


class SnakemakeJob:
    """A shell command in a folder, as a callable for submitit.

    For jobs on the submitting machine, ``parent`` is the process whose end ends the job. ``idle``
    is the number of starts, up to the last, that saved nothing before they were asked to stop.
    """

    def __init__(
        self,
        command: str,
        folder: Path,
        parent: int | None = None,
        watched: Watched = NOTHING,
        idle: int = 0,
    ) -> None:
        self.command, self.folder, self.parent = command, folder, parent
        self.watched, self.idle = watched, idle
        self.warned = self.terminated = False
        self.found: set[tuple[str, int]] = set()

    def __call__(self) -> None:
        """Run the command. Raises ``RuntimeError`` if it fails, and does not return if it was
        stopped: submitit requeues it, or SLURM kills it."""
        requeue = self._listen()
        self.found = self.watched.files()
        status = self._run()
        if status and self.terminated and "SLURM_JOB_ID" in os.environ:
            time.sleep(KILL_GRACE_SECONDS)
        if status and self.warned and callable(requeue):
            _requeue(requeue)
        if status:
            raise RuntimeError(f"the job ended with exit status {status}")

    def checkpoint(self) -> DelayedSubmission:
        """The job that submitit requeues: the same command."""
        idle = self.idle + 1 if self.watched.folders and self.watched.files() == self.found else 0
        if idle == IDLE_STARTS:
            idle_file(*_place()).touch()
        again = SnakemakeJob(self.command, self.folder, self.parent, self.watched, idle)
        return DelayedSubmission(again)

    def _listen(self) -> Any:
        """Install the signal handlers; submitit's handler of the warning, which requeues."""
        if threading.current_thread() is not threading.main_thread():
            return None  # submitit's cluster "debug"
        signal.signal(signal.SIGTERM, self._on_term)
        return signal.signal(signal.SIGUSR2, self._on_warning)

    def _on_warning(self, *_: Any) -> None:
        self.warned = True

    def _on_term(self, *_: Any) -> None:
        self.terminated = True

    def _run(self) -> int:
        # Children inherit ignored signals; a trap keeps bash alive without being inherited.
        script = f"trap '' USR2\ntrap : TERM\ncd {shlex.quote(str(self.folder))}\n{self.command}\n"
        # `python` in a rule is that of the submitting side even where the PATH is reset.
        path = [os.path.dirname(sys.executable), os.environ.get("PATH", os.defpath)]
        _log(f"started on {os.uname().nodename}, process {os.getpid()}")
        process = subprocess.Popen(
            ["bash", "-c", script], env={**os.environ, "PATH": os.pathsep.join(path)}
        )
        try:
            return self._wait(process)
        except KeyboardInterrupt:
            _signal_children(signal.SIGTERM)
            raise

    def _wait(self, process: subprocess.Popen) -> int:
        """Wait for the process, and pass on requests to stop; its exit status."""
        signalled = -math.inf
        while (status := process.poll()) is None:
            orphan = self.parent is not None and not psutil.pid_exists(self.parent)
            stop = self.warned or self.terminated or orphan
            if stop and time.monotonic() - signalled > REPEAT_SECONDS:
                if signalled < 0:
                    _log("asked to stop: waiting until the work is saved")
                _signal_children(signal.SIGTERM if orphan else signal.SIGUSR2)
                signalled = time.monotonic()
            time.sleep(POLL_SECONDS)
        return status


def _place() -> tuple[Path, str]:
    """The folder and the id of this job."""
    environment = submitit.JobEnvironment()
    return environment.paths.folder, environment.job_id


def _requeue(requeue: Callable[[int, None], Any]) -> None:
    """Requeue the job, with further attempts while the controller does not answer."""
    for _ in range(REQUEUE_ATTEMPTS):
        try:
            requeue(signal.SIGUSR2, None)
            return
        except (subprocess.CalledProcessError, subprocess.TimeoutExpired) as error:
            _log(f"not requeued ({error}); trying again")
            time.sleep(REPEAT_SECONDS)


def _signal_children(number: signal.Signals) -> None:
    """Send a signal to all descendants of this process: SLURM may have signalled only this one."""
    for process in psutil.Process().children(recursive=True):
        with contextlib.suppress(psutil.NoSuchProcess):
            process.send_signal(number)


def _log(message: str) -> None:
    print(f"[{time.strftime('%H:%M:%S')}] {message}", file=sys.stderr, flush=True)
