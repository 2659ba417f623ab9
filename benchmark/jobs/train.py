"""The job that fits one method: its model and its training curve."""

import csv
from pathlib import Path

import torch

from benchmark import model
from benchmark.files import atomic, read_json
from benchmark.jobs.fit import Fit, fitted
from benchmark.measure import evaluation
from benchmark.records.model_file import ModelFile, Trained
from benchmark.runtime import parallel
from benchmark.runtime.checkpoint import Checkpoint
from benchmark.runtime.device import device_name
from benchmark.runtime.log import CHECKPOINT
from benchmark.training.loop import Row
from benchmark.training.settings import Training


def train(fit: Fit, searched: bool, device: torch.device) -> None:
    """Fit one method: ``model.json``, ``model.safetensors``, ``training.csv``.

    With ``searched`` the learning rate is the one that the search has found. A fit that was cut
    short leaves ``train.checkpoint``, from which it resumes.
    """
    run, settings = fit.run, fit.hyperparameters.train
    if searched:
        settings = settings.model_copy(update={"lr": read_json(run.search)["lr"]})
    key = {**fit.key(device), "lr": str(settings.lr)}
    with Checkpoint(run.folder / f"train{CHECKPOINT}", key) as checkpoint:
        devices = checkpoint.visit(device_name(device))
        trained, history = fitted(fit, settings, device, checkpoint.part("training"))
        if not parallel.is_first():
            return
        _write_history(run.history, history)
        stored = {
            "class": fit.hyperparameters.kind,
            "arguments": fit.arguments,
            "event": fit.description.event,
            "coordinates": settings.coordinates,
            "validation": fit.validation,
            "weights": settings.weights,
            "training": _trained(settings, history, checkpoint.interruptions, device),
            "provenance": fit.provenance(devices),
        }
        model.save(run.folder, trained, ModelFile.model_validate(stored))
        checkpoint.remove()


def _trained(
    settings: Training, history: list[Row], interruptions: int, device: torch.device
) -> Trained:
    """The training, as ``model.json`` states it."""
    return Trained(
        steps=history[-1].step if history else 0,
        seconds=history[-1].seconds if history else None,
        lr=settings.lr,
        precision=settings.precision,
        processes=parallel.world_size(),
        peak_memory=evaluation.peak_memory(device),
        interruptions=interruptions,
    )


def _write_history(path: Path, history: list[Row]) -> None:
    diagnostics = list(dict.fromkeys(name for row in history for name in row.diagnostics))
    with atomic(path) as temporary, temporary.open("w", newline="") as file:
        lines = csv.writer(file, lineterminator="\n")
        lines.writerow([*Row._fields[:-1], *diagnostics])
        lines.writerows([*row[:-1], *map(row.diagnostics.get, diagnostics)] for row in history)
