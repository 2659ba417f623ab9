"""What has to hold between the sections of a suite: names, budgets, classes, pairs."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from benchmark import parts, source
from benchmark.names import module_of
from benchmark.section import plain
from benchmark.suite import published
from benchmark.suite.classes import Answer, Facts, Question, ask
from benchmark.suite.hyperparameters import sections
from benchmark.suite.models import MethodEntry, SuiteSection
from benchmark.suite.needs import NEEDS, has
from benchmark.suite.suite import MEASUREMENTS, rows_of, runs_of
from benchmark.suite.words import of_arguments, of_model, unknown
from benchmark.training.settings import Training

NAME = "[A-Za-z0-9_]+(-[A-Za-z0-9_]+)?"
"""Of a method: letters, and of a variant of it a hyphen and what sets it apart."""
BYTE = 256
"""Grey levels of the images that Inception was trained on."""
RESERVED = {*MEASUREMENTS, "significance", "reproduction", "metrics"}
"""Names that no measurement of a suite may have: those of tables and of other measurements."""
FILES = ("source", "file")
"""Keys of a data set that say of which files it is made; ``prepare`` gets them as arguments."""


@dataclass(frozen=True)
class Part:
    """A class that a suite names: where, with which arguments, and in which section these stand.

    ``wanted`` says what it has to be; empty where that is said elsewhere.
    """

    where: str
    section: str
    name: str
    arguments: Mapping[str, Any]
    wanted: str = ""


@dataclass(frozen=True)
class Checked:
    """A suite whose sections are valid each for itself; ``given`` is what they were made of.

    ``key`` is the prefix of its keys in messages.
    """

    name: str
    section: SuiteSection
    key: str
    path: tuple[str, ...]
    given: Mapping[str, Any]

    @cached_property
    def parts(self) -> list[Part]:
        """All classes of the suite with all arguments that they are given."""
        return [*self._data_parts(), *self._method_parts(), *self._measurement_parts()]

    @cached_property
    def answers(self) -> list[Answer]:
        """What the classes say of themselves and of their arguments, in the order of ``parts``."""
        known = [Question(part.name, part.arguments) for part in self.parts if _exists(part.name)]
        answers = iter(ask(known, self.path))
        return [next(answers) if _exists(p.name) else _absent(p.name) for p in self.parts]

    @cached_property
    def facts(self) -> dict[str, Facts]:
        """The facts of the classes that can be asked."""
        pairs = zip(self.parts, self.answers, strict=True)
        return {part.name: answer.facts for part, answer in pairs if answer.facts is not None}

    def problems(self) -> list[str]:
        """All problems of the suite."""
        found = [*self._names(), *self._references(), *self._trainings(), *self._budgets()]
        found += self._classes()
        pairs = zip(self.parts, self.answers, strict=True)
        if all(a.facts is not None and p.wanted in ("", a.facts.part) for p, a in pairs):
            found += [*self._steps(), *self._bases(), *self._published()]
            found += [*self._features(), *self._pairs()]
        return found

    # Parts

    def _data_parts(self) -> Iterator[Part]:
        for where, entry in rows_of(self.section):
            files = {key: "." for key in FILES if getattr(entry, key) is not None}
            arguments = {**entry.arguments, **files}
            yield Part(f"{self.key}{where}", "arguments", entry.kind, arguments, "data set")

    def _method_parts(self) -> Iterator[Part]:
        for name, method in self._ours():
            for dataset in ("", *_differing(method)):
                where = self._where(name, dataset)
                model, _ = sections(method, dataset)
                yield Part(where, "model", str(method.kind), model, "method")
                for place, part in parts.placed(model, f"{where}.model").items():
                    yield Part(place, "", part, {})

    def _measurement_parts(self) -> Iterator[Part]:
        for kind in MEASUREMENTS.values():
            yield Part("", "", kind, {})
        for name, entry in self.section.measurements.items():
            where = f"{self.key}measurements.{name}"
            yield Part(where, "arguments", entry.kind, entry.arguments, "measurement")

    def _where(self, method: str, dataset: str) -> str:
        return f"{self.key}methods.{method}" + (f".per_dataset.{dataset}" if dataset else "")

    def _ours(self) -> Iterator[tuple[str, MethodEntry]]:
        return ((n, m) for n, m in self.section.methods.items() if m.kind is not None)

    # Problems

    def _names(self) -> Iterator[str]:
        for name in self.given.get("methods", {}):
            if not re.fullmatch(NAME, str(name)):
                yield (
                    f"{self.key}methods.{name}: allowed in a name are letters, digits and _, and "
                    f"one - before what sets a variant apart (interpolant-fourier)."
                )

        for name in self.section.measurements.keys() & RESERVED:
            yield f"{self.key}measurements.{name}: a table or a measurement of every suite has it."

    def _references(self) -> Iterator[str]:
        """Names of data sets that there are not, and files."""
        known = self.given["datasets"]
        for where, dataset in self._named_datasets():
            if dataset not in known:
                yield unknown(f"{self.key}{where}:", dataset, known)
        for where, path in self._named_files():
            if path is not None and not Path(path).is_file():
                yield _no_file(f"{self.key}{where}", path)

    def _named_datasets(self) -> Iterator[tuple[str, str]]:
        for name, method in self.section.methods.items():
            yield from ((f"methods.{name}.datasets", known) for known in method.datasets or ())
            yield from ((f"methods.{name}.per_dataset", known) for known in _differing(method))
        for name, entry in self.section.measurements.items():
            yield from ((f"measurements.{name}.datasets", known) for known in entry.datasets or ())

    def _named_files(self) -> Iterator[tuple[str, str | None]]:
        yield from ((f"methods.{n}.rules", m.rules) for n, m in self.section.methods.items())
        yield from ((f"{where}.file", rows.file) for where, rows in rows_of(self.section))

    def _trainings(self) -> Iterator[str]:
        """Settings of each training by themselves; those of a data set only where they differ."""
        for name, method in self._ours():
            usual = self._training_problems(name, method, "")
            yield from usual
            for dataset in _differing(method):
                prefix = f"{self._where(name, '')}."
                own = self._training_problems(name, method, dataset)
                known = {problem.removeprefix(prefix) for problem in usual}
                where = f"{self._where(name, dataset)}."
                yield from (p for p in own if p.removeprefix(where) not in known)

    def _training_problems(self, name: str, method: MethodEntry, dataset: str) -> list[str]:
        _, train = sections(method, dataset)
        try:
            Training.model_validate(train)
        except ValidationError as error:
            return of_model(error, Training, f"{self._where(name, dataset)}.train.")
        return []

    def _budgets(self) -> Iterator[str]:
        """A training has one budget: its method's own, or that of the data set for all methods."""
        pairs = {(run.dataset, run.method) for run in runs_of("", self.section)}
        for dataset, name in sorted(pairs):
            method = self.section.methods[name]
            if method.kind is not None and dataset in self.section.datasets:
                yield from self._budget(dataset, name, sections(method, dataset)[1])

    def _budget(self, dataset: str, name: str, train: Mapping[str, Any]) -> Iterator[str]:
        where = f"{self.key}methods.{name}.train on {dataset}"
        common = plain(self.section.datasets[dataset].budget)
        own = {key: train[key] for key in ("steps", "seconds") if train.get(key) is not None}
        if len(own) > 1:
            yield f"{where}: found {own}; allowed is one of steps and seconds."
        elif own and common and own.get("steps") != 0:
            yield (
                f"{where}: has a budget of its own, {own}, and {self.key}datasets.{dataset} has "
                f"one for all methods, {common}. Remove one of the two."
            )
        elif not own and not common:
            yield (
                f"{where}: no budget. Write steps or seconds, or a budget for all methods at "
                f"{self.key}datasets.{dataset}.budget."
            )
        based = self.section.datasets[dataset].base is not None
        if self.section.search is not None and based and own.get("steps") != 0:
            yield (
                f"{self.key}search: chooses by the likelihood, which {dataset} has not, as its "
                f"base is known by samples only. Leave one of the two out."
            )

    def _classes(self) -> Iterator[str]:
        pairs = list(zip(self.parts, self.answers, strict=True))
        absent = tuple(f"{part.where} is " for part, answer in pairs if answer.facts is None)
        for part, answer in pairs:
            if answer.facts is None:
                yield f"{part.where}.class: {answer.error}"
            elif part.wanted and answer.facts.part != part.wanted:
                kind = answer.facts.kind
                yield f"{part.where}.class: {part.name} is a {kind}; allowed is a {part.wanted}."
            elif part.wanted:
                said = of_arguments(answer.problems, f"{part.where}.{part.section}.")
                known = [words for words in said if not words.startswith(absent)]
                yield from (_about_files(words, part) for words in known)

    def _steps(self) -> Iterator[str]:
        for name, method in self._ours():
            trained = self.facts[str(method.kind)].trained
            for dataset in ("", *_differing(method)):
                steps = sections(method, dataset)[1].get("steps")
                where = f"{self._where(name, dataset)}.train.steps is {steps}"
                if not trained and steps != 0:
                    yield f"{where}; allowed is 0: {method.kind} is not trained."
                if trained and steps == 0:
                    yield f"{where}; allowed is at least 1: {method.kind} is trained."

    def _bases(self) -> Iterator[str]:
        """Rows of the base have to be like those of the data."""
        for name, entry in self.section.datasets.items():
            if entry.base is None:
                continue
            base, data = self.facts[entry.base.kind], self.facts[entry.kind]
            for attribute in ("event", "levels"):
                ours, needed = getattr(base, attribute), getattr(data, attribute)
                if ours != needed:
                    yield (
                        f"{self.key}datasets.{name}.base: the {attribute} of {entry.base.kind} is "
                        f"{ours}; allowed is {needed}, that of {entry.kind}."
                    )

    def _published(self) -> Iterator[str]:
        """Published numbers have to be of a data set that is known, in the unit of ours."""
        results = published.results("nll")
        for name, entry in self.section.datasets.items():
            if entry.published is None:
                continue
            where, given = f"{self.key}datasets.{name}.published.as", entry.published.as_
            if given not in results:
                yield unknown(f"{where}:", given, results)
                continue
            units = {value.unit for value in results[given].values()}
            unit = "nats" if self.facts[entry.kind].levels is None else "bits/dim"
            if units != {unit}:
                yield (
                    f"{where} is {given!r}, in {', '.join(sorted(units))}; allowed is a data set "
                    f"in {unit}, as is that of {entry.kind}."
                )

    def _features(self) -> Iterator[str]:
        """Only integers that are looked at as images have features, Inception's if bytes."""
        for name, entry in self.section.datasets.items():
            if entry.features is None:
                continue
            facts, where = self.facts[entry.kind], f"{self.key}datasets.{name}.features"
            if entry.features.inception and facts.levels and facts.levels != BYTE:
                yield (
                    f"{where}.inception: it takes images of {BYTE} grey levels; {entry.kind} has "
                    f"{facts.levels}. Use a classifier."
                )
            if not has(facts, "picture"):
                yield (
                    f"{where}: {entry.kind} has no images of integers (its 'picture' and "
                    f"'levels'). Remove the key."
                )

    def _pairs(self) -> Iterator[str]:
        """Methods and networks run only on data sets that have what they need."""
        pairs = {(run.dataset, run.method): run for run in runs_of("", self.section)}
        for dataset, name in pairs:
            method = self.section.methods[name]
            if method.kind is None:
                continue
            for who, needs in self._needs(method, dataset):
                if not self._fits(dataset, needs):
                    able = [d for d in self.section.datasets if self._fits(d, needs)]
                    yield (
                        f"{self.key}methods.{name}: {who}cannot run on {dataset}: it needs "
                        f"{' or '.join(_need(need) for need in needs)}. Set its 'datasets' to "
                        f"some of: {', '.join(able) or 'none'}."
                    )

    def _needs(self, method: MethodEntry, dataset: str) -> Iterator[tuple[str, tuple[str, ...]]]:
        """Who needs what of a data set: one of these."""
        facts = self.facts[str(method.kind)]
        for need in facts.requires:
            yield "", (need,)
        if "base" not in facts.accepts:
            yield "", (NORMAL_BASE,)
        for part in parts.named(sections(method, dataset)[0]):
            if self.facts[part].kind == "network":
                yield f"its network {part} ", self.facts[part].takes

    def _fits(self, dataset: str, needs: tuple[str, ...]) -> bool:
        entry = self.section.datasets[dataset]
        if needs == (NORMAL_BASE,):
            return entry.base is None
        return any(has(self.facts[entry.kind], need) for need in needs)


NORMAL_BASE = "normal base"


def _need(need: str) -> str:
    if need == NORMAL_BASE:
        return "a data set without 'base', as it does not accept rows of the base"
    return NEEDS.get(need, need)


def _differing(method: MethodEntry) -> list[str]:
    return list(method.per_dataset) if isinstance(method.per_dataset, Mapping) else []


def _no_file(where: str, path: str) -> str:
    return f"{where} is {path!r}; no such file. Paths start in the folder in which Snakemake runs."


def _about_files(words: str, part: Part) -> str:
    """A file is a key of the data set, and no argument."""
    for name in FILES:
        missing = f"{part.where}.{part.section}.{name} is missing"
        words = words.replace(missing, f"{part.where}: key {name!r} is missing")
    return words


def _exists(name: str) -> bool:
    return source.file_of(module_of(name)) is not None


def _absent(name: str) -> Answer:
    module = module_of(name)
    parent, _, last = module.rpartition(".")
    close = unknown("", last, source.beside(module)).partition("Did you mean ")[2]
    hint = f" Did you mean {parent}.{close.strip('?')[1:-1]}?" if close else ""
    return Answer(error=f"there is no module {module!r}.{hint}")
