"""The loss of a training: a scalar that reaches every weight, a mean over rows, with no memory."""

import copy
import math
import time

import torch
from torch import Tensor

from benchmark.contract.finding import Finding, bounded, close
from benchmark.contract.subject import Subject, require_loss
from benchmark.flow import Method
from benchmark.shapes import Batch

LOWER = 1e-2
"""By how much a few steps lower the loss at least."""
SECONDS = 3.0
"""Time on the CPU for the draws of a comparison in the mean."""
CALLS = (20, 2000)
"""Fewest and most draws."""
EQUAL_ROWS = 16
SIGMAS = 5.0


def gradient(method: Method, event: tuple[int, ...]) -> Finding:
    """The loss is a scalar, and its gradient reaches every weight."""
    require_loss(method)
    loss = method.loss(torch.randn(16, *event))
    if loss.shape != ():
        shape = list(loss.shape)
        return Finding(False, f"the loss has shape {shape}; allowed is a scalar, []", ("loss",))
    loss.backward()  # type: ignore[no-untyped-call]
    weights = dict(method.named_parameters())
    lost = [name for name, w in weights.items() if w.grad is None or not w.grad.ne(0).all()]
    said = f"the gradient of the loss reaches {len(weights) - len(lost)} of {len(weights)} weights"
    words = f", but not all of {', '.join(lost)}: it is not used, or detached" if lost else ""
    return Finding(not lost, said + words, ("loss", "velocity"))


def goes_down(subject: Subject) -> Finding:
    """A few steps of Adam on the same draws lower the loss."""
    method, x1 = subject.build(), 0.5 * torch.randn(32, *subject.event) + 1
    require_loss(method)
    optimiser = torch.optim.Adam(method.parameters(), lr=1e-2)
    losses = []
    for _ in range(5):
        losses.append(_seeded(method, x1, 1))
        optimiser.zero_grad()
        losses[-1].backward()  # type: ignore[no-untyped-call]
        optimiser.step()
    change = (_seeded(method, x1, 1) - losses[0]).item()
    fault = "five steps of Adam do not lower it (its sign, or a gradient that is cut)"
    return bounded("the loss changes by", change, -LOWER, fault, "loss")


def forgets(method: Method, event: tuple[int, ...]) -> Finding:
    """The loss depends on the weights, the batch and the seed, and on no call before.

    What is in the state dict is put back before the comparison: a schedule may lie there.
    """
    require_loss(method)
    fresh, x1, start = copy.deepcopy(method), torch.randn(8, *event), _copied(method)
    _seeded(method, x1, 1)
    method.load_state_dict(start)
    again, expected = _seeded(method, x1, 2), _seeded(fresh, x1, 2)
    fault = "it keeps random draws (a probe, noise, times) or other state outside of the state dict"
    what = "loss after another call and at the first call, with the same seed"
    return close(what, again.detach(), expected.detach(), (1e-9, 1e-9), f"{fault}@loss")


def mean_over_rows(method: Method, event: tuple[int, ...]) -> Finding:
    """The expected loss of a batch of equal rows is that of one of them.

    So it is for every coupling with the base. Not so where ``[n, 1]`` meets ``[n]``: their
    product has all pairs of rows. Over as many draws as time allows.
    """
    require_loss(method)
    row, start = torch.randn(1, *event), _copied(method)
    single: list[Tensor] = []
    several: list[Tensor] = []
    began = time.process_time()
    while len(single) < CALLS[0] or (
        len(single) < CALLS[1] and time.process_time() - began < SECONDS
    ):
        single.append(method.loss(row).detach())
        several.append(method.loss(row.repeat(EQUAL_ROWS, *[1] * len(event))).detach())
    method.load_state_dict(start)
    return _same_mean(torch.stack(single), torch.stack(several))


def _same_mean(single: Tensor, several: Tensor) -> Finding:
    n = len(single)
    error = math.sqrt((single.var() + several.var()).item() / n)
    means = single.mean().item(), several.mean().item()
    allowed = SIGMAS * error + 1e-3 * abs(means[0])  # solves of a training depend on the batch
    what = (
        f"the loss is {means[0]:.3g} for a row and {means[1]:.3g} for {EQUAL_ROWS} copies of it, "
        f"means of {n} draws; they differ by"
    )
    fault = "[n, 1] and [n] were broadcast to all pairs of rows, or it is a sum over rows"
    return bounded(what, abs(means[0] - means[1]), allowed, fault, "loss")


def _seeded(method: Method, x1: Batch, seed: int) -> Tensor:
    torch.manual_seed(seed)
    return method.loss(x1)


def _copied(method: Method) -> dict[str, Tensor]:
    return {name: tensor.clone() for name, tensor in method.state_dict().items()}
