"""Fits of a subject on rows of a known density, as the job of a training makes them.

The rows lie in a folder of their own, where there are none to test with.
"""

import contextlib
import io
import math
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from benchmark.contract.subject import Subject, precision
from benchmark.data import dataset
from benchmark.data.dataset import Dataset, Splits
from benchmark.densities import Density, GaussianMixture
from benchmark.jobs.fit import Fit, fitted
from benchmark.model import Model
from benchmark.names import load
from benchmark.records.run import Run
from benchmark.rows import Rows
from benchmark.runtime.checkpoint import NO_CHECKPOINT, Part
from benchmark.section import Tolerances
from benchmark.training.loop import Row
from benchmark.training.settings import Hyperparameters, Training

TRAIN, HELD_OUT = 20_000, 20
VALIDATION = Tolerances(atol=1e-4, rtol=1e-4, probes=None)
CPU = torch.device("cpu")
STEPS, TIMED = (30, 2000), 3
"""Fewest and most steps of a fit; losses that are timed."""
CORRELATION = 0.8
"""Of neighbours among the coordinates of a row."""


class Drawn(Dataset):
    """Rows of a density that was drawn from."""

    event = None

    @staticmethod
    def prepare(density: Density, event: tuple[int, ...]) -> Splits:
        """The rows, float32."""
        sizes = [TRAIN, HELD_OUT, HELD_OUT]
        rows = density.sample(sum(sizes)).reshape(-1, *event).float()
        return Splits(*(part.numpy() for part in torch.split(rows, sizes)))


class OfKnown(Drawn):
    """Rows of the density that methods with ``requires = ("density",)`` are given."""

    density = "benchmark.densities.eight_gaussians"


def gaussian(event: tuple[int, ...]) -> GaussianMixture:
    """A Gaussian over flattened rows: mean 1, deviations 0.5 and 2 in turn, correlated."""
    return _mixture(torch.ones(1, math.prod(event)))


def two_gaussians(event: tuple[int, ...]) -> GaussianMixture:
    """Two of these, four apart, with equal weights."""
    ends = torch.tensor([[-1.0], [3.0]])
    return _mixture(ends.expand(2, math.prod(event)))


def _mixture(means: Tensor) -> GaussianMixture:
    count, dim = means.shape
    places = torch.arange(dim)
    correlations = CORRELATION ** (places - places[:, None]).abs().double()
    deviations = torch.where(places % 2 == 0, 0.5, 2.0).double()
    factor = deviations[:, None] * torch.linalg.cholesky(correlations)
    weights = torch.full((count,), 1 / count, dtype=torch.float64)
    return GaussianMixture(weights, means.double(), factor.expand(count, dim, dim).contiguous())


@dataclass(frozen=True)
class Trial:
    """A subject, the settings of its training, and the density that its rows are of.

    ``folder`` is where the rows lie, and where the jobs run.
    """

    subject: Subject
    training: Training
    density: Density
    folder: Path

    @classmethod
    def prepared(
        cls, subject: Subject, training: Training, density: GaussianMixture, folder: Path
    ) -> "Trial":
        """With its rows in place, of ``density`` unless the subject is given another."""
        kind: type[Drawn] = Drawn
        if "density" in load(subject.kind).requires:
            kind, density = OfKnown, load(str(OfKnown.density))().double()
        trial = cls(subject, training, density, folder)
        with precision(torch.float64):
            rows = kind.prepare(density, subject.event)
            base = kind.prepare(gaussian(subject.event), subject.event)
        known = "base_rows" in subject.arguments
        dataset.write(trial.data, kind, rows, {}, base if known else None)
        trial.test.unlink()
        return trial

    @property
    def run(self) -> Run:
        """The run whose files the job would write."""
        return Run("contract", "rows", "method", 0)

    @property
    def data(self) -> Path:
        """The prepared rows."""
        return self.folder / self.run.data

    @property
    def test(self) -> Path:
        """Where test rows lie in a suite."""
        return self.data / "test.npy"

    def rows(self, split: str = "train") -> Rows:
        """Rows as the job has them."""
        return Rows(dataset.rows(self.data, split), None, CPU)

    def base(self) -> Rows | None:
        """Rows of the base, of a subject that is given some."""
        return self.rows("base") if "base_rows" in self.subject.arguments else None

    def steps_in(self, seconds: float) -> int:
        """Steps of a training that take about so many seconds of the CPU, however busy it is."""
        if self.training.steps == 0:
            return 0
        with precision(torch.float32):
            method, rows = self.subject.build(), self.rows()
            rows = rows.within(rows.fitted("standardised"))
            method.initialise(rows, self.base())
            for call in range(1 + TIMED):
                if call == 1:  # the first is a warm-up
                    start = time.process_time()
                method.loss(rows.draw(self.training.batch_size)).backward()  # type: ignore[no-untyped-call]
        each = 1.3 * (time.process_time() - start) / TIMED  # with the step of the optimiser
        return int(min(max(seconds / each, STEPS[0]), STEPS[1]))

    def fit(
        self, seed: int = 0, part: Part = NO_CHECKPOINT, **changes: Any
    ) -> tuple[Model, list[Row]]:
        """The model, and its history, after a training with some settings changed."""
        settings = self.training
        if settings.steps != 0:
            usual = {"early_stopping": None, "compile": False, "validations": 1}
            settings = settings.model_copy(update={**usual, "precision": "float32", **changes})
        made = Hyperparameters(self.subject.kind, dict(self.subject.arguments), settings)
        given = Fit(replace(self.run, seed=seed), made, VALIDATION, "", "")
        silent = contextlib.redirect_stderr(io.StringIO())  # bars, and that a fit resumes
        with precision(torch.float32), contextlib.chdir(self.folder), silent, _random_left_alone():
            return fitted(given, settings, CPU, part)


@contextlib.contextmanager
def _random_left_alone() -> Iterator[None]:
    """Other fits begin with numpy's generator as this one found it, as processes do."""
    state = np.random.get_state()
    np.random.seed(0)
    try:
        yield
    finally:
        np.random.set_state(state)
