"""The report of a suite: which runs are whole, its tables and its figures, from files alone."""

from collections.abc import Iterable, Mapping
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from benchmark.data import dataset
from benchmark.files import read_json, write_json
from benchmark.names import module_of
from benchmark.records import records
from benchmark.records.run import Run, data_folder, suite_folder
from benchmark.report import comparisons, plots, reproduction, significance, tables
from benchmark.report.plots import TARGET
from benchmark.report.reproduction import Row
from benchmark.report.table import Table, write
from benchmark.runtime.log import FAILURE
from benchmark.source import digest, files_of
from benchmark.suite.config import Suite

RECORDS = ("nll.json", "cost.json")
QUALITY = "quality/quality.json"
MODEL = ("model.json", "model.safetensors", "training.csv")
CURVE = ["tolerance", "nfe", "distance", "kernel_distance", "dataset", "method", "seed"]
NEAREST_ROWS = 10_000
"""Training images that samples are compared with at a time."""
HISTORY = {
    **dict.fromkeys(["dataset", "method", "unit"], "object"),
    **dict.fromkeys(["seed", "step"], "int64"),
    **dict.fromkeys(["seconds", "loss", "validation_nll"], "float64"),
}
ORACLE = "benchmark.baselines.oracle.Oracle"


def gap(suite: Suite, run: Run) -> str | None:
    """Why a run is not in the tables; ``None`` if it is whole and made with what is here now."""
    folder, data = run.folder, data_folder(run.suite, run.dataset)
    ours = suite.is_ours(run.method)
    for failed in (folder / FAILURE, folder.parent / FAILURE):  # the latter of a search
        if failed.exists():
            return str(read_json(failed)["reason"])
    if not (data / "data.json").exists():
        return f"its data set was not prepared, see {data.parent}/prepare.log"
    needed = (*RECORDS, "log_prob.npy", "samples.npy", *(MODEL if ours else ()))
    if not all((folder / name).exists() for name in needed):
        logs = sorted(folder.glob("*.log"), key=lambda path: path.stat().st_mtime)
        return f"stopped before its end, see {logs[-1]}" if logs else "was not run"
    return _stale(suite, run) if ours else None


def _stale(suite: Suite, run: Run) -> str | None:
    found, trained = _nll(run), read_json(run.folder / "model.json")
    origin, module = found["provenance"], module_of(suite.numbers(run)["class"])
    if trained["provenance"]["config"] != suite.train_hash(run):
        return "its model was trained with another config"
    if origin["config"] != suite.run_hash(run):
        return "its records were made with another config"
    if origin["source"] != digest(files_of(module, "benchmark.jobs.steps")):
        return "its records were made with other code"
    data = dataset.describe(data_folder(run.suite, run.dataset))
    if found["protocol"]["data"] != data.hash:
        return "its records were made with other data"
    return None


def write_tables(suite: Suite) -> None:
    """``metrics.csv`` and ``.parquet``, and the tables ``nll``, ``cost`` and ``significance``.

    Where images are compared by their features, ``quality`` too.
    """
    folder, frame = suite_folder(suite.name), _frame(suite, suite.runs)
    tables.write_metrics(frame, folder / "metrics.csv", folder / "metrics.parquet")
    shown = frame, suite.methods, _labels(suite)
    compared = _comparisons(suite, frame)
    if suite.images:
        floors = {name: _floor(suite, name) for name in suite.images}
        distances = {name: suite.distances(name) for name in suite.images}
        against = {name: said["as"] for name, said in suite.published.items()}
        table = tables.quality_table(frame, floors, distances, *shown[1:], against)
        write(_on_terms(suite, table), folder / "tables" / "quality")
    for name, table in (
        ("nll", tables.nll_table(*shown, compared)),
        ("cost", tables.cost_table(*shown)),
        ("significance", comparisons.table(*shown, compared)),
    ):
        write(_on_terms(suite, table), folder / "tables" / name)


def write_reproduction(suite: Suite, name: str, *datasets: str) -> None:
    """The table ``name`` of published and measured numbers on ``datasets``, and its rows (JSON)."""
    stem = suite_folder(suite.name) / "tables" / name
    frame = _frame(suite, [run for run in suite.runs if run.dataset in datasets])
    against = {dataset: suite.published[dataset] for dataset in datasets}
    compared = _comparisons(suite, frame)
    labels = _labels(suite)
    table = reproduction.table(frame, suite.methods, labels, against, compared)
    write(_on_terms(suite, table), stem)
    found = reproduction.rows(frame, suite.methods, against)
    write_json(f"{stem}.json", [asdict(row) for row in found])


