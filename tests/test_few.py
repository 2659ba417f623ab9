"""A whole suite on one column, one test row and nine rows, with one seed and one validation."""

import copy

import numpy as np
import pandas as pd
import pytest
from jobs_done import do, prepare, tasks
from scipy.stats import norm

from benchmark.records.run import metrics_file
from benchmark.report import outputs, runs
from benchmark.suite.load import load

pytestmark = pytest.mark.slow

TABLE = {
    "class": "benchmark.data.table.Table",
    "arguments": {
        **{"columns": None, "noise": {}, "shuffle": 0, "split": [0.8, 0.1, 0.1]},
        "standardise": None,
    },
}
FILES = {"one": (600, 1), "twelve": (12, 3), "nine": (9, 2)}


@pytest.fixture
def suite(toy, tmp_path, monkeypatch, single_precision):
    """The suite of these tables, with all of its jobs done."""
    monkeypatch.chdir(tmp_path)
    section = toy["suites"]["toy"]
    section |= {"seeds": [0], "datasets": {}}
    for name, shape in FILES.items():
        rows = 3 + 2 * np.random.default_rng(0).normal(size=shape)
        np.save(tmp_path / f"{name}.npy", rows)
        section["datasets"][name] = {"label": name, "file": f"{name}.npy", **copy.deepcopy(TABLE)}
    methods = section["methods"]
    methods["interpolant"]["train"]["validations"] = 1
    for kind in ("whitened", "radial"):
        own = copy.deepcopy(methods["interpolant"])
        own["train"]["coordinates"] = kind
        methods[kind] = {**own, "label": kind, "datasets": ["one"]}
    for name in ("ffjord", "oracle"):
        del methods[name]
    made = load(toy)
    prepare(made)
    rules = tasks(made)
    for run in made.runs:
        do(rules.train(run))
        do(rules.evaluate(run))
        for name in made.measurements_of(run):
            do(rules.measure(name, run))
    for name, some in runs.drawn(made).items():
        for run in some:
            do(rules.draw(name, run))
    for output in outputs.outputs(made):
        output.write(made)
    return made


def test_everything_is_made_and_what_cannot_be_told_is_said(suite):
    for output in outputs.outputs(suite):
        assert all(file.stat().st_size for file in output.outputs)
    frame = pd.read_parquet(metrics_file("toy"))
    nll = frame[frame.metric == "nll"].set_index(["dataset", "method"])
    assert len(nll) == len(suite.runs) and nll.value.notna().all()

    run = next(run for run in suite.runs if (run.dataset, run.method) == ("one", "gaussian"))
    train, test = (np.load(run.data / f"{split}.npy") for split in ("train", "test"))
    expected = -norm(train.mean(), train.std()).logpdf(test).mean()
    assert nll.value["one", "gaussian"] == pytest.approx(expected, rel=1e-5)

    for name in ("twelve", "nine"):
        assert (nll.n[name] == 1).all() and nll.standard_error[name].isna().all()
    table = (run.folder.parents[2] / "tables/nll.md").read_text()
    assert "±" not in table.partition("\n- ")[0]
    significance = pd.read_csv(run.folder.parents[2] / "tables/significance.csv")
    assert set(significance["In words"]) == {"n too small to tell"}
    assert set(significance["p over seeds"]) == set(significance["p (Holm)"]) == {"—"}
    assert list(significance["Data set"]) == ["one", "one"]  # elsewhere there is but one method
