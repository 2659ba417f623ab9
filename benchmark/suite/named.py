"""The classes that a suite names: where, and what they say of themselves and their arguments."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from benchmark import source
from benchmark.names import module_of, nearest
from benchmark.parts import placed
from benchmark.suite.classes import Answer, Facts, Question, ask
from benchmark.suite.grid import entry_of
from benchmark.suite.hyperparameters import sections
from benchmark.suite.models import MethodEntry, SuiteSection
from benchmark.suite.suite import MEASUREMENTS, rows_of
from benchmark.suite.words import of_arguments

FILES = ("source", "file")
"""Keys of a data set that say of which files it is made; ``prepare`` gets them as arguments."""


@dataclass(frozen=True)
class Part:
    """A class that a suite names: where, with which arguments, and in which section these stand.

    ``wanted`` says what it has to be; empty where that is said elsewhere: by the class ``owner``,
    of which it is an argument.
    """

    where: str
    section: str
    name: str
    arguments: Mapping[str, Any]
    wanted: str = ""
    owner: str = ""

    @property
    def prefix(self) -> str:
        """That of the keys of its arguments."""
        return f"{self.where}.{self.section}." if self.section else f"{self.where}."


@dataclass(frozen=True)
class Named:
    """The classes of ``section``, whose grids are expanded; ``entries`` are the methods in it.

    ``key`` is the prefix of its keys in messages, ``path`` are folders of the user's own classes,
    of which some may not be known (``path_is_told``).
    """

    section: SuiteSection
    entries: tuple[str, ...]
    key: str
    path: tuple[str, ...]
    path_is_told: bool

    @cached_property
    def parts(self) -> list[Part]:
        """All classes of the suite with all arguments that they are given."""
        return [*self._data_parts(), *self._method_parts(), *self._measurement_parts()]

    @cached_property
    def answers(self) -> list[Answer]:
        """Facts of the classes and problems of their arguments, in the order of ``parts``."""
        known = [Question(part.name, part.arguments) for part in self.parts if _exists(part.name)]
        answers = iter(ask(known, self.path))
        return [next(answers) if _exists(p.name) else _absent(p.name) for p in self.parts]

    @cached_property
    def facts(self) -> dict[str, Facts]:
        """The facts of the classes that can be asked."""
        pairs = zip(self.parts, self.answers, strict=True)
        return {part.name: answer.facts for part, answer in pairs if answer.facts is not None}

    def facts_of(self, name: str, wanted: str) -> Facts | None:
        """The facts of a class, if it is what is wanted."""
        facts = self.facts.get(name)
        return facts if facts is not None and facts.part == wanted else None

    def where(self, method: str, dataset: str = "") -> str:
        """The key of a method, or of what differs for it on a data set."""
        difference = f".per_dataset.{dataset}" if dataset else ""
        return f"{self.key}methods.{entry_of(method, self.entries)}{difference}"

    def ours(self) -> Iterator[tuple[str, MethodEntry]]:
        """The methods that are classes, each variant."""
        return ((n, m) for n, m in self.section.methods.items() if m.kind is not None)

    def problems(self) -> Iterator[str]:
        """Problems of the classes and of their arguments."""
        pairs = list(zip(self.parts, self.answers, strict=True))
        absent = tuple(f"{part.where} is " for part, answer in pairs if answer.facts is None)
        for part, answer in pairs:
            if answer.facts is None:
                if not (self.path_is_told and _is_nowhere(part.name)):
                    yield f"{part.where}.class: {answer.error}"
            elif part.wanted and answer.facts.part != part.wanted:
                kind = answer.facts.kind
                yield f"{part.where}.class: {part.name} is a {kind}; allowed is a {part.wanted}."
            elif part.wanted or part.owner and self.facts_of(part.owner, "method") is None:
                said = of_arguments(answer.problems, part.prefix)
                known = [words for words in said if not words.startswith(absent)]
                yield from (_about_files(words, part) for words in known)

    def _data_parts(self) -> Iterator[Part]:
        for where, entry in rows_of(self.section):
            files: dict[str, Any] = {key: "." for key in FILES if getattr(entry, key) is not None}
            both = {"file": [".", "."]} if entry.test is not None else {}
            arguments = {**entry.arguments, **files, **both}
            yield Part(f"{self.key}{where}", "arguments", entry.kind, arguments, "data set")

    def _method_parts(self) -> Iterator[Part]:
        for name, method in self.ours():
            for dataset in ("", *differing(method)):
                where = self.where(name, dataset)
                model, _ = sections(method, dataset)
                yield Part(where, "model", str(method.kind), model, "method")
                for place, part in placed(model, f"{where}.model").items():
                    arguments = {key: value for key, value in part.items() if key != "class"}
                    yield Part(place, "", part["class"], arguments, owner=str(method.kind))

    def _measurement_parts(self) -> Iterator[Part]:
        for kind in MEASUREMENTS.values():
            yield Part("", "", kind, {})
        for name, entry in self.section.measurements.items():
            where = f"{self.key}measurements.{name}"
            yield Part(where, "arguments", entry.kind, entry.arguments, "measurement")


def differing(method: MethodEntry) -> list[str]:
    """The data sets on which something differs for a method."""
    return list(method.per_dataset) if isinstance(method.per_dataset, Mapping) else []


def _about_files(words: str, part: Part) -> str:
    """A file is a key of the data set, and no argument."""
    if words.startswith(f"{part.where}.{part.section}.file is ["):
        return f"{part.where}.test: {part.name} takes no second file, of test rows. Remove the key."
    for name in FILES:
        missing = f"{part.where}.{part.section}.{name} is missing"
        words = words.replace(missing, f"{part.where}: key {name!r} is missing")
    return words


def _exists(name: str) -> bool:
    return source.file_of(module_of(name)) is not None


def _is_nowhere(name: str) -> bool:
    """Whether not even the package of a class is there."""
    return source.file_of(name.partition(".")[0]) is None


def _absent(name: str) -> Answer:
    module = module_of(name)
    parent, _, last = module.rpartition(".")
    close = nearest(last, source.beside(module))
    hint = "" if close is None else f" Did you mean {parent}.{close}?"
    return Answer(error=f"there is no module {module!r}.{hint}")
