"""The commands of the pages, the profile of the executor's page, and its program that resumes."""

import re
import shlex
import signal
import subprocess
import sys

import pytest
from counting import until
from pages import PAGES, block, blocks
from snakemake.cli import parse_args
from suites import ROOT

COMMANDS = sorted(
    {
        line.partition("#")[0].strip()
        for page in PAGES
        for _, text in blocks(page)
        for line in text.splitlines()
        if line.startswith("snakemake ")
    }
)


def test_there_are_commands():
    assert "snakemake --profile slurm" in COMMANDS and len(COMMANDS) > 10


@pytest.mark.parametrize("command", COMMANDS)
def test_snakemake_takes_a_command_of_the_pages(command, monkeypatch):
    monkeypatch.chdir(ROOT)
    _, given = parse_args(shlex.split(command)[1:])
    assert given.dryrun or given.jobs or given.cores


@pytest.mark.parametrize("page", PAGES)
def test_make_has_the_targets_of_the_pages(page):
    text = (ROOT / page).read_text()
    named = re.findall(r"^make ([a-z-]+)|`make ([a-z-]+)", text, re.MULTILINE)
    targets = re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE)
    assert {one or other for one, other in named} <= set(targets)


def test_snakemake_reads_the_profile_of_the_executor(tmp_path):
    (tmp_path / "config.yaml").write_text(block("workflow/plugin/README.md", "executor: submitit"))
    _, given = parse_args(["--profile", str(tmp_path)])
    assert (given.executor, given.jobs, given.retries) == ("submitit", 100, 1)
    assert (given.latency_wait, given.seconds_between_status_checks) == (30, 20)
    assert given.rerun_incomplete
    assert {name: given.default_resources[name].value for name in ("runtime", "mem_mb", "gpu")} == {
        **{"runtime": 120, "mem_mb": 16000, "gpu": 1},
    }
    assert given.set_resources["evaluate"]["runtime"].value == 30


PROGRAM = """
import time
from pathlib import Path

saved_step, steps = 3, 10**9

def save(step):
    Path("saved").write_text(str(step))

{block}
    Path("runs").touch()
    time.sleep(0.01)
"""
"""The program of the page, with all that it leaves open."""


def test_the_program_that_resumes_saves_its_work_at_a_warning(tmp_path):
    program = PROGRAM.format(block=block("workflow/plugin/README.md", "signal.signal("))
    process = subprocess.Popen([sys.executable, "-c", program], cwd=tmp_path)
    try:
        until((tmp_path / "runs").exists, 10, lambda: f"ended with {process.poll()}")
        process.send_signal(signal.SIGUSR2)
        assert process.wait(30) == 85
    finally:
        process.kill()
    assert int((tmp_path / "saved").read_text()) >= 3
