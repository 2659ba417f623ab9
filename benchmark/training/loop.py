"""The training loop every method shares."""

import logging
import math
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor
from tqdm import tqdm

from benchmark.flow import Method
from benchmark.rows import Rows
from benchmark.runtime import parallel
from benchmark.runtime.checkpoint import NOT_KEPT, Part, random_states, restore_random_states
from benchmark.shapes import Batch
from benchmark.training.clock import Clock
from benchmark.training.descent import Descent
from benchmark.training.settings import Training
from benchmark.training.stopping import NEVER, Plateau

log = logging.getLogger(__name__)


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
    (``benchmark.runtime.parallel``) share every batch. Raises ``FloatingPointError``
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
