"""Workflows on a real SLURM: the suite, what comes to sbatch, what it says, and what jobs do."""

import os
import re
import shutil
import signal
import sys

import numpy as np
import pytest
from checkout import TOY, Checkout, edited
from counting import SNAKEFILE
from slurm_cluster import Workflow, cluster, needs_slurm, workflow
from snakemake.common.tests import TestWorkflowsLocalStorageBase
from snakemake_executor_plugin_submitit import ExecutorSettings

from benchmark.files import read_json

__all__ = ["cluster", "workflow"]  # the fixtures

pytestmark = needs_slurm


# --- the suite ------------------------------------------------------------------------------------

SITE = """  slurm_partition: gpu
  slurm_setup: echo $SLURM_JOB_NAME $SLURMD_NODENAME $CUDA_VISIBLE_DEVICES >> jobs.txt
"""
CLOSED_FORMS = """set-resources:
  train_gaussian: {slurm_partition: cpu}
  train_oracle: {slurm_partition: cpu}
"""
"""What a site fills in."""


def toy():
    """Three methods on one data set; one fit of one of them diverges."""
    toy = TOY["suites"]["toy"]
    train = toy["methods"]["interpolant"]["train"]
    slow = {**toy["methods"]["interpolant"], "train": {**train, "steps": 4000}}
    diverging = {**slow, "label": "Diverging", "seeds": [0], "train": {**train, "lr": 1e30}}
    return edited(
        datasets={"eight_gaussians": toy["datasets"]["eight_gaussians"]},
        methods={
            **{"interpolant": slow, "interpolant-diverging": diverging},
            **{name: toy["methods"][name] for name in ("gaussian", "oracle")},
        },
    )


class Suite(Workflow):
    """The toy suite in a clone, with the project's own profile as a site fills it in."""

    def __init__(self, folder, cluster):
        super().__init__(folder, cluster)
        self.checkout = Checkout(self.folder)
        self.checkout.configure(toy())
        profile = self.folder / "slurm/profile.yaml"
        text = profile.read_text().replace("  # slurm_partition: gpu\n", SITE)
        text = text.replace("16000", "500") + CLOSED_FORMS
        for key, value in {
            "runtime": 10,
            "cpus_per_task": 1,
            "latency-wait": 5,
            "retries": 0,
        }.items():
            text = re.sub(rf"{key}: \d+", f"{key}: {value}", text)
        profile.write_text(text.replace("checks: 20", "checks: 2"))
        self.environment["PYTHONPATH"] = f"{self.folder}:{self.folder}/workflow/plugin"
        (self.folder / "Snakefile").unlink()
        (self.folder / "count.py").unlink()

    def options(self, *_):
        return ["--profile", "slurm", "--quiet", "rules"]


def test_the_suite_on_the_cluster_has_the_numbers_of_the_suite_at_home(tmp_path, cluster):
    suite = Suite(tmp_path, cluster)
    home = tmp_path / "home"
    home.mkdir()
    at_home = Checkout(home)
    at_home.configure(toy())
    runs = [f"results/toy/eight_gaussians/interpolant/seed{seed}" for seed in (0, 1)]
    found = at_home.snakemake("--cores", "2", *(f"{run}/measurements/nll.json" for run in runs))
    assert found.returncode == 0, found.stdout

    suite.start()
    checkpoint = suite.folder / runs[0] / "train.checkpoint"
    cluster.until(checkpoint.exists, 60)
    running = cluster.run("squeue", "-h", "-r", "-n", "train_interpolant", "-o", "%i").split()
    cluster.run("scancel", "--signal=USR2", *running)
    assert suite.wait(300) != 0
    for run in runs:
        here, there = (np.load(place / run / "log_prob.npy") for place in (home, suite.folder))
        np.testing.assert_array_equal(here, there)
    nll = suite.checkout.nll()
    assert nll.drop("interpolant-diverging", level="method").notna().all()
    results = suite.folder / "results/toy"
    assert "FloatingPointError" in (results / "tables/nll.md").read_text()
    assert (results / "figures/density.png").exists()
    stored = read_json(checkpoint.parent / "model.json")["training"]
    assert stored["interruptions"] == 1
    assert "interrupted and resumed" in (results / "tables/cost.md").read_text()
    jobs = [line.split() for line in (suite.folder / "jobs.txt").read_text().splitlines()]
    places = {(name, node[:3], *gpu) for name, node, *gpu in jobs}
    gpu = {"train_interpolant", "evaluate", "density", "path"}
    assert places == {
        *((name, "gpu", "0") for name in gpu),
        *((name, "gpu") for name in ("evaluate", "density")),  # of closed forms
        *((name, "cpu") for name in ("train_gaussian", "train_oracle")),
    }
    submitted = set(re.findall(r"Submitted \d+ of (\S+) as", suite.told))
    assert submitted == gpu | {"train_gaussian", "train_oracle"}


