"""The steps of a run that need its model, files in and files out: fit, measure, draw on a grid.

``run`` folders and ``data`` folders are those of ``results/README.md``.
"""

import csv
import hashlib
import math
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import torch

from benchmark import model, names
from benchmark.data import dataset
from benchmark.data.dataset import Description
from benchmark.files import atomic, read_json, write_json
from benchmark.flow import Method
from benchmark.measure import evaluation
from benchmark.measure.evaluated import evaluate as evaluated_on_test_rows
from benchmark.measure.evaluated import protocol
from benchmark.measure.evaluation import TEST_NOISE, VALIDATION_NOISE, HeldOut
from benchmark.measure.evaluation_settings import EvaluationSettings
from benchmark.measure.raw_files import Trained, cost_file, likelihood_file
from benchmark.model import Model
from benchmark.ode import Tolerance
from benchmark.records import provenance
from benchmark.records.provenance import package_of
from benchmark.records.run import Run
from benchmark.rows import Rows
from benchmark.runtime import parallel
from benchmark.runtime.checkpoint import Checkpoint, Part
from benchmark.runtime.device import device_name
from benchmark.runtime.log import CHECKPOINT
from benchmark.training.loop import Row, Validation, fit
from benchmark.training.settings import Training

PICTURES = 36
"""Images that are followed from noise to data."""

CLOCK = "wall clock, stopped during validation, without imports; other jobs may run beside"


def search(
    run: Run,
    numbers: dict[str, Any],
    settings: dict[str, Any],
    data: str | Path,
    folder: Path,
    device: torch.device,
) -> None:
    """Try learning rates: ``search.json``, of each its validation NLL, and the best one, ``lr``.

    ``settings``: those of ``train``, and ``search``: the ``factors`` of ``train.lr`` that are
    tried, each with a ``share`` of the budget. A rate with which the training fails is not chosen;
    raises ``ValueError`` if that is all of them.
    """
    chosen = settings["search"]
    key = _key(run, settings, dataset.describe(data), device)
    with Checkpoint(folder / f"search{CHECKPOINT}", key) as checkpoint:
        checkpoint.visit(device_name(device))
        tried = []
        for factor in chosen["factors"]:
            trial = _trial(numbers, factor, chosen["share"])
            part = checkpoint.part(f"factor {factor}")
            tried.append(_tried(run.seed, trial, settings, data, device, part))
        known = [rate for rate in tried if rate["validation_nll"] is not None]
        if not known:
            raise ValueError(f"Search of train.lr: none of the trainings has a finite NLL: {tried}")
        best = min(known, key=lambda rate: rate["validation_nll"])
        made_by = _provenance(numbers, settings, device_name(device))
        found = {"lr": best["lr"], "tried": tried, **chosen, "provenance": made_by}
        write_json(folder / "search.json", found)
        checkpoint.remove()


def _tried(  # noqa: PLR0913 (what a training depends on)
    seed: int,
    trial: dict[str, Any],
    settings: dict[str, Any],
    data: str | Path,
    device: torch.device,
    part: Part,
) -> dict[str, Any]:
    """A learning rate and its validation NLL, or the reason why it has none; kept in ``part``."""
    state = part.state() or {}
    if "found" in state:
        found: dict[str, Any] = state["found"]
        return found
    found = {"lr": trial["train"]["lr"]}
    try:
        _, history = _fit(seed, trial, settings, data, device, part)
        found["validation_nll"] = _last_nll(history, trial["train"])
    except FloatingPointError as failure:
        found |= {"validation_nll": None, "reason": str(failure)}
    part.save({"found": found})
    return found


def with_rate(numbers: dict[str, Any], search: str | Path) -> dict[str, Any]:
    """``numbers`` with the learning rate that ``search.json`` has found."""
    return {**numbers, "train": {**numbers["train"], "lr": read_json(search)["lr"]}}


