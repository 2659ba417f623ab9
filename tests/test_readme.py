"""The fitted run of the README, in Python: its block runs as it stands, and says what is so."""

import copy

import pytest
import torch
from jobs_done import do, prepare, tasks
from pages import block
from suites import SHIPPED

from benchmark.suite.load import load

pytestmark = pytest.mark.slow


def test_the_fitted_run_in_python(tmp_path, monkeypatch, single_precision):
    content = copy.deepcopy(SHIPPED)
    quick = content["suites"]["quick"]
    quick["datasets"] = {"checkerboard": quick["datasets"]["checkerboard"]}
    quick["datasets"]["checkerboard"]["arguments"] = {"train": 500, "validation": 20, "test": 20}
    quick["methods"] = {"interpolant": quick["methods"]["interpolant"]}
    quick["methods"]["interpolant"] |= {"per_dataset": {}}
    quick["methods"]["interpolant"]["train"] |= {"steps": 20, "validations": 1}
    quick["validation"] = {"atol": 1e-6, "rtol": 1e-6}
    suite = load(content)
    monkeypatch.chdir(tmp_path)
    prepare(suite)
    (run,) = (run for run in suite.runs if run.seed == 0)
    run.folder.mkdir(parents=True)
    do(tasks(suite).train(run))

    names = {}
    exec(block("README.md", "benchmark.load("), names)
    flow, x = names["flow"], names["x"][:20]
    assert names["x"].shape == (1000, 2)
    assert flow.log_prob(x).shape == (20,) and flow.log_prob(x).dtype == torch.float64
    base = flow.transport(x, 1.0, 0.0)
    torch.testing.assert_close(flow.transport(base, 0.0, 1.0), x, atol=1e-3, rtol=1e-3)
    # At the base, N(0, I) in the coordinates of the training.
    standardised = flow.coordinates(base)
    normal = torch.distributions.Normal(0.0, 1.0).log_prob(standardised).sum(dim=1)
    expected = normal + flow.coordinates.log_det(base)
    torch.testing.assert_close(flow.log_prob(base, t=0.0), expected, atol=1e-6, rtol=0)
    assert flow.sample(7, epsilon=0.5).shape == (7, 2)
