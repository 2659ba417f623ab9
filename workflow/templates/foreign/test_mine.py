"""What the program of mine has to write: the files of a run, here of a Gaussian."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np

from benchmark.records import arrays
from benchmark.records.cost_file import CostFile
from benchmark.records.likelihood_file import LikelihoodFile


def test_it_writes_the_files_of_a_run(tmp_path: Path) -> None:
    random = np.random.default_rng(0)
    for split in ("train", "validation", "test"):
        np.save(tmp_path / f"{split}.npy", random.normal(size=(1000, 2)).astype(np.float32))
    program = Path(__file__).with_name("mine.sh")
    arguments = ["sh", str(program), str(tmp_path), str(tmp_path), "0"]
    subprocess.run(arguments, env={**os.environ, "PYTHON": sys.executable}, check=True)
    LikelihoodFile.load(tmp_path / "likelihood.json")
    CostFile.load(tmp_path / "cost.json")
    samples = arrays.samples(tmp_path / "samples.npy", (2,), None)
    assert np.abs(samples.mean(axis=0)).max() < 0.2
    nll = -arrays.log_prob(tmp_path / "log_prob.npy", 1000).mean()
    entropy = np.log(2 * np.pi * np.e)  # of N(0, I) in the plane, nats
    assert entropy - 0.1 < nll < entropy + 0.3
