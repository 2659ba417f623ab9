"""Realistic fake data for tests of figures, and what is asked of a figure."""

import matplotlib
import numpy as np
import pandas as pd
import pytest
from matplotlib.colors import to_hex
from reporting import STYLES, metric, write_records

from benchmark.records.run import Run
from benchmark.report import frame as frames

LEARNED = ("interpolant", "ffjord", "ot_flow", "score_sde")
DATASETS = {"rings": "Rings", "moons": "Moons"}
ENTROPY = {"rings": 2.75, "moons": 1.60}
SECONDS = {"interpolant": 40.0, "ffjord": 900.0, "ot_flow": 300.0, "score_sde": 45.0}
EXCESS = {"interpolant": 0.02, "ffjord": 0.05, "ot_flow": 0.11, "score_sde": 0.035}


def rings(count, noise, generator):
    radius = generator.choice([1.0, 2.0, 3.0], count) + noise * generator.standard_normal(count)
    angle = 2 * np.pi * generator.random(count)
    return np.stack([radius * np.cos(angle), radius * np.sin(angle)], axis=1)


def fake_samples(count=20_000, methods=LEARNED):
    generator = np.random.default_rng(0)
    target = rings(count, 0.08, generator)
    samples = {method: rings(count, 0.08 + EXCESS[method], generator) for method in methods}
    return target, samples


def fake_density(noise, size=150):
    axis = np.linspace(-4, 4, size)
    radius = np.hypot(*np.meshgrid(axis, axis))
    peaks = [np.exp(-(((radius - r) / noise) ** 2) / 2) / (noise * r) for r in (1, 2, 3)]
    return np.log(np.sum(peaks, axis=0) / (3 * (2 * np.pi) ** 1.5) + 1e-12)


def fake_curves(datasets=DATASETS, methods=LEARNED, seeds=3):
    generator = np.random.default_rng(1)
    steps = np.unique(np.geomspace(50, 20_000, 40).astype(int))
    rows = []
    for dataset in datasets:
        for method in methods:
            for seed in range(seeds):
                speed = SECONDS[method] * (1 + 0.1 * generator.random()) / 20_000
                nll = ENTROPY[dataset] + EXCESS[method] + 300 / (steps + 100)
                nll = nll + 0.004 * generator.standard_normal(len(steps))
                run = {"dataset": dataset, "method": method, "seed": seed, "unit": "nats"}
                rows.append(
                    pd.DataFrame(
                        {"step": steps, "seconds": speed * steps, "validation_nll": nll, **run}
                    )
                )
    return pd.concat(rows, ignore_index=True).assign(loss=1.0)


@pytest.fixture
def fake_metrics(tmp_path):
    """Frame of metrics with gaps, from record files as the workflow writes them."""

    def fake_metrics(datasets=DATASETS, seeds=3, gaps=None, methods=tuple(STYLES)):
        generator = np.random.default_rng(2)
        gaps = gaps or {}
        files = []
        for dataset in datasets:
            for method in methods:
                learned = method in LEARNED
                for seed in range(seeds if learned else 1):
                    run = Run("toy", dataset, method, seed)
                    if run in gaps:
                        continue
                    excess = EXCESS.get(method, {"gaussian": 0.9, "oracle": 0.0}.get(method))
                    nll = ENTROPY[dataset] + excess + learned * 0.006 * generator.normal()
                    metrics = [metric("nll", nll, "nats", "NLL", standard_error=0.02, n=2000)]
                    if learned:
                        seconds = SECONDS[method] * (1 + 0.1 * generator.random())
                        metrics.append(metric("training_seconds", seconds, "s"))
                    protocol = {"solver": "dopri5", "trained": learned, "rows": 2000}
                    path = tmp_path / dataset / method / f"seed{seed}.json"
                    write_records(path, run, "nll", metrics, protocol=protocol)
                    files.append(path)
        return frames.metrics(files, gaps)

    return fake_metrics


def gap(dataset, method, seed):
    return Run("toy", dataset, method, seed)


def texts(figure):
    found = figure.findobj(matplotlib.text.Text)
    return " ".join(text.get_text().replace("\n", " ") for text in found)


def colours_of_lines(axes):
    return {to_hex(line.get_color()) for line in axes.lines}
