"""Queries of jobs and their cancellation, with SLURM's own commands."""

import os
import re
import subprocess
import time
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

ALIVE_STATES = {
    "PENDING",
    "RUNNING",
    "CONFIGURING",
    "COMPLETING",
    "SUSPENDED",
    "REQUEUED",
    "REQUEUE_FED",
}
ALIVE_STATES |= {
    "REQUEUE_HOLD",
    "RESV_DEL_HOLD",
    "SPECIAL_EXIT",
    "STOPPED",
    "RESIZING",
    "SIGNALING",
}
ALIVE_STATES |= {"STAGE_OUT"}
"""States of jobs that have not ended. (A requeued job is briefly in a state of an ended one.)"""

STUCK_REASONS = {
    r"Account(NotAllowed|ingPolicy)|InvalidAccount|InvalidQOS|QOSNotAllowed": (
        "its account or QOS is barred"
    ),
    r"PartitionTimeLimit": "it asks for more time (runtime) than its partition allows",
    r"PartitionNodeLimit|PartitionConfig": "it asks for nodes that its partition does not have",
    r"PartitionDown|PartitionInactive": "its partition is down or inactive",
    r"[Hh]eld|HoldMaxRequeue|ExitHold|JobLaunchFailure": (
        "it is held; `scontrol release` releases it"
    ),
    r"ReservationDeleted|RequiresReservation": "the reservation that it needs is not there",
    r"BadConstraints|^Constraints|Invalid": "no node meets its request",
    r"ReqNodeNotAvail|NodeDown|Node.*down|FrontEndDown": (
        "the nodes it needs are down, drained or reserved"
    ),
    r"DependencyNeverSatisfied": "a job it depends on has failed",
    r"DeadLine": "it cannot end before its deadline",
    r"BurstBufferOperation": "its burst buffer could not be made",
    r"Max\w*Per(Job|Node)|QOSMin|MaxMemPerLimit": "it asks for more, or less, than a job may",
    r"Grp\w*(?<!Run)Minutes|(QOS|Association)TimeLimit|QOSUsageThreshold": (
        "the budget of its account or QOS is used up"
    ),
}
"""Reasons why a pending job may never start, as patterns, and their meaning."""

OUTAGE = re.compile(
    r"temporarily|timed out|Unable to contact|Connection|Zero Bytes|slurm_persist|communication"
    r"|Socket|Transport|controller not responding",
    re.IGNORECASE,
)
"""Words of a controller that does not answer, or is full: an outage, which ends by itself."""


class Ending(NamedTuple):
    """The end of a job: SLURM's state, empty if it does not know, and all it knows in words."""

    state: str
    words: str


class JobStatus(NamedTuple):
    """Status of a job as reported by squeue."""

    state: str
    reason: str
    token: str
    """Folder, without its path, of the submission file; that of our jobs is their mark."""

    @property
    def alive(self) -> bool:
        """Whether the job is waiting or running."""
        return self.state in ALIVE_STATES

    @property
    def stuck(self) -> str | None:
        """The reason why it may never start, in words; ``None`` if it will."""
        if self.state != "PENDING":
            return None
        for pattern, words in STUCK_REASONS.items():
            if re.search(pattern, self.reason):
                return words
        return None


class NoAnswer(Exception):
    """SLURM does not answer; the message is SLURM's own."""


def jobs() -> dict[str, JobStatus]:
    """All jobs of this user that SLURM has or had a few minutes ago, by id, in one query.

    Raises ``NoAnswer`` if there is none, e.g. from a busy or restarting controller.
    """
    user, form = str(os.getuid()), "%i|%T|%r|%o"
    lines = _ask("squeue", "--noheader", "--array", "--states=all", "-u", user, "-o", form)
    parts = (line.split("|", 3) for line in lines.splitlines() if line.count("|") >= 3)
    return {
        job: JobStatus(state, reason, Path(file).parent.name) for job, state, reason, file in parts
    }


def cancel(ids: Iterable[str]) -> None:
    """Cancel jobs; some may have ended. Raises ``NoAnswer`` if SLURM does not answer."""
    waiting = list(ids)
    for start in range(0, len(waiting), 200):
        try:
            _ask("scancel", *waiting[start : start + 200])
        except NoAnswer as error:
            if OUTAGE.search(str(error)):
                raise


def ending(job: str, token: str) -> Ending:
    """The end of a job.

    Waits some seconds for SLURM to register the end, which may be later than the job's result.
    """
    try:
        for _ in range(10):
            text = _ask("scontrol", "--oneliner", "show", "job", job)
            state, code = (_value(key, text) for key in ("JobState", "ExitCode"))
            if state not in ("RUNNING", "COMPLETING"):
                break
            time.sleep(0.5)
    except NoAnswer as error:
        return Ending("", f"SLURM does not know it any more ({error})")
    if f"/{token}/" not in text:
        return Ending("", "SLURM does not know it any more: its number is another job's")
    return Ending(state, f"state {state}, exit code {code}")


def _value(key: str, text: str) -> str:
    match = re.search(rf"\b{key}=(\S+)", text)
    return match.group(1) if match else "unknown"


def _ask(*command: str) -> str:
    # The user's own SQUEUE_PARTITION, SCANCEL_INTERACTIVE and so on would change the question.
    own = ("SQUEUE_", "SCANCEL_")
    env = {name: value for name, value in os.environ.items() if not name.startswith(own)}
    try:
        answer = subprocess.run(command, capture_output=True, text=True, timeout=120, env=env)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise NoAnswer(f"{command[0]}: {error}") from error
    if answer.returncode:
        words = answer.stderr.strip()
        raise NoAnswer(words or f"{command[0]} ended with status {answer.returncode}")
    return answer.stdout