def train(
    run: Run,
    numbers: dict[str, Any],
    settings: dict[str, Any],
    data: str | Path,
    folder: Path,
    device: torch.device,
) -> None:
    """Fit one method: ``model.json``, ``model.safetensors``, ``training.csv``.

    ``settings``: ``atol`` and ``rtol`` of the validation, ``probes`` if it is not exact, and the
    hash ``config``. A fit that was
    cut short leaves ``train.checkpoint``, and goes on from it.
    """
    description, training = dataset.describe(data), Training(**numbers["train"])
    key = {
        **_key(run, settings, description, device),
        "lr": str(training.lr),  # perhaps found by a search, and then not in the config
    }
    with Checkpoint(folder / f"train{CHECKPOINT}", key) as checkpoint:
        devices, part = checkpoint.visit(device_name(device)), checkpoint.part("training")
        fitted, history = _fit(run.seed, numbers, settings, data, device, part)
        if not parallel.is_first():
            return
        _write_history(folder / "training.csv", history)
        stored = {
            "class": numbers["class"],
            "numbers": _arguments(numbers, description),
            "event": description.event,
            "coordinates": training.coordinates,
            "validation": asdict(_tolerance(settings)),
            "weights": training.weights,
            "training": {
                "steps": history[-1].step if history else 0,
                "seconds": history[-1].seconds if history else None,
                "lr": training.lr,
                "precision": training.precision,
                "processes": parallel.processes(),
                "peak_memory": evaluation.peak_memory(device),
                "interruptions": checkpoint.interruptions,
            },
            "provenance": _provenance(numbers, settings, devices),
        }
        model.save(folder, fitted, stored)
        checkpoint.remove()


def _fit(  # noqa: PLR0913 (what a training depends on)
    seed: int,
    numbers: dict[str, Any],
    settings: dict[str, Any],
    data: str | Path,
    device: torch.device,
    part: Part,
) -> tuple[Model, list[Row]]:
    """The fitted model, and the rows of ``training.csv``."""
    torch.manual_seed(seed)
    description, training = dataset.describe(data), Training(**numbers["train"])
    tolerance = _tolerance(settings)
    arguments = _arguments(numbers, description)
    method = model.build(numbers["class"], description.event, arguments).to(device)
    rows = Rows(dataset.rows(data, "train"), description.levels, device)
    to_method = rows.fitted(training.coordinates)
    held_out = HeldOut(data, "validation", VALIDATION_NOISE, device)[:]

    def validate(method: Method) -> Validation:
        diagnostics = method.diagnostics(to_method(held_out.to(torch.get_default_dtype())))
        if method.likelihood_gap() is not None:
            return Validation(None, diagnostics)
        torch.manual_seed(evaluation.PROBES)  # those of every validation, of every method
        values = Model(method, to_method, tolerance).log_prob(held_out).cpu().numpy()
        return Validation(float(description.nll(values).mean()), diagnostics)

    base = None
    if description.base is not None:
        base = Rows(dataset.rows(data, "base"), description.levels, device).within(to_method)
    found, history = fit(method, rows.within(to_method), training, validate, base, part)
    return Model(found, to_method, tolerance), history


def _arguments(numbers: dict[str, Any], description: Description) -> dict[str, Any]:
    """What builds a method: its numbers ``model``, and what it is told of the data."""
    kind = names.load(numbers["class"])
    given = {"density": description.density} if "density" in kind.requires else {}
    known = {} if description.base is None else {"base_rows": description.base}
    return {**numbers["model"], **given, **known}


def _trial(numbers: dict[str, Any], factor: float, share: float) -> dict[str, Any]:
    """The same training with ``factor`` times the learning rate, a share of the budget and as much
    less of validation."""
    given = numbers["train"]
    validations = max(1, round(share * given["validations"]))
    train = {**given, "lr": factor * given["lr"], "validations": validations}
    if train.get("seconds") is not None:
        train["seconds"] *= share
    else:
        train["steps"] = max(1, round(share * train["steps"]))
    return {**numbers, "train": train}