def test_a_training_on_two_nodes_is_that_of_two_processes_at_home(tmp_path, cluster):
    entry = toy()["suites"]["toy"]["methods"]["interpolant"]
    entry |= {"seeds": [0], "train": {**entry["train"], "steps": 2000}}
    small = edited(datasets=toy()["suites"]["toy"]["datasets"], methods={"interpolant": entry})
    run = "results/toy/eight_gaussians/interpolant/seed0"
    home = tmp_path / "home"
    home.mkdir()
    at_home = Checkout(home)
    at_home.configure(small)
    together = ("--cores", "2", "--default-resources", "processes=2", "--")
    found = at_home.snakemake(*together, f"{run}/model.safetensors")
    assert found.returncode == 0, found.stdout

    suite = Suite(tmp_path, cluster)
    suite.checkout.configure(small)
    spread = "  train_interpolant: {nodes: 2, processes: 1, gpu: 0, slurm_partition: cpu}\n"
    with (suite.folder / "slurm/profile.yaml").open("a") as profile:
        profile.write(spread)
    suite.start("--", f"{run}/model.safetensors")
    checkpoint = suite.folder / run / "train.checkpoint"
    cluster.until(checkpoint.exists, 60)
    (job,) = cluster.run("squeue", "-h", "-r", "-n", "train_interpolant", "-o", "%i").split()
    cluster.run("scancel", "--signal=USR2", job)
    assert suite.wait(300) == 0
    stored = [read_json(place / run / "model.json")["training"] for place in (home, suite.folder)]
    assert [training["processes"] for training in stored] == [2, 2]
    assert [training["interruptions"] for training in stored] == [0, 1]
    names = [place / run / "model.safetensors" for place in (home, suite.folder)]
    assert names[0].read_bytes() == names[1].read_bytes()


# --- what goes well -------------------------------------------------------------------------------


def test_jobs_of_a_rule_are_one_array_and_leave_nothing_behind(workflow):
    workflow.start(counts="a,b,c").done()
    (ids,) = workflow.submitted()
    assert re.fullmatch(r"(\d+)_0 to \1_2", ids)
    assert workflow.made() == {"a", "b", "c"}
    assert list((workflow.folder / ".snakemake/submitit").iterdir()) == []


def test_resources_come_to_sbatch(workflow):
    workflow.folder.joinpath("Snakefile").write_text(
        """
rule all:
    output: "all.txt"
    threads: 3
    resources:
        runtime=7, mem_mb=123, slurm_partition="gpu", gpu=1, slurm_extra="--nice=5",
        slurm_setup="export GREETING='set up'"
    shell:
        "(scontrol show job $SLURM_JOB_ID; echo $GREETING; echo $CUDA_VISIBLE_DEVICES) > {output}"
"""
    )
    wrong = {"PARTITION": "cpu", "TIMELIMIT": "2", "MEM_PER_CPU": "77", "GRES": "none"}
    workflow.environment |= {f"SBATCH_{name}": value for name, value in wrong.items()}
    workflow.environment |= {"SLURM_TIMELIMIT": "1", "SLURM_MEM_PER_NODE": "7"}
    workflow.start().done()
    text = (workflow.folder / "all.txt").read_text()
    for expected in (
        *("TimeLimit=00:07:00", "Partition=gpu", "MinMemoryNode=123M", "CPUs/Task=3", "Requeue=1"),
        *("Nice=5", "NodeList=gpu", "JobName=all", "gres:gpu:1"),
    ):
        assert expected in text, text
    assert text.endswith("set up\n0\n")


def test_a_job_of_two_nodes_runs_once_and_starts_tasks_on_both(workflow):
    workflow.folder.joinpath("Snakefile").write_text(
        """
rule all:
    output: "all.txt"
    resources: runtime=5, mem_mb=50, nodes=2, tasks=2
    shell:
        "echo once >> {output}; srun --overlap --nodes=2 --ntasks=2 "
        "bash -c 'echo $SLURMD_NODENAME' >> {output}"
"""
    )
    workflow.start().done()
    assert sorted((workflow.folder / "all.txt").read_text().split()) == ["cpu1", "cpu2", "once"]


