"""The exact likelihood of one trained velocity, beside the ways in which it is usually computed."""

import copy
import math
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional
from torchdiffeq import odeint
from zuko.transforms import FreeFormJacobianTransform

from benchmark import model
from benchmark.bench.problem import plan, rows
from benchmark.bench.rounds import Rounds
from benchmark.likelihood import Likelihood
from benchmark.networks.network import TANGENTS
from benchmark.ode import Tolerance
from benchmark.report.table import Cell, Table
from benchmark.training.descent import Descent

WIDTH, DEPTH, BATCH = 512, 4, 512
STEPS = 1500
TOLERANCE = 1e-5
REFERENCE = 64
"""Rows on which errors are measured, against a float64 solve at ``EXACT``."""
EXACT = 1e-9
COUNT = 3

THIS_BENCHMARK, TIGHTER, LOOP, LOOP_KEEPING_GRAPH, ZUKO, FLOOR = (
    "this benchmark",
    "this benchmark, a tenth of the tolerance",
    "torchdiffeq, autograd loop",
    "torchdiffeq, autograd loop that keeps its graph",
    "zuko",
    "arithmetic floor",
)


def table(dim: int) -> Table:
    """Seconds, samples/s, errors and ratios on ``dim`` coordinates."""
    flow, x = _trained(dim), rows(dim, BATCH)
    tolerance = Tolerance(TOLERANCE, TOLERANCE)
    ours: Likelihood = flow.log_prob(x, tolerance)
    rounds = Rounds(
        {
            THIS_BENCHMARK: lambda: flow.log_prob(x, tolerance).values,
            TIGHTER: lambda: flow.log_prob(x, tolerance.tightened(10.0)).values,
            LOOP: lambda: _by_torchdiffeq(flow, x, TOLERANCE, keep=False),
            LOOP_KEEPING_GRAPH: lambda: _by_torchdiffeq(flow, x, TOLERANCE, keep=True),
            ZUKO: lambda: _by_zuko(flow, x),
            FLOOR: _floor(dim, flow.network, ours),
        },
        COUNT,
    )
    exact = _by_torchdiffeq(copy.deepcopy(flow).double(), x[:REFERENCE].double(), EXACT, keep=False)
    lines = [_line(name, rounds, exact) for name in rounds.seconds]
    return Table(
        caption=f"Exact log-density of {BATCH} rows in {dim} dimensions, MLP {DEPTH} x {WIDTH}.",
        columns=("Way\n", "Time\n[s]", "samples/s\n", "times ours\n", "rms error\n[nats]")
        + ("mean error\n[nats]",),
        rows=tuple(lines),
        notes=(
            f"Medians of {COUNT} interleaved rounds on {torch.get_num_threads()} threads; all at "
            f"tolerance {TOLERANCE:g} (absolute and relative) but one. Errors on {REFERENCE} rows "
            f"against float64 at {EXACT:g}.",
            f"This benchmark: {ours.nfe:.0f} evaluations of the velocity and {ours.nodes:.1f} of "
            f"its divergence a row. The floor is the matrix products that these need, and no more.",
            "The loop takes a vector-Jacobian product a coordinate at every stage of dopri5. One "
            "that keeps its graph is what FFJORD's code and torchdyn's CNF, to which torchcfm "
            "resorts, do.",
        ),
    )


def _trained(dim: int) -> Any:
    torch.manual_seed(0)
    network = {"class": "benchmark.networks.mlp.MLP", "width": WIDTH, "depth": DEPTH}
    network |= {"time_frequencies": 8, "space_frequencies": 0}
    draws = {"alpha": 1.0, "beta": 0.5}
    arguments = {"network": network, "path": "trigonometric", "draws": draws}
    flow = model.build("benchmark.baselines.interpolant.InterpolantFlow", (dim,), arguments)
    loop = plan(STEPS, "cosine", ema=0.0)
    descent, data = Descent(flow, loop, torch.device("cpu")), rows(dim, 30_000)
    for _ in range(STEPS):
        descent.step(data[torch.randint(len(data), (loop.batch_size,))], 1.0)
    return flow


def _by_torchdiffeq(flow: Any, x: Tensor, tolerance: float, keep: bool) -> Tensor:
    """The divergence inside the state, as the textbook has it."""

    def dynamics(t: Tensor, state: tuple[Tensor, Tensor]) -> tuple[Tensor, Tensor]:
        with torch.enable_grad():
            x = state[0].detach().requires_grad_()
            v = flow.velocity(t, x)
            trace = torch.zeros(len(x)).to(x)
            for i in range(x.shape[1]):
                (row,) = torch.autograd.grad(v[:, i].sum(), x, create_graph=keep, retain_graph=True)
                trace = trace + row[:, i]
        return v.detach(), trace.detach()

    times = torch.tensor([1.0, 0.0]).to(x)
    with torch.no_grad():
        start = (x, torch.zeros(len(x)).to(x))
        end, change = odeint(
            dynamics, start, times, rtol=tolerance, atol=tolerance, method="dopri5"
        )
    return flow.base.log_prob(end[-1]) + change[-1]


def _by_zuko(flow: Any, x: Tensor) -> Tensor:
    transform = FreeFormJacobianTransform(
        flow.velocity, t0=1.0, t1=0.0, atol=TOLERANCE, rtol=TOLERANCE, exact=True
    )
    with torch.no_grad():
        end, log_det = transform.call_and_ladj(x)
    return flow.base.log_prob(end) + log_det


def _floor(dim: int, network: Any, ours: Likelihood) -> Callable[[], None]:
    """The matrix products of ``ours``: hidden layers on tangents, all layers on rows."""
    rows_of_block = max(1, TANGENTS // (dim * WIDTH))
    tangents = torch.randn(rows_of_block, dim, 1, WIDTH).permute(0, 3, 1, 2)
    hidden = torch.randn(WIDTH, WIDTH, 1, 1)
    layers = [layer.weight.detach() for layer in network.layers if hasattr(layer, "weight")]
    inputs = [torch.randn(BATCH, weight.shape[1]) for weight in layers]

    def run() -> None:
        for _ in range(math.ceil(ours.nodes * (DEPTH - 1) * BATCH / rows_of_block)):
            functional.conv2d(tangents, hidden)
        for _ in range(math.ceil(ours.nfe)):
            for x, weight in zip(inputs, layers, strict=True):
                x @ weight.T

    return run


def _line(name: str, rounds: Rounds, exact: Tensor) -> tuple[Cell, ...]:
    seconds, log_prob = rounds.median(name), rounds.results[name]
    cells = [
        name,
        f"{seconds:.2f}",
        f"{BATCH / seconds:.0f}",
        f"{rounds.ratio(name, THIS_BENCHMARK):.2f}",
    ]
    if log_prob is None:
        return (*map(Cell, cells), Cell("—"), Cell("—"))
    error = log_prob[:REFERENCE].double() - exact
    return (
        *map(Cell, cells),
        Cell(f"{error.square().mean().sqrt():.1e}"),
        Cell(f"{error.mean():.1e}"),
    )
