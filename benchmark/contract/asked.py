"""What is asked to be checked: a class, or a method of a suite, with arguments and events."""

import inspect
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, get_type_hints

from benchmark import names, parts
from benchmark.contract.subject import Subject
from benchmark.contract.trial import TRAIN, OfKnown
from benchmark.flow import ClosedForm, Method
from benchmark.jobs.describe import answer
from benchmark.jobs.problems import problems
from benchmark.networks.network import AXES, Network, NetworkMaker
from benchmark.source import look_in
from benchmark.suite.load import load
from benchmark.suite.words import of_arguments, unknown
from benchmark.suite.yaml_file import read
from benchmark.training.settings import Hyperparameters, Training

DOTTED = re.compile(r"[^\W\d]\w*(\.[^\W\d]\w*)+")
NETWORK = {
    "class": "benchmark.networks.mlp.MLP",
    **{"width": 64, "depth": 2, "time_frequencies": 4, "space_frequencies": 0},
}
"""Given to a class that needs a network, and was given none."""
TRAINING = Training(
    steps=1000,
    batch_size=256,
    optimiser="adam",
    lr=5e-3,
    weight_decay=0.0,
    schedule="cosine",
    clip=1.0,
    ema=0.99,
    precision="float32",
    coordinates="standardised",
    validations=1,
    early_stopping=None,
)
"""Given to a class by itself; a method of a suite brings its own."""
VECTORS = ((1,), (2,), (3,))
IMAGES = ((1, 4, 4), (1, 8, 8), (1, 16, 16), (3, 32, 32))
"""Shapes of images, of which the smallest that it takes is used."""


class WrongUse(Exception):
    """What was asked for cannot be checked; the message says why, and what can be."""


@dataclass(frozen=True)
class Asked:
    """A class to check, its arguments, and the settings of its training."""

    kind: str
    arguments: Mapping[str, Any]
    training: Training

    @property
    def method(self) -> type[Method]:
        """The class."""
        return names.load(self.kind)

    @property
    def vectors(self) -> list[tuple[int, ...]]:
        """The shapes of vectors to check it on; none if it takes images only."""
        needs = set(self.method.requires)
        if needs & {"plane", "density"}:
            return [(2,)]
        return list(VECTORS) if "vectors" in self._takes() else []

    def image(self) -> tuple[int, ...] | None:
        """The shape of images to check it on; ``None`` where it takes none."""
        if set(self.method.requires) & {"vectors", "plane", "density"}:
            return None
        return next(self._built(), None) if "images" in self._takes() else None

    def subject(self, event: tuple[int, ...]) -> Subject:
        """The method for rows of the shape ``event``, with what a data set would supply."""
        known = {"density": OfKnown.density} if "density" in self.method.requires else {}
        return Subject(self.kind, {**self.arguments, **known}, event)

    def _takes(self) -> set[str]:
        """The rows that the class and its networks take."""
        taken = set(AXES.values())
        needs = set(self.method.requires) & taken
        taken = needs or taken
        for name in parts.named(dict(self.arguments)):
            kind = names.load(name)
            if isinstance(kind, type) and issubclass(kind, Network):
                taken &= set(kind.takes)
        return taken

    def _built(self) -> Iterator[tuple[int, ...]]:
        for event in IMAGES:
            try:
                self.subject(event).build()
            except Exception:  # an image too small for its network; of any size, it is told later
                if event != IMAGES[-1]:
                    continue
            yield event


def resolved(method: str, suite: str | None, config: str, arguments: Mapping[str, Any]) -> Asked:
    """What ``method`` means: a class by its dotted name, or a method of a suite.

    Raises ``WrongUse``, and ``ConfigError`` for a config with mistakes.
    """
    content = read(config, "a config") if Path(config).is_file() else {}
    look_in([".", *content.get("python_path", [])])
    if DOTTED.fullmatch(method):
        return _of_class(method, arguments)
    if not content:
        raise WrongUse(f"{method!r} is no class (package.module.Class), and there is no {config}.")
    return _of_suite(method, {**content, "suite": suite or content.get("suite")}, config, arguments)


def _of_class(kind: str, given: Mapping[str, Any]) -> Asked:
    told = answer(kind, {})
    if told.error is not None:
        raise WrongUse(f"{told.error} A class is looked for in this folder and in python_path.")
    if told.facts is None or told.facts.part != "method":
        part = "nothing" if told.facts is None else f"a {told.facts.part}"
        raise WrongUse(f"{kind} is {part}; allowed is a subclass of benchmark.flow.Method.")
    described = names.load(kind)
    arguments = {**_supplied(described), **given}
    closed = issubclass(described, ClosedForm) or not described.trained
    alone = {"steps": 0, "coordinates": "identity"}  # those of the data, which an oracle needs
    training = TRAINING.model_copy(update=alone if closed else {})
    return _checked(Asked(kind, arguments, training))


def _supplied(described: type[Method]) -> dict[str, Any]:
    """Arguments that are needed, and that can be supplied: networks, and rows of a base."""
    hints = get_type_hints(described.build, include_extras=True)
    needed = [
        name
        for name, parameter in parts.parameters(described.build).items()
        if parameter.default is inspect.Parameter.empty
    ]
    networks = {n: NETWORK for n in needed if hints.get(n) in (Network, NetworkMaker)}
    return {**networks, **({"base_rows": TRAIN} if "base_rows" in needed else {})}


def _of_suite(
    method: str, content: Mapping[str, Any], config: str, given: Mapping[str, Any]
) -> Asked:
    suite = load(content, config)
    if method not in suite.methods:
        words = unknown(f"suite {suite.name}: method", method, suite.methods)
        raise WrongUse(f"{words} Or name a class, package.module.Class.")
    if not suite.is_ours(method):
        raise WrongUse(f"{method} is a program of its own rules; a class can be checked.")
    run = next(run for run in suite.runs if run.method == method)
    made: Hyperparameters = suite.hyperparameters(run)
    described = names.load(made.kind)
    return _checked(Asked(made.kind, {**_supplied(described), **made.model, **given}, made.train))


def _checked(asked: Asked) -> Asked:
    given = {name: value for name, value in asked.arguments.items() if name != "base_rows"}
    if wrong := problems(asked.method, given):
        hint = "Give arguments by ARGUMENTS='{name: value}', or name a method of a suite."
        raise WrongUse("\n".join([*of_arguments(wrong, f"{asked.kind}.build."), hint]))
    if not asked.vectors and asked.image() is None:
        raise WrongUse(f"{asked.kind} takes neither vectors nor images with the network it has.")
    return asked
