"""The CPUs and GPUs of a machine, divided among local jobs."""

import os

import pytest
from snakemake_executor_plugin_submitit.machine import Machine, Share, this_machine
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
    assert this_machine() == Machine(os.cpu_count(), gpus)


def test_gpus_without_indices_are_refused_in_words(monkeypatch):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "GPU-8f3a")
    with pytest.raises(WorkflowError, match="'GPU-8f3a'; local jobs need GPUs by their indices"):
        this_machine()
