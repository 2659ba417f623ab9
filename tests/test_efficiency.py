"""What jobs have asked for beside what they have used."""

import os
from pathlib import Path

import psutil
import pytest
import yaml
from pages import parsed

from benchmark.jobs import efficiency
from benchmark.records.run import Run
from benchmark.records.usage import Asked, Start, UsageFile, Used, recorded, usage_of
from benchmark.suite.load import load

ASKED = Asked(cpus=2, gpus=1, memory=16000, minutes=120)
LOGS = [Run("toy", "eight_gaussians", "interpolant", k).folder / "train.log" for k in (0, 1)]


@pytest.fixture
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PATH", str(tmp_path / "bin"), prepend=os.pathsep)
    (tmp_path / "bin").mkdir()


def accounting(*lines, status=0):
    """Put up a ``sacct`` that says this."""
    text = "\n".join(lines)
    Path("bin/sacct").write_text(f"#!/bin/sh\ncat <<END\n{text}\nEND\nexit {status}\n")
    Path("bin/sacct").chmod(0o755)


def start(*used, slurm=None, asked=ASKED):
    """A start that has used so many seconds, CPU seconds and MiB; without any, a killed one."""
    measured = dict(zip(("seconds", "cpu_seconds", "memory"), used, strict=False))
    return Start(asked=asked, slurm=slurm, used=Used(**measured) if used else None)


def write(log, *starts):
    UsageFile(starts=starts).save(usage_of(log))


def test_a_rule_asks_for_its_longest_and_its_largest_job(here, toy):
    write(LOGS[0], start(300, 300, 900), start(600, 1050, 700))
    write(LOGS[1], start(100, 150, 400))
    text = efficiency.report(load(toy))
    table, _, profile = text.partition("For slurm/profile.yaml:")
    (row,) = (line.split() for line in table.splitlines() if "train_interpolant" in line)
    assert row == ["train_interpolant", "2", "120", "15.0", "16000", "900", "2", "1.5", "1"]
    # 15 minutes x 1.5 + 5 = 27.5, and 900 MiB x 1.25 + 300 = 1425
    wanted = {"set-resources": {"train_interpolant": {"runtime": 30, "mem_mb": 1500}}}
    assert yaml.safe_load(profile) == wanted
    assert "How busy a GPU was is not known" in text and "accounts" not in text


def test_the_lines_of_the_page_are_those_of_the_report(here, toy):
    log = Run("toy", "eight_gaussians", "ffjord", 0).folder / "train.log"
    write(log, start(720, 720, 800))
    write(log.with_name("evaluate.log"), start(120, 120, 640))
    lines = efficiency.report(load(toy)).partition("yaml:")[2]
    assert yaml.safe_load(lines) == parsed("slurm/README.md", "runtime: 25,")


def test_what_a_killed_job_used_is_in_the_accounts(here, toy):
    accounting("7|", "7.batch|3.20M", "7.0|2000.00M", "8.0|1.00M")
    write(LOGS[0], start(slurm="7"), start(60, 60, 900, slurm="8"))
    text = efficiency.report(load(toy))
    assert yaml.safe_load(text.partition("yaml:")[2])["set-resources"]["train_interpolant"] == {
        "runtime": 10,
        "mem_mb": 2800,
    }
    assert "1 starts have no end" in text and "no accounts" not in text


def test_without_accounts_it_says_what_is_not_known(here, toy):
    accounting("Slurm accounting storage is disabled", status=1)
    write(LOGS[0], start(slurm="7"))
    text = efficiency.report(load(toy))
    assert "SLURM keeps no accounts here: what killed jobs used is not known." in text
    assert yaml.safe_load(text.partition("yaml:")[2]) == {"set-resources": {}}


def test_a_suite_without_records_says_so(here, toy):
    assert efficiency.report(load(toy)) == (
        "No job of the suite toy has left a record of what it used."
    )


def test_a_job_leaves_each_of_its_starts(here, monkeypatch):
    monkeypatch.setenv("SLURM_JOB_ID", "12")
    before = psutil.Process().memory_info().rss / 2**20
    with pytest.raises(SystemExit), recorded("train.log", ASKED, resumes=False):
        block = b"x" * (300 * 2**20)
        (killed,) = UsageFile.load("train.usage.json").starts
        assert killed == Start(asked=ASKED, slurm="12", used=None)
        raise SystemExit(85)
    assert len(block) == 300 * 2**20
    with recorded("train.log", ASKED, resumes=True):
        pass
    first, second = UsageFile.load("train.usage.json").starts
    assert first.used.memory > before + 290 and 0 < first.used.seconds <= second.used.seconds
    assert first.used.cpu_seconds > 0 and first.used.gpu_memory is None
    with recorded("train.log", ASKED, resumes=False):
        pass
    assert len(UsageFile.load("train.usage.json").starts) == 1


def test_jobs_are_those_of_the_rules(here, toy):
    rules = {rule for rule, _ in efficiency.logs(load(toy))}
    assert {"train_interpolant", "evaluate", "density", "search", "reference"} <= rules
    assert "measure_nll" in rules
