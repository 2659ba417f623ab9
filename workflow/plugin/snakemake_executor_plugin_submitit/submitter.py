"""The thread that submits: sbatch may take minutes, in which jobs are watched all the same."""

import contextlib
import threading
from collections.abc import Callable

import psutil

from .submission import Submission

TICK_SECONDS = 1.0
"""Longest time between two attempts at submissions that have to wait."""

END_SECONDS = 10.0
"""Time within which an interrupted sbatch ends."""


class Submitter:
    """Submissions, made one after another by a thread of its own.

    ``attempt`` makes one and is false if it has to wait; ``crashed`` is told of any error of it.
    """

    def __init__(
        self, attempt: Callable[[Submission], bool], crashed: Callable[[Exception], None]
    ) -> None:
        self.attempt, self.crashed = attempt, crashed
        self.waiting: list[Submission] = []
        self.changed = threading.Condition()
        self.stopped = False
        self.thread = threading.Thread(target=self._run, daemon=True)
        self.thread.start()

    def add(self, submission: Submission) -> None:
        """Have a submission made."""
        with self.changed:
            self.waiting.append(submission)
            self.changed.notify()

    def wake(self) -> None:
        """Look at once at those that wait: a job has ended."""
        with self.changed:
            self.changed.notify()

    def stop(self) -> None:
        """Make no further submission, and end the call of sbatch that is being made."""
        with self.changed:
            self.stopped = True
            self.changed.notify()
        if self.thread.is_alive():
            self.thread.join(TICK_SECONDS)
            _end_sbatch()
            self.thread.join(END_SECONDS)

    def _run(self) -> None:
        try:
            while not self.stopped:
                self._round()
        except Exception as error:
            self.crashed(error)

    def _round(self) -> None:
        with self.changed:
            taken, self.waiting = self.waiting, []
        later = [one for one in taken if not self.stopped and not self.attempt(one)]
        with self.changed:
            if not self.waiting and not self.stopped:
                self.changed.wait(TICK_SECONDS if later else None)
            self.waiting[:0] = later


def _end_sbatch() -> None:
    for process in psutil.Process().children():
        with contextlib.suppress(psutil.NoSuchProcess):
            # Of sites that wrap sbatch it has any name.
            if any(".submission_file_" in word for word in process.cmdline()):
                process.terminate()
