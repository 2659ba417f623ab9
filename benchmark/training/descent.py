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

    def __init__(self, method: Method, settings: Training, device: torch.device) -> None:
        self.method, self.settings, self.device, self.steps = method, settings, device, 0
        self.weights: list[Tensor] = list(method.parameters())
        self.loss = parallel.loss_module(method)
        self.optimiser = OPTIMISERS[settings.optimiser](
            self.weights, lr=settings.lr, weight_decay=settings.weight_decay, fused=True
        )
        self._averaged = copy.deepcopy(method)
        self._averages: list[Tensor] = list(self._averaged.parameters())
        for network in method.modules() if settings.compile else ():
            if isinstance(network, Network):
                network.compile()

    def step(self, x1: Batch, factor: float) -> Tensor:
        """Take one optimiser step at ``factor`` times the learning rate ``lr``; its loss."""
        self.optimiser.param_groups[0]["lr"] = self.settings.lr * factor
        self.optimiser.zero_grad()
        loss = self._differentiated(x1)
        if self.settings.clip is not None:
            nn.utils.clip_grad_norm_(self.weights, self.settings.clip)
        self.optimiser.step()
        self._average()
        self.steps += 1
        return loss

    def averaged(self) -> Method:
        """The method with the averaged weights and the current buffers."""
        for average, buffer in zip(self._averaged.buffers(), self.method.buffers(), strict=True):
            average.copy_(buffer)
        return self._averaged

    def state_dict(self) -> dict[str, Any]:
        """State of the weights, their average, the optimiser and the step count; not copied."""
        return {
            "method": self.method.state_dict(),
            "averaged": self._averaged.state_dict(),
            "optimiser": self.optimiser.state_dict(),
            "steps": self.steps,
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Resume from ``state_dict()``."""
        self.method.load_state_dict(state["method"])
        self._averaged.load_state_dict(state["averaged"])
        self.optimiser.load_state_dict(state["optimiser"])
        self.steps = state["steps"]

    def _differentiated(self, x1: Batch) -> Tensor:
        """The mean loss over the batch, after its gradient was added to that of the weights."""
        *parts, last = x1.chunk(self.settings.accumulate)
        with parallel.without_sync(self.loss):
            losses = [self._part(rows, len(x1)) for rows in parts]
        return torch.stack([*losses, self._part(last, len(x1))]).sum()

    def _part(self, rows: Batch, batch: int) -> Tensor:
        autocast = self.settings.precision == "bfloat16"
        try:
            with torch.autocast(self.device.type, torch.bfloat16, enabled=autocast):
                loss: Tensor = self.loss(rows) * (len(rows) / batch)
            loss.backward()  # type: ignore[no-untyped-call]
        except AssertionError as failure:  # raised by torchdiffeq
            raise FloatingPointError(
                f"The ODE of the training loss has no solution any more ({str(failure)[:100]}): "
                f"the training diverged. Lower train.lr ({self.settings.lr}) or set train.clip "
                f"({self.settings.clip})."
            ) from failure
        return loss.detach()

    @torch.no_grad()
    def _average(self) -> None:
        k = self.steps
        decay = min(self.settings.ema, (1 + k) / (10 + k)) if k else 0.0
        torch._foreach_lerp_(self._averages, self.weights, 1 - decay)
