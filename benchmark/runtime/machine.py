"""The machine a job computes on: its threads, its memory, and on which device."""

import logging
import os

import torch

from benchmark.runtime.memory import keep_freed

log = logging.getLogger(__name__)


def settle(threads: int, wanted: str, gpus: int | None) -> torch.device:
    """Prepare this process to compute with ``threads`` threads; the device it is to use.

    Convolutions in float32 have its precision on a GPU too: matrix products have it anyway.

    ``wanted``, the key ``device`` of config.yaml, is ``cpu``, or ``auto``: the GPU if the job has
    asked for ``gpus`` of them or, where nothing was said (``None``), if there is one. Raises
    ``RuntimeError`` inside of a SLURM job that has asked for a GPU and finds none; elsewhere the
    CPU takes its place, with a warning in the log.
    """
    torch.set_num_threads(threads)
    torch.backends.cudnn.allow_tf32 = False  # solvers would take 10 bits of a product for noise
    keep_freed()
    if wanted == "cpu" or gpus == 0:
        return torch.device("cpu")
    if torch.cuda.is_available():
        return torch.device("cuda")
    if gpus:
        _explain_cpu(gpus)
    return torch.device("cpu")


def _explain_cpu(gpus: int) -> None:
    found = (
        f"This job has asked for {gpus} GPU(s), but torch {torch.__version__} finds none on "
        f"{os.uname().nodename} (CUDA_VISIBLE_DEVICES={os.environ.get('CUDA_VISIBLE_DEVICES')})"
    )
    if "SLURM_JOB_ID" in os.environ:
        raise RuntimeError(
            f"{found}. Install a torch for the driver of this node, or say that the CPU is meant: "
            f"resource gpu=0, or `--config device=cpu`."
        )
    log.warning("%s: on the CPU.", found)
