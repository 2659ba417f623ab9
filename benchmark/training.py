"""The training loop every method shares."""

import copy
import logging
import math
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor, nn
from tqdm import tqdm

from benchmark import parallel
from benchmark.checkpoint import NOT_KEPT, Part, random_states, restore_random_states
from benchmark.flow import Method
from benchmark.networks.network import Network
from benchmark.rows import Rows
from benchmark.shapes import Batch

log = logging.getLogger(__name__)

OPTIMISERS: dict[str, Any] = {"adam": torch.optim.Adam, "adamw": torch.optim.AdamW}


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


class Clock:
    """Seconds spent while it runs; waits for the device when it starts and stops."""

    def __init__(self, device: torch.device) -> None:
        self.device, self.seconds = device, 0.0
        self.resume()

    def read(self) -> float:
        """The seconds so far while it runs, without waiting for the device."""
        return self.seconds + time.perf_counter() - self.started

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


class Validation(NamedTuple):
    """The NLL of the validation rows in the unit of the data, ``None`` of a method that has none,
    and the ``diagnostics`` of the method on them."""

    nll: float | None
    diagnostics: dict[str, float]


class Row(NamedTuple):
    """A row of ``training.csv``.

    ``seconds`` are those of training steps only, ``loss`` is the mean since the last row, and
    ``validation_nll`` and ``diagnostics`` (a column each) are there only after some steps.
    """

    step: int
    seconds: float
    loss: float
    validation_nll: float | None
    diagnostics: dict[str, float]


class Plateau:
    """Early stopping, and the weights of the best validation.

    After ``patience`` validations in a row without improvement the learning rate is multiplied by
    ``factor``, at most ``drops`` times; after as many more the training is over. No drops are plain
    early stopping.
    """

    def __init__(self, patience: int, drops: int, factor: float) -> None:
        self.patience, self.drops, self.factor = patience, drops, factor
        self.best, self.waited, self.dropped = math.inf, 0, 0
        self.weights: dict[str, Tensor] = {}

    @property
    def learning_rate(self) -> float:
        """Factor of the learning rate by now."""
        return self.factor**self.dropped

    @property
    def over(self) -> bool:
        """Whether to stop."""
        return self.dropped > self.drops

    def see(self, nll: float, method: Method) -> None:
        """Take note of a validation of ``method``."""
        self.waited += 1
        if nll < self.best:
            self.best, self.waited = nll, 0
            self.weights = copy.deepcopy(method.state_dict())
        elif self.waited == self.patience:
            self.dropped, self.waited = self.dropped + 1, 0

    def state_dict(self) -> dict[str, Any]:
        """What was seen so far."""
        seen = {"best": self.best, "waited": self.waited, "dropped": self.dropped}
        return {**seen, "weights": self.weights}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on from ``state_dict()``."""
        self.best, self.waited, self.dropped = (state[k] for k in ("best", "waited", "dropped"))
        self.weights = state["weights"]

    def restore(self, method: Method) -> None:
        """Give ``method`` the best weights seen; its own if no validation had a finite NLL."""
        if self.weights:
            method.load_state_dict(self.weights)


NEVER: Mapping[str, Any] = {"patience": 1, "drops": 0, "factor": 1.0}
"""A plateau without early stopping: it is shown no validation."""


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


class Course:
    """A training on its way: all that its next step depends on, and its history."""

    def __init__(self, method: Method, numbers: Training, device: torch.device) -> None:
        self.numbers, self.device = numbers, device
        self.descent = Descent(method, numbers, device)
        self.plateau = Plateau(**numbers.early_stopping or NEVER)
        self.history: list[Row] = []
        self.losses: list[Tensor] = []
        self.clock, self.spent = Clock(device), 0.0
        self.validations, self.rows = numbers.validation_shares(), np.linspace(0, 1, 201)[1:]

    @property
    def over(self) -> bool:
        """Whether there is no further step."""
        return self.spent >= 1 or self.plateau.over

    def step(self, x1: Batch) -> None:
        """One step of the descent; ``spent`` is the share of the budget by then."""
        scheduled = self.numbers.learning_rate(self.descent.steps, self.spent)
        self.losses.append(self.descent.step(x1, scheduled * self.plateau.learning_rate))

    def note(self, validate: Callable[[Method], Validation]) -> None:
        """Spend the budget of the step just made; add its row, if it has one, off the clock."""
        before, self.spent = self.spent, self._share()
        validated = _passed(self.validations, before, self.spent)
        if not validated and not _passed(self.rows, before, self.spent):
            return
        seconds, step = self.clock.pause(), self.descent.steps
        loss = parallel.mean(torch.stack(self.losses).mean().item())
        _check_finite(loss, step, self.numbers)
        found = Validation(None, {})
        if validated:
            averaged = self.descent.averaged()
            found = parallel.of_first(lambda: _validation(validate, averaged, self.device))
        self.history.append(Row(step, seconds, loss, *found))
        if self.numbers.early_stopping and found.nll is not None:
            self.plateau.see(found.nll, self.descent.averaged())
        self.losses.clear()
        self.clock.resume()

    def _share(self) -> float:
        if self.numbers.seconds is not None:
            return parallel.of_first(self.clock.read) / self.numbers.seconds
        return self.descent.steps / (self.numbers.steps or 1)

    def fitted(self) -> Method:
        """The method with its fitted weights."""
        found = self.descent.averaged()
        self.plateau.restore(found)
        return found

    def save(self, part: Part) -> None:
        """Save its state, off the clock."""
        self.clock.pause()
        part.save(self.state_dict())
        self.clock.resume()

    def state_dict(self) -> dict[str, Any]:
        """Everything that changes along the way, the states of the random generators too."""
        return {
            "descent": self.descent.state_dict(),
            "plateau": self.plateau.state_dict(),
            "history": [tuple(row) for row in self.history],
            "spent": self.spent,
            "seconds": self.clock.seconds,
            "of_processes": parallel.of_each(self._own()),
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on from ``state_dict()``."""
        self.descent.load_state_dict(state["descent"])
        self.plateau.load_state_dict(state["plateau"])
        self.history = [Row(*row) for row in state["history"]]
        self.clock.seconds, self.spent = state["seconds"], state["spent"]
        if parallel.number() < len(state["of_processes"]):  # there may be more of them now
            own = state["of_processes"][parallel.number()]
            self.losses = [loss.to(self.device) for loss in own["losses"]]
            restore_random_states(own["random"], self.device)

    def _own(self) -> dict[str, Any]:
        """What differs between processes that train together."""
        losses = [loss.cpu() for loss in self.losses]
        return {"losses": losses, "random": random_states(self.device)}


