"""Workflows on a real SLURM whose site has a say in submissions, by a script or by limits."""

import os
import signal

import pytest
from counting import SNAKEFILE
from slurm_accounting import AccountedCluster, needs_accounting
from slurm_cluster import Workflow, cluster, needs_lua, needs_slurm, started, workflow

__all__ = ["Workflow", "cluster", "workflow"]  # the fixtures, and what makes the tests slow

pytestmark = needs_slurm


@pytest.fixture(scope="module")
def limited():
    yield from started(AccountedCluster)


@needs_lua
def test_jobs_whose_comment_the_site_overwrites_are_found_again(workflow):
    text = SNAKEFILE.replace("mem_mb=50", "mem_mb=50, slurm_partition='overwritten'")
    workflow.folder.joinpath("Snakefile").write_text(text)
    workflow.start(counts="a,b", until=1000)
    workflow.counts("a")
    workflow.counts("b")
    os.killpg(workflow.process.pid, signal.SIGKILL)
    workflow.process.wait()
    jobs = workflow.queue()
    comments = workflow.cluster.run("squeue", "-h", "-r", "-o", "%k", "-j", jobs[0].split("_")[0])
    assert set(comments.splitlines()) == {"of the site"}
    workflow.start("--unlock").wait()
    workflow.start("--rerun-incomplete", counts="a,b", until=1000)
    workflow.says("SLURM still has this job as .*_1")
    workflow.enough().done()
    assert len(workflow.submitted()) == 1
    assert len(workflow.starts("a")) == len(workflow.starts("b")) == 1


SAID = """
PARTITIONS = dict(a="commented", b="named", c="commented", d="named")
WORDS = dict(a="--comment=project", b="--job-name=lab_b", c="", d="")
"""


@needs_lua
def test_a_site_that_wants_comments_or_names_is_told_them_or_says_so_at_once(workflow):
    by_name = "{}=lambda wildcards: {}[wildcards.name]"
    asked = (
        by_name.format("slurm_partition", "PARTITIONS"),
        by_name.format("slurm_extra", "WORDS"),
    )
    text = SAID + SNAKEFILE.replace("mem_mb=50", ", ".join(("mem_mb=50", *asked)))
    workflow.folder.joinpath("Snakefile").write_text(text)
    assert workflow.start(counts="a,b,c,d").wait() != 0
    assert workflow.made() == {"a", "b"}
    assert (
        "refused the job: sbatch: error: Write --comment=PROJECT, and try again." in workflow.told
    )
    assert "refused the job: sbatch: error: Write --job-name=lab_NAME." in workflow.told
    assert "SLURM does not accept" not in workflow.told


@needs_accounting
def test_limits_of_a_qos_are_waited_for_or_final(limited, tmp_path):
    workflow = Workflow(tmp_path, limited)
    asked = "slurm_extra=lambda wildcards: '--qos=short' if wildcards.name == 'e' else '--qos=few'"
    text = SNAKEFILE.replace("mem_mb=50", f"mem_mb=50, {asked}")
    workflow.folder.joinpath("Snakefile").write_text(text)
    assert workflow.start(counts="a,b,c,d,e").wait() != 0
    assert workflow.made() == set("abcd"), workflow.report()
    assert "refused the job: sbatch: error: QOSMaxWallDurationPerJobLimit" in workflow.told
    assert workflow.told.count("The call: sbatch ") == 1 and "--qos=short" in workflow.told
    assert "SLURM does not accept count now (sbatch: error: QOSMaxSubmitJob" in workflow.told
