"""Measurements on a fitted model: likelihood, samples, densities on a grid, and their costs."""

import resource
import sys
from dataclasses import dataclass

import numpy as np
import torch

from benchmark.model import Model
from benchmark.ode import Tolerance
from benchmark.shapes import Batch
from benchmark.training import Clock


@dataclass(frozen=True)
class Measured:
    """Values of a measurement, its NFE (per solve, the mean over chunks) and its seconds."""

    values: np.ndarray
    nfe: float
    seconds: float


def log_prob(model: Model, x: Batch, chunk: int, tolerance: Tolerance) -> Measured:
    """Log-density in nats of rows ``x``, float64, ``chunk`` rows per solve, after a warm-up."""
    model.solve_log_prob(x[:1], tolerance)
    clock = Clock(x.device)
    solved = [model.solve_log_prob(part, tolerance) for part in torch.split(x, chunk)]
    seconds = clock.pause()
    values = torch.cat([solution.values for solution in solved]).cpu().numpy()
    return Measured(values, float(np.mean([solution.nfe for solution in solved])), seconds)


def sample(model: Model, n: int, chunk: int) -> Measured:
    """``n`` samples, ``chunk`` per solve; an untimed solve warms the machine up."""
    model.sample(1)
    clock = Clock(next(model.buffers()).device)
    sizes = [min(chunk, n - start) for start in range(0, n, chunk)]
    solved = [model.solve_sample(size) for size in sizes]
    seconds = clock.pause()
    values = torch.cat([solution.values for solution in solved]).float().cpu().numpy()
    return Measured(values, float(np.mean([solution.nfe for solution in solved])), seconds)


def grid(lower: np.ndarray, upper: np.ndarray, points: int) -> np.ndarray:
    """Centres of a ``points x points`` grid over a box, ``[points^2, 2]``, y slowest."""
    edges = np.linspace(lower, upper, points + 1)
    x, y = ((edges[1:] + edges[:-1]) / 2).T
    return np.stack(np.meshgrid(x, y), axis=-1).reshape(-1, 2)


def peak_memory() -> float:
    """Largest memory of this process so far in MiB: on the GPU if one is used, else resident."""
    if torch.cuda.is_available():
        return torch.cuda.max_memory_allocated() / 2**20
    size = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return size / (2**20 if sys.platform == "darwin" else 2**10)  # bytes there, KiB elsewhere
