"""Submissions: what sbatch refuses, for how long, and what does not count beside the profile."""

import os
import re
import signal

import pytest
from counting import SNAKEFILE, Workflow
from fake_workflow import fake
from test_submitit_words import POLICY

__all__ = ["Workflow", "fake"]  # what makes the tests slow, and the fixture


def test_a_policy_violation_ends_the_jobs_at_once_with_the_call(fake):
    (fake.slurm / "reason").write_text("QOSMaxWallDurationPerJobLimit")
    (fake.slurm / "refuse").write_text(POLICY.rpartition("failed: ")[2])
    assert fake.start(counts="a,b").wait(60) != 0
    assert len(fake.calls("sbatch")) == 1
    words = "sbatch: error: QOSMaxWallDurationPerJobLimit sbatch: error: Batch job submission"
    assert f"sbatch refused the job: {words} failed: Job violates accounting/QOS" in fake.told
    call = re.search("The call: sbatch (.*)", fake.told)[1]
    for option in ("--time=5", "--mem=50M", "--job-name=count", "--array=0-1%2", "--output="):
        assert option in call


def test_a_full_controller_holds_up_nothing_else_and_is_waited_for(fake):
    fake.start(counts="a,b", until=1000)
    fake.counts("b")
    (fake.folder / "state_b/saved").write_text("1000")
    (fake.slurm / "full").write_text("yes")
    fake.kill()
    fake.start("--unlock").wait()
    fake.start("--rerun-incomplete", "--jobs", "3", counts="a,b,c,d", until=1000)
    fake.says("SLURM still has this job as 1_0")
    fake.until(lambda: len(fake.calls("sbatch")) == 2)
    fake.enough()
    fake.until(lambda: fake.made() == {"a", "b"})  # while sbatch blocks
    fake.says("2 of 5 steps")
    assert fake.process.poll() is None and len(fake.calls("sbatch")) == 2
    (fake.slurm / "full").unlink()
    fake.done()
    assert fake.made() == set("abcd")


@pytest.mark.parametrize("group", [True, False])
def test_control_c_while_sbatch_blocks_leaves_no_sbatch_and_names_no_job(fake, group):
    (fake.slurm / "full").write_text("yes")
    (fake.slurm / "silent").write_text("yes")
    fake.start()
    fake.until(lambda: len(fake.calls("sbatch")) == 1)
    (os.killpg if group else os.kill)(fake.process.pid, signal.SIGINT)
    assert fake.wait(30) != 0
    assert "The submission of count was interrupted" in fake.told
    assert "scancel" not in fake.told
    (fake.slurm / "full").unlink()
    assert not list(fake.slurm.glob("*.json"))


def test_control_c_in_an_outage_says_that_no_job_is_left(fake):
    (fake.slurm / "refuse").write_text("Unable to contact slurm controller")
    fake.start()
    fake.says("SLURM does not accept count now")
    os.killpg(fake.process.pid, signal.SIGINT)
    assert fake.wait(30) != 0
    assert "No job of this run is left in the queue." in fake.told
    assert "scancel" not in fake.told


# --- the environment ------------------------------------------------------------------------------


@pytest.mark.parametrize("counts", ["a", "a,b"])
def test_the_profile_counts_more_than_the_environment_which_is_told_once(fake, counts):
    text = SNAKEFILE.replace("mem_mb=50", "mem_mb=50, slurm_partition='gpu'")
    fake.folder.joinpath("Snakefile").write_text(text)
    wrong = {"SBATCH_PARTITION": "debug", "SBATCH_TIMELIMIT": "2", "SBATCH_WAIT": "1"}
    fake.environment |= wrong | {"SLURM_TIMELIMIT": "1"}
    fake.start(counts=counts).done()
    given = fake.job("1" if counts == "a" else "1_1")["given"]
    assert (given["partition"], given["time"], given.get("wait")) == ("gpu", "5", None)
    for name in wrong:
        assert fake.told.count(f"{name}=") == 1
    assert "SLURM_TIMELIMIT=1 of the environment: not used" in fake.told


# --- options in words -----------------------------------------------------------------------------


def test_an_option_that_cannot_be_is_refused_before_anything_is_submitted(fake):
    fake.folder.joinpath("Snakefile").write_text(
        SNAKEFILE.replace("localrule: True", "resources: slurm_extra='--wait'\n    shell: 'true'")
    )
    assert fake.start().wait(60) != 0  # `all`, of which the jobs come first
    assert "all: slurm_extra has '--wait'; the executor waits for jobs itself" in fake.told
    assert not fake.calls("sbatch")
