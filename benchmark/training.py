"""The training loop every method shares."""

import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel
from tqdm import tqdm

from benchmark.coordinates import Affine
from benchmark.flow import Method
from benchmark.shapes import Batch


@dataclass(frozen=True)
class Training:
    """The numbers ``train`` of config.yaml.

    ``ema`` is the decay of the average of the weights, ``min(ema, (1 + k) / (10 + k))`` after ``k``
    steps; the averaged weights are the fitted ones. ``clip`` bounds the norm of the gradient;
    ``schedule`` is that of the learning rate; ``validations`` counts the times, evenly spaced
    in the logarithm of the step, at which the validation rows are evaluated.
    """

    steps: int
    batch_size: int
    lr: float
    schedule: str
    clip: float | None
    ema: float
    coordinates: str
    validations: int

    def validation_steps(self) -> set[int]:
        """Steps after which to validate: the last one is the end."""
        if not self.steps:
            return set()
        first = max(1, self.steps // 50)
        return {round(step) for step in np.geomspace(self.steps, first, self.validations)}

    def learning_rate(self, step: int) -> float:
        """Factor of ``lr`` after ``step`` steps."""
        cosine = 0.5 * (1 + math.cos(math.pi * step / max(1, self.steps)))
        return cosine if self.schedule == "cosine" else 1.0

    @property
    def weights(self) -> str:
        """The averaging in words, for the records."""
        return f"EMA {self.ema}" if self.ema and self.steps else "last"


class Rows:
    """Training rows on one device; integer rows are dequantised anew at every draw."""

    def __init__(self, rows: np.ndarray, levels: int | None, device: torch.device) -> None:
        self.rows, self.levels = torch.tensor(rows, device=device), levels

    def all(self) -> Batch:
        """Every row once, real-valued."""
        return self._real(self.rows)

    def draw(self, n: int) -> Batch:
        """``n`` rows drawn with replacement, real-valued."""
        return self._real(self.rows[torch.randint(len(self.rows), (n,), device=self.rows.device)])

    def _real(self, rows: Tensor) -> Batch:
        if self.levels is None:
            return rows.to(torch.get_default_dtype())
        return (rows + torch.rand(rows.shape, device=rows.device)) / self.levels


class Clock:
    """Seconds spent while it runs; waits for the device at each reading."""

    def __init__(self, device: torch.device) -> None:
        self.device, self.seconds = device, 0.0
        self.resume()

    def pause(self) -> float:
        """Stop; the seconds so far."""
        self.seconds += self._now() - self.started
        return self.seconds

    def resume(self) -> None:
        """Go on."""
        self.started = self._now()

    def _now(self) -> float:
        if self.device.type == "cuda":
            torch.cuda.synchronize(self.device)
        return time.perf_counter()


class Row(NamedTuple):
    """A row of ``training.csv``.

    ``seconds`` are those of training steps only, ``loss`` is the mean since the last row, and
    ``validation_nll`` (in the unit of the data) is there only after some steps.
    """

    step: int
    seconds: float
    loss: float
    validation_nll: float | None


def coordinates(kind: str, x: Batch) -> Affine:
    """The map from rows ``x`` to the coordinates in which a method is trained."""
    return (
        Affine.standardising(x)
        if kind == "standardised"
        else Affine.identity(x.shape[1:]).to(x.device)
    )


def fit(
    method: Method,
    rows: Rows,
    to_method: Affine,
    numbers: Training,
    validate: Callable[[Method], float | None],
    base: Rows | None = None,
) -> tuple[Method, list[Row]]:
    """The method with averaged weights, and the rows of ``training.csv``.

    ``base`` are the rows of the base, in the coordinates of ``rows``, of a data set that has them.
    ``validate`` is called off the clock. Raises ``FloatingPointError`` when the loss is not
    finite any more, within 1/200 of the training.
    """
    method.initialise(to_method(rows.all()), None if base is None else to_method(base.all()))
    if not numbers.steps:
        return method, []
    optimiser = torch.optim.Adam(method.parameters(), lr=numbers.lr, fused=True)
    schedule = torch.optim.lr_scheduler.LambdaLR(optimiser, numbers.learning_rate)
    averaged: Any = AveragedModel(method, multi_avg_fn=_average(numbers.ema))
    validations, every = numbers.validation_steps(), max(1, numbers.steps // 200)
    clock = Clock(rows.rows.device)
    history: list[Row] = []
    losses: list[Tensor] = []
    for step in tqdm(range(1, numbers.steps + 1), unit="step", mininterval=5):
        losses.append(_step(method, to_method(rows.draw(numbers.batch_size)), optimiser, numbers))
        schedule.step()
        averaged.update_parameters(method)
        if step % every == 0 or step in validations:
            seconds = clock.pause()
            loss = _finite(torch.stack(losses).mean().item(), step, numbers)
            nll = validate(averaged.module) if step in validations else None
            history.append(Row(step, seconds, loss, nll))
            losses.clear()
            clock.resume()
    return averaged.module, history


def _step(method: Method, x1: Batch, optimiser: Any, numbers: Training) -> Tensor:
    optimiser.zero_grad()
    try:
        loss = method.loss(x1)
        loss.backward()  # type: ignore[no-untyped-call]
    except AssertionError as failure:  # torchdiffeq's way to say so
        raise FloatingPointError(
            f"The ODE of the training loss has no solution any more ({str(failure)[:100]}): the "
            f"training diverged. Lower train.lr ({numbers.lr}) or set train.clip ({numbers.clip})."
        ) from failure
    if numbers.clip is not None:
        nn.utils.clip_grad_norm_(method.parameters(), numbers.clip)
    optimiser.step()
    return loss.detach()


def _average(decay: float) -> Any:
    def update(averaged: list[Tensor], current: list[Tensor], count: Tensor) -> None:
        k = count.item()
        torch._foreach_lerp_(averaged, current, 1 - min(decay, (1 + k) / (10 + k)))

    return update


def _finite(loss: float, step: int, numbers: Training) -> float:
    if not math.isfinite(loss):
        raise FloatingPointError(
            f"The loss is {loss} at step {step} of {numbers.steps}: the training diverged. "
            f"Lower train.lr ({numbers.lr}) or set train.clip ({numbers.clip})."
        )
    return loss