def tell_reproduced(suite: Suite, names: Iterable[str]) -> bool:
    """Prints what comes of tables of published and measured numbers; whether all of them pass.

    A table that compares nothing does not pass.
    """
    stems = [suite_folder(suite.name) / "tables" / name for name in names]
    found = [[Row(**row) for row in read_json(f"{stem}.json")] for stem in stems]
    for rows in found:
        print(reproduction.summary(rows, suite.methods, _labels(suite)), flush=True)
    return all(map(reproduction.passes, found))


def write_samples(suite: Suite, name: str) -> None:
    """Figure of the samples of the first seed of every method on one data set."""
    gaps, runs = _gaps(suite), [run for run in first_runs(suite) if run.dataset == name]
    target = dataset.rows(data_folder(suite.name, name), "test")
    samples = {run.method: np.load(run.folder / "samples.npy") for run in runs if run not in gaps}
    missing = {run.method: gaps[run] for run in runs if run in gaps}
    description = dataset.describe(data_folder(suite.name, name))
    if description.base is not None and suite.event(name) == (2,):
        figure = _samples_between(suite, name, samples, missing)
    elif description.picture is not None:
        real = dataset.dequantise(target[: plots.PICTURES], description.levels, seed=0)
        figure = plots.samples_images(real, samples, description.picture, suite.methods, missing)
    else:
        figure = plots.samples_2d(target, samples, suite.methods, missing)
    plots.save(figure, suite_folder(suite.name) / "figures" / f"samples_{name}")


def _samples_between(
    suite: Suite, name: str, forward: Mapping[str, np.ndarray], gaps: dict[str, str]
) -> Figure:
    """``forward`` beside what flows the other way, of a data set with rows of the base."""
    runs = {run.method: run for run in first_runs(suite) if run.dataset == name}
    files = {method: runs[method].folder / "samples_base.npy" for method in forward}
    backward = {method: np.load(file) for method, file in files.items() if file.exists()}
    gaps |= {m: "its backward samples were not drawn" for m in forward if m not in backward}
    base, target = (
        dataset.rows(data_folder(suite.name, name), split) for split in ("base_test", "test")
    )
    return plots.samples_between((base, target), forward, backward, suite.methods, gaps)


def write_densities(suite: Suite) -> None:
    """Figure of the learned densities of the first seed on every data set of the plane."""
    gaps = _gaps(suite)
    extents: dict[str, plots.Extent] = {}
    found: dict[str, dict[str, np.ndarray]] = {}
    captions: dict[tuple[str, str], str] = {}
    missing: dict[tuple[str, str], str] = {}
    for name in suite.datasets:
        if suite.event(name) != (2,) or suite.has_base(name):
            continue
        found[name] = {}
        for run in (run for run in first_runs(suite) if run.dataset == name):
            key = TARGET if is_oracle(suite, run) else run.method
            if run in gaps or not (run.folder / "density.npz").exists():
                missing[name, key] = gaps.get(run, "its density was not evaluated")
                continue
            stored = _arrays(run.folder / "density.npz")
            extents[name] = stored["extent"]
            found[name][key] = stored["log_density"]
            captions[name, key] = _caption(run)
    labels = _labels(suite)
    figure = plots.densities(extents, found, suite.methods, labels, captions, missing)
    plots.save(figure, suite_folder(suite.name) / "figures" / "density")


def write_path(suite: Suite, name: str) -> None:
    """Figure and animation of the path from base to data of every flow's first seed."""
    gaps = _gaps(suite)
    found: dict[str, Any] = {}
    missing: dict[str, str] = {}
    for run in (run for run in first_runs(suite) if run.dataset == name):
        if is_oracle(suite, run) and run not in gaps:
            truth = _arrays(run.folder / "density.npz")
            found[TARGET] = plots.Frames(truth["log_density"][None], np.ones(1), truth["extent"])
        elif not suite.is_flow(run.method):
            continue
        elif run in gaps or not (run.folder / "path.npz").exists():
            missing[run.method] = gaps.get(run, "its path was not evaluated")
        elif name in suite.images:
            with np.load(run.folder / "path.npz") as stored:
                found[run.method] = plots.Journey(stored["images"] / 255, stored["times"])
        else:
            found[run.method] = plots.Frames(**_arrays(run.folder / "path.npz"))
    draw: tuple[Any, Any] = plots.path, plots.path_film
    if name in suite.images:
        draw = plots.journeys, plots.journeys_film
    still, film = (function(found, suite.methods, missing) for function in draw)
    stem = suite_folder(suite.name) / "figures" / f"path_{name}"
    plots.save(still, stem)
    plots.save_film(film, f"{stem}.gif")


