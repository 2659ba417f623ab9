"""Metrics of a run from its log-densities, whichever program made them; no model is needed."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from benchmark.data import dataset
from benchmark.data.dataset import Description
from benchmark.files import read_json, write_json
from benchmark.records import records
from benchmark.records.records import Metric
from benchmark.records.run import Run
from benchmark.source import digest, files_of

COUNTS = {"nfe_likelihood": "evaluations", "nodes_likelihood": "evaluations"}


def write_nll(run: Run, data: str | Path, folder: Path) -> None:
    """Write ``nll.json`` from ``log_prob.npy`` and ``likelihood.json``, whoever made them."""
    solve = read_json(folder / "likelihood.json")
    metrics = likelihood_metrics(
        np.load(folder / "log_prob.npy"),
        dataset.true_log_prob(data, "test"),
        dataset.describe(data),
        solve,
    )
    origin = {**solve["provenance"], "metrics": digest(files_of(__name__))}
    write_json(folder / "nll.json", records.records(run, metrics, solve["protocol"], origin))


def likelihood_metrics(
    log_prob: np.ndarray,
    true_log_prob: np.ndarray | None,
    data: Description,
    solve: dict[str, Any],
) -> list[Metric]:
    """NLL of the test rows, KL divergence where the truth is known, solver error and NFE.

    ``log_prob`` and ``true_log_prob`` are nats, one value per test row. ``solve`` is
    ``likelihood.json``: ``nfe``, ``nodes`` and ``probe_error`` (may be left out), and the
    ``tight_log_prob`` of the first test rows, at a 10x tighter tolerance (all ``None`` where no ODE
    is solved), beside their ``loose_log_prob``, with the same noise (theirs in ``log_prob``, where
    left out); and a ``reason`` where the method has no log-density, which every metric then has in
    the place of a value. Raises ``ValueError`` if rows are missing.
    """
    if log_prob.shape != (data.rows["test"],):
        raise ValueError(
            f"log_prob has shape {log_prob.shape}; the data set has {data.rows['test']} test "
            f"rows, and each needs one value, in their order."
        )
    if reason := solve.get("reason"):
        return _missing(reason, true_log_prob is not None, data.unit)
    metrics = [_mean("nll", data.nll(log_prob), data.unit)]
    if true_log_prob is not None:
        metrics.append(_mean("kl", true_log_prob - log_prob, "nats"))
    return [*metrics, *_solver_metrics(log_prob, data, solve)]


def _missing(reason: str, truth: bool, unit: str) -> list[Metric]:
    return [
        Metric("nll", None, unit, reason=reason),
        *([Metric("kl", None, "nats", reason=reason)] if truth else []),
        Metric("solver_error", None, unit, reason=reason),
        *(Metric(name, None, unit, reason=reason) for name, unit in COUNTS.items()),
    ]


def _mean(name: str, values: np.ndarray, unit: str) -> Metric:
    """The mean over rows with its standard error; missing if a row has no finite value."""
    bad = int((~np.isfinite(values)).sum())
    if bad:
        reason = f"{bad} of {len(values)} test rows have no finite log-density"
        return Metric(name, None, unit, n=len(values), reason=reason)
    error = float(values.std(ddof=1) / np.sqrt(len(values))) if len(values) > 1 else None
    return Metric(name, float(values.mean()), unit, standard_error=error, n=len(values))


def _solver_metrics(log_prob: np.ndarray, data: Description, solve: dict[str, Any]) -> list[Metric]:
    if solve["nfe"] is None:
        reason = f"no ODE is solved, solver {solve['protocol'].get('solver', 'not stated')}"
        return [
            Metric("solver_error", None, data.unit, reason=reason),
            *(Metric(name, None, unit, reason=reason) for name, unit in COUNTS.items()),
        ]
    tight = np.array(solve["tight_log_prob"], dtype=float)
    loose = np.array(solve.get("loose_log_prob", log_prob[: len(tight)]), dtype=float)
    change = _mean("solver_error", data.nll(tight) - data.nll(loose), data.unit)
    size = None if change.value is None else abs(change.value)
    return [
        replace(change, value=size, standard_error=None),
        *(
            _known(name, solve.get(key), unit)
            for (name, unit), key in zip(COUNTS.items(), ("nfe", "nodes"), strict=True)
        ),
        *_probe_metrics(solve, data),
    ]


def _probe_metrics(solve: dict[str, Any], data: Description) -> list[Metric]:
    """Standard error of the mean NLL due to random probes, where it is known."""
    error = solve.get("probe_error")
    if error is None:
        return []
    change = data.nll(np.array([error])) - data.nll(np.zeros(1))
    return [Metric("probe_error", abs(float(change[0])), data.unit)]


def _known(name: str, value: float | None, unit: str) -> Metric:
    return Metric(name, value, unit, reason="not stated" if value is None else None)
