"""Workflows on a real SLURM that are interrupted, by the cluster or by people, and go on."""

import contextlib
import os
import re
import shutil
import signal
import time
from pathlib import Path

import pytest
from counting import SNAKEFILE, went_on
from slurm_cluster import Workflow, cluster, needs_slurm, workflow

__all__ = ["Workflow", "cluster", "workflow"]  # the fixtures, and what makes the tests slow

pytestmark = needs_slurm


# --- what SLURM does to jobs ----------------------------------------------------------------------


def test_a_job_at_its_time_limit_goes_on_in_the_same_job(workflow):
    snakefile = SNAKEFILE.replace("runtime=5", "runtime=1")
    workflow.folder.joinpath("Snakefile").write_text(snakefile)
    workflow.start(until=500).done(240)
    starts = workflow.starts()
    assert len(starts) >= 2
    assert [count for count, _ in starts] == sorted({count for count, _ in starts})
    assert len(workflow.submitted()) == 1


def test_a_warning_that_comes_too_early_is_repeated(workflow):
    # Sent while Python starts: the count does not listen yet.
    workflow.start(until=1000)
    workflow.cluster.until(lambda: workflow.queue(), 30)
    (job,) = workflow.queue()
    workflow.cluster.until(lambda: workflow.cluster.run("squeue", "-h", "-j", job, "-t", "R"), 30)
    logs = workflow.folder / ".snakemake/submitit"
    workflow.cluster.until(
        lambda: any("started on" in log.read_text() for log in logs.glob("*/*_log.out")), 30
    )
    workflow.cluster.run("scancel", "--signal=USR2", job)
    workflow.counts()
    workflow.starts_again().enough().done()
    assert went_on(workflow.starts())
    assert len(workflow.submitted()) == 1


def preempt(workflow, partition):
    """Have the job of a workflow start in a partition, and lose its GPU to another job."""
    resources = f"mem_mb=50, slurm_partition='{partition}', gpu=1"
    workflow.folder.joinpath("Snakefile").write_text(SNAKEFILE.replace("mem_mb=50", resources))
    workflow.start(until=1000)
    workflow.counts()
    both = ("--output=/dev/null", "--partition=high", "--gres=gpu:1", "--nodes=2", "--mem=50")
    workflow.cluster.run("sbatch", *both, "--wrap=sleep 3")


def test_a_preempted_job_goes_on_in_the_same_job(workflow):
    preempt(workflow, "gpu")
    workflow.starts_again().enough().done()
    assert went_on(workflow.starts())
    assert len(workflow.submitted()) == 1


def test_a_preempted_job_that_is_cancelled_is_submitted_again(workflow):
    preempt(workflow, "lost")
    workflow.says(r"count: \d+ was preempted and cancelled; submitting it again", 60)
    workflow.starts_again().enough().done()
    assert went_on(workflow.starts())
    assert len(workflow.submitted()) == 2


def test_a_job_requeued_by_hand_goes_on(workflow):
    workflow.start(until=1000)
    workflow.counts()
    workflow.cluster.run("scontrol", "requeue", *workflow.queue())
    workflow.starts_again().enough().done()
    assert went_on(workflow.starts())
    assert len(workflow.submitted()) == 1


def test_a_cancelled_job_is_a_failure_with_words(workflow):
    workflow.start(until=1000)
    workflow.counts()
    workflow.cluster.run("scancel", *workflow.queue())
    assert workflow.wait() != 0
    assert re.search(r"SLURM job \d+: it left no result \(state CANCELLED", workflow.told)
    assert "Log: " in workflow.told and "asked to stop" in workflow.told


def test_a_job_whose_node_dies_starts_on_another(workflow):
    workflow.start(until=1000)
    workflow.counts()
    node = workflow.starts()[0][1]
    kill_node(workflow.cluster, node)
    workflow.starts_again().enough().done()
    assert workflow.starts()[1] != (0, node)
    assert len(workflow.submitted()) == 1
    workflow.cluster.start_node(node)
    workflow.cluster.run("scontrol", "update", f"nodename={node}", "state=resume")
    workflow.cluster.until(lambda: node in workflow.cluster.idle(), 30)


def kill_node(cluster, node):
    """End a node's daemon and everything that runs there, those first that would report it."""
    cluster.kill(f"slurmd.{node}")
    ours = str(cluster.folder).encode()
    for reporting in (True, False):
        for path in Path("/proc").glob("[0-9]*"):
            with contextlib.suppress(OSError):
                environment, name = (path / "environ").read_bytes(), (path / "comm").read_text()
                here = ours in environment and f"SLURMD_NODENAME={node}".encode() in environment
                if name == "slurmstepd\n" and ours in environment if reporting else here:
                    os.kill(int(path.name), signal.SIGKILL)


