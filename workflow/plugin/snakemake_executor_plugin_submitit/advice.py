"""What to do about the end of a job."""

import re
from typing import Any

from .parameters import memory_of, runtime_of

OUT_OF_MEMORY = re.compile(
    r"oom[-_]?kill|OOM Killed|Out Of Memory|out-of-memory handler|[Ee]xceeded .*memory limit"
)
"""SLURM's words, in the log of a job, on memory."""

KILLED = re.compile(r"exit (?:status|code) 137|return code 137|SIGKILL")
"""Words, in the log, on a process that was killed."""

START = "] started on "
"""Words of the log at each start of a job."""


def advice(state: str, error: str, log: str, job: Any) -> str:
    """The reason of the end of a job and what to do about it; empty where nothing is known.

    ``state`` is SLURM's, empty elsewhere; ``log`` has all starts of the job, of which the last
    counts.
    """
    last = log.rpartition(START)[2]
    if state == "OUT_OF_MEMORY" or OUT_OF_MEMORY.search(last):
        return f"out of memory: {memory_of(job)}"
    if state in ("FAILED", "") and KILLED.search(last):
        return f"a process was killed, as for lack of memory: {memory_of(job)}"
    if "timed-out too many times" in error:
        return f"raise runtime, {runtime_of(job)} min now, or --submitit-max-timeouts"
    return {
        "TIMEOUT": f"raise runtime, {runtime_of(job)} min now: it did not stop at the warning",
        "NODE_FAIL": "its node failed; set `retries` in the profile to have it submitted again",
    }.get(state, "")
