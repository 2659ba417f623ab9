"""The CPUs and GPUs of a machine, divided among local jobs."""

import os

import pytest
from snakemake_executor_plugin_submitit import machine as module
from snakemake_executor_plugin_submitit.machine import Machine, Share, this_machine, usable_cpus
from snakemake_interface_common.exceptions import WorkflowError


def test_a_machine_is_shared_out():
    machine = Machine(4, (0, 7))
    assert machine.share(3, 1, []) == Share(3, (0,))
    assert machine.share(1, 1, [Share(3, (0,))]) == Share(1, (7,))
    assert machine.share(2, 0, [Share(3, (0,))]) is None
    assert machine.share(1, 2, [Share(3, (0,))]) is None
    assert machine.share(99, 99, []) == Share(4, (0, 7))
    assert machine.share(99, 0, [Share(1, ())]) is None
    assert Machine(4, ()).share(1, 1, []) == Share(1, ())


@pytest.mark.parametrize(("visible", "gpus"), [("", ()), ("7,0,5", (7, 0, 5)), (None, (0, 1))])
def test_gpus_are_those_that_snakemake_may_use(visible, gpus, tmp_path, monkeypatch):
    (tmp_path / "nvidia-smi").write_text("#!/bin/sh\necho GPU 0: A\necho GPU 1: B\n")
    (tmp_path / "nvidia-smi").chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=os.pathsep)
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    if visible is not None:
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", visible)
    assert this_machine() == Machine(usable_cpus(), gpus)


@pytest.fixture
def without_limits(tmp_path, monkeypatch):
    """A machine of seven CPUs; the file of the quota, which is not there."""
    monkeypatch.setattr(os, "cpu_count", lambda: 7)
    monkeypatch.setattr(os, "sched_getaffinity", lambda process: set(range(7)))
    monkeypatch.setattr(module, "QUOTA", tmp_path / "cpu.max")
    monkeypatch.delenv("SLURM_CPUS_ON_NODE", raising=False)
    return tmp_path / "cpu.max"


@pytest.mark.parametrize(("quota", "cpus"), [("max", 7), ("250000", 2), ("50000", 1)])
def test_a_container_has_its_quota(without_limits, quota, cpus):
    assert usable_cpus() == 7
    without_limits.write_text(f"{quota} 100000\n")
    assert usable_cpus() == cpus


def test_a_slurm_job_has_its_own_cpus(without_limits, monkeypatch):
    monkeypatch.setenv("SLURM_CPUS_ON_NODE", "3")
    assert usable_cpus() == 3


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="this system binds no process")
def test_a_process_that_is_bound_to_one_cpu_has_one():
    allowed = os.sched_getaffinity(0)
    try:
        os.sched_setaffinity(0, {min(allowed)})
        assert usable_cpus() == this_machine().cpus == 1
    finally:
        os.sched_setaffinity(0, allowed)


def test_gpus_without_indices_are_refused_in_words(monkeypatch):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "GPU-8f3a")
    with pytest.raises(WorkflowError, match="'GPU-8f3a'; local jobs need GPUs by their indices"):
        this_machine()
