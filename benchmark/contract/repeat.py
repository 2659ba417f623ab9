"""Fits that have to be the same fit: of one seed, resumed after a kill, without the test rows."""

import contextlib
import itertools
import math
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from torch import Tensor

from benchmark.contract.finding import DoesNotApply, Finding
from benchmark.contract.opened import opened
from benchmark.contract.saved import outside
from benchmark.contract.subject import evaluated, precision
from benchmark.contract.trial import Trial
from benchmark.data import dataset
from benchmark.model import Model
from benchmark.names import load
from benchmark.runtime.checkpoint import Checkpoint, Part

STEPS, KILLED_AFTER = 10, 6
BATCH = 64


class Killed(BaseException):
    """Stands for a kill: an exception would be a failure, which is no interruption."""


@dataclass(frozen=True)
class _Cut(Part):
    """A part that is saved once, and whose process is then killed."""

    steps: Iterator[int] = field(default_factory=lambda: itertools.count())

    def due(self) -> bool:
        return next(self.steps) == KILLED_AFTER

    def save(self, state: dict[str, Any]) -> None:
        super().save(state)
        raise Killed


@dataclass
class Repeats:
    """Short fits of a trial; the first of them, with seed 0, is made once."""

    trial: Trial

    def __post_init__(self) -> None:
        self.first, self.history = self._fit()

    def _fit(self, **changes: Any) -> Any:
        return self.trial.fit(**{"steps": STEPS, "seconds": None, "batch_size": BATCH, **changes})

    def has_a_seed(self) -> Finding:
        """The same seed gives the same fit, bit for bit, and another seed another."""
        again, other = self._fit()[0], self._fit(seed=1)[0]
        fault = "something draws from a generator of its own, or keeps state in its class"
        finding = self._same(again, "two fits with the same seed", fault)
        if finding.right and any(True for _ in other.method.parameters()):
            if self._gap(other) == 0:
                said = "fits with the seeds 0 and 1 are the same: something sets the seed itself"
                return Finding(False, said, ("build", "initialise", "loss"))
        return finding

    def resumes(self) -> Finding:
        """A fit that is killed and resumed is one that was not, bit for bit."""
        if self.trial.training.steps == 0:
            raise DoesNotApply("it takes no steps that could be interrupted")
        path = self.trial.folder / "train.checkpoint"
        with contextlib.suppress(Killed), Checkpoint(path, {}) as checkpoint:
            self._fit(part=_Cut(checkpoint, "training"))
        with Checkpoint(path, {}) as checkpoint:
            resumed, history = self._fit(part=checkpoint.part("training"))
            checkpoint.remove()
        what = f"a fit killed after {KILLED_AFTER} of {STEPS} steps, and one left alone,"
        finding = self._same(resumed, what, "the training has state outside of the state dict")
        if finding.right and [row[2:] for row in history] != [row[2:] for row in self.history]:
            return Finding(False, f"{what} have other training losses", ("loss",))
        return finding

    def reads_no_test_rows(self) -> Finding:
        """Nothing opens the test rows while it is fitted, and they change nothing."""
        kind = load(self.trial.subject.kind)
        np.save(self.trial.test, dataset.rows(self.trial.data, "validation"))
        try:
            with opened("test.npy", kind) as seen:
                beside = self._fit()[0]
        finally:
            self.trial.test.unlink()
        if seen:
            said = f"test.npy is opened {len(seen)} times while it is fitted (allowed 0)"
            return Finding(False, f"{said}: test rows are for the evaluation", (seen[0],))
        fault = "it has read them, by another way than open()"
        finding = self._same(beside, "fits with and without a file of test rows", fault)
        words = "test.npy is opened 0 times while it is fitted, and changes nothing"
        return finding._replace(said=words) if finding.right else finding

    def _same(self, other: Model, what: str, fault: str) -> Finding:
        gap = self._gap(other)
        said = f"{what} differ by {gap:.2g} (allowed 0)"
        if gap == 0:
            return Finding(True, said)
        names = outside(self.first.method, other.method)
        return Finding(False, f"{said}: {fault}{names}", ("loss", "initialise"))

    def _gap(self, other: Model) -> float:
        """The largest difference of weights, and of what the methods say of rows."""
        weights = other.state_dict()
        pairs = [(tensor, weights[name]) for name, tensor in self.first.state_dict().items()]
        with precision(torch.float32):
            x = torch.randn(10, *self.trial.subject.event)
            pairs.append((evaluated(self.first.method, x), evaluated(other.method, x)))
        return max(_difference(*pair) for pair in pairs)


def _difference(first: Tensor, second: Tensor) -> float:
    if torch.equal(first, second):
        return 0.0
    gap = (first - second).abs().max().item() if first.shape == second.shape else math.inf
    return gap if math.isfinite(gap) else math.inf
