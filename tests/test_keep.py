"""What ``make keep`` keeps: all that the runs of a suite have made."""

import numpy as np
import pytest
from suites import put

from benchmark.jobs.keep import keep
from benchmark.records.run import DRAWINGS
from benchmark.report.runs import drawn
from benchmark.suite.load import load

MOONS = {
    "class": "benchmark.data.synthetic.TwoMoons",
    "arguments": {"train": 50, "validation": 5, "test": 20},
}


@pytest.fixture
def between(toy, tmp_path, monkeypatch):
    """The toy suite with a data set that has rows of the base, on which one method runs."""
    monkeypatch.chdir(tmp_path)
    suite = toy["suites"]["toy"]
    both = {"label": "Between", "base": MOONS}
    suite["datasets"]["between"] = {**suite["datasets"]["eight_gaussians"], **both}
    for name in ("ffjord", "gaussian", "oracle"):
        put(suite, f"methods/{name}/datasets", ["eight_gaussians"])
    return load(toy)


def draw(suite, then):
    """Write what each job draws, as made with the source of ``then``; the files."""
    files = [run.drawing(job) for job, runs in drawn(suite).items() for run in runs]
    for file in files:
        file.parent.mkdir(parents=True, exist_ok=True)
        np.savez(file, source=then)
    return files


def test_all_that_is_drawn_is_kept(between):
    files = draw(between, "then")
    assert {file.name for file in files} == set(DRAWINGS.values())
    kept = keep(between)
    assert sorted(file for entry in kept.values() for file in entry.what) == sorted(map(str, files))
    for runs in drawn(between).values():
        assert {between.source(run, "draw") for run in runs} == {"then"}


@pytest.mark.parametrize("job", DRAWINGS)
def test_each_job_that_draws_is_kept_without_the_others(between, job):
    files, run = draw(between, "then"), drawn(between)[job][0]
    for file in files:
        if file != run.drawing(job):
            file.unlink()
    assert [entry.what for entry in keep(between).values()] == [[str(run.drawing(job))]]


def test_what_is_of_today_is_not_kept(between):
    for file in draw(between, "then"):
        file.unlink()
    (run,) = drawn(between)["backward"]
    np.savez(run.samples_base, source=between.source(run, "draw"))
    assert keep(between) == {}
