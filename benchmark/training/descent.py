"""Optimiser steps on the loss of a method, and the average of its weights."""

import copy
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

from benchmark.flow import Method
from benchmark.networks.network import Network
from benchmark.runtime import parallel
from benchmark.shapes import Batch
from benchmark.training.settings import Training

OPTIMISERS: dict[str, Any] = {"adam": torch.optim.Adam, "adamw": torch.optim.AdamW}


class Descent:
    """Optimiser steps on the loss of a method, and the average of its weights."""

    def __init__(self, method: Method, numbers: Training, device: torch.device) -> None:
        self.method, self.numbers, self.device, self.steps = method, numbers, device, 0
        self.weights: list[Tensor] = list(method.parameters())
        self.loss = parallel.loss_of(method)
        self.optimiser = OPTIMISERS[numbers.optimiser](
            self.weights, lr=numbers.lr, weight_decay=numbers.weight_decay, fused=True
        )
        self._averaged = copy.deepcopy(method)
        self._averages: list[Tensor] = list(self._averaged.parameters())
        for network in method.modules() if numbers.compile else ():
            if isinstance(network, Network):
                network.compile()

    def step(self, x1: Batch, factor: float) -> Tensor:
        """The loss of one step, of ``factor`` times the learning rate ``lr``."""
        self.optimiser.param_groups[0]["lr"] = self.numbers.lr * factor
        self.optimiser.zero_grad()
        loss = self._differentiated(x1)
        if self.numbers.clip is not None:
            nn.utils.clip_grad_norm_(self.weights, self.numbers.clip)
        self.optimiser.step()
        self._average()
        self.steps += 1
        return loss

    def averaged(self) -> Method:
        """The method with the averaged weights, and the buffers of now."""
        for average, buffer in zip(self._averaged.buffers(), self.method.buffers(), strict=True):
            average.copy_(buffer)
        return self._averaged

    def state_dict(self) -> dict[str, Any]:
        """Weights, their average, the optimiser and the number of steps; no copies."""
        return {
            "method": self.method.state_dict(),
            "averaged": self._averaged.state_dict(),
            "optimiser": self.optimiser.state_dict(),
            "steps": self.steps,
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on from ``state_dict()``."""
        self.method.load_state_dict(state["method"])
        self._averaged.load_state_dict(state["averaged"])
        self.optimiser.load_state_dict(state["optimiser"])
        self.steps = state["steps"]

    def _differentiated(self, x1: Batch) -> Tensor:
        """The loss, the mean over the batch, whose gradient is then that of the weights."""
        *parts, last = x1.chunk(self.numbers.accumulate)
        with parallel.apart(self.loss):
            losses = [self._part(rows, len(x1)) for rows in parts]
        return torch.stack([*losses, self._part(last, len(x1))]).sum()

    def _part(self, rows: Batch, batch: int) -> Tensor:
        low = self.numbers.precision == "bfloat16"
        try:
            with torch.autocast(self.device.type, torch.bfloat16, enabled=low):
                loss: Tensor = self.loss(rows) * (len(rows) / batch)
            loss.backward()  # type: ignore[no-untyped-call]
        except AssertionError as failure:  # torchdiffeq's way to say so
            raise FloatingPointError(
                f"The ODE of the training loss has no solution any more ({str(failure)[:100]}): "
                f"the training diverged. Lower train.lr ({self.numbers.lr}) or set train.clip "
                f"({self.numbers.clip})."
            ) from failure
        return loss.detach()

    @torch.no_grad()
    def _average(self) -> None:
        k = self.steps
        decay = min(self.numbers.ema, (1 + k) / (10 + k)) if k else 0.0
        torch._foreach_lerp_(self._averages, self.weights, 1 - decay)
