"""The jobs of this run that may be in the queue, and their cancellation."""

from typing import Any

from . import slurm
from .running import RunningJob
from .submission import Submission


class Jobs:
    """The jobs of this run that may be in the queue, of SLURM or, not ``in_slurm``, of processes.

    ``running`` were submitted, by id; of those ``in_flight``, by token, that is not known: sbatch
    has not answered.
    """

    def __init__(self, in_slurm: bool, logger: Any) -> None:
        self.in_slurm, self.logger = in_slurm, logger
        self.running: dict[str, RunningJob] = {}
        self.in_flight: dict[str, Submission] = {}

    def __bool__(self) -> bool:
        """Whether there may be any."""
        return bool(self.running or self.in_flight)

    def cancel(self) -> None:
        """Cancel all; those of a SLURM that does not answer stay, and are named."""
        try:
            if self:
                self._cancel()
        except slurm.NoAnswer as error:
            self.logger.error(f"SLURM does not answer ({error}). {self._left()}")
        else:
            self.running.clear()
            self.in_flight.clear()

    def _cancel(self) -> None:
        if self.in_slurm:
            slurm.cancel(job for job, status in slurm.jobs().items() if self._has(job, status))
        else:
            for running in list(self.running.values()):
                running.handle.cancel()

    def _has(self, job: str, status: slurm.JobStatus) -> bool:
        running = self.running.get(job)
        ours = running is not None and running.token == status.token
        return status.alive and (ours or status.token in self.in_flight)

    def _left(self) -> str:
        """What may be left, in words."""
        told = ["No submitted job is left."]
        if self.running:
            told = [f"Jobs may be left: `scancel {' '.join(self.running)}` when it does."]
        for submission in self.in_flight.values():
            told.append(
                f"The submission of {submission.name} was interrupted; if SLURM took its jobs, "
                f"they end by themselves a minute after their start. `squeue --me -o '%i %o'` "
                f"shows {submission.token} in them."
            )
        return " ".join(told)
