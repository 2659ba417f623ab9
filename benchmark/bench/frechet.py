"""The Fréchet distance of Inception's number of features, beside clean-fid's."""

import importlib
from typing import Any

import numpy as np
import torch

from benchmark.bench.rounds import Rounds
from benchmark.measure.frechet import Moments, Statistics, distance
from benchmark.report.table import Cell, Table

DIM, TRAINING, COUNT = 2048, 10_000, 3
SAMPLES = {"full rank": 10_000, "few samples": 1000}
THIS_BENCHMARK, CLEAN_FID = "this benchmark", "clean-fid"


def table() -> Table:
    """Seconds of one distance, by either, and how they differ."""
    draw = np.random.default_rng(0)
    reference, *others = (_statistics(draw, n) for n in (TRAINING, *SAMPLES.values()))
    lines = []
    for (name, n), samples in zip(SAMPLES.items(), others, strict=True):
        rounds = Rounds(_contestants(samples, reference), COUNT)
        ours, theirs = rounds.results[THIS_BENCHMARK], rounds.results[CLEAN_FID]
        lines.append(
            (
                Cell(f"{name}, {n:,}"),
                Cell(f"{rounds.median(THIS_BENCHMARK):.2f}"),
                Cell(f"{rounds.median(CLEAN_FID):.1f}"),
                Cell(f"{rounds.ratio(CLEAN_FID, THIS_BENCHMARK):.1f}"),
                Cell(f"{abs(ours / theirs - 1):.1e}"),
            )
        )
    return Table(
        caption=f"One Fréchet distance of {DIM:,} features from given means and covariances.",
        columns=(
            "Samples\n",
            f"{THIS_BENCHMARK}\n[s]",
            f"{CLEAN_FID}\n[s]",
            "Ratio\n",
            "Relative difference\n",
        ),
        rows=tuple(lines),
        notes=(
            f"Medians of {COUNT} interleaved rounds on {torch.get_num_threads()} threads; normal "
            f"features of unlike variances, against {TRAINING:,}. clean-fid takes scipy's root of "
            f"a matrix.",
        ),
    )


def clean_fid() -> Any:
    """``cleanfid.fid``, which imports torchvision."""
    try:
        importlib.import_module("torchvision")
    except RuntimeError:
        # Beside a build of torch without CUDA the compiled operators cannot be loaded.
        operators: Any = torch.library.Library("torchvision", "DEF")  # type: ignore[no-untyped-call]
        for name in ("nms", "qnms"):
            schema = f"{name}(Tensor dets, Tensor scores, float iou_threshold) -> Tensor"
            operators.define(schema)
        _DECLARED.append(operators)
    return importlib.import_module("cleanfid.fid")


_DECLARED: list[Any] = []
"""Operators that torchvision is short of; declared as long as they are here."""


def _statistics(draw: np.random.Generator, n: int) -> Statistics:
    """Statistics of features whose standard deviations fall a hundredfold; means are drawn."""
    scales, moments = np.geomspace(1, 0.01, DIM), Moments()
    mean = 0.1 * scales * draw.standard_normal(DIM)
    for _ in range(n // 1000):
        moments.add(mean + scales * draw.standard_normal((1000, DIM)))
    return moments.statistics({"extractor": "none", "resize": "none", "data": "normal"})


def _contestants(a: Statistics, b: Statistics) -> dict[str, Any]:
    theirs, moments = clean_fid(), (a.mean, a.covariance, b.mean, b.covariance)
    return {
        THIS_BENCHMARK: lambda: distance(a, b),
        CLEAN_FID: lambda: float(theirs.frechet_distance(*moments)),
    }
