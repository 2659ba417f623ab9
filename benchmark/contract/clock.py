"""What happens off the clock: nothing is trained in ``build``, ``initialise`` or beside steps."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any
from unittest import mock

import torch
from torch import Tensor, nn
from torch.optim.optimizer import register_optimizer_step_pre_hook

from benchmark.contract.finding import Finding
from benchmark.contract.subject import FINE, Subject
from benchmark.flow import Method
from benchmark.rows import Rows


@dataclass
class Training:
    """Steps of optimisers and gradients of weights that were taken in a context."""

    steps: int = 0
    gradients: int = 0

    @property
    def any(self) -> bool:
        return self.steps + self.gradients > 0

    def __str__(self) -> str:
        return f"{self.steps} steps of optimisers and {self.gradients} gradients of weights"


@contextmanager
def watched() -> Iterator[Training]:
    """Counts what trains weights in this context."""
    seen, backward, grad = Training(), torch.autograd.backward, torch.autograd.grad

    def step(*given: Any) -> None:
        seen.steps += 1

    def counted_backward(*given: Any, **named: Any) -> Any:
        seen.gradients += 1
        return backward(*given, **named)

    def counted_grad(outputs: Any, inputs: Any, *given: Any, **named: Any) -> Any:
        several = (inputs,) if isinstance(inputs, Tensor) else tuple(inputs)
        seen.gradients += any(isinstance(each, nn.Parameter) for each in several)
        return grad(outputs, inputs, *given, **named)

    hook = register_optimizer_step_pre_hook(step)
    replaced = mock.patch.multiple(torch.autograd, backward=counted_backward, grad=counted_grad)
    try:
        with replaced:
            yield seen
    finally:
        hook.remove()


def nothing_before_steps(subject: Subject, rows: Rows, base: Rows | None = None) -> Finding:
    """No weights are trained in ``build`` and ``initialise``, which fit what has a closed form."""
    start = time.perf_counter()
    with watched() as building:
        method = subject.build()
    with watched() as initialising:
        method.initialise(rows, base)
    seconds = time.perf_counter() - start
    for name, seen in {"build": building, "initialise": initialising}.items():
        if seen.any:
            said = (
                f"{name} takes {seen} (allowed 0), off the clock that all methods are charged by: "
                f"train in loss, which steps differentiate"
            )
            return Finding(False, said, (name,))
    said = f"build and initialise take {building}, in {seconds:.2g} s"
    return Finding(True, said)


def nothing_beside_steps(method: Method, event: tuple[int, ...]) -> Finding:
    """Validation, diagnostics, likelihood and samples change nothing in a method."""
    x = torch.randn(8, *event)
    calls: dict[str, Callable[[], object]] = {
        "likelihood_gap": method.likelihood_gap,
        "diagnostics": lambda: method.diagnostics(x),
        "sample": lambda: method.sample(3, FINE),
    }
    if method.likelihood_gap() is None:
        calls["log_prob"] = lambda: method.log_prob(x, FINE)
    before = {name: tensor.clone() for name, tensor in method.state_dict().items()}
    for name, call in calls.items():
        with watched() as seen:
            call()
        after = method.state_dict()
        changed = [key for key, tensor in before.items() if not torch.equal(tensor, after[key])]
        if changed or seen.steps:
            said = (
                f"{name} takes {seen.steps} steps of optimisers and changes {len(changed)} tensors "
                f"of the state dict (allowed 0): it trains off the clock"
            )
            return Finding(False, said, (name,))
    said = f"{', '.join(calls)} take 0 steps of optimisers and change 0 tensors"
    return Finding(True, said)
