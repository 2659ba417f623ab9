"""A measurement of a user's own: one short class in a package of their own."""

import subprocess
import sys

import numpy as np
import pytest

from benchmark.measure.cost import Cost
from benchmark.measure.distances import Distances
from benchmark.measure.measurement import Measurement, Subject, measure
from benchmark.measure.nll import NLL
from benchmark.measure.sliced_wasserstein import SlicedWasserstein
from benchmark.names import load
from benchmark.records import records
from benchmark.records.run import Run
from benchmark.source import ROOT

MEASUREMENTS = (NLL, Cost, Distances, SlicedWasserstein)

SPREAD = """
import numpy as np
from benchmark.measure.measurement import Measurement
from benchmark.records.records import Metric, Reading


class Spread(Measurement):
    needs = ("samples",)
    compared = ("samples",)

    def __init__(self, power: float = 1.0):
        self.power = power

    def take(self, subject):
        samples = np.load(subject.run.samples)
        subject.file("txt").write_text("beside")
        value = float(samples.std() ** self.power)
        return [Reading([Metric("spread", value, "", heading="Spread")], {"samples": 3})]
"""


def test_a_class_of_ones_own_is_measured(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    (tmp_path / "theirs.py").write_text(SPREAD)
    run = Run("toy", "points", "any", 1)
    run.measurement("x").parent.mkdir(parents=True)
    np.save(run.samples, np.array([1.0, 2.0, 3.0]))
    measure(load("theirs.Spread")(power=2.0), Subject("breadth", run, "d16e57", "c0ffee"))
    (found,) = records.read(run.folder / "measurements/breadth.json")
    assert found["value"] == pytest.approx(2 / 3)
    assert (found["measurement"], found["compared"]) == ("breadth", ["samples"])
    assert (found["provenance"]["source"], found["provenance"]["config"]) == ("d16e57", "c0ffee")
    assert found["provenance"]["packages"][0]["package"] == "theirs"
    assert (run.folder / "measurements/breadth.txt").read_text() == "beside"


@pytest.mark.parametrize("kind", MEASUREMENTS)
def test_what_a_measurement_needs_are_files_of_a_run(kind):
    assert issubclass(kind, Measurement) and kind.needs
    for name in kind.needs:
        assert getattr(Run("toy", "points", "any", 1), name).suffix


def test_light_measurements_import_no_torch():
    names = ", ".join(sorted(kind.__module__ for kind in MEASUREMENTS if kind.light))
    assert names == "benchmark.measure.cost, benchmark.measure.nll"
    program = f"import sys, {names}; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", program], cwd=ROOT).returncode == 0
