"""What SLURM says of jobs, and what is said to it, with its own commands."""

import os
import re
import subprocess
import time
from collections.abc import Iterable
from typing import NamedTuple

ALIVE = {"PENDING", "RUNNING", "CONFIGURING", "COMPLETING", "SUSPENDED", "REQUEUED", "REQUEUE_FED"}
ALIVE |= {"REQUEUE_HOLD", "RESV_DEL_HOLD", "SPECIAL_EXIT", "STOPPED", "RESIZING", "SIGNALING"}
ALIVE |= {"STAGE_OUT"}
"""States of jobs that have not ended. (A requeued job is in one that has for a moment.)"""

STUCK = {
    r"AccountNotAllowed|InvalidAccount|InvalidQOS|QOSNotAllowed": "its account or QOS is barred",
    r"PartitionTimeLimit": "it asks for more time (runtime) than its partition allows",
    r"PartitionNodeLimit": "it asks for more nodes than its partition allows",
    r"[Hh]eld": "it is held; `scontrol release` lets it go on",
    r"BadConstraints|Invalid": "no node has what it asks for",
    r"ReqNodeNotAvail|NodeDown|Node.*down": "the nodes it needs are down, drained or reserved",
    r"DependencyNeverSatisfied": "what it depends on has failed",
    r"Max\w*Per(Job|Node)|QOSMin|MaxMemPerLimit": "it asks for more, or less, than a job may",
    r"Grp\w*(?<!Run)Minutes": "the budget of its account or QOS is used up",
}
"""Reasons for which a pending job may never start, and what they mean."""

HINTS = {
    "OUT_OF_MEMORY": "raise mem_mb",
    "TIMEOUT": "raise runtime: it did not stop in time at the warning",
    "PREEMPTED": "`retries` in the profile let it be submitted again",
    "NODE_FAIL": "its node failed; `retries` in the profile let it be submitted again",
}

TRANSIENT = re.compile(
    r"temporarily|timed out|Unable to contact|Connection|Zero Bytes|Resource temporarily|try again"
    r"|slurm_persist|communication|Socket|Transport|Slurm controller not responding",
    re.IGNORECASE,
)
TOO_MANY = re.compile(
    r"submit limit|MaxSubmit|MaxArraySize|Invalid job array|too many jobs", re.IGNORECASE
)


class Seen(NamedTuple):
    """What squeue says of a job."""

    state: str
    reason: str
    comment: str

    @property
    def alive(self) -> bool:
        """Whether the job waits or runs."""
        return self.state in ALIVE

    @property
    def stuck(self) -> str | None:
        """Why it may never start, in words; ``None`` where it will."""
        if self.state != "PENDING":
            return None
        found = (words for pattern, words in STUCK.items() if re.search(pattern, self.reason))
        return next(found, None)


class Silent(Exception):
    """SLURM does not answer; the text is its own."""


def jobs() -> dict[str, Seen]:
    """All jobs of this user that SLURM has or had a few minutes ago, by id, in one query.

    Raises ``Silent`` when there is no answer, as from a busy or restarting controller.
    """
    user, form = str(os.getuid()), "%i|%T|%r|%k"
    lines = _ask("squeue", "--noheader", "--array", "--states=all", "-u", user, "-o", form)
    parts = (line.split("|", 3) for line in lines.splitlines())
    return {found[0]: Seen(*found[1:]) for found in parts if len(found) == 4}


def cancel(ids: Iterable[str]) -> None:
    """Cancel jobs, also such as have ended. Raises ``Silent`` when SLURM does not answer."""
    waiting = list(ids)
    for start in range(0, len(waiting), 200):
        try:
            _ask("scancel", *waiting[start : start + 200])
        except Silent as silent:
            if TRANSIENT.search(str(silent)):
                raise


def ending(job: str) -> str:
    """How a job ended, in words: state, exit code, and what to do about it.

    Its result may be there before SLURM takes note of its end, for which this waits some seconds.
    """
    try:
        for _ in range(10):
            text = _ask("scontrol", "--oneliner", "show", "job", job)
            state, code = (_value(key, text) for key in ("JobState", "ExitCode"))
            if state not in ("RUNNING", "COMPLETING"):
                break
            time.sleep(0.5)
    except Silent as silent:
        return f"SLURM does not know it any more ({silent})"
    hint = f" ({HINTS[state]})" if state in HINTS else ""
    return f"state {state}, exit code {code}{hint}"


def _value(key: str, text: str) -> str:
    found = re.search(rf"\b{key}=(\S+)", text)
    return found.group(1) if found else "unknown"


def _ask(*command: str) -> str:
    try:
        found = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise Silent(f"{command[0]}: {error}") from error
    if found.returncode:
        raise Silent(found.stderr.strip() or f"{command[0]} ended with status {found.returncode}")
    return found.stdout
