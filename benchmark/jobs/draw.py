"""The jobs that draw with a fitted model for figures: densities, paths, samples of the base."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from benchmark import model
from benchmark.data import dataset
from benchmark.data.description import describe
from benchmark.files import atomic
from benchmark.measure import evaluation
from benchmark.measure.evaluation import HeldOut
from benchmark.model import Model
from benchmark.ode import Tolerance
from benchmark.records.run import Run

PICTURES = 36
"""Images that are followed from noise to data."""


@dataclass(frozen=True)
class Drawing:
    """A run to draw, ``points`` on each axis of the plane, at ``frames`` times of a path."""

    run: Run
    tolerance: Tolerance
    chunk: int
    source: str
    points: int = 0
    frames: int = 0

    def model(self, device: torch.device) -> Model:
        """The fitted model."""
        return model.load(self.run.folder, self.tolerance).to(device)


def backward(drawing: Drawing, device: torch.device) -> None:
    """Write ``samples_base.npz``: ``samples``, test rows that a flow carried back to ``t = 0``."""
    fitted, run = drawing.model(device), drawing.run
    x = HeldOut(run.data, "test", dataset.TEST_NOISE, device)
    carried = [fitted.transport(part, 1.0, 0.0).to(part) for part in x.parts(drawing.chunk)]
    with atomic(run.samples_base) as temporary:
        samples = torch.cat(carried).cpu().numpy()
        np.savez(temporary, samples=samples, source=drawing.source)


def density(drawing: Drawing, device: torch.device) -> None:
    """Write ``density.npz``: ``log_density`` in nats on a grid, lowest y first, and ``extent``.

    Of a method without a log-density the ``reason`` stands in place of the first.
    """
    fitted, run, points = drawing.model(device), drawing.run, drawing.points
    train = dataset.rows(run.data, "train")
    margin = 0.1 * np.ptp(train, axis=0)
    lower, upper = train.min(axis=0) - margin, train.max(axis=0) + margin
    drawn: dict[str, Any] = {"reason": fitted.method.likelihood_gap()}
    if drawn["reason"] is None:
        x = torch.tensor(evaluation.grid(lower, upper, points), device=device)
        values = evaluation.log_prob(fitted, x, drawing.chunk, drawing.tolerance).values
        drawn = {"log_density": values.reshape(points, points)}
    extent = [lower[0], upper[0], lower[1], upper[1]]
    with atomic(run.density) as temporary:
        np.savez(temporary, extent=extent, source=drawing.source, **drawn)


def path(drawing: Drawing, device: torch.device) -> None:
    """Write ``path.npz``: what a flow does on the way from base to data, at ``times``.

    In the plane ``log_density`` in nats (time, y, x), lowest y first, on a grid that covers base
    and data, and its ``extent``; else ``images`` (time, n, channels, height, width), uint8, from
    noise that is the same for every flow with one base.
    """
    torch.manual_seed(0)
    fitted, run = drawing.model(device), drawing.run
    times, picture = np.linspace(0, 1, drawing.frames), describe(run.data).picture
    if picture is None:
        drawn = _densities(fitted, dataset.rows(run.data, "train"), times, drawing)
    else:
        drawn = {"images": _journey(fitted, times).reshape(len(times), -1, *picture)}
    with atomic(run.path) as temporary:
        np.savez(temporary, times=times, source=drawing.source, **drawn)


def _densities(
    fitted: Model, rows: np.ndarray, times: np.ndarray, drawing: Drawing
) -> dict[str, Any]:
    lower, upper = _square(fitted, rows)
    points = drawing.points
    x = torch.tensor(evaluation.grid(lower, upper, points), device=next(fitted.buffers()).device)
    chunks = torch.split(x, drawing.chunk)
    frames = [torch.cat([fitted.log_prob(part, float(t)) for part in chunks]) for t in times]
    log_density = torch.stack(frames).reshape(-1, points, points).cpu().numpy()
    return {"log_density": log_density, "extent": [lower[0], upper[0], lower[1], upper[1]]}


def _journey(fitted: Model, times: np.ndarray) -> np.ndarray:
    """``PICTURES`` images at ``times``, as integers up to 255, black and white where beyond."""
    x = fitted.coordinates.inverse(fitted.flow.base.sample(PICTURES)).detach()
    journey = [x]
    for start, end in zip(times, times[1:], strict=False):
        journey.append(fitted.transport(journey[-1], float(start), float(end)))
    return (255 * torch.stack(journey).clamp(0, 1)).round().byte().cpu().numpy()


def _square(fitted: Model, rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Lower and upper corner of a square over all rows and, on each axis, 99 % of the base."""
    base = fitted.coordinates.inverse(fitted.flow.base.sample(10_000)).detach().cpu().numpy()
    margin = 0.05 * np.ptp(rows, axis=0)
    lower = np.minimum(rows.min(axis=0) - margin, np.quantile(base, 0.005, axis=0))
    upper = np.maximum(rows.max(axis=0) + margin, np.quantile(base, 0.995, axis=0))
    half = (upper - lower).max() / 2
    return (lower + upper) / 2 - half, (lower + upper) / 2 + half
