"""Processes that train one method together, each with its share of every batch.

They are a group inside of ``together``. Elsewhere there is one process, which is the first.
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

WAIT = timedelta(hours=4)
"""For the first process, which alone validates and saves."""

APART = 1_000_003
"""Between the seeds of two processes: runs have small ones, which must not meet."""


@contextmanager
def together(device: torch.device) -> Iterator[None]:
    """Be one of the processes that torch's launcher has started, each on a GPU of its own.

    A process that fails leaves the group by its end, of which its launcher takes notice: to leave
    it in order could mean to wait for the others. Raises ``RuntimeError`` for too few GPUs.
    """
    backend = "gloo"
    if device.type == "cuda":
        backend, place = "cpu:gloo,cuda:nccl", int(os.environ["LOCAL_RANK"])
        if place >= torch.cuda.device_count():
            raise RuntimeError(
                f"{os.environ['LOCAL_WORLD_SIZE']} processes were asked for on this node, where "
                f"torch finds {torch.cuda.device_count()} GPU(s): one for each is needed. Set the "
                f"resources gpu and processes to what there is."
            )
        torch.cuda.set_device(place)
    distributed.init_process_group(backend, timeout=WAIT)
    yield
    distributed.destroy_process_group()


def processes() -> int:
    """How many there are."""
    return distributed.get_world_size() if distributed.is_initialized() else 1


def number() -> int:
    """Which of them this is, from 0."""
    return distributed.get_rank() if distributed.is_initialized() else 0


def is_first() -> bool:
    """Whether this is the one that validates, and writes files."""
    return number() == 0


def share(batch: int) -> int:
    """The rows of a batch that each process takes; ``ValueError`` if they cannot be as many."""
    if batch % processes():
        raise ValueError(
            f"train.batch_size is {batch}, and {processes()} processes share a batch: set it to a "
            f"multiple of {processes()}, or the resources gpu, processes and nodes to a divisor."
        )
    return batch // processes()


def of_first(call: Callable[[], Value]) -> Value:
    """What ``call()`` returns in the first process, which is the only one to make the call."""
    if processes() == 1:
        return call()
    found: list[Any] = [call() if is_first() else None]
    distributed.broadcast_object_list(found)
    return found[0]


def of_each(value: Value) -> list[Value]:
    """The values of all processes."""
    if processes() == 1:
        return [value]
    found: list[Any] = [None] * processes()
    distributed.all_gather_object(found, value)
    return found


def is_any(true: bool) -> bool:
    """Whether it is true in one of the processes."""
    if processes() == 1:
        return true
    flag = torch.tensor(int(true))
    distributed.all_reduce(flag, distributed.ReduceOp.MAX)
    return bool(flag)


def mean(value: float) -> float:
    """Over the processes."""
    return sum(of_each(value)) / processes()


def draw_apart() -> None:
    """Give each process random numbers of its own; the first one goes on as if it were alone."""
    if not is_first():
        torch.manual_seed(torch.initial_seed() + APART * number())


class _Loss(nn.Module):
    def __init__(self, method: Any) -> None:
        super().__init__()
        self.method = method

    def forward(self, x1: Tensor) -> Tensor:
        loss: Tensor = self.method.loss(x1)
        return loss


def loss_of(method: nn.Module) -> nn.Module:
    """``method.loss`` as a module: after ``backward`` gradients are means over the processes."""
    if processes() == 1:
        return _Loss(method)
    return DistributedDataParallel(_Loss(method), gradient_as_bucket_view=True)


def apart(loss: nn.Module) -> AbstractContextManager[None]:
    """While it lasts, gradients only add up in each process, for a later ``backward``."""
    return loss.no_sync() if isinstance(loss, DistributedDataParallel) else nullcontext()