def write_nearest(suite: Suite, name: str) -> None:
    """Figure of samples of every method's first seed, and the training images nearest to them."""
    gaps, runs = _gaps(suite), [run for run in first_runs(suite) if run.dataset == name]
    folder = data_folder(suite.name, name)
    description, train = dataset.describe(folder), dataset.rows(folder, "train")
    assert description.levels is not None and description.picture is not None
    samples: dict[str, np.ndarray] = {}
    found: dict[str, np.ndarray] = {}
    for run in (run for run in runs if run not in gaps):
        drawn = np.load(run.folder / "samples.npy", mmap_mode="r")[:16]
        chosen = train[_nearest(drawn * description.levels - 0.5, train)]
        samples[run.method] = drawn.reshape(-1, *description.picture)
        found[run.method] = chosen.reshape(-1, *description.picture) / (description.levels - 1)
    missing = {run.method: gaps[run] for run in runs if run in gaps}
    figure = plots.nearest(samples, found, suite.methods, missing)
    plots.save(figure, suite_folder(suite.name) / "figures" / f"nearest_{name}")


def _nearest(x: np.ndarray, rows: np.ndarray) -> np.ndarray:
    """Index of the nearest of ``rows`` to each of ``x``, in the Euclidean distance of pixels."""
    best, index = np.full(len(x), np.inf), np.zeros(len(x), dtype=int)
    flat = x.reshape(len(x), -1)
    for start in range(0, len(rows), NEAREST_ROWS):
        part = rows[start : start + NEAREST_ROWS].reshape(-1, flat.shape[1]).astype(np.float64)
        squares = (part**2).sum(axis=1) - 2 * flat @ part.T  # less |x|^2, the same for all rows
        nearer = squares.min(axis=1) < best
        index[nearer] = start + squares.argmin(axis=1)[nearer]
        best = np.minimum(best, squares.min(axis=1))
    return index


def write_quality(suite: Suite) -> None:
    """Figure of the distance of samples from the training images against NFE, every seed."""
    runs = [run for run in suite.runs if run.dataset in suite.images]
    gaps = {run: reason for run, reason in _gaps(suite).items() if run in runs}
    whole = [run for run in runs if run not in gaps]
    gaps |= {run: why for run in whole if (why := _quality_gap(suite, run)) is not None}
    curves = [
        pd.read_csv((run.folder / QUALITY).with_suffix(".csv")).assign(
            dataset=run.dataset, method=run.method, seed=run.seed
        )
        for run in whole
        if run not in gaps
    ]
    frame = pd.concat([pd.DataFrame(columns=CURVE), *curves])
    names = {name: suite.distances(name)[0] for name in suite.images}
    floors = {
        record["dataset"]: record["value"]
        for name in suite.images
        for record in _floor(suite, name)
        if record["metric"] == names[name]
    }
    figure = plots.quality(frame, floors, names, suite.methods, _labels(suite), gaps)
    plots.save(figure, suite_folder(suite.name) / "figures" / "quality")


def write_learning_curves(suite: Suite) -> None:
    """Figure of the validation NLL against steps and seconds, every seed."""
    frame, missing = _histories(suite, [run for run in suite.runs if suite.is_trained(run)])
    references = {
        name: truth for name in suite.datasets if (truth := _truth(suite, name)) is not None
    }
    figure = plots.learning_curves(frame, suite.methods, _labels(suite), references, missing)
    plots.save(figure, suite_folder(suite.name) / "figures" / "learning_curves")


def write_diagnostics(suite: Suite) -> None:
    """Figure of what methods record of themselves along their training, every seed."""
    recording = [run for run in suite.runs if suite.has_diagnostics(run.method)]
    frame, missing = _histories(suite, recording)
    figure = plots.diagnostics(frame, suite.methods, _labels(suite), missing)
    plots.save(figure, suite_folder(suite.name) / "figures" / "diagnostics")


def write_nll_time(suite: Suite) -> None:
    """Figure of the test NLL against training seconds."""
    frame = tables.read_metrics(suite_folder(suite.name) / "metrics.parquet")
    known = {name: label for name, label in _labels(suite).items() if not suite.has_base(name)}
    figure = plots.nll_against_time(frame, suite.methods, known)
    plots.save(figure, suite_folder(suite.name) / "figures" / "nll_time")


def first_runs(suite: Suite) -> list[Run]:
    """The first seed of every method on every data set: what figures of single fits show."""
    return list({(run.dataset, run.method): run for run in reversed(suite.runs)}.values())[::-1]


def is_oracle(suite: Suite, run: Run) -> bool:
    """Whether a run is the true density of its data set."""
    return bool(suite.methods[run.method].get("class") == ORACLE)


def _gaps(suite: Suite) -> dict[Run, str]:
    found = {run: gap(suite, run) for run in suite.runs}
    return {run: reason for run, reason in found.items() if reason is not None}


