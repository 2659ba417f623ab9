"""Configuration of the process of a job: its threads, its memory and its device."""

import logging
import os

import torch
from threadpoolctl import threadpool_limits

from benchmark.runtime.memory import keep_freed

log = logging.getLogger(__name__)


def configure_process(threads: int, wanted: str, gpus: int | None) -> torch.device:
    """Set up this process to compute with ``threads`` threads, and return its device.

    TF32 is switched off for convolutions, so that float32 keeps its precision on a GPU; torch
    leaves it off for matrix products.

    ``wanted``, the key ``device`` of config.yaml, is ``cpu`` or ``auto``. ``auto`` means the GPU if
    the job requested ``gpus`` > 0 of them or, where nothing was requested (``None``), if there is
    one. Raises ``RuntimeError`` inside a SLURM job that requested a GPU and has none; elsewhere
    the CPU is used instead, with a warning in the log.
    """
    torch.set_num_threads(threads)
    threadpool_limits(threads, user_api="blas")  # a fork has the environment of its imports
    torch.backends.cudnn.allow_tf32 = False  # solvers would see 10-bit products as noise
    keep_freed()
    if wanted == "cpu" or gpus == 0:
        return torch.device("cpu")
    if torch.cuda.is_available():
        return torch.device("cuda")
    if gpus:
        _explain_cpu(gpus)
    return torch.device("cpu")


def _explain_cpu(gpus: int) -> None:
    problem = (
        f"This job requested {gpus} GPU(s), but torch {torch.__version__} finds none on "
        f"{os.uname().nodename} (CUDA_VISIBLE_DEVICES={os.environ.get('CUDA_VISIBLE_DEVICES')})"
    )
    if "SLURM_JOB_ID" in os.environ:
        raise RuntimeError(
            f"{problem}. Install a torch that supports the driver of this node, or choose the CPU "
            f"explicitly: resource gpu=0, or `--config device=cpu`."
        )
    log.warning("%s: using the CPU.", problem)
