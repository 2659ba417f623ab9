"""Mistakes in the resources of a profile are told before the first job."""

from types import SimpleNamespace

import fake_slurm
import pytest
from counting import Workflow
from snakemake.resources import Resources
from snakemake_executor_plugin_submitit import checks
from snakemake_interface_common.exceptions import WorkflowError


def resources(*texts, defaults=None):
    """Resources as Snakemake reads them from a profile."""
    return Resources.parse(list(texts), allow_expressions=True, defaults=defaults)


def checked(default=(), train=(), limits=(), jobs=()):
    """Check a workflow with the rules ``train``, which reads ``window``, and ``evaluate``."""
    settings = SimpleNamespace(
        default_resources=resources(*default, defaults="full"),
        overwrite_resources={"train": resources(*train)},
        overwrite_threads={},
    )
    written = {"train": ((), {"window": 3}), "evaluate": None}
    rules = [
        SimpleNamespace(name=name, ruleinfo=SimpleNamespace(resources=own))
        for name, own in written.items()
    ]
    workflow = SimpleNamespace(
        resource_settings=settings,
        rules=rules,
        global_resources=resources(*limits),
        resource_scopes={"mem": "local", "processes": "local"},
    )
    checks.check(workflow, jobs)


def told(*arguments, **keywords):
    with pytest.raises(WorkflowError) as caught:
        checked(*arguments, **keywords)
    return str(caught.value)


@pytest.mark.parametrize("name", sorted(checks.KNOWN_RESOURCES - checks.SNAKEMAKES_RESOURCES))
def test_what_is_read_is_no_mistake(name):
    checked([f"{name}=1"], [f"{name}=2"])


@pytest.mark.parametrize("name", ["mem=4G", "disk=1GB", "tmpdir='/scratch'", "processes=2"])
def test_what_snakemake_or_the_workflow_reads_is_no_mistake(name):
    checked([name])
    checked([], [name, "window=7"])


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        *(("partition", "slurm_partition"), ("account", "slurm_account")),
        *(("time", "runtime"), ("walltime", "runtime"), ("runtim", "runtime")),
        *(("gpus", "gpu"), ("gpu_type", "gpu_model"), ("cpus", "cpus_per_task")),
        *(("mem_gb", "mem_mb"), ("memory", "mem_mb"), ("slurm_partitoin", "slurm_partition")),
    ],
)
def test_a_name_that_nobody_reads_names_the_one_that_is_meant(name, meant):
    words = f"nobody reads the resource '{name}'; did you mean '{meant}'?"
    assert told([f"{name}=1"]) == f"default-resources: {words}"
    assert told([], [f"{name}=1"]) == f"set-resources of train: {words}"


def test_all_mistakes_are_told_at_once_and_limits_are_none():
    lines = told(["licences=1", "partition=gpu"], ["xyz=1"], ["licences=3"]).splitlines()
    assert [line.partition(";")[0] for line in lines] == [
        "default-resources: nobody reads the resource 'partition'",
        "set-resources of train: nobody reads the resource 'xyz'",
    ]
    assert lines[1].endswith("--resources xyz=N.")


def test_a_text_that_snakemake_would_compute_is_to_be_quoted():
    assert told(["slurm_account=2023-12"]).endswith("quote it twice: \"'2023-12'\".")
    checked(["slurm_account='2023-12'", "slurm_partition=gpu-long", "mem_mb=3*1000", "qos=1"])


def test_values_of_jobs_that_are_not_run_yet_are_told():
    def job(local=False, **resources):
        return SimpleNamespace(name="late", threads=1, resources=resources, is_local=local)

    checked(jobs=[job(gpu="a100:1", mem_mb="<TBD>")])
    jobs = [job(gpu="a100"), job(gpu="a100"), job(nodes="two"), job(local=True, gpu="a")]
    first, second = told(jobs=jobs).splitlines()
    assert first.startswith("late: the resource gpu is 'a100'; a number")
    assert second.startswith("late: the resource nodes is 'two'; a whole number")


def test_a_mistake_is_told_before_anything_is_submitted(tmp_path):
    workflow = Workflow(tmp_path, fake_slurm.install(tmp_path / "slurm"))
    options = ("--set-resources", "count:partition=gpu", "cuont:runtime=7")
    assert workflow.start("--default-resources", "gpus=1", *options).wait() != 0
    assert "set-resources of count: nobody reads the resource 'partition'" in workflow.told
    assert "default-resources: nobody reads the resource 'gpus'" in workflow.told
    assert not (tmp_path / "slurm/calls").exists()
    workflow.start("--set-resources", "cuont:runtime=7").done()
    assert "sets resources of cuont, and there is no such rule; count?" in workflow.told