def _last_nll(history: list[Row], train: dict[str, Any]) -> float:
    """Validation NLL of the fitted weights; raises ``FloatingPointError`` if it is not finite."""
    known = [row.validation_nll for row in history if row.validation_nll is not None]
    finite = [nll for nll in known if math.isfinite(nll)]
    kept = [min(finite)] if train["early_stopping"] and finite else known[-1:]
    if not kept or not math.isfinite(kept[0]):
        raise FloatingPointError(f"Its validation NLL is {kept[0] if kept else 'not known'}.")
    return kept[0]


def evaluate(
    run: Run,
    numbers: dict[str, Any],
    settings: dict[str, Any],
    data: str | Path,
    folder: Path,
    device: torch.device,
) -> None:
    """Measure one fit: ``log_prob.npy``, ``likelihood.json``, ``samples.npy``, ``cost.json``.

    A measurement that was cut short leaves ``evaluate.checkpoint``, and goes on from it.
    """
    torch.manual_seed(run.seed)
    description = dataset.describe(data)
    fitted = model.load(folder, _tolerance(settings)).to(device)
    key = {
        **_key(run, settings, description, device),
        "model": hashlib.sha256((folder / "model.safetensors").read_bytes()).hexdigest(),
    }
    with Checkpoint(folder / f"evaluate{CHECKPOINT}", key) as checkpoint:
        devices = checkpoint.visit(device_name(device))
        chosen = {
            name: settings[name] for name in EvaluationSettings.model_fields & settings.keys()
        }
        given = EvaluationSettings(**chosen)
        evaluated = evaluated_on_test_rows(run, fitted, given, checkpoint)
        stored = read_json(folder / "model.json")
        stated = protocol(fitted, stored["weights"], given, description)
        made_by = _provenance(numbers, settings, devices)
        _write_rows(folder / "samples.npy", evaluated.samples.values)
        _write_rows(folder / "log_prob.npy", evaluated.log_prob(description.rows["test"]))
        likelihood_file(evaluated, stated, made_by).save(folder / "likelihood.json")
        precision = stored["training"]["precision"]
        clocked = {**stated, "clock": CLOCK, "training_precision": precision}
        trained = _trained(stored)
        cost_file(evaluated, trained, clocked, made_by).save(folder / "cost.json")
        checkpoint.remove()


def _trained(stored: dict[str, Any]) -> Trained:
    """What ``model.json`` states of the training."""
    names = ("steps", "seconds", "peak_memory", "interruptions")
    training = {name: stored["training"][name] for name in names}
    return Trained(**training, provenance=stored["provenance"])


def backward(
    data: str | Path, folder: Path, settings: dict[str, Any], device: torch.device
) -> None:
    """Write ``samples_base.npy``: the test rows, carried back by a flow to ``t = 0``."""
    tolerance = _tolerance(settings)
    fitted = model.load(folder, tolerance).to(device)
    x = HeldOut(data, "test", TEST_NOISE, device)
    found = [fitted.transport(part, 1.0, 0.0) for part in x.parts(settings["chunk"])]
    _write_rows(folder / "samples_base.npy", torch.cat(found).float().cpu().numpy())


def density(data: str | Path, folder: Path, settings: dict[str, Any], device: torch.device) -> None:
    """Write ``density.npz``: ``log_density`` in nats on a grid, lowest y first, and ``extent``."""
    tolerance = _tolerance(settings)
    fitted, points = model.load(folder, tolerance).to(device), settings["grid"]
    train = dataset.rows(data, "train")
    margin = 0.1 * np.ptp(train, axis=0)
    lower, upper = train.min(axis=0) - margin, train.max(axis=0) + margin
    x = torch.tensor(evaluation.grid(lower, upper, points), device=device)
    values = evaluation.log_prob(fitted, x, settings["chunk"], tolerance).values
    extent = [lower[0], upper[0], lower[1], upper[1]]
    with atomic(folder / "density.npz") as temporary:
        np.savez(temporary, log_density=values.reshape(points, points), extent=extent)


