"""Counting workflows on the fake SLURM."""

import json
import os
import signal
from pathlib import Path

import fake_slurm
import pytest
from counting import Workflow


class FakeWorkflow(Workflow):
    """On a fake SLURM, in ``slurm``."""

    def __init__(self, folder: Path):
        self.slurm = folder / "a cluster"
        super().__init__(folder, fake_slurm.install(self.slurm))

    def job(self, name):
        return json.loads((self.slurm / f"{name}.json").read_text())

    def calls(self, command):
        """The times of the calls of a command, in seconds."""
        calls = [line.split() for line in fake_slurm.said(self.slurm / "calls").splitlines()]
        return [float(seconds) for name, seconds in calls if name == command]

    def alive(self):
        """The states of jobs that wait or run."""
        states = [self.job(path.stem)["state"] for path in self.slurm.glob("*.json")]
        return [state for state in states if state in ("PENDING", "RUNNING")]

    def kill_job(self, name):
        """The job and what keeps it, at once."""
        for number in ("keeper", "group"):
            if number in self.job(name):
                os.killpg(self.job(name)[number], signal.SIGKILL)


@pytest.fixture
def fake(tmp_path):
    workflow = FakeWorkflow(tmp_path)
    yield workflow
    workflow.kill()
    if workflow.alive():
        for path in workflow.slurm.glob("*.json"):
            workflow.kill_job(path.stem)
