"""Which jobs of SLURM's queue are ours: by their submission file, whatever else is there."""

import json
import os
import signal

import fake_slurm
from counting import Workflow
from fake_workflow import fake

__all__ = ["Workflow", "fake"]  # what makes the tests slow, and the fixture


def taken_over(fake, name):
    """Give the number of a job to one of another program, which sleeps, and end the job itself."""
    fake.kill_job(name)
    other = {"path": "/home/me/other.sh", "state": "RUNNING", "reason": "None", "code": "0:0"}
    (fake.slurm / f"{name}.json").write_text(json.dumps(other))


def test_a_job_whose_number_slurm_gave_to_another_is_not_watched_for_ours(fake):
    fake.start(until=1000)
    fake.counts()
    taken_over(fake, "1")
    assert fake.wait(30) != 0
    assert "it left no result (SLURM does not know it any more: its number is" in fake.told


def test_a_job_that_is_not_ours_is_not_cancelled(fake):
    fake.start(counts="a,b", until=1000)
    fake.counts("a")
    fake.counts("b")
    (fake.slurm / "silent").write_text("yes")  # what happens next is not noticed
    fake.until(lambda: "does not answer" in fake.told)
    taken_over(fake, "1_0")
    (fake.slurm / "silent").unlink()
    os.killpg(fake.process.pid, signal.SIGINT)
    assert fake.wait(30) != 0
    fake.until(lambda: fake.job("1_1")["state"] == "CANCELLED", 5)
    assert fake.job("1_0")["state"] == "RUNNING"
    assert fake_slurm.said(fake.slurm / "cancelled").split() == ["1_1"]
    (fake.slurm / "1_0.json").unlink()


def test_a_job_without_its_pickle_is_cancelled_and_submitted_again(fake):
    (fake.slurm / "pending").write_text("Priority")
    fake.start(counts="a,b")
    fake.says("Submitted 2 of count")
    fake.kill()
    (folder,) = (fake.folder / ".snakemake/submitit").iterdir()
    (folder / "1_1_submitted.pkl").unlink()  # as if killed before it was there
    fake.start("--unlock").wait()
    fake.start("--rerun-incomplete", counts="a,b")
    fake.says("SLURM still has this job as 1_0")
    fake.says("1_1 was being submitted when Snakemake was killed; cancelling it")
    (fake.slurm / "pending").unlink()
    fake.done()
    assert fake.job("1_1")["state"] == "CANCELLED"
    assert fake.made() == {"a", "b"}


def test_the_users_own_view_of_the_queue_is_not_ours(fake):
    fake.environment["SQUEUE_PARTITION"] = "elsewhere"
    fake.start(until=1000)
    fake.counts()
    fake.until(lambda: len(fake.calls("squeue")) > 2)
    fake.enough().done()
