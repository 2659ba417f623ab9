"""A saved model is the model: nothing that it needs lies outside of its state dict."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from benchmark import model
from benchmark.contract.finding import Finding
from benchmark.contract.subject import Subject, evaluated
from benchmark.flow import Method
from benchmark.model import Model
from benchmark.records.model_file import ModelFile

TYPES = (Tensor, np.ndarray, np.generic, bool, int, float, str, list, tuple, dict, set)
"""Types of attributes that are looked at; others are parts, which have a state of their own."""


def restored(subject: Subject, fitted: Model, folder: Path) -> Finding:
    """A saved and loaded model has the same log-densities and samples, bit for bit."""
    tolerance = fitted.tolerance
    described = {
        "class": subject.kind,
        "arguments": dict(subject.arguments),
        "event": subject.event,
        "coordinates": "identity",
        "validation": {"atol": tolerance.atol, "rtol": tolerance.rtol},
    }
    model.save(folder, fitted, ModelFile.model_validate(described))
    loaded = model.load(folder)
    x = torch.randn(20, *subject.event)
    pairs = {
        "log-densities": [evaluated(each.method, x) for each in (fitted, loaded)],
        "samples": [_drawn(each) for each in (fitted, loaded)],
    }
    for name, (before, after) in pairs.items():
        if not torch.equal(before, after):
            return _lost(name, before, after, fitted.method, loaded.method)
    said = "a saved and loaded model has the same log-densities and samples, bit for bit"
    return Finding(loaded.tolerance == tolerance, said)


def differing(first: Method, second: Method) -> list[str]:
    """The attributes outside of the state dict by which two methods differ."""
    others = dict(second.named_modules())
    return [
        f"{path}.{name}".strip(".")
        for path, part in first.named_modules()
        for name, value in _attributes(part)
        if path in others and not _equal(value, dict(_attributes(others[path])).get(name))
    ]


def outside(first: Method, second: Method) -> str:
    """These attributes in words."""
    names = differing(first, second)
    return f" ({', '.join(names)} lies outside of it)" if names else ""


def _lost(name: str, before: Tensor, after: Tensor, first: Method, second: Method) -> Finding:
    gap = (before - after).abs().max().item() if before.shape == after.shape else float("nan")
    said = (
        f"{name} of a saved and loaded model differ by {gap:.2g} (allowed 0): what it needs is not "
        f"in its state dict{outside(first, second)}; make it a parameter or a buffer"
    )
    return Finding(False, said, ("initialise", "loss"))


def _drawn(fitted: Model) -> Tensor:
    torch.manual_seed(3)
    return fitted.sample(20).detach()


def _attributes(part: torch.nn.Module) -> Iterator[tuple[str, Any]]:
    own = {name: value for name, value in vars(part).items() if not name.startswith("_")}
    kept = {name.partition(".")[0] for name in part.state_dict()}
    buffers = {name: value for name, value in part._buffers.items() if name not in kept}
    for name, value in {**own, **buffers}.items():
        if name != "training" and isinstance(value, TYPES):
            yield name, value


def _equal(first: Any, second: Any) -> bool:
    if isinstance(first, Tensor | np.ndarray) and isinstance(second, Tensor | np.ndarray):
        return first.shape == second.shape and bool(torch.as_tensor(first == second).all())
    return repr(first) == repr(second)
