"""Queries of jobs and their cancellation, with SLURM's own commands."""

import os
import re
import subprocess
import time
from collections.abc import Iterable
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
    r"AccountNotAllowed|InvalidAccount|InvalidQOS|QOSNotAllowed": "its account or QOS is barred",
    r"PartitionTimeLimit": "it asks for more time (runtime) than its partition allows",
    r"PartitionNodeLimit": "it asks for more nodes than its partition allows",
    r"[Hh]eld": "it is held; `scontrol release` releases it",
    r"BadConstraints|Invalid": "no node meets its request",
    r"ReqNodeNotAvail|NodeDown|Node.*down": "the nodes it needs are down, drained or reserved",
    r"DependencyNeverSatisfied": "a job it depends on has failed",
    r"Max\w*Per(Job|Node)|QOSMin|MaxMemPerLimit": "it asks for more, or less, than a job may",
    r"Grp\w*(?<!Run)Minutes": "the budget of its account or QOS is used up",
}
"""Reasons why a pending job may never start, as patterns, and their meaning."""

HINTS = {
    "OUT_OF_MEMORY": "raise mem_mb",
    "TIMEOUT": "raise runtime: it did not stop in time at the warning",
    "PREEMPTED": "set `retries` in the profile to have it submitted again",
    "NODE_FAIL": "its node failed; set `retries` in the profile to have it submitted again",
}

TRANSIENT_ERRORS = re.compile(
    r"temporarily|timed out|Unable to contact|Connection|Zero Bytes|Resource temporarily|try again"
    r"|slurm_persist|communication|Socket|Transport|Slurm controller not responding",
    re.IGNORECASE,
)
LIMIT_ERRORS = re.compile(
    r"submit limit|MaxSubmit|MaxArraySize|Invalid job array|too many jobs", re.IGNORECASE
)


class JobStatus(NamedTuple):
    """Status of a job as reported by squeue."""

    state: str
    reason: str
    comment: str

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
    user, form = str(os.getuid()), "%i|%T|%r|%k"
    lines = _ask("squeue", "--noheader", "--array", "--states=all", "-u", user, "-o", form)
    parts = (line.split("|", 3) for line in lines.splitlines())
    return {fields[0]: JobStatus(*fields[1:]) for fields in parts if len(fields) == 4}


def cancel(ids: Iterable[str]) -> None:
    """Cancel jobs; some may have ended. Raises ``NoAnswer`` if SLURM does not answer."""
    waiting = list(ids)
    for start in range(0, len(waiting), 200):
        try:
            _ask("scancel", *waiting[start : start + 200])
        except NoAnswer as error:
            if TRANSIENT_ERRORS.search(str(error)):
                raise


def ending(job: str) -> str:
    """The end of a job in words: state, exit code, and what to do about it.

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
        return f"SLURM does not know it any more ({error})"
    hint = f" ({HINTS[state]})" if state in HINTS else ""
    return f"state {state}, exit code {code}{hint}"


def _value(key: str, text: str) -> str:
    match = re.search(rf"\b{key}=(\S+)", text)
    return match.group(1) if match else "unknown"


def _ask(*command: str) -> str:
    try:
        answer = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise NoAnswer(f"{command[0]}: {error}") from error
    if answer.returncode:
        words = answer.stderr.strip()
        raise NoAnswer(words or f"{command[0]} ended with status {answer.returncode}")
    return answer.stdout
