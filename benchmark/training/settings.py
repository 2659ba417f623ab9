"""Settings of a training, as config.yaml holds them."""

import math
from dataclasses import dataclass
from typing import Annotated, Any, Literal

from annotated_types import Ge, Len, Lt
from pydantic import AfterValidator, Field, Strict

from benchmark import parts
from benchmark.section import (
    Count,
    Flag,
    Natural,
    NonNegative,
    Positive,
    Section,
    Share,
    distinct,
)

Decay = Annotated[float, Strict(), Ge(0), Lt(1)]
Optimiser = Literal["adam", "adamw"]
Precision = Literal["float32", "bfloat16"]
ConstantOrCosine = Literal["constant", "cosine"]


class StepDecay(Section):
    """Schedule that multiplies the learning rate by ``factor`` after every ``every`` steps."""

    kind: Literal["step"] = Field(description="the schedule that has settings")
    every: Count = Field(description="steps between two drops")
    factor: Share = Field(description="factor of the learning rate at a drop")


class EarlyStopping(Section):
    """Settings of early stopping: ``benchmark.training.stopping.Plateau`` follows them."""

    patience: Count = Field(
        description="validations in a row without improvement before a drop and before the end"
    )
    drops: Natural = Field(
        description="drops of the learning rate before the end; 0 for plain early stopping"
    )
    factor: Share = Field(
        description="factor of the learning rate at a drop; 1.0 where there is none"
    )


class Training(Section):
    """Settings of one training: the section ``train`` of a method in config.yaml.

    The budget is either ``steps`` of the optimiser (0 for a fit in closed form) or ``seconds`` of
    optimiser steps, as ``Clock`` counts them. A training by seconds makes as many steps as the
    machine can, and ends with the step in which they run out.

    The fitted weights are an average over the training, whose decay after ``k`` steps is
    ``min(ema, (1 + k) / (10 + k))``. With ``precision`` bfloat16 the loss is computed under
    autocast; weights, optimiser and average stay in float32. Validations are evenly spaced in the
    logarithm of the budget spent, or, with ``early_stopping``, in the budget itself. With
    ``accumulate`` only one part of a batch has to fit into memory; the gradients of the parts add
    up. Networks are compiled in the first step, on the clock; a loss that contains derivatives of
    a compiled network (FFJORD, OT-Flow) makes torch raise ``RuntimeError``.
    """

    steps: Natural | None = Field(
        default=None, description="optimiser steps; 0 for a fit in closed form"
    )
    seconds: Positive | None = Field(
        default=None, description="seconds of optimiser steps, instead of steps"
    )
    batch_size: Count = Field(description="rows per step")
    accumulate: Count = Field(
        default=1,
        description="parts of a batch that are differentiated one after the other, to save memory",
    )
    compile: Flag = Field(default=False, description="train networks compiled by torch.compile")
    optimiser: Optimiser = Field(description="optimiser of the weights")
    lr: Positive = Field(description="learning rate")
    weight_decay: NonNegative = Field(
        description=(
            "adam: multiple of the weights added to their gradient; "
            "adamw: weights shrink by lr x weight_decay per step"
        )
    )
    schedule: ConstantOrCosine | StepDecay = Field(
        description=(
            "schedule of the learning rate: constant, cosine (to zero), "
            "or {kind: step, every: N, factor: f}"
        )
    )
    clip: Positive | None = Field(description="largest norm of the gradient; null for no bound")
    ema: Decay = Field(description="decay of the average of the weights; 0 for none")
    precision: Precision = Field(
        description="precision of the training loss; bfloat16 by autocast with float32 weights"
    )
    coordinates: Literal["identity", "standardised", "whitened", "radial"] = Field(
        description=(
            "coordinates in which the method works: those of the data, each (of images each "
            "channel) over its standard deviation, principal ones over theirs, or these with their "
            "norm moved to that of a normal distribution"
        )
    )
    validations: Count = Field(
        description="evaluations of the validation rows along the training, if it is not stopped "
        "early"
    )
    early_stopping: EarlyStopping | None = Field(
        description=(
            "null, or {patience: P, drops: N, factor: f}; the fitted weights are then those of the "
            "best validation"
        )
    )

    @property
    def amount(self) -> int | float:
        """The size of the budget, in its unit."""
        return (self.steps or 0) if self.seconds is None else self.seconds

    @property
    def budget(self) -> str:
        """The budget in words."""
        return f"{self.steps:,} steps" if self.seconds is None else f"{self.seconds:g} s"

    def learning_rate(self, step: int, share: float) -> float:
        """Factor of ``lr`` after ``step`` steps and this share of the budget."""
        match self.schedule:
            case "cosine":
                return 0.5 * (1 + math.cos(math.pi * share))
            case StepDecay(every=every, factor=factor):
                return float(factor ** (step // every))
        return 1.0

    @property
    def weights(self) -> str:
        """The rule by which the fitted weights are chosen, in words, for the records."""
        trained = self.steps != 0
        averaged = f"EMA {self.ema}" if self.ema and trained else "last"
        return f"{averaged}, best validation" if self.early_stopping and trained else averaged


class Search(Section):
    """The learning rates that every trained method tries, each with a share of its budget."""

    factors: Annotated[list[Positive], Len(min_length=2), AfterValidator(distinct)] = Field(
        description="of train.lr, the learning rates that are tried"
    )
    share: Share = Field(description="of the budget of a training that each of them gets")


@dataclass(frozen=True)
class Hyperparameters:
    """Choices that make a fit: class of the method, arguments of its ``build``, and training."""

    kind: str
    model: dict[str, Any]
    train: Training

    @property
    def classes(self) -> list[str]:
        """The class of the method, and those that its arguments name."""
        return [self.kind, *parts.named(self.model)]
