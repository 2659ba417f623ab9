"""Logs of jobs, and the reason a job leaves behind when it fails."""

import traceback
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from pathlib import Path

from benchmark.files import write_json

FAILURE = "failure.json"


@contextmanager
def logged(log: str | Path, run: str | Path | None = None) -> Iterator[None]:
    """Everything printed goes to ``log``; a failure leaves its reason in ``run``/failure.json."""
    failure = Path(run) / FAILURE if run else None
    if failure:
        failure.unlink(missing_ok=True)
    with Path(log).open("w", buffering=1) as file, redirect_stdout(file), redirect_stderr(file):
        try:
            yield
        except Exception as error:
            traceback.print_exc()
            if failure:
                reason = f"{type(error).__name__}: {error}".splitlines()[0]
                write_json(failure, {"reason": reason, "log": str(log)})
            raise