def test_snakemake_inside_a_job_submits_jobs_of_its_own(workflow):
    script = workflow.folder / "inside.sh"
    command = "snakemake --executor submitit -j 2 --config counts=[a] until=1 > output 2>&1"
    script.write_text(f"#!/bin/bash\n{sys.executable} -m {command}\n")
    options = (
        "--output=/dev/null",
        "--mem=77",
        "--partition=gpu",
        "--gres=gpu:1",
        "--job-name=outer",
        "--wait",
    )
    workflow.cluster.run("sbatch", *options, f"--chdir={workflow.folder}", str(script))
    assert (workflow.folder / "a.txt").exists(), workflow.told
    assert workflow.starts()[0][1] in {"cpu1", "cpu2"}  # not the partition of the outer job


# --- what sbatch says -----------------------------------------------------------------------------


def test_sbatch_that_fails_for_a_while_is_tried_again(workflow, tmp_path):
    real, fake = shutil.which("sbatch"), tmp_path / "bin" / "sbatch"
    fake.parent.mkdir()
    words = "sbatch: error: Batch job submission failed: Unable to contact slurm controller"
    fake.write_text(
        f"#!/bin/bash\necho x >> {tmp_path}/tries\n"
        f"[ $(wc -l < {tmp_path}/tries) -gt 2 ] && exec {real} \"$@\"\necho '{words}' >&2; exit 1\n"
    )
    fake.chmod(0o755)
    workflow.environment["PATH"] = f"{fake.parent}:{os.environ['PATH']}"
    workflow.start(counts="a,b").done()
    assert (tmp_path / "tries").read_text() == "x\n" * 3
    assert "SLURM does not accept count now" in workflow.told
    assert len(workflow.submitted()) == 1


@pytest.mark.parametrize(
    ("resources", "words"),
    [
        ("slurm_partition='nowhere'", "Invalid partition name specified"),
        ("mem_mb=10**8", "Memory specification can not be satisfied|node configuration is not"),
        ("gpu=7", "Requested node configuration is not available"),
        ("constraint='gold'", "Invalid feature specification"),
        ("slurm_partitoin='cpu'", "Did you mean 'slurm_partition'"),
    ],
)
def test_what_sbatch_refuses_is_said_in_its_words_at_once(workflow, resources, words):
    workflow.folder.joinpath("Snakefile").write_text(
        SNAKEFILE.replace("runtime=5, mem_mb=50", f"runtime=5, {resources}")
    )
    assert workflow.start(counts="a,b").wait(60) != 0
    assert re.search(words, workflow.told), workflow.told


def test_a_job_that_can_never_start_is_told(workflow):
    snakefile = SNAKEFILE.replace("runtime=5", "runtime=1000")
    workflow.folder.joinpath("Snakefile").write_text(snakefile)
    workflow.start()
    workflow.says(r"pending and may never start: it asks for more time .*PartitionTimeLimit", 60)
    os.killpg(workflow.process.pid, signal.SIGINT)
    workflow.wait()


# --- what jobs do ---------------------------------------------------------------------------------


def test_one_bad_task_of_an_array_takes_nothing_with_it(workflow):
    (workflow.folder / "state_b").write_text("a file where the count wants a folder")
    assert workflow.start(counts="a,b,c").wait() != 0
    assert workflow.made() == {"a", "c"}
    words = r"SLURM job \d+_(\d): the job ended with exit status 1 \(state FAILED, exit code 1:0\)"
    found = re.search(words, workflow.told)
    assert found, workflow.told
    assert "FileExistsError" in workflow.told  # the last lines of its log
    (folder,) = (workflow.folder / ".snakemake/submitit").iterdir()
    assert [log.name.split("_")[1] for log in folder.glob("*_log.out")] == [found[1]]


class TestSnakemakesOwnTests(TestWorkflowsLocalStorageBase):
    """The test suite of Snakemake for executor plugins."""

    __test__ = True

    @pytest.fixture(autouse=True)
    def on_the_cluster(self, cluster, monkeypatch):
        monkeypatch.setenv("SLURM_CONF", cluster.environment["SLURM_CONF"])

    def get_executor(self):
        return "submitit"

    def get_executor_settings(self):
        return ExecutorSettings()
