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
from benchmark.runtime.checkpoint import NO_CHECKPOINT, Part, random_states, restore_random_states
from benchmark.shapes import Batch
from benchmark.training.clock import Clock
from benchmark.training.descent import Descent
from benchmark.training.settings import Training
from benchmark.training.stopping import NO_EARLY_STOPPING, Plateau

log = logging.getLogger(__name__)


class Validation(NamedTuple):
    """NLL of the validation rows in the unit of the data, ``None`` for a method without
    likelihood, and the ``diagnostics`` of the method on these rows."""

    nll: float | None
    diagnostics: dict[str, float]


class Row(NamedTuple):
    """A row of ``training.csv``.

    ``seconds`` counts training steps only, ``loss`` is the mean since the previous row, and
    ``validation_nll`` and ``diagnostics`` (a column each) exist only in rows with a validation.
    """

    step: int
    seconds: float
    loss: float
    validation_nll: float | None
    diagnostics: dict[str, float]


class TrainingState:
    """State of a training: everything the next step depends on, and the history so far."""

    def __init__(self, method: Method, settings: Training, device: torch.device) -> None:
        self.settings, self.device = settings, device
        self.descent = Descent(method, settings, device)
        self.plateau = Plateau(settings.early_stopping or NO_EARLY_STOPPING)
        self.history: list[Row] = []
        self.losses: list[Tensor] = []
        self.clock, self.spent = Clock(device), 0.0
        self.validation_shares = _validation_shares(settings)
        self.row_shares = np.linspace(0, 1, 201)[1:]

    @property
    def over(self) -> bool:
        """Whether there is no further step."""
        return self.spent >= 1 or self.plateau.over

    def step(self, x1: Batch) -> None:
        """Take one optimiser step."""
        scheduled = self.settings.learning_rate(self.descent.steps, self.spent)
        self.losses.append(self.descent.step(x1, scheduled * self.plateau.learning_rate))

    def record(self, validate: Callable[[Method], Validation]) -> None:
        """Update the budget spent after a step, and add a row to the history if one is due.

        Rows and validations are off the clock.
        """
        before, self.spent = self.spent, self._share()
        due = _passed(self.validation_shares, before, self.spent)
        if not due and not _passed(self.row_shares, before, self.spent):
            return
        seconds, step = self.clock.pause(), self.descent.steps
        loss = parallel.mean(torch.stack(self.losses).mean().item())
        _check_finite(loss, step, self.settings)
        validation = Validation(None, {})
        if due:
            averaged = self.descent.averaged()
            validation = parallel.from_first(lambda: _validation(validate, averaged, self.device))
        self.history.append(Row(step, seconds, loss, *validation))
        if self.settings.early_stopping and validation.nll is not None:
            self.plateau.see(validation.nll, self.descent.averaged())
        self.losses.clear()
        self.clock.resume()

    def _share(self) -> float:
        """The share of the budget spent so far."""
        if self.settings.seconds is not None:
            return parallel.from_first(self.clock.read) / self.settings.seconds
        return self.descent.steps / (self.settings.steps or 1)

    def fitted(self) -> Method:
        """The method with its fitted weights."""
        method = self.descent.averaged()
        self.plateau.restore(method)
        return method

    def save(self, part: Part) -> None:
        """Save the state in a checkpoint, off the clock."""
        self.clock.pause()
        part.save(self.state_dict())
        self.clock.resume()

    def state_dict(self) -> dict[str, Any]:
        """Everything that changes during the training, including the random generators."""
        return {
            "descent": self.descent.state_dict(),
            "plateau": self.plateau.state_dict(),
            "history": [tuple(row) for row in self.history],
            "spent": self.spent,
            "seconds": self.clock.seconds,
            "ranks": parallel.gather(self._rank_state()),
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Resume from ``state_dict()``."""
        self.descent.load_state_dict(state["descent"])
        self.plateau.load_state_dict(state["plateau"])
        self.history = [Row(*row) for row in state["history"]]
        self.clock.seconds, self.spent = state["seconds"], state["spent"]
        if parallel.rank() < len(state["ranks"]):  # there may be more ranks than before
            own = state["ranks"][parallel.rank()]
            self.losses = [loss.to(self.device) for loss in own["losses"]]
            restore_random_states(own["random"], self.device)

    def _rank_state(self) -> dict[str, Any]:
        """The part of the state that differs between ranks."""
        losses = [loss.cpu() for loss in self.losses]
        return {"losses": losses, "random": random_states(self.device)}


def fit(
    method: Method,
    rows: Rows,
    settings: Training,
    validate: Callable[[Method], Validation],
    base: Rows | None = None,
    part: Part = NO_CHECKPOINT,
) -> tuple[Method, list[Row]]:
    """The method with its fitted weights, and the rows of ``training.csv``.

    ``rows`` are in the coordinates of the method, and so is ``base``, the rows of the base of a
    data set that has them. ``validate`` is called off the clock, and its random draws do not change
    the training. If ``part`` holds a state, the training resumes from it: with a budget of steps,
    it then ends, on a CPU, with the same numbers as an uninterrupted one. The ranks of a group
    (``benchmark.runtime.parallel``) share every batch. Raises ``FloatingPointError`` within 1/200
    of the training after the loss ceases to be finite, ``ValueError`` for early stopping of a
    method without likelihood and for rows that have too few digits in single precision, and
    ``Interrupted`` after a request to stop.
    """
    method.initialise(rows, base)
    if settings.steps == 0:
        return method, []
    device = rows.rows.device
    _check(method, settings, device)
    for given in filter(None, (rows, base)):
        given.require_precision()
    batch_size = parallel.rows_per_rank(settings.batch_size)
    parallel.separate_seeds()
    state = _started(method, settings, device, part)
    with _bar(settings, state) as bar:
        while not state.over:
            if part.due():
                state.save(part)
            state.step(rows.draw(batch_size))
            state.record(validate)
            bar.update(_done(settings, state) - bar.n)
    return state.fitted(), state.history


def _bar(settings: Training, state: TrainingState) -> tqdm:
    """Progress bar of the budget, in its unit."""
    unit = "step" if settings.seconds is None else "s"
    silent = not parallel.is_first()
    initial = _done(settings, state)
    return tqdm(total=settings.amount, initial=initial, unit=unit, mininterval=5, disable=silent)


def _done(settings: Training, state: TrainingState) -> int:
    return round(min(state.spent, 1.0) * settings.amount)


def _validation_shares(settings: Training) -> np.ndarray:
    """Shares of the budget after which to validate, in ascending order; the last one is 1."""
    if settings.early_stopping:
        return np.linspace(1 / settings.validations, 1, settings.validations)
    return np.geomspace(1, 0.02, settings.validations)[::-1]


def _passed(shares: np.ndarray, before: float, after: float) -> bool:
    """Whether one of ``shares`` was reached, up to rounding errors."""
    rounding = 1e-9
    return bool(((before + rounding < shares) & (shares <= after + rounding)).any())


def _started(method: Method, settings: Training, device: torch.device, part: Part) -> TrainingState:
    """The state at the start, or as saved in ``part``, with a running clock."""
    state, saved = TrainingState(method, settings, device), part.state()
    if saved is not None:
        state.load_state_dict(saved)
    if saved is not None and parallel.is_first():
        log.warning(
            f"Resuming after {state.descent.steps:,} steps (budget: {settings.budget}); "
            f"interruptions so far: {part.interruptions}."
        )
    state.clock.resume()
    return state


def _check(method: Method, settings: Training, device: torch.device) -> None:
    gap = method.likelihood_gap()
    if settings.early_stopping and gap is not None:
        raise ValueError(
            f"train.early_stopping follows the validation NLL, but {type(method).__name__} has no "
            f"likelihood ({gap}). Set train.early_stopping to null."
        )
    if settings.precision == "bfloat16" and not is_native_bfloat16(device):
        log.warning("This device has no native bfloat16: train.precision float32 is faster.")


def is_native_bfloat16(device: torch.device) -> bool:
    """Whether the device computes in bfloat16, rather than only storing it."""
    if device.type == "cuda":
        return torch.cuda.is_bf16_supported(including_emulation=False)
    return torch.cpu._is_avx512_bf16_supported() or torch.cpu._is_amx_tile_supported()


def _validation(
    validate: Callable[[Method], Validation], method: Method, device: torch.device
) -> Validation:
    """The result of ``validate(method)``, with the random generators left unchanged."""
    with torch.random.fork_rng([device] if device.type == "cuda" else []):
        nll, diagnostics = validate(method)
    return Validation(nll, {name: float(value) for name, value in diagnostics.items()})


def _check_finite(loss: float, step: int, settings: Training) -> None:
    if not math.isfinite(loss):
        raise FloatingPointError(
            f"The loss is {loss} at step {step} (budget: {settings.budget}): the training "
            f"diverged. Lower train.lr ({settings.lr}) or set train.clip ({settings.clip})."
        )
