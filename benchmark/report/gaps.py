"""Gaps: runs and measurements that are not whole, or not made with what is here now, and why."""

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from benchmark.data.description import DESCRIPTION, describe
from benchmark.files import read_json
from benchmark.records import records
from benchmark.records.model_file import ModelFile
from benchmark.records.records import DISTANCES, NLL
from benchmark.records.run import DRAWINGS, Run, features_folder
from benchmark.report.asked import Suite
from benchmark.runtime.log import FAILURE, failure_of

UNDRAWN = {
    "density": "its density was not evaluated",
    "path": "its path was not evaluated",
    "backward": "its backward samples were not drawn",
}
"""Job whose file only figures need -> in words that it is missing; a run is whole without it."""

EXECUTOR = "submitit: "
"""Beginning of the line that the executor writes into the log of a job that it saw fail."""

OWN_METHODS_ONLY = "is measured on methods of this library"


def gap(suite: Suite, run: Run) -> str | None:
    """Why a run is not in the tables; ``None`` if it is whole and made with what is here now."""
    return (
        _failed(run)
        or _unfetched(suite, run)
        or _unprepared(suite, run)
        or _incomplete(suite, run)
        or (_unreadable(ModelFile.load, run.model) if suite.is_ours(run.method) else None)
        or _unreadable(records.read, run.measurement(NLL))
        or _stale(suite, run)
        or measurement_gap(suite, run, NLL)
    )


def gaps(suite: Suite, runs: Iterable[Run] | None = None) -> dict[Run, str]:
    """The gaps among ``runs``, or among all runs, each with its reason."""
    reasons = {run: gap(suite, run) for run in (suite.runs if runs is None else runs)}
    return {run: reason for run, reason in reasons.items() if reason is not None}


def measurement_gap(suite: Suite, run: Run, name: str) -> str | None:
    """Why a run has no records of a measurement; ``None`` if it has."""
    if name not in suite.measurements_of(run):
        if run.method in suite.archives:
            return f"{name}: not in its archive"
        return "not measured" if suite.is_ours(run.method) else f"{name}: {OWN_METHODS_ONLY}"
    made = run.measurement(name)
    shared = features_folder(run.suite, run.dataset) if name == DISTANCES else made.parent
    failures = [made.with_suffix(FAILURE), *(_failures(shared) if name == DISTANCES else [])]
    if reason := _reason(failures):
        return reason
    if not made.exists():
        return _stopped([run.measurement(name, "log")])
    return _unreadable(records.read, made) or _stale_measurement(suite, run, name)


def undrawn(file: Path) -> str | None:
    """Why a file of a run that only figures need is missing; ``None`` if it is there."""
    if file.exists():
        return None
    job = next(job for job, name in DRAWINGS.items() if name == file.name)
    return _reason([file.with_name(f"{job}{FAILURE}")]) or UNDRAWN[job]


# Failures and files


def _failed(run: Run) -> str | None:
    """The reason of a job of the run, of its search, or of the measurement of its NLL."""
    drawing = [f"{job}{FAILURE}" for job in DRAWINGS]
    own = [path for path in _failures(run.folder) if path.name not in drawing]
    return _reason([*own, run.search.with_suffix(FAILURE), run.measurement(NLL, FAILURE[1:])])


def _failures(folder: Path) -> list[Path]:
    return sorted(folder.glob(f"*{FAILURE}"))


def _reason(failures: Iterable[Path]) -> str | None:
    """The reason in the first of these files that exists."""
    return next((str(read_json(path)["reason"]) for path in failures if path.exists()), None)


def _unprepared(suite: Suite, run: Run) -> str | None:
    """Why the rows of its data set are not there, or are not those of the config."""
    prepared = suite.prepared_file(run.dataset)
    if reason := _reason([prepared.with_suffix(FAILURE)]):
        return f"its data set could not be prepared: {reason}"
    if (run.data / DESCRIPTION).exists():
        return None
    log = prepared.with_suffix(".log")
    return "its data set was not prepared" + (f", see {log}" if log.exists() else "")


def _unfetched(suite: Suite, run: Run) -> str | None:
    """Why the archive that a run is taken from is not there."""
    if run.method not in suite.archives:
        return None
    log = Path(f"{suite.archives[run.method].path}.log")
    reason = _reason([failure_of(log)])
    return None if reason is None else f"its archive could not be fetched: {reason}"


def _incomplete(suite: Suite, run: Run) -> str | None:
    fit = (run.model, run.weights, run.history) if suite.is_ours(run.method) else ()
    made = (*fit, run.log_prob, run.likelihood, run.samples, run.cost)
    needed = [path for path in made if suite.makes(run, path.name)]
    if all(path.exists() for path in [*needed, run.measurement(NLL)]):
        return None
    return _stopped([*run.folder.glob("*.log"), run.measurement(NLL, "log")])


def _stopped(logs: Iterable[Path]) -> str:
    """What became of work that left no more than logs, with the last of them that exists.

    The reason of the executor, if there is one, is the end of the log.
    """
    there = sorted((log for log in logs if log.exists()), key=lambda log: log.stat().st_mtime)
    if not there:
        return "was not run"
    last = there[-1].read_text(errors="replace").rstrip().rpartition("\n")[2]
    reason = f": {last.removeprefix(EXECUTOR)}" if last.startswith(EXECUTOR) else ""
    return f"stopped before its end{reason}, see {there[-1]}"


def _unreadable(read: Callable[[Path], Any], path: Path) -> str | None:
    """The error of a file that cannot be read, in words."""
    try:
        read(path)
    except ValueError as error:
        return str(error)
    return None


# What results were made with


def _stale(suite: Suite, run: Run) -> str | None:
    """The change since a fit or its evaluation was made, in words; ``None`` if there is none."""
    if not suite.is_ours(run.method):
        return None
    expected, likelihood = suite.expected(run), records.read(run.measurement(NLL))[0]
    fit, evaluation = ModelFile.load(run.model).provenance, likelihood["provenance"]
    if fit.get("config") != expected.train_config:
        return "its model was trained with another config"
    if fit.get("source") != expected.train_source:
        return "its model was trained with other code"
    if evaluation.get("config") != expected.evaluate_config:
        return "its records were made with another config"
    if evaluation.get("source") != expected.evaluate_source:
        return "its records were made with other code"
    if likelihood["protocol"].get("data") != describe(run.data).hash:
        return "its records were made with other data"
    return None


def _stale_measurement(suite: Suite, run: Run, name: str) -> str | None:
    """The change since a measurement was made, in words; not known of another program's run.

    Records that derive from files of the run have the config of these, and say the source of the
    measurement apart.
    """
    if not suite.is_ours(run.method):
        return None
    config, source = suite.expected_measurement(run, name)
    made = records.read(run.measurement(name))[0]["provenance"]
    if "measurement" not in made and made.get("config") != config:
        return f"its {name} was measured with another config"
    changed = made.get("measurement", made.get("source")) != source
    return f"its {name} was measured with other code" if changed else None
