"""The job that tries learning rates for a method on a data set."""

import math
from typing import Any

import torch

from benchmark.files import write_json
from benchmark.jobs.fit import Fit, fitted
from benchmark.runtime.checkpoint import Checkpoint, Part
from benchmark.runtime.device import device_name
from benchmark.runtime.log import CHECKPOINT
from benchmark.training.loop import Row
from benchmark.training.settings import Search, Training


def search(fit: Fit, search: Search, device: torch.device) -> None:
    """Try learning rates: ``search.json``, of each its validation NLL, and the best one, ``lr``.

    A rate with which the training fails is not chosen; raises ``ValueError`` if that is all of
    them.
    """
    run = fit.run
    path = run.search.with_suffix(CHECKPOINT)
    with Checkpoint(path, fit.key(device)) as checkpoint:
        devices = checkpoint.visit(device_name(device))
        tried = [
            _tried(fit, trial(fit.hyperparameters.train, factor, search.share), device, part)
            for factor in search.factors
            for part in [checkpoint.part(f"factor {factor}")]
        ]
        known = [rate for rate in tried if rate["validation_nll"] is not None]
        if not known:
            raise ValueError(f"Search of train.lr: none of the trainings has a finite NLL: {tried}")
        best = min(known, key=lambda rate: rate["validation_nll"])
        said = search.model_dump()
        content = {"lr": best["lr"], "tried": tried, **said, "provenance": fit.provenance(devices)}
        write_json(run.search, content)
        checkpoint.remove()


def trial(settings: Training, factor: float, share: float) -> Training:
    """The same training with ``factor`` times the learning rate, a share of the budget and as much
    less of validation."""
    changes: dict[str, Any] = {
        "lr": factor * settings.lr,
        "validations": max(1, round(share * settings.validations)),
    }
    if settings.seconds is not None:
        changes["seconds"] = share * settings.seconds
    else:
        changes["steps"] = max(1, round(share * (settings.steps or 0)))
    return settings.model_copy(update=changes)


def _tried(fit: Fit, settings: Training, device: torch.device, part: Part) -> dict[str, Any]:
    """A learning rate and its validation NLL, or the reason why it has none; kept in ``part``."""
    state = part.state() or {}
    if "tried" in state:
        known: dict[str, Any] = state["tried"]
        return known
    tried: dict[str, Any] = {"lr": settings.lr}
    try:
        _, history = fitted(fit, settings, device, part)
        tried["validation_nll"] = _last_nll(history, settings)
    except FloatingPointError as failure:
        tried |= {"validation_nll": None, "reason": str(failure)}
    part.save({"tried": tried})
    return tried


def _last_nll(history: list[Row], settings: Training) -> float:
    """Validation NLL of the fitted weights; raises ``FloatingPointError`` if it is not finite."""
    known = [row.validation_nll for row in history if row.validation_nll is not None]
    finite = [nll for nll in known if math.isfinite(nll)]
    kept = [min(finite)] if settings.early_stopping and finite else known[-1:]
    if not kept or not math.isfinite(kept[0]):
        raise FloatingPointError(f"Its validation NLL is {kept[0] if kept else 'not known'}.")
    return kept[0]
