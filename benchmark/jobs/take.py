"""The job that takes a finished run from an archive, in place of its training and evaluation."""

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from benchmark.archives import contents, index
from benchmark.archives.contents import Finished
from benchmark.data.description import Description, describe
from benchmark.files import atomic
from benchmark.records import arrays
from benchmark.records.records import NLL, Record, RecordFile
from benchmark.records.run import Run

ROUNDING = 1e-6
"""Largest relative change of a mean NLL by the rounding of log-densities to float32."""


@dataclass(frozen=True)
class Taking:
    """A run, and the ``files`` and ``measurements`` of it that are taken from an archive."""

    run: Run
    archive: Path
    sha256: str | None
    files: tuple[str, ...]
    measurements: tuple[str, ...]


def take(taking: Taking) -> None:
    """Write the files of a run as its archive has them, after checking that they are of rows here.

    Records say in their provenance from which archive they come. Raises ``ValueError`` in words for
    an archive that is damaged, is not the one that was asked for, lacks the run, or was measured on
    other rows.
    """
    with taking.archive.open("rb") as file:
        sha256 = hashlib.file_digest(file, "sha256").hexdigest()
    finished = _found(taking, sha256)
    described, run = describe(taking.run.data), taking.run
    _check_rows(taking, finished, described)
    with atomic(run.log_prob) as temporary, temporary.open("wb") as file:
        np.save(file, finished.log_prob.astype(np.float64))
    _check_nll(taking, finished, described)
    for name in taking.files:
        with atomic(run.folder / name) as temporary:
            temporary.write_bytes(finished.files[name])
    origin = {"archive": {"name": taking.archive.name, "sha256": sha256}}
    for name in taking.measurements:
        own = [record for record in finished.records if record.measurement == name]
        moved = [_moved(record, run, origin) for record in own]
        RecordFile(records=moved).save(run.measurement(name))


def _found(taking: Taking, sha256: str) -> Finished:
    if taking.sha256 not in (None, sha256):
        raise ValueError(
            f"{taking.archive}: found the SHA-256 {sha256}; the config asks for {taking.sha256}."
        )
    run, listed = taking.run, index.read(taking.archive)
    about = listed.find(run.dataset, run.method, run.seed)
    if about is None:
        raise ValueError(
            f"{taking.archive}: has no run of {run.method} on {run.dataset} with seed {run.seed}."
        )
    return contents.run_of(taking.archive, about)


def _check_rows(taking: Taking, finished: Finished, described: Description) -> None:
    """The archive has to be of the rows that lie here, each bit of them."""
    for record in finished.records:
        stated = record.protocol.get("data", described.hash)
        if stated != described.hash:
            raise ValueError(
                f"{taking.archive}: {taking.run.dataset} was measured on other rows, of the hash "
                f"{stated}; the rows here have {described.hash}. Train the method on these, or "
                f"prepare the rows of the archive."
            )


def _check_nll(taking: Taking, finished: Finished, described: Description) -> None:
    """The NLL of the records has to be that of the log-densities, which are read as any program's.

    They are written first, as it is their reader that says what is wrong with a file.
    """
    values = described.nll(arrays.log_prob(taking.run.log_prob, described.rows["test"]))
    stated = [r.value for r in finished.records if (r.measurement, r.metric) == (NLL, NLL)]
    if stated == [None] or not stated:
        return
    scale = max(1.0, float(np.abs(values).mean()))
    if not abs(values.mean() - stated[0]) <= ROUNDING * scale:
        raise ValueError(
            f"{taking.archive}: the NLL of its records on {taking.run.dataset} is {stated[0]:.7g}, "
            f"that of its log-densities {values.mean():.7g}. It is damaged or was edited."
        )


def _moved(record: Record, run: Run, origin: dict[str, Any]) -> Record:
    provenance = {**record.provenance, **origin}
    return record.model_copy(update={"suite": run.suite, "provenance": provenance})
