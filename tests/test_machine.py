"""On which device a job computes."""

import pytest
import torch
from threadpoolctl import threadpool_info, threadpool_limits

from benchmark.runtime.machine import configure_process

CPU, GPU = torch.device("cpu"), torch.device("cuda")


@pytest.fixture(autouse=True)
def outside_of_slurm(monkeypatch):
    threads, tf32 = torch.get_num_threads(), torch.backends.cudnn.allow_tf32
    monkeypatch.delenv("SLURM_JOB_ID", raising=False)
    yield
    torch.set_num_threads(threads)
    torch.backends.cudnn.allow_tf32 = tf32


def test_float32_is_rounded_to_no_less_on_a_gpu():
    torch.backends.cudnn.allow_tf32 = True
    configure_process(1, "cpu", None)
    assert not torch.backends.cudnn.allow_tf32 and not torch.backends.cuda.matmul.allow_tf32


def test_numpy_has_the_threads_of_the_job():
    with threadpool_limits(2, user_api="blas"):  # and as before at its end
        for threads in (2, 1):
            configure_process(threads, "cpu", None)
            used = {pool["num_threads"] for pool in threadpool_info() if pool["user_api"] == "blas"}
            assert used == {threads}


@pytest.mark.parametrize(
    ("there", "wanted", "gpus", "expected"),
    [
        (True, "auto", None, GPU),
        (True, "auto", 1, GPU),
        (True, "auto", 0, CPU),
        (True, "cpu", 1, CPU),
        (False, "auto", None, CPU),
        (False, "auto", 1, CPU),
        (False, "cpu", None, CPU),
    ],
)
def test_device_is_the_one_asked_for(monkeypatch, there, wanted, gpus, expected):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: there)
    assert configure_process(1, wanted, gpus) == expected
    assert torch.get_num_threads() == 1


def test_a_gpu_that_is_missing_on_a_cluster_stops_the_job(monkeypatch, caplog):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    configure_process(1, "auto", 2)
    assert "requested 2 GPU(s)" in caplog.text and "using the CPU" in caplog.text
    monkeypatch.setenv("SLURM_JOB_ID", "1")
    with pytest.raises(RuntimeError, match="finds none on .*resource gpu=0, or `--config device"):
        configure_process(1, "auto", 2)
    for wanted, gpus in (("auto", 0), ("cpu", 2), ("auto", None)):
        assert configure_process(1, wanted, gpus) == CPU