def fit(
    method: Method,
    rows: Rows,
    numbers: Training,
    validate: Callable[[Method], Validation],
    base: Rows | None = None,
    part: Part = NOT_KEPT,
) -> tuple[Method, list[Row]]:
    """The method with its fitted weights, and the rows of ``training.csv``.

    ``rows`` are in the coordinates of the method, and so are ``base``, the rows of the base of a
    data set that has them. ``validate`` is called off the clock, and what it draws does not change
    the training. A training whose state is in ``part`` goes on from there: one by steps ends, on a
    CPU, with the same numbers as if it had never been interrupted. Processes that train together
    (``benchmark.parallel``) share every batch. Raises ``FloatingPointError``
    when the loss is not finite any more, within 1/200 of the training, ``ValueError`` for early
    stopping of a method without likelihood, and ``Interrupted`` when it was asked to stop.
    """
    method.initialise(rows, base)
    if numbers.steps == 0:
        return method, []
    device = rows.rows.device
    _check(method, numbers, device)
    share = parallel.share(numbers.batch_size)
    parallel.draw_apart()
    course = _course(method, numbers, device, part)
    with _bar(numbers, course) as bar:
        while not course.over:
            if part.due():
                course.save(part)
            course.step(rows.draw(share))
            course.note(validate)
            bar.update(_done(numbers, course) - bar.n)
    return course.fitted(), course.history


def _bar(numbers: Training, course: Course) -> tqdm:
    """How much of the budget is spent, in its unit, and when the rest will be."""
    unit = "step" if numbers.seconds is None else "s"
    silent = not parallel.is_first()
    initial = _done(numbers, course)
    return tqdm(total=numbers.amount, initial=initial, unit=unit, mininterval=5, disable=silent)


def _done(numbers: Training, course: Course) -> int:
    return round(min(course.spent, 1.0) * numbers.amount)


def _passed(shares: np.ndarray, before: float, after: float) -> bool:
    """Whether one of ``shares`` was reached; they may be late by a rounding error."""
    late = 1e-9
    return bool(((before + late < shares) & (shares <= after + late)).any())


def _course(method: Method, numbers: Training, device: torch.device, part: Part) -> Course:
    """At its start, or where ``part`` left it."""
    course, state = Course(method, numbers, device), part.state()
    if state is not None:
        course.load_state_dict(state)
    if state is not None and parallel.is_first():
        log.warning(
            f"Going on after {course.descent.steps:,} steps (budget: {numbers.budget}); "
            f"interruptions so far: {part.interruptions}."
        )
    course.clock.resume()
    return course


def _check(method: Method, numbers: Training, device: torch.device) -> None:
    gap = method.likelihood_gap()
    if numbers.early_stopping and gap is not None:
        raise ValueError(
            f"train.early_stopping follows the validation NLL, but {type(method).__name__} has no "
            f"likelihood ({gap}). Set train.early_stopping to null."
        )
    if numbers.precision == "bfloat16" and not is_native_bfloat16(device):
        log.warning("This device has no bfloat16 of its own: train.precision float32 is faster.")


def is_native_bfloat16(device: torch.device) -> bool:
    """Whether the device computes in it, and does not only store it."""
    if device.type == "cuda":
        return torch.cuda.is_bf16_supported(including_emulation=False)
    return torch.cpu._is_avx512_bf16_supported() or torch.cpu._is_amx_tile_supported()


def _validation(
    validate: Callable[[Method], Validation], method: Method, device: torch.device
) -> Validation:
    """``validate(method)``, the random generators left as they were."""
    with torch.random.fork_rng([device] if device.type == "cuda" else []):
        nll, diagnostics = validate(method)
    return Validation(nll, {name: float(value) for name, value in diagnostics.items()})


def _check_finite(loss: float, step: int, numbers: Training) -> None:
    if not math.isfinite(loss):
        raise FloatingPointError(
            f"The loss is {loss} at step {step} (budget: {numbers.budget}): the training diverged. "
            f"Lower train.lr ({numbers.lr}) or set train.clip ({numbers.clip})."
        )
