"""The contract: every property of a method by its name, in the order in which it is checked."""

import traceback
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import TypeVar

import torch

from benchmark.contract import clock, density, divergence, loss, nll, precision, rows, saved
from benchmark.contract.asked import Asked
from benchmark.contract.finding import DoesNotApply, Finding, frame_in, place
from benchmark.contract.repeat import Repeats
from benchmark.contract.subject import Subject
from benchmark.contract.subject import precision as context
from benchmark.contract.trial import Trial, gaussian, two_gaussians
from benchmark.flow import Method
from benchmark.model import Model
from benchmark.networks.network import AXES
from benchmark.ode import Tolerance

Value = TypeVar("Value")
Property = Callable[[], Finding]

SECONDS = (4.0, 16.0)
"""Budgets of a fit on Gaussian rows, of the CPU: the second where the first was too short."""
BRIEF = 2.0
"""The same of the fits whose mass is taken in other dimensions."""
SOLVED = Tolerance(1e-5, 1e-5)
THERE_AND_BACK = 1e-4
"""Of a fit, along whose trajectories an error may grow."""

OF_BATCHES: dict[str, Callable[[Method, tuple[int, ...]], Finding]] = {
    "rows alone": rows.alone,
    "batch = dimension": rows.square,
    "divergence": divergence.divergence,
    "gradient": loss.gradient,
    "loss of each row": loss.pairs_no_rows,
    "loss has no memory": loss.forgets,
}
"""Properties of a method with random weights."""


class Once:
    """Values that are made when they are first asked for; a failure is raised at each time."""

    def __init__(self) -> None:
        self.made: dict[str, object] = {}

    def __call__(self, name: str, make: Callable[[], Value]) -> Value:
        if name not in self.made:
            try:
                self.made[name] = make()
            except Exception as failure:
                self.made[name] = failure
        value = self.made[name]
        if isinstance(value, Exception):
            raise value
        return value  # type: ignore[return-value]


class Contract:
    """The properties of what is asked for; ``folder`` is for the files of its fits."""

    def __init__(self, asked: Asked, folder: Path) -> None:
        self.asked, self.folder, self.once = asked, folder, Once()
        self.events = asked.vectors
        image = asked.image()
        self.images = [] if image is None else [image]
        first = [*self.events[1:2], *self.events, *self.images]
        self.main = first[0]

    def findings(self) -> Iterator[tuple[str, Finding, str]]:
        """Each property by its name, what was found, and where to look if it is wrong."""
        for name, has in self.properties():
            yield name, *self.found(has)

    def found(self, has: Property) -> tuple[Finding, str]:
        """What was found of a property, and where to look if it is wrong."""
        kind = self.asked.method
        try:
            with context(torch.float64):
                finding = has()
        except DoesNotApply as why:
            return Finding(None, f"{why}"), ""
        except Exception as failure:
            words = " ".join(str(failure).split())[:300]
            frames = traceback.extract_tb(failure.__traceback__)
            said = f"it could not be looked at: {type(failure).__name__}: {words}"
            return Finding(False, said), frame_in(kind, frames)
        return finding, "" if finding.right else place(kind, finding.look)

    def properties(self) -> Iterator[tuple[str, Property]]:
        """Every property by its name."""
        yield from self._of_batches()
        yield from self._off_the_clock()
        yield from self._of_fits()
        yield from self._of_densities()
        yield from self._repeated()

    def _of_batches(self) -> Iterator[tuple[str, Property]]:
        """What is seen on a method with random weights, on vectors and on images."""
        for event in [*self.events[-1:], *self.images]:
            subject, on = self.asked.subject(event), AXES[len(event)]
            for name, has in OF_BATCHES.items():
                yield f"{name}, {on}", _of_perturbed(has, subject)
            yield f"loss goes down, {on}", partial(loss.goes_down, subject)

    def _off_the_clock(self) -> Iterator[tuple[str, Property]]:
        def before() -> Finding:
            trial = self.trial(self.main)
            return clock.nothing_before_steps(trial.subject, trial.rows(), trial.base())

        yield "off the clock, before", before
        yield "off the clock, beside", lambda: clock.nothing_beside_steps(self.fit(), self.main)

    def _of_fits(self) -> Iterator[tuple[str, Property]]:
        yield "closed-form NLL", self._nll
        yield "save and load", self._saved
        yield "float64", lambda: precision.in_double(self.fit(), self.main)
        yield "another device", lambda: precision.elsewhere(self.fit(), self.main)

    def _of_densities(self) -> Iterator[tuple[str, Property]]:
        for event in self.events:
            yield f"mass one, {event[0]}-D", partial(self._mass, event)
            yield f"own samples, {event[0]}-D", partial(self._samples, event)
        yield "base at t = 0", lambda: density.starts_at_base(self.fit(), self.main)
        if self.main == (2,):
            yield "change of variables", lambda: density.changes_variables(self.fit())
        yield "there and back", lambda: density.returns(self.fit(), self.main, THERE_AND_BACK)

    def _repeated(self) -> Iterator[tuple[str, Property]]:
        yield "same seed", lambda: self.repeats().has_a_seed()
        yield "killed and resumed", lambda: self.repeats().resumes()
        yield "test rows", lambda: self.repeats().reads_no_test_rows()

    def _mass(self, event: tuple[int, ...]) -> Finding:
        return self.integrals(event).has_mass_one()

    def _samples(self, event: tuple[int, ...]) -> Finding:
        return self.integrals(event).is_of_samples()

    def _nll(self) -> Finding:
        trial = self.trial(self.main)
        return nll.closed_form(self.fitted(self.main), trial.density, self.main)

    def _saved(self) -> Finding:
        self.fitted(self.main)
        trial, folder = self.trial(self.main), self.folder / "saved"
        folder.mkdir(exist_ok=True)
        return saved.restored(trial.subject, self.fitted(self.main), folder)

    def trial(self, event: tuple[int, ...]) -> Trial:
        """Gaussian rows of the main shape, rows of two Gaussians of another."""
        target = gaussian(event) if event == self.main else two_gaussians(event)
        folder = self.folder / "x".join(map(str, event))
        return self.once(
            f"trial {event}",
            lambda: Trial.prepared(self.asked.subject(event), self.asked.training, target, folder),
        )

    def fitted(self, event: tuple[int, ...]) -> Model:
        """A short fit, made once, ready to be solved in double precision."""
        return self.once(f"fit {event}", lambda: self._fit(event))

    def fit(self) -> Method:
        """The method of the main fit."""
        return self.fitted(self.main).method

    def _fit(self, event: tuple[int, ...]) -> Model:
        trial = self.trial(event)
        for seconds in SECONDS if event == self.main else (BRIEF,):
            model, _ = trial.fit(steps=trial.steps_in(seconds), seconds=None)
            ready = Model(model.method.double(), model.coordinates, SOLVED)
            if ready.method.likelihood_gap() is not None or trial.training.steps == 0:
                break
            if event != self.main or nll.closed_form(ready, trial.density, event).right:
                break
        return ready

    def integrals(self, event: tuple[int, ...]) -> density.Integrals:
        """Integrals of the density of a fit."""
        return self.once(f"integrals {event}", lambda: density.integrals(self.fitted(event)))

    def repeats(self) -> Repeats:
        """Fits that have to be the same."""
        return self.once("repeats", lambda: Repeats(self.trial(self.main)))


def _of_perturbed(has: Callable[[Method, tuple[int, ...]], Finding], subject: Subject) -> Property:
    return lambda: has(subject.perturbed(), subject.event)
