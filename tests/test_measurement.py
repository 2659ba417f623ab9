"""A measurement of a user's own: one short class in a package of their own."""

import subprocess
import sys

import numpy as np
import pytest

from benchmark.measure.audit import Audit
from benchmark.measure.classifier_test import ClassifierTest
from benchmark.measure.cost import Cost
from benchmark.measure.discrepancy import EnergyDistance, MaximumMeanDiscrepancy
from benchmark.measure.distances import Distances
from benchmark.measure.effective_sample_size import EffectiveSampleSize
from benchmark.measure.measurement import Measurement, Subject, measure
from benchmark.measure.nll import NLL
from benchmark.measure.sample_curve import SampleCurve
from benchmark.measure.sliced_wasserstein import SlicedWasserstein
from benchmark.names import load
from benchmark.records import records
from benchmark.records.run import Run
from benchmark.source import ROOT

OF_SAMPLES = (EnergyDistance, MaximumMeanDiscrepancy, ClassifierTest, SlicedWasserstein)
MEASUREMENTS = (NLL, Cost, Distances, *OF_SAMPLES, SampleCurve, EffectiveSampleSize, Audit)

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


def test_samples_of_another_program_are_measured():
    for kind in (*OF_SAMPLES, Audit):
        assert kind.light or kind.of_files
        assert {"weights", "model"}.isdisjoint(kind.needs)


def test_light_measurements_import_no_torch():
    light = {kind.__module__.rpartition(".")[2] for kind in MEASUREMENTS if kind.light}
    assert light == {"cost", "nll", "discrepancy", "classifier_test"}
    names = ", ".join(f"benchmark.measure.{name}" for name in light)
    program = f"import sys, {names}; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", program], cwd=ROOT).returncode == 0
