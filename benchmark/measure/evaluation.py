"""Measurements on a fitted model: likelihood, samples, densities on a grid, and their costs."""

import logging
import math
import resource
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from benchmark.data import dataset
from benchmark.data.description import describe
from benchmark.likelihood import Likelihood
from benchmark.model import Model, rows_at_once
from benchmark.ode import Solution, Tolerance
from benchmark.runtime.checkpoint import NO_CHECKPOINT, Part, random_states, restore_random_states
from benchmark.shapes import Batch
from benchmark.training.clock import Clock

log = logging.getLogger(__name__)

PROBES = 0
"""Seed of the random probes of a likelihood."""


@dataclass(frozen=True)
class Measured:
    """Values of a measurement, and its seconds.

    ``nfe`` and ``nodes`` are evaluations of the velocity and of its divergence, per row.
    ``probe_error`` is the standard error of the mean value that random probes of the divergence
    cause, and over several passes the noise of dequantisation as well; ``None`` where it is not
    known, of one pass with an exact divergence or with one probe.
    """

    values: np.ndarray
    nfe: float
    seconds: float
    nodes: float = 0.0
    probe_error: float | None = None


class HeldOut:
    """The rows of a split as they are measured: slices are read and dequantised on demand.

    ``seed`` is that of the noise; slices are tensors on ``device``.
    """

    def __init__(
        self, data: str | Path, split: str, seed: int | list[int], device: torch.device
    ) -> None:
        self.rows, self.levels = dataset.rows(data, split), describe(data).levels
        self.seed, self.device = seed, device

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, part: slice) -> Tensor:
        start = part.start or 0
        rows = dataset.dequantise(self.rows[part], self.levels, self.seed, start)
        return torch.tensor(rows, device=self.device)

    def parts(self, size: int) -> Iterator[Tensor]:
        """All rows, ``size`` at a time."""
        return (self[start : start + size] for start in range(0, len(self), size))


def log_prob(
    model: Model,
    x: Batch | HeldOut,
    chunk: int,
    tolerance: Tolerance,
    part: Part = NO_CHECKPOINT,
    probes: int = PROBES,
) -> Measured:
    """Log-density in nats of rows ``x``, float64, ``chunk`` rows per solve, after a warm-up.

    Fewer when rows are large, to bound memory (``rows_at_once``). Random probes of the divergence,
    of the seed ``probes``, are the same for every method. Chunks whose values are in ``part`` are
    not solved again. Raises ``Interrupted`` on a request to stop.
    """

    def solve(rows: slice) -> Likelihood:
        solved = model.solve_log_prob(x[rows], tolerance)
        error = solved.standard_error
        return solved._replace(
            values=solved.values.cpu(), standard_error=None if error is None else error.cpu()
        )

    first = x[:1]
    model.solve_log_prob(first, tolerance)
    with torch.random.fork_rng():
        torch.manual_seed(probes)
        size = min(chunk, rows_at_once(first))
        chunks = [slice(start, start + size) for start in range(0, len(x), size)]
        solved, seconds = _in_chunks(solve, chunks, x.device, part)
    values, nfe, nodes, errors = zip(*solved, strict=True)
    shares = np.array([len(chunk_values) for chunk_values in values]) / len(x)
    known = [error for error in errors if error is not None]
    probe_error = torch.cat(known).norm().item() / len(x) if known else None
    log_density = torch.cat(values).numpy()
    return Measured(log_density, float(shares @ nfe), seconds, float(shares @ nodes), probe_error)


def averaged(passes: Sequence[Measured]) -> Measured:
    """The mean log-density of each row over passes with independent noise; their total seconds.

    The passes differ by as much as noise and probes change a row.
    """
    if len(passes) == 1:
        return passes[0]
    values = np.stack([one.values for one in passes])
    errors = values.std(axis=0, ddof=1) / math.sqrt(len(passes))
    return Measured(
        values=values.mean(axis=0),
        nfe=float(np.mean([one.nfe for one in passes])),
        seconds=sum(one.seconds for one in passes),
        nodes=float(np.mean([one.nodes for one in passes])),
        probe_error=float(np.linalg.norm(errors) / len(errors)),
    )


def sample(
    model: Model,
    n: int,
    chunk: int,
    seed: int,
    part: Part = NO_CHECKPOINT,
    digits: torch.dtype = torch.float32,
) -> Measured:
    """``n`` samples with the ``digits`` of the data, ``chunk`` per solve, after a warm-up.

    Chunks that are in ``part`` are not drawn again. Raises ``Interrupted`` on a request to stop.
    """

    def solve(given: tuple[int, int]) -> Solution:
        drawn = draw(model, *given, seed)
        return drawn._replace(values=drawn.values.to(digits).cpu())

    model.sample(1)
    sizes = enumerate(chunk_sizes(n, chunk))
    solved, seconds = _in_chunks(solve, list(sizes), next(model.buffers()).device, part)
    values, nfe = zip(*solved, strict=True)
    return Measured(torch.cat(values).numpy(), float(np.mean(nfe)), seconds)


def chunk_sizes(n: int, chunk: int) -> list[int]:
    """The sizes of chunks of at most ``chunk`` in which ``n`` samples are drawn."""
    return [min(chunk, n - start) for start in range(0, n, chunk)]


def sampling_protocol(fitted: Model) -> dict[str, Any]:
    """How samples of a fit are drawn: its numerical settings but those of likelihoods."""
    solved = fitted.method.protocol(fitted.tolerance)
    drawn = {key: value for key, value in solved.items() if key != "divergence"}
    return {**drawn, "trained": fitted.method.trained}


def draw(model: Model, number: int, size: int, seed: int) -> Solution:
    """The samples of chunk ``number``, from noise that depends on it and on ``seed`` only.

    So all methods with one kind of base start from the same noise, and a chunk can be drawn alone.
    """
    mixed = np.random.SeedSequence([seed, number]).generate_state(1, np.uint64)
    torch.manual_seed(int(mixed[0]))
    return model.solve_sample(size)


def _in_chunks(
    solve: Callable[[Any], tuple], chunks: Sequence[Any], device: torch.device, part: Part
) -> tuple[list[tuple], float]:
    """``solve`` of each chunk as a plain tuple, and the seconds it took; resumes from ``part``.

    The clock leaves out lost work and saving.
    """
    solved: list[tuple] = []
    clock, state = Clock(device), part.state()
    if state is not None:
        solved, clock.seconds = list(state["solved"]), state["seconds"]
        restore_random_states(state["random"], device)
        log.warning(
            f"{part.name}: resuming after {len(solved):,} of {len(chunks):,} chunks; "
            f"interruptions so far: {part.interruptions}."
        )
        clock.resume()
    for given in chunks[len(solved) :]:
        solved.append(tuple(solve(given)))
        if part.due():
            seconds, random = clock.pause(), random_states(device)
            part.save({"solved": list(solved), "seconds": seconds, "random": random})
            clock.resume()
    return solved, clock.pause()


def grid(lower: np.ndarray, upper: np.ndarray, points: int) -> np.ndarray:
    """Centres of a ``points x points`` grid over a box, ``[points^2, 2]``, y slowest."""
    edges = np.linspace(lower, upper, points + 1)
    x, y = ((edges[1:] + edges[:-1]) / 2).T
    return np.stack(np.meshgrid(x, y), axis=-1).reshape(-1, 2)


def peak_memory(device: torch.device) -> float:
    """Peak memory of this process so far in MiB: on its GPU, or resident."""
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device) / 2**20
    size = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return size / (2**20 if sys.platform == "darwin" else 2**10)  # bytes there, KiB elsewhere
