"""The steps of a run, files in and files out; the workflow's scripts call nothing else.

``run`` folders and ``data`` folders are those of ``results/README.md``.
"""

import csv
from pathlib import Path
from typing import Any

import numpy as np
import torch

from benchmark import evaluation, model, names, records
from benchmark.data import dataset, fetch
from benchmark.evaluation import Measured
from benchmark.files import atomic, read_json, write_json
from benchmark.flow import Method
from benchmark.model import Model
from benchmark.ode import Tolerance
from benchmark.records import Metric, Run
from benchmark.training import Row, Rows, Training, coordinates, fit

TEST_NOISE, VALIDATION_NOISE = 0, 1
"""Seeds of the noise that dequantises held-out rows: the same for every method and seed."""

CLOCK = "wall clock, stopped during validation; evaluation without imports and loading"


def prepare(entry: dict[str, Any], downloads: Path, folder: str | Path) -> None:
    """Write the prepared folder of one data set of the config."""
    kind = names.load(entry["class"])
    source = {}
    if "source" in entry:
        for file in fetch.source(entry["source"]).files:
            fetch.verify(file, downloads / file.path)
        source = {"source": downloads / entry["source"]}
    splits = kind.prepare(**entry["numbers"], **source)
    truth = None
    if kind.density is not None:
        density = names.load(kind.density)()
        truth = density.log_prob(torch.from_numpy(splits.test).double()).numpy()
    dataset.write(folder, kind, splits, truth)


def train(
    run: Run, numbers: dict[str, Any], validation: dict[str, float], data: str | Path, folder: Path
) -> None:
    """Fit one method: ``model.json``, ``model.safetensors``, ``training.csv``."""
    torch.manual_seed(run.seed)
    device, description = _device(), dataset.describe(data)
    training = Training(**numbers["train"])
    rows = Rows(dataset.rows(data, "train"), description.levels, device)
    kind = names.load(numbers["class"])
    given = {"density": description.density} if "density" in kind.requires else {}
    arguments = {**numbers["model"], **given}
    method = model.build(numbers["class"], description.event, arguments).to(device)
    to_method = coordinates(training.coordinates, rows.all())
    held_out = _rows(data, "validation", VALIDATION_NOISE, device)

    def fitted(method: Method) -> Model:
        return Model(method, to_method, Tolerance(**validation))

    def validate(method: Method) -> float:
        values = fitted(method).log_prob(held_out).cpu().numpy()
        return float(description.nll(values).mean())

    best, history = fit(method, rows, to_method, training, validate)
    _write_history(folder / "training.csv", history)
    stored = {
        "class": numbers["class"],
        "numbers": arguments,
        "event": description.event,
        "validation": validation,
        "weights": training.weights,
        "training": {
            "steps": training.steps,
            "seconds": history[-1].seconds if history else None,
            "peak_memory": evaluation.peak_memory(),
            "device": _device_name(device),
            "threads": torch.get_num_threads(),
        },
    }
    model.save(folder, fitted(best), stored)


