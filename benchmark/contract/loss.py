"""The loss of a training: a scalar that reaches every weight, pairs no rows, and has no memory."""

import copy
import traceback
from typing import Any

import torch
from torch import Tensor
from torch.overrides import TorchFunctionMode

from benchmark.contract.finding import Finding, bounded, close, frame_in
from benchmark.contract.subject import Subject, require_loss
from benchmark.flow import Method
from benchmark.shapes import Batch

LOWER = 1e-2
"""By how much a few steps lower the loss at least."""
ROWS = 13
"""Rows of a batch in which pairs are looked for: no other axis is as long."""


def gradient(method: Method, event: tuple[int, ...]) -> Finding:
    """The loss is a scalar, and its gradient reaches every tensor of weights."""
    require_loss(method)
    loss = method.loss(torch.randn(16, *event))
    if loss.shape != ():
        shape = list(loss.shape)
        return Finding(False, f"the loss has shape {shape}; allowed is a scalar, []", ("loss",))
    loss.backward()  # type: ignore[no-untyped-call]
    weights = dict(method.named_parameters())
    lost = [name for name, w in weights.items() if w.grad is None or not w.grad.ne(0).any()]
    said = f"the gradient of the loss reaches {len(weights) - len(lost)} of {len(weights)} tensors"
    names = ", ".join(lost[:3]) + " and others" * (len(lost) > 3)
    words = f"; none reaches {names}: it is not used, or detached" if lost else ""
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


def pairs_no_rows(method: Method, event: tuple[int, ...]) -> Finding:
    """No operation on which the gradient rests makes ``[n, n]`` of ``[n, 1]`` and ``[n]``.

    That is how a loss of each row, weighed or compared by a number of each row, becomes one of all
    pairs of rows without an error.
    """
    require_loss(method)
    with _Pairs(type(method)) as seen:
        method.loss(torch.randn(ROWS, *event))
    said = f"{len(seen.places)} operations of the loss make pairs of all rows (allowed 0)"
    fault = f": [{ROWS}, 1] and [{ROWS}] are broadcast to [{ROWS}, {ROWS}]; reshape one of them"
    return Finding(not seen.places, said + fault * bool(seen.places), tuple(seen.places[:1]))


class _Pairs(TorchFunctionMode):
    """Records where ``[n, n]`` is made of ``[n, 1]`` and ``[n]``."""

    def __init__(self, kind: type) -> None:
        super().__init__()
        self.kind = kind
        self.places: list[str] = []

    def __torch_function__(
        self, function: Any, types: Any, given: Any = (), named: Any = None
    ) -> Any:
        made = function(*given, **(named or {}))
        if isinstance(made, Tensor) and made.shape == (ROWS, ROWS) and made.requires_grad:
            shapes = {tuple(each.shape) for each in given if isinstance(each, Tensor)}
            if {(ROWS,), (ROWS, 1)} <= shapes:
                self.places.append(frame_in(self.kind, traceback.extract_stack()[:-1]))
        return made


def _seeded(method: Method, x1: Batch, seed: int) -> Tensor:
    torch.manual_seed(seed)
    return method.loss(x1)


def _copied(method: Method) -> dict[str, Tensor]:
    return {name: tensor.clone() for name, tensor in method.state_dict().items()}
