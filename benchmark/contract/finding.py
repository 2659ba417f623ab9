"""A finding: whether a method has a property, in a sentence with the number that decided."""

import inspect
import math
import sys
from collections.abc import Iterable
from pathlib import Path
from traceback import FrameSummary
from typing import NamedTuple

import torch
from torch import Tensor


class Finding(NamedTuple):
    """Whether a property is ``right``; ``None`` where it does not apply.

    ``said`` is the sentence. ``look`` are names of methods of the class in which a fault may lie,
    the likeliest first, or places in files.
    """

    right: bool | None
    said: str
    look: tuple[str, ...] = ()


class DoesNotApply(Exception):
    """A property that a method need not have; the message says why."""


def bounded(what: str, value: float, allowed: float, fault: str, *look: str) -> Finding:
    """That a ``value`` is at most ``allowed``; ``fault`` is what it means if it is not."""
    right = value <= allowed  # NaN is not
    said = f"{what} {value:.2g} (allowed {allowed:.2g})"
    return Finding(right, said if right else f"{said}: {fault}", look)


def close(
    what: str, found: Tensor, expected: Tensor, allowed: tuple[float, float], fault: str
) -> Finding:
    """That two tensors agree within ``allowed``, an absolute and a relative difference.

    ``fault`` is a sentence, then the names of where to look, separated by ``@``.
    """
    words, *look = fault.split("@")
    if found.shape != expected.shape:
        shapes = f"{list(found.shape)} instead of {list(expected.shape)}"
        return Finding(False, f"{what}, the shape is {shapes}: {words}", tuple(look))
    gap = (found - expected).abs().flatten()
    gap = torch.where(gap.isnan(), math.inf, gap)
    most = allowed[0] + allowed[1] * expected.abs().flatten()
    worst = int((gap / most).argmax())
    difference = f"{what}, the largest difference is"
    return bounded(difference, gap[worst].item(), most[worst].item(), words, *look)


def first_wrong(findings: Iterable[Finding]) -> Finding:
    """The first finding that is wrong, or else the last."""
    finding = Finding(None, "nothing was looked at")
    for finding in findings:
        if not finding.right:
            break
    return finding


def place(kind: type, look: Iterable[str]) -> str:
    """Where the first of the methods ``look`` that ``kind`` has of its own is, file and line."""
    for name in look:
        if ":" in name:
            return _short(name)
        for owner in kind.__mro__:
            if name in vars(owner) and owner.__module__ != "benchmark.flow":
                return _line_of(owner, name)
    return _line_of(kind, None)


def frame_in(kind: type, frames: Iterable[FrameSummary]) -> str:
    """The innermost of ``frames`` in the file of ``kind`` or its package, else the innermost."""
    every = list(frames)[::-1]
    file = Path(inspect.getfile(kind))
    package = sys.modules[kind.__module__.partition(".")[0]].__file__
    own = [frame for frame in every if Path(frame.filename) == file]
    near = [f for f in every if package and Path(package).parent in Path(f.filename).parents]
    chosen = next(iter([*own, *near, *every]), None)
    return "" if chosen is None else f"{_short(chosen.filename)}:{chosen.lineno} ({chosen.name})"


def _line_of(owner: type, name: str | None) -> str:
    described = owner if name is None else inspect.unwrap(getattr(owner, name))
    try:
        line = inspect.getsourcelines(described)[1]
    except (OSError, TypeError):  # an attribute, or a class without a file
        line = 1
    return f"{_short(inspect.getfile(owner))}:{line} ({name or owner.__name__})"


def _short(file: str) -> str:
    path = Path(file)
    return str(path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path)
