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

PROBES = 0
"""Seed of the random probes of a likelihood."""


@dataclass(frozen=True)
class Measured:
    """Values of a measurement, and its seconds.

    ``nfe`` and ``nodes`` are evaluations of the velocity and of its divergence, per row.
    ``probe_error`` is the standard error of the mean value that random probes of the divergence
    cause, ``None`` where it is exact or has one probe.
    """

    values: np.ndarray
    nfe: float
    seconds: float
    nodes: float = 0.0
    probe_error: float | None = None


def log_prob(model: Model, x: Batch, chunk: int, tolerance: Tolerance) -> Measured:
    """Log-density in nats of rows ``x``, float64, ``chunk`` rows per solve, after a warm-up.

    Random probes of the divergence are the same at every call, for every method.
    """
    model.solve_log_prob(x[:1], tolerance)
    with torch.random.fork_rng():
        torch.manual_seed(PROBES)
        clock = Clock(x.device)
        solved = [model.solve_log_prob(part, tolerance) for part in torch.split(x, chunk)]
        seconds = clock.pause()
    values = torch.cat([part.values for part in solved]).cpu().numpy()
    shares = np.array([len(part.values) for part in solved]) / len(x)
    nfe, nodes = ([part.nfe for part in solved], [part.nodes for part in solved])
    errors = [part.standard_error for part in solved if part.standard_error is not None]
    probe_error = torch.cat(errors).norm().item() / len(x) if errors else None
    return Measured(values, float(shares @ nfe), seconds, float(shares @ nodes), probe_error)


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
