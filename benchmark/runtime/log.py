"""Logs of jobs, and the reason a job leaves behind when it fails."""

import traceback
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from pathlib import Path

from benchmark.files import write_json

FAILURE = "failure.json"
CHECKPOINT = ".checkpoint"
"""Suffix, in the place of a log's, of the file that unfinished work leaves beside its log."""


@contextmanager
def logged(log: str | Path, run: str | Path | None = None) -> Iterator[None]:
    """Everything printed goes to ``log``; a failure leaves its reason in ``run``/failure.json.

    Work that goes on from a checkpoint adds to what it said before. An interruption is no failure.
    """
    failure = Path(run) / FAILURE if run else None
    if failure:
        failure.unlink(missing_ok=True)
    mode = "a" if Path(log).with_suffix(CHECKPOINT).exists() else "w"
    with Path(log).open(mode, buffering=1) as file, redirect_stdout(file), redirect_stderr(file):
        with explained(log, run):
            yield
        if failure:
            failure.unlink(missing_ok=True)  # of a process that was taken for dead


@contextmanager
def explained(log: str | Path, run: str | Path | None) -> Iterator[None]:
    """Of a failure, its traceback is printed and its reason left in ``run``/failure.json, unless
    the first of several processes that fail together was there before."""
    try:
        yield
    except BaseException as error:
        traceback.print_exc()
        failure = Path(run) / FAILURE if run else None
        if failure and isinstance(error, Exception) and not failure.exists():
            reason = f"{type(error).__name__}: {error}".splitlines()[0]
            write_json(failure, {"reason": reason, "log": str(log)})
        raise
