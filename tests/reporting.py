"""A small suite, and records in the form of their files, for tests of the report."""

from dataclasses import asdict

import pytest

from benchmark.files import write_json
from benchmark.records.run import Run
from benchmark.report.labels import Style

STYLES = {
    "interpolant": Style("Interpolant", "#0072b2"),
    "ffjord": Style("FFJORD", "#d55e00"),
    "ot_flow": Style("OT-Flow", "#009e73"),
    "score_sde": Style("Score SDE", "#cc79a7"),
    "gaussian": Style("Gaussian", "#7f7f7f"),
    "oracle": Style("True density", "#000000"),
}
DATASETS = {"moons": "Moons", "power": "POWER"}
ODE = {
    **{"solver": "dopri5", "atol": 1e-5, "rtol": 1e-5, "divergence": "exact"},
    **{"rows": 2000, "data": "d1"},
}
CLOSED = {"solver": "none (closed form)", "trained": False, "rows": 2000, "data": "d1"}
CODE = {
    "commit": "abc123",
    "dirty": False,
    "source": "s1",
    "device": "cpu",
    "versions": {"a": "1"},
}
COMPARED = ["solver", "atol", "rtol", "divergence", "rows", "data", "dequantisation"]


def metric(name, value, unit="nats", heading=None, **more):
    """The part of a record that is of one metric; ``None`` has a reason."""
    reason = "diverged" if value is None else None
    shared = {"standard_error": None, "n": None, "direction": "lower", "reason": reason}
    return {"metric": name, "value": value, "unit": unit, "heading": heading, **shared, **more}


def write_records(path, run, measurement, metrics, **more):
    """A record file as measurements write it; ``more`` than that of a likelihood of today."""
    shared = {"protocol": ODE, "provenance": CODE, "compared": COMPARED, **more}
    records = [{**asdict(run), "measurement": measurement, **one, **shared} for one in metrics]
    write_json(path, {"schema": 1, "records": records})
    return path


@pytest.fixture
def record(tmp_path):
    """Writes the records of the NLL of one run and gives their path."""

    def record(method, seed, values, protocol=ODE, provenance=CODE, dataset="moons"):
        heads = {"nll": "NLL", "kl": "KL"}
        metrics = [
            metric(name, value, heading=heads.get(name), standard_error=0.02, n=2000)
            for name, value in values.items()
        ]
        path = tmp_path / dataset / method / f"seed{seed}" / "nll.json"
        run = Run("toy", dataset, method, seed)
        more = {"protocol": protocol, "provenance": provenance}
        return write_records(path, run, "nll", metrics, **more)

    return record


def seeds(record, method, values, **more):
    return [record(method, seed, {"nll": value}, **more) for seed, value in enumerate(values)]


def gap(method, seed, dataset="moons"):
    return Run("toy", dataset, method, seed)


def row(table, label):
    rows = [cells for cells in table.rows if label in (cells[0].text, cells[1].text)]
    return rows[0]