def _frame(suite: Suite, runs: Iterable[Run]) -> pd.DataFrame:
    """The records of those of ``runs`` that are whole, and the gaps."""
    runs = list(runs)
    gaps = {run: reason for run, reason in _gaps(suite).items() if run in runs}
    whole = [run for run in runs if run not in gaps]
    files = [run.folder / name for run in whole for name in RECORDS]
    lacking: dict[tuple[Run, str], str] = {}
    for run in (run for run in whole if run.dataset in suite.images):
        reason = _quality_gap(suite, run)
        files += [run.folder / QUALITY] if reason is None else []
        lacking |= {(run, name): reason for name in suite.distances(run.dataset) if reason}
    return tables.metrics(files, gaps, lacking)


def _quality_gap(suite: Suite, run: Run) -> str | None:
    """Why a run that is whole has no distances of its images; ``None`` if it has."""
    if not suite.is_ours(run.method):
        return "distances are measured on methods of this library"
    folder = (run.folder / QUALITY).parent
    for failed in (folder, data_folder(run.suite, run.dataset).parent / "features"):
        if (failed / FAILURE).exists():
            return str(read_json(failed / FAILURE)["reason"])
    if not (run.folder / QUALITY).exists():
        return f"stopped before its end, see {folder}" if folder.exists() else "was not run"
    origin = records.read(run.folder / QUALITY)[0]["provenance"]
    if origin["config"] != suite.quality_hash(run):
        return "its distances were measured with another config"
    module = module_of(suite.numbers(run)["class"])
    if origin["source"] != digest(files_of(module, "benchmark.measure.quality")):
        return "its distances were measured with other code"
    return None


def _floor(suite: Suite, name: str) -> list[dict[str, Any]]:
    path = data_folder(suite.name, name).parent / "features" / "floor.json"
    return records.read(path) if path.exists() else []


def _comparisons(suite: Suite, frame: pd.DataFrame) -> tables.Comparisons:
    return {
        name: significance.comparisons(
            {method: _row_nll(suite, name, method) for method in methods}
        )
        for name, methods in tables.ranking(frame).items()
    }


def _row_nll(suite: Suite, name: str, method: str) -> dict[int, np.ndarray]:
    """Seed -> NLL of each test row."""
    description = dataset.describe(data_folder(suite.name, name))
    runs = [run for run in suite.runs if (run.dataset, run.method) == (name, method)]
    return {run.seed: description.nll(np.load(run.folder / "log_prob.npy")) for run in runs}


def _on_terms(suite: Suite, table: Table) -> Table:
    """The table, its caption followed by the terms of the suite."""
    return replace(table, caption=f"{table.caption} {suite.terms}".strip())


def _labels(suite: Suite) -> dict[str, str]:
    return {name: entry["label"] for name, entry in suite.datasets.items()}


def _arrays(file: Path) -> dict[str, Any]:
    """What an ``npz`` holds, its ``extent`` as a tuple."""
    with np.load(file) as stored:
        return {**stored, "extent": tuple(stored["extent"].tolist())}


def _records(run: Run) -> Mapping[str, dict[str, Any]]:
    return {record["metric"]: record for record in records.read(run.folder / "nll.json")}


def _nll(run: Run) -> dict[str, Any]:
    return _records(run)["nll"]


def _caption(run: Run) -> str:
    found = _records(run)
    known = [found[name] for name in ("nll", "kl") if name in found]
    parts = [f"{r['metric'].upper()} {r['value']:.3f}" for r in known if r["value"] is not None]
    return "  ".join(parts)


def _truth(suite: Suite, name: str) -> float | None:
    """True NLL of the validation rows of a data set, where it is known."""
    folder = data_folder(suite.name, name)
    known = dataset.true_log_prob(folder, "validation") if folder.exists() else None
    return None if known is None else float(dataset.describe(folder).nll(known).mean())


def _histories(suite: Suite, learned: list[Run]) -> tuple[pd.DataFrame, dict[Run, str]]:
    """The training curves of ``learned``, one under the other, and which are missing and why."""
    gaps = {run: reason for run, reason in _gaps(suite).items() if run in learned}
    frames = [_history(suite, run) for run in learned if run not in gaps]
    frame = pd.concat([pd.DataFrame(columns=list(HISTORY)), *frames])
    return frame.astype(HISTORY), gaps


def _history(suite: Suite, run: Run) -> pd.DataFrame:
    frame = pd.read_csv(run.folder / "training.csv")
    unit = dataset.describe(data_folder(suite.name, run.dataset)).unit
    return frame.assign(dataset=run.dataset, method=run.method, seed=run.seed, unit=unit)