def test_a_controller_that_restarts_is_waited_for(workflow):
    workflow.start(until=1000)
    workflow.counts(to=80)  # the controller saves its state every 5 s
    workflow.cluster.kill("slurmctld")
    workflow.says("SLURM does not answer", 60)
    workflow.cluster.start_controller()
    workflow.enough().done()
    assert len(workflow.starts()) == 1
    assert len(workflow.submitted()) == 1


# --- what people do to Snakemake ------------------------------------------------------------------


@pytest.mark.parametrize("times", [1, 2])
def test_control_c_cancels_what_was_submitted(workflow, times):
    workflow.start(counts="a,b,c", until=1000)
    for name in "abc":
        workflow.counts(name)
    for _ in range(times):
        os.killpg(workflow.process.pid, signal.SIGINT)
        time.sleep(0.3)
    assert workflow.wait(60) != 0
    workflow.cluster.until(lambda: not workflow.queue(), 30)
    assert (workflow.folder / "state_a/saved").exists(), workflow.logs()


def test_control_c_during_a_submission_leaves_no_job(workflow, tmp_path):
    real, fake = shutil.which("sbatch"), tmp_path / "bin" / "sbatch"
    fake.parent.mkdir()
    fake.write_text(f'#!/bin/bash\ntrap "" INT\n{real} "$@"\ntouch {tmp_path}/taken\nsleep 5\n')
    fake.chmod(0o755)
    workflow.environment["PATH"] = f"{fake.parent}:{os.environ['PATH']}"
    workflow.start(counts="a,b", until=1000)
    workflow.cluster.until(lambda: (tmp_path / "taken").exists(), 30)
    os.killpg(workflow.process.pid, signal.SIGINT)
    workflow.wait(60)
    workflow.cluster.until(lambda: not workflow.queue(), 30)


def test_a_killed_snakemake_finds_its_jobs_again(workflow):
    running = "a,b"
    workflow.start(counts=running, until=1000)
    workflow.counts("a")
    workflow.counts("b")
    os.killpg(workflow.process.pid, signal.SIGKILL)
    workflow.process.wait()
    jobs = workflow.queue()
    assert len(jobs) == 2
    workflow.start("--unlock").wait()
    workflow.start("--rerun-incomplete", counts=running, until=1000)
    workflow.says("SLURM still has this job as")
    assert workflow.queue() == jobs
    workflow.enough().done()
    assert len(workflow.submitted()) == 1
    assert len(workflow.starts("a")) == len(workflow.starts("b")) == 1


def test_after_control_c_the_same_command_waits_for_the_end_of_what_it_cancelled(workflow):
    workflow.start(until=1000)
    workflow.counts(to=3)
    workflow.cluster.hold.touch()
    os.killpg(workflow.process.pid, signal.SIGINT)
    workflow.wait()
    workflow.start("--rerun-incomplete", until=1000)
    workflow.says("waiting for the end of")
    workflow.cluster.hold.unlink()
    workflow.enough().done()
    assert went_on(workflow.starts())
    assert len(workflow.submitted()) == 2


def test_a_job_of_other_parameters_is_not_taken_for_the_one_that_is_wanted(workflow):
    snakefile = workflow.folder / "Snakefile"
    snakefile.write_text(SNAKEFILE.replace("    shell:", "    params: 1\n    shell:"))
    workflow.start(until=1000)
    workflow.counts()
    workflow.kill()
    old = workflow.queue()
    workflow.start("--unlock").wait()
    snakefile.write_text(snakefile.read_text().replace("params: 1", "params: 2"))
    workflow.start("--rerun-incomplete", until=1000)
    workflow.says(f"{old[0]} has other parameters or inputs; cancelling it")
    workflow.enough().done()
    assert len(workflow.submitted()) == 2


def test_control_c_without_a_controller_says_what_is_left(workflow):
    workflow.start(until=1000)
    workflow.counts(to=80)  # the controller saves its state every 5 s
    (job,) = workflow.queue()
    workflow.cluster.kill("slurmctld")
    os.killpg(workflow.process.pid, signal.SIGINT)
    workflow.wait()
    assert f"Jobs may be left: `scancel {job}`" in workflow.told
    workflow.cluster.start_controller()
