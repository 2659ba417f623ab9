"""SLURM's queue as it was last read, and when to read it again."""

import math
import time
from collections.abc import Collection, Mapping
from typing import Any

from . import slurm

MAX_INTERVAL_FACTOR = 8
"""Longest time between two queries of SLURM while nothing changes, in intervals of the setting."""

NO_ANSWER = "no answer"
"""Subject of the warning that SLURM does not answer."""


class Queue:
    """SLURM's queue: the status of each job, read at most once per interval, in seconds.

    While nothing changes it is read less often. Each warning is given once.
    """

    def __init__(self, interval: float, logger: Any) -> None:
        self.interval, self.logger = interval, logger
        self.statuses: Mapping[str, slurm.JobStatus] = {}
        self.asked_at, self.pause = -math.inf, interval
        self.warned: set[str] = set()

    def alive(self) -> set[tuple[str, str]]:
        """Id and token of jobs that have not ended, at most an interval ago if SLURM answers."""
        if time.monotonic() - self.asked_at >= self.interval:
            self.read()
        return {(job, status.token) for job, status in self.statuses.items() if status.alive}

    def wait(self) -> Mapping[str, slurm.JobStatus]:
        """The queue, waiting for an answer: without it a job might be submitted twice."""
        while not self.read():
            time.sleep(max(1.0, self.interval))
        return self.statuses

    def hasten(self) -> None:
        """Read the queue again after one interval."""
        self.pause = self.interval

    def read_if_due(self, jobs: Collection[str]) -> bool:
        """Read the queue if the pause is over; whether it was read.

        The next pause is longer if the status of ``jobs`` has not changed.
        """
        if time.monotonic() - self.asked_at < self.pause:
            return False
        before = [self.statuses.get(job) for job in jobs]
        answered = self.read()
        changed = before != [self.statuses.get(job) for job in jobs]
        slower = min(1.5 * self.pause, MAX_INTERVAL_FACTOR * self.interval)
        self.pause = self.interval if changed else max(self.interval, slower)
        return answered

    def read(self) -> bool:
        """Read the queue; whether SLURM answered."""
        self.asked_at = time.monotonic()
        try:
            self.statuses = slurm.jobs()
        except slurm.NoAnswer as error:
            self._warn(f"SLURM does not answer ({error}). Jobs continue; waiting.", NO_ANSWER)
            return False
        if NO_ANSWER in self.warned:
            self.warned.remove(NO_ANSWER)
            self.logger.info("SLURM answers again.")
        return True

    def is_alive(self, job: str, token: str, name: str) -> bool:
        """Whether the job had not ended; warns of a job of rule ``name`` that may never start."""
        status = self.statuses.get(job)
        if status is None or not status.alive or status.token != token:
            return False
        if status.stuck:
            self._warn(
                f"SLURM job {job} ({name}) is pending and may never start: "
                f"{status.stuck} ({status.reason}).",
                f"{name} {status.reason}",
            )
        return True

    def _warn(self, message: str, subject: str) -> None:
        if subject not in self.warned:
            self.warned.add(subject)
            self.logger.warning(message)
