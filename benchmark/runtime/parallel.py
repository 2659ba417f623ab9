"""Data-parallel training: several processes (ranks) that train one method together.

Each rank computes the gradient of its part of every batch. Inside of ``process_group`` the ranks
are a group of ``torch.distributed``; everywhere else there is a single process of rank 0.
"""

import os
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from datetime import timedelta
from typing import Any, TypeVar

import torch
from torch import Tensor, distributed, nn
from torch.nn.parallel import DistributedDataParallel

Value = TypeVar("Value")

COLLECTIVE_TIMEOUT = timedelta(hours=4)
"""Longest wait of the other ranks for the first one, which alone validates and saves."""

SEED_STRIDE = 1_000_003
"""Difference of the seeds of two ranks: larger than any seed of a run, so that none coincide."""


@contextmanager
def process_group(device: torch.device) -> Iterator[None]:
    """Membership in the group of processes that torch's launcher has started, one per GPU.

    A process that fails leaves the group by exiting, which its launcher notices: leaving it
    properly could mean waiting for the others. Raises ``RuntimeError`` if there are too few GPUs.
    """
    backend = "gloo"
    if device.type == "cuda":
        backend, place = "cpu:gloo,cuda:nccl", int(os.environ["LOCAL_RANK"])
        if place >= torch.cuda.device_count():
            raise RuntimeError(
                f"{os.environ['LOCAL_WORLD_SIZE']} processes were requested on this node, where "
                f"torch finds {torch.cuda.device_count()} GPU(s): each process needs one. Set the "
                f"resources gpu and processes to what is available."
            )
        torch.cuda.set_device(place)
    distributed.init_process_group(backend, timeout=COLLECTIVE_TIMEOUT)
    yield
    distributed.destroy_process_group()


def world_size() -> int:
    """World size: the number of ranks."""
    return distributed.get_world_size() if distributed.is_initialized() else 1


def rank() -> int:
    """Rank of this process, from 0."""
    return distributed.get_rank() if distributed.is_initialized() else 0


def is_first() -> bool:
    """Whether this is rank 0, which validates and writes files."""
    return rank() == 0


def rows_per_rank(batch: int) -> int:
    """Rows of a batch on each rank; ``ValueError`` if a batch cannot be divided evenly."""
    if batch % world_size():
        raise ValueError(
            f"train.batch_size is {batch}, and {world_size()} processes share a batch: set it to a "
            f"multiple of {world_size()}, or the resources gpu, processes and nodes to a divisor."
        )
    return batch // world_size()


def from_first(call: Callable[[], Value]) -> Value:
    """The result of ``call()`` on rank 0, broadcast to all ranks; only rank 0 makes the call."""
    if world_size() == 1:
        return call()
    values: list[Any] = [call() if is_first() else None]
    distributed.broadcast_object_list(values)
    return values[0]


def gather(value: Value) -> list[Value]:
    """The values of all ranks, in their order, on every rank."""
    if world_size() == 1:
        return [value]
    values: list[Any] = [None] * world_size()
    distributed.all_gather_object(values, value)
    return values


def is_any(flag: bool) -> bool:
    """True if any rank reports True."""
    if world_size() == 1:
        return flag
    largest = torch.tensor(int(flag))
    distributed.all_reduce(largest, distributed.ReduceOp.MAX)
    return bool(largest)


def mean(value: float) -> float:
    """Mean over ranks."""
    return sum(gather(value)) / world_size()


def separate_seeds() -> None:
    """Give each rank random numbers of its own; rank 0 draws as if it were alone."""
    if not is_first():
        torch.manual_seed(torch.initial_seed() + SEED_STRIDE * rank())


class _Loss(nn.Module):
    def __init__(self, method: Any) -> None:
        super().__init__()
        self.method = method

    def forward(self, x1: Tensor) -> Tensor:
        loss: Tensor = self.method.loss(x1)
        return loss


def loss_module(method: nn.Module) -> nn.Module:
    """``method.loss`` as a module whose gradients are means over ranks after ``backward``."""
    if world_size() == 1:
        return _Loss(method)
    return DistributedDataParallel(_Loss(method), gradient_as_bucket_view=True)


def without_sync(loss: nn.Module) -> AbstractContextManager[None]:
    """Context in which ``backward`` only adds up the gradients of each rank, for a later one that
    takes the mean."""
    return loss.no_sync() if isinstance(loss, DistributedDataParallel) else nullcontext()