def path(data: str | Path, folder: Path, settings: dict[str, Any], device: torch.device) -> None:
    """Write ``path.npz``: what a flow does on the way from base to data, at ``times``.

    In the plane ``log_density`` in nats (time, y, x), lowest y first, on a grid that covers base
    and data, and its ``extent``; else ``images`` (time, n, channels, height, width), uint8, from
    noise that is the same for every flow with one base.
    """
    torch.manual_seed(0)
    tolerance, times = _tolerance(settings), np.linspace(0, 1, settings["frames"])
    fitted, picture = model.load(folder, tolerance).to(device), dataset.describe(data).picture
    if picture is None:
        found = _densities(fitted, dataset.rows(data, "train"), times, settings)
    else:
        found = {"images": _journey(fitted, times).reshape(len(times), -1, *picture)}
    with atomic(folder / "path.npz") as temporary:
        np.savez(temporary, times=times, **found)


def _densities(
    fitted: Model, rows: np.ndarray, times: np.ndarray, settings: dict[str, Any]
) -> dict[str, Any]:
    lower, upper = _square(fitted, rows)
    points = settings["frame_grid"]
    x = torch.tensor(evaluation.grid(lower, upper, points), device=next(fitted.buffers()).device)
    chunks = torch.split(x, settings["chunk"])
    frames = [torch.cat([fitted.log_prob(part, float(t)) for part in chunks]) for t in times]
    log_density = torch.stack(frames).reshape(-1, points, points).cpu().numpy()
    return {"log_density": log_density, "extent": [lower[0], upper[0], lower[1], upper[1]]}


def _journey(fitted: Model, times: np.ndarray) -> np.ndarray:
    """``PICTURES`` images at ``times``, as integers up to 255, black and white where beyond."""
    x = fitted.coordinates.inverse(fitted.flow.base.sample(PICTURES)).detach()
    found = [x]
    for start, end in zip(times, times[1:], strict=False):
        found.append(fitted.transport(found[-1], float(start), float(end)))
    return (255 * torch.stack(found).clamp(0, 1)).round().byte().cpu().numpy()


def _square(fitted: Model, rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Lower and upper corner of a square over all rows and, on each axis, 99 % of the base."""
    base = fitted.coordinates.inverse(fitted.flow.base.sample(10_000)).detach().cpu().numpy()
    margin = 0.05 * np.ptp(rows, axis=0)
    lower = np.minimum(rows.min(axis=0) - margin, np.quantile(base, 0.005, axis=0))
    upper = np.maximum(rows.max(axis=0) + margin, np.quantile(base, 0.995, axis=0))
    half = (upper - lower).max() / 2
    return (lower + upper) / 2 - half, (lower + upper) / 2 + half


def _tolerance(settings: dict[str, Any]) -> Tolerance:
    return Tolerance(settings["atol"], settings["rtol"], settings.get("probes", 0))


def _write_rows(path: Path, rows: np.ndarray) -> None:
    with atomic(path) as temporary:
        np.save(temporary, rows)


def _write_history(path: Path, history: list[Row]) -> None:
    diagnostics = list(dict.fromkeys(name for row in history for name in row.diagnostics))
    with atomic(path) as temporary, temporary.open("w", newline="") as file:
        lines = csv.writer(file, lineterminator="\n")
        lines.writerow([*Row._fields[:-1], *diagnostics])
        lines.writerows([*row[:-1], *map(row.diagnostics.get, diagnostics)] for row in history)


def _key(
    run: Run, settings: dict[str, Any], description: Description, device: torch.device
) -> dict[str, str]:
    source, config = settings["source"], settings["config"]
    return provenance.resume_key(run, source, config, description.hash, device)


def _provenance(numbers: dict[str, Any], settings: dict[str, Any], devices: str) -> dict[str, Any]:
    return provenance.of(
        settings["source"],
        settings["config"],
        package=package_of(numbers["class"]),
        device=devices,
        threads=torch.get_num_threads(),
    )
