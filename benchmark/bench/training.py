"""One training step of each method, beside a bare PyTorch step of the same network."""

from collections.abc import Callable
from typing import Any

import torch
import yaml
from torch import nn

from benchmark import model
from benchmark.bench.problem import plan, rows
from benchmark.bench.rounds import Rounds
from benchmark.networks.mlp import MLP
from benchmark.report.table import Cell, Table
from benchmark.source import ROOT
from benchmark.training.descent import Descent
from benchmark.training.settings import Precision

DIM, BATCH, COUNT = 43, 1000, 5
SIZE: dict[str, Any] = {"width": 512, "depth": 4, "time_frequencies": 8, "space_frequencies": 0}
NETWORK = {"class": "benchmark.networks.mlp.MLP", **SIZE}
METHODS = ROOT / "benchmark" / "baselines"
BARE = "bare PyTorch step"


def table() -> Table:
    """Milliseconds per step, and how many times that of the bare step."""
    x1 = rows(DIM, BATCH)
    draws = {"alpha": 1.0, "beta": 0.5}
    interpolant = {"network": NETWORK, "path": "trigonometric", "draws": draws}
    score = {"network": NETWORK, "sde": "vp", "weighting": "variance", "s_min": 1e-3}
    contestants = {
        BARE: _bare(x1),
        "bare PyTorch step, again": _bare(x1),
        "interpolant": _step("interpolant.InterpolantFlow", interpolant, x1),
        "interpolant, bfloat16": _step("interpolant.InterpolantFlow", interpolant, x1, "bfloat16"),
        "score-SDE": _step("score_sde.ScoreSDE", score, x1),
        "OT-CFM": _step("ot_cfm.OTCFM", {"network": NETWORK}, x1),
        "FFJORD": _step("ffjord.FFJORD", _published("ffjord"), x1),
        "OT-Flow": _step("ot_flow.OTFlow", _published("ot_flow"), x1),
    }
    rounds = Rounds(contestants, COUNT)
    return Table(
        caption=f"One training step on {BATCH} rows in {DIM} dimensions.",
        columns=("Method\n", "Step\n[ms]", "times bare\n"),
        rows=tuple(
            (
                Cell(name),
                Cell(f"{1e3 * rounds.median(name):.1f}"),
                Cell(f"{rounds.ratio(name, BARE):.2f}"),
            )
            for name in contestants
        ),
        notes=(
            f"Medians of {COUNT} interleaved rounds on {torch.get_num_threads()} threads. Steps "
            "are those of the training loop, with clipping and averaged weights. The bare step has "
            "neither: zero_grad, loss, backward, fused Adam.",
            "MLP 4 x 512 but for FFJORD and OT-Flow, which have the networks and solvers published "
            "for MINIBOONE, untrained: the adaptive solver of FFJORD takes more as it learns.",
        ),
    )


def _bare(x1: torch.Tensor) -> Callable[[], None]:
    network = MLP((DIM,), **SIZE)
    optimiser = torch.optim.Adam(network.parameters(), lr=1e-3, fused=True)

    def step() -> None:
        t, x0 = torch.rand(BATCH, 1), torch.randn_like(x1)
        angle = torch.pi / 2 * t
        x = angle.cos() * x0 + angle.sin() * x1
        rate = torch.pi / 2 * (angle.cos() * x1 - angle.sin() * x0)
        optimiser.zero_grad()
        loss = nn.functional.mse_loss(network(t[:, 0], x), rate)
        loss.backward()  # type: ignore[no-untyped-call]
        optimiser.step()

    return step


def _step(
    name: str, arguments: dict[str, Any], x1: torch.Tensor, precision: Precision = "float32"
) -> Callable[[], Any]:
    method = model.build(f"benchmark.baselines.{name}", (DIM,), arguments)
    descent = Descent(method, plan(1, "constant", 0.999, precision), torch.device("cpu"))
    return lambda: descent.step(x1, 1.0)


def _published(name: str) -> dict[str, Any]:
    recipes = yaml.safe_load((METHODS / "published" / f"{name}.yaml").read_text())
    return dict(recipes["miniboone"]["model"])
