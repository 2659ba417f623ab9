"""A suite as the report sees it, and its folders filled with results."""

from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace

import numpy as np
from reporting import CODE, COMPARED, ODE, metric, write_records

from benchmark.data import dataset
from benchmark.data.description import describe
from benchmark.files import write_json
from benchmark.records.run import PROGRAM, Run

MODEL = {
    **{"schema": 1, "class": "any", "arguments": {}, "event": [2], "coordinates": "identity"},
    "validation": {"atol": 1.0, "rtol": 1.0},
}
HASHES = {"config": "config now", "source": "source now"}
IMAGE = (1, 2, 3)


@dataclass(frozen=True)
class Expected:
    train_config: str = "config now"
    train_source: str = "source now"
    evaluate_config: str = "config now"
    evaluate_source: str = "source now"


@dataclass
class FakeSuite:
    """Data sets are named after what they are: ``plane``, ``between``, ``images``, ``table``."""

    datasets: dict
    methods: dict
    runs: list
    name: str = "toy"
    comparison_terms: str = "One budget."
    published: dict = field(default_factory=dict)
    kept: dict = field(default_factory=dict)
    archives: dict = field(default_factory=dict)
    further: tuple = ()
    now: Expected = Expected()

    @property
    def first_runs(self):
        return [run for run in self.runs if run.seed == 0]

    @property
    def images(self):
        return [name for name in self.datasets if name == "images"]

    def is_ours(self, method):
        return self.methods[method].kind is not None

    def makes(self, run, file):
        return self.is_ours(run.method) or file in PROGRAM

    def is_oracle(self, method):
        return method == "oracle"

    def is_flow(self, method):
        return method in ("ffjord", "ot_flow")

    def is_trained(self, run):
        return self.is_flow(run.method)

    def has_diagnostics(self, method):
        return method == "ot_flow"

    def has_curve(self, name):
        return name == "curve"

    def has_base(self, dataset):
        return dataset == "between"

    def event(self, dataset):
        return {"images": IMAGE, "table": None}.get(dataset, (2,))

    def prepared_file(self, dataset):
        return Path("results/toy", dataset, "prepared/now.json")

    def expected(self, run):
        return self.now

    def expected_measurement(self, run, name):
        return "config now", "source now"

    def measurements_of(self, run):
        distances = run.dataset == "images" and self.is_ours(run.method)
        return ["nll", "cost", *(["distances"] if distances else []), *self.further]

    def measurement_label(self, name):
        return name.replace("_", " ").capitalize()


def suite(*datasets, methods=("ffjord", "ot_flow", "oracle"), seeds=2, **more):
    """A suite of methods of this library, and of ``other``, a program of its own."""
    entries = {
        name: SimpleNamespace(
            label=name.upper(),
            colour="#0072b2",
            kind=None if name == "other" else f"methods.{name}",
        )
        for name in methods
    }
    runs = [Run("toy", d, m, seed) for d in datasets for m in methods for seed in range(seeds)]
    return FakeSuite(
        {name: SimpleNamespace(label=name.title()) for name in datasets}, entries, runs, **more
    )


class Plane(dataset.Dataset):
    event = (2,)


class Images(dataset.Dataset):
    event, levels, picture = IMAGE, 4, IMAGE


def prepare(name, n=20):
    """Write the prepared folder of a data set."""
    draw = np.random.default_rng(0)
    if name == "images":
        arrays = draw.integers(0, 4, size=(4, n, *IMAGE)).astype(np.uint8)
    else:
        arrays = draw.normal(size=(4, n, 2))
    base = dataset.Splits(*arrays[1:]) if name == "between" else None
    kind = Images if name == "images" else Plane
    truth = {"validation": -np.ones(n)} if name == "plane" else {}
    folder = Run("toy", name, "any", 0).data
    dataset.write(folder, kind, dataset.Splits(*arrays[:3]), truth, base)
    if name == "images":
        heads = [metric("fid", 1.0, "", "FID", n=n), metric("kid", 0.1, "", "KID", n=n)]
        write_records(folder.parent / "features/floor.json", Run("toy", name, "floor", 0),
                      "distances", heads)  # fmt: skip


def finish(suite, run):
    """Write all files of a run, as if its jobs had succeeded."""
    folder, described = run.folder, describe(run.data)
    folder.mkdir(parents=True, exist_ok=True)
    draw = np.random.default_rng([run.seed, len(run.method)])
    n, event = described.rows["test"], described.event
    np.save(run.log_prob, draw.normal(size=n) - len(run.method))
    np.save(run.samples, draw.random(size=(n, *event)).astype(np.float32))
    for file in (run.weights, run.likelihood, run.cost):
        file.write_text("{}")
    write_json(run.model, {**MODEL, "provenance": HASHES})
    header = "step,seconds,loss,validation_nll,path_length"
    run.history.write_text(f"{header}\n10,1.0,1.0,3.0,2.0\n20,2.0,1.0,2.0,1.0\n")
    draw_files(suite, run)
    protocol = {**ODE, "data": described.hash, "trained": suite.is_trained(run)}
    for name in suite.measurements_of(run):
        write_records(run.measurement(name), run, name, metrics_of(run, name),
                      protocol=protocol, provenance={**CODE, **HASHES},
                      compared=COMPARED)  # fmt: skip
    if "distances" in suite.measurements_of(run):
        curve = "tolerance,nfe,distance,kernel_distance\n0.1,10,2.0,0.2\n0.01,20,1.5,0.1\n"
        run.measurement("distances", "csv").write_text(curve)


def draw_files(suite, run):
    """Write what only figures need."""
    times, extent = np.linspace(0, 1, 3), [-1.0, 1.0, -1.0, 1.0]
    if run.dataset == "plane":
        np.savez(run.density, log_density=-np.ones((4, 4)), extent=extent)
        np.savez(run.path, log_density=-np.ones((3, 4, 4)), extent=extent, times=times)
    if run.dataset == "images":
        np.savez(run.path, images=np.ones((3, 36, *IMAGE), np.uint8), times=times)
    if run.dataset == "between" and suite.is_flow(run.method):
        np.savez(run.samples_base, samples=np.load(run.samples))


def metrics_of(run, name):
    """The metrics of a measurement: one column each, and for the NLL its rows."""
    value = 2.0 + 0.1 * run.seed + len(run.method)
    if name == "nll":
        return [metric("nll", value, "nats", "NLL", standard_error=0.02, n=20)]
    if name == "cost":
        return [metric("training_seconds", value, "s", "Training")]
    if name == "distances":
        return [metric("fid", value, "", "FID", n=20)]
    return [metric(name, value, "", name.title(), n=20)]