def evaluate(
    run: Run, numbers: dict[str, Any], settings: dict[str, Any], data: str | Path, folder: Path
) -> None:
    """Measure one fit: ``log_prob.npy``, ``likelihood.json``, ``samples.npy``, ``cost.json``."""
    torch.manual_seed(run.seed)
    device, description = _device(), dataset.describe(data)
    tolerance = Tolerance(settings["atol"], settings["rtol"])
    fitted = model.load(folder, tolerance).to(device)
    stored = read_json(folder / "model.json")
    x = _rows(data, "test", TEST_NOISE, device)
    chunk = settings["chunk"]
    likelihood = evaluation.log_prob(fitted, x, chunk, tolerance)
    closed = not likelihood.nfe
    tight = None
    if not closed:
        few = x[: settings["tight_rows"]]
        tight = evaluation.log_prob(fitted, few, chunk, tolerance.tightened(10.0)).values.tolist()
    samples = evaluation.sample(fitted, settings["samples"], chunk)
    protocol = {
        **fitted.method.protocol(tolerance),
        "chunk": chunk,
        "weights": stored["weights"],
        "rows": len(x),
        "data": description.hash,
        **({"dequantisation": f"uniform, seed {TEST_NOISE}, 1 pass"} if description.levels else {}),
    }
    origin = records.provenance(
        [numbers["class"].rpartition(".")[0], __name__],
        config=settings["config"],
        device=_device_name(device),
        threads=torch.get_num_threads(),
    )
    for name, measured in (("log_prob", likelihood), ("samples", samples)):
        with atomic(folder / f"{name}.npy") as temporary:
            np.save(temporary, measured.values)
    write_json(
        folder / "likelihood.json",
        {
            "nfe": None if closed else likelihood.nfe,
            "tight_log_prob": tight,
            "protocol": protocol,
            "provenance": origin,
        },
    )
    cost = _cost_metrics(fitted, stored["training"], likelihood, samples)
    records.write(folder / "cost.json", run, cost, {**protocol, "clock": CLOCK}, origin)


def density(data: str | Path, folder: Path, settings: dict[str, Any]) -> None:
    """Write ``density.npz``: ``log_density`` in nats on a grid, lowest y first, and ``extent``."""
    device = _device()
    tolerance = Tolerance(settings["atol"], settings["rtol"])
    fitted, points = model.load(folder, tolerance).to(device), settings["grid"]
    train = dataset.rows(data, "train")
    margin = 0.1 * np.ptp(train, axis=0)
    lower, upper = train.min(axis=0) - margin, train.max(axis=0) + margin
    x = torch.tensor(evaluation.grid(lower, upper, points), device=device)
    values = evaluation.log_prob(fitted, x, settings["chunk"], tolerance).values
    extent = [lower[0], upper[0], lower[1], upper[1]]
    with atomic(folder / "density.npz") as temporary:
        np.savez(temporary, log_density=values.reshape(points, points), extent=extent)


def _rows(data: str | Path, split: str, seed: int, device: torch.device) -> torch.Tensor:
    levels = dataset.describe(data).levels
    return torch.tensor(dataset.dequantise(dataset.rows(data, split), levels, seed), device=device)


def _write_history(path: Path, history: list[Row]) -> None:
    with atomic(path) as temporary, temporary.open("w", newline="") as file:
        lines = csv.writer(file, lineterminator="\n")
        lines.writerow(Row._fields)
        lines.writerows(history)


def _cost_metrics(
    fitted: Model, training: dict[str, Any], likelihood: Measured, samples: Measured
) -> list[Metric]:
    closed = "closed form: nothing is trained and no ODE is solved"
    trained = training["seconds"] is not None

    def known(name: str, value: float | None, unit: str) -> Metric:
        return Metric(name, value, unit, reason=closed if value is None else None)

    seconds, steps = training["seconds"], training["steps"]
    return [
        known("training_seconds", seconds, "s"),
        known("seconds_per_step", seconds / steps if trained else None, "s"),
        Metric("likelihood_seconds", likelihood.seconds, "s", n=len(likelihood.values)),
        Metric("sampling_seconds", samples.seconds, "s", n=len(samples.values)),
        known("nfe_sampling", samples.nfe or None, "evaluations"),
        Metric(
            "samples_per_second",
            len(samples.values) / samples.seconds,
            "1/s",
            direction="higher",
            n=len(samples.values),
        ),
        Metric("peak_memory", training["peak_memory"], "MiB"),
        known("parameters", model.parameters(fitted) or None, "1"),
    ]


def _device() -> torch.device:
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


def _device_name(device: torch.device) -> str:
    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    lines = Path("/proc/cpuinfo").read_text().splitlines() if Path("/proc/cpuinfo").exists() else []
    named = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return named[0] if named else "CPU"
