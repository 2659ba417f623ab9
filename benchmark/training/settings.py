"""What a config says of a training."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np


@dataclass(frozen=True)
class Training:
    """The numbers ``train`` of config.yaml.

    The budget is ``steps`` of the optimiser (0 of a fit in closed form) or ``seconds`` of them, as
    ``Clock`` counts: one of the two is given. A training by seconds makes as many steps as the
    machine can, and ends with the step in which they are over.

    ``weight_decay``: Adam adds that multiple of the weights to their gradient, AdamW shrinks the
    weights by ``lr x weight_decay`` at each step. ``schedule`` of the learning rate: ``constant``,
    ``cosine`` to zero, or ``{kind: step, every: N, factor: f}``. ``clip`` bounds the norm of the
    gradient. ``ema`` is the decay of the average of the weights, ``min(ema, (1 + k) / (10 + k))``
    after ``k`` steps; the averaged weights are the fitted ones. ``precision`` is that of the loss:
    bfloat16 by autocast, while weights, optimiser and average stay in float32. ``validations``
    counts the times at which the validation rows are evaluated, evenly spaced in the logarithm of
    the budget spent, or in itself with ``early_stopping``, which are the arguments of ``Plateau``.
    ``accumulate``: a batch is differentiated in so many parts, one after the other, whose gradients
    add up, so that a part has to fit into memory and not the batch. ``compile``: the networks that
    are trained are those that ``torch.compile`` makes, in the first step and on the clock; not of a
    loss that holds derivatives of them (FFJORD, OT-Flow), at which torch raises ``RuntimeError``.
    """

    batch_size: int
    optimiser: str
    lr: float
    weight_decay: float
    schedule: Any
    clip: float | None
    ema: float
    precision: str
    coordinates: str
    validations: int
    early_stopping: Mapping[str, Any] | None
    steps: int | None = None
    seconds: float | None = None
    accumulate: int = 1
    compile: bool = False

    @property
    def amount(self) -> int | float:
        """Of the budget, in its unit."""
        return (self.steps or 0) if self.seconds is None else self.seconds

    @property
    def budget(self) -> str:
        """In words."""
        return f"{self.steps:,} steps" if self.seconds is None else f"{self.seconds:g} s"

    def validation_shares(self) -> np.ndarray:
        """Shares of the budget after which to validate, rising: the last one is the whole."""
        if self.early_stopping:
            return np.linspace(1 / self.validations, 1, self.validations)
        return np.geomspace(1, 0.02, self.validations)[::-1]

    def learning_rate(self, step: int, share: float) -> float:
        """Factor of ``lr`` after ``step`` steps and this share of the budget."""
        match self.schedule:
            case "cosine":
                return 0.5 * (1 + math.cos(math.pi * share))
            case {"kind": "step", "every": every, "factor": factor}:
                return float(factor ** (step // every))
        return 1.0

    @property
    def weights(self) -> str:
        """Which weights are the fitted ones, in words, for the records."""
        trained = self.steps != 0
        averaged = f"EMA {self.ema}" if self.ema and trained else "last"
        return f"{averaged}, best validation" if self.early_stopping and trained else averaged
