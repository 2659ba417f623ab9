"""Mine on samples of which it is known."""

from pathlib import Path

import numpy as np
import pytest
from mymethods.mine import Mine

from benchmark.measure.measurement import Subject
from benchmark.records.run import Run


def test_it_is_the_deviation_of_samples_of_a_gaussian(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    run = Run("suite", "dataset", "method", 0)
    run.folder.mkdir(parents=True)
    np.save(run.samples, np.random.default_rng(0).normal(scale=3.0, size=(5000, 2)))
    (reading,) = Mine().take(Subject("mine", run, source="", config=""))
    assert reading.metrics[0].value == pytest.approx(3.0, rel=0.03)
