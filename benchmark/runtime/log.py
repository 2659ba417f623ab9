"""Logs of jobs, and the reason that a failed job leaves beside its log."""

import traceback
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stderr, redirect_stdout, suppress
from pathlib import Path

from benchmark.files import write_json, writing

FAILURE = ".failure.json"
"""Suffix, instead of a log's, of the file with the reason of a failure: ``train.failure.json``."""

CHECKPOINT = ".checkpoint"
"""Suffix, instead of a log's, of the file that unfinished work leaves beside its log."""


def failure_of(log: str | Path) -> Path:
    """The file in which the job with this log leaves the reason of its failure."""
    return Path(log).with_suffix(FAILURE)


@contextmanager
def logged(log: str | Path) -> Iterator[None]:
    """A block that prints to ``log``, and leaves the reason of a failure in ``failure_of(log)``.

    Work that resumes from a checkpoint appends to its log. An interruption is no failure.
    """
    failure = failure_of(log)
    failure.unlink(missing_ok=True)
    mode = "a" if Path(log).with_suffix(CHECKPOINT).exists() else "w"
    with (
        writing(Path(log).parent),
        Path(log).open(mode, buffering=1) as file,
        redirect_stdout(file),
        redirect_stderr(file),
        explained(log),
    ):
        yield
    failure.unlink(missing_ok=True)  # of a process that was taken for dead


@contextmanager
def explained(log: str | Path) -> Iterator[None]:
    """A block that prints the traceback of a failure, and leaves its reason in ``failure_of(log)``.

    Where several processes fail together, the reason of the first stays.
    """
    try:
        with writing(Path(log).parent):
            yield
    except BaseException as error:
        failure = failure_of(log)
        with suppress(OSError):  # of a full disk
            if isinstance(error, Exception) and not failure.exists():
                reason = f"{type(error).__name__}: {error}".splitlines()[0]
                write_json(failure, {"reason": reason, "log": str(log)})
            traceback.print_exc()
        raise
