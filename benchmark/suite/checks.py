"""Conditions between the sections of a suite: names, budgets, classes, pairs."""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmark import parts
from benchmark.archives.index import is_address
from benchmark.section import plain
from benchmark.suite import published
from benchmark.suite.classes import Facts
from benchmark.suite.hyperparameters import sections
from benchmark.suite.mending import mended
from benchmark.suite.models import DatasetEntry, MethodEntry, Rows, SuiteSection
from benchmark.suite.named import Named, differing
from benchmark.suite.needs import NEEDS, has
from benchmark.suite.suite import MEASUREMENTS, rows_of, runs_of
from benchmark.suite.words import is_at, unknown
from benchmark.training.settings import Training

NAME = "[A-Za-z0-9_]+(-[A-Za-z0-9_]+)?"
"""Name of a method: letters, and of a variant of it a hyphen and what sets it apart."""
BYTE = 256
"""Grey levels of the images that Inception was trained on."""
FOLDERS = {"datasets": {"tables", "figures"}, "methods": {"data", "prepared", "features"}}
"""Names that no data set and no method may have: those of folders beside theirs."""
RESERVED = {*MEASUREMENTS, "significance", "reproduction", "metrics"}
"""Names that no measurement of a suite may have: those of tables and of other measurements."""
PER_DATASET = re.compile(r"\.per_dataset\.[^. ]+")


@dataclass(frozen=True)
class Checks:
    """A suite whose sections are valid each for itself, its grids expanded, and its classes.

    ``key`` is the prefix of its keys in messages, ``told`` are those keys of which a problem is
    told already, and where something stands in.
    """

    section: SuiteSection
    named: Named
    key: str
    told: frozenset[str]

    def problems(self) -> list[str]:
        """All problems of the suite, but those that only follow from others."""
        found = [
            *self._names(),
            *self._labels(),
            *self._references(),
            *self._trainings(),
            *self._budgets(),
        ]
        found += [*self.named.problems(), *self._steps(), *self._bases(), *self._published()]
        found += [*self._features(), *self._pairs()]
        own = [words for words in found if not self._is_usual(words, found)]
        return [words for words in own if not any(is_at(words, place) for place in self.told)]

    def _is_usual(self, words: str, found: Sequence[str]) -> bool:
        """Whether a problem on a data set is one of the method itself."""
        usual = PER_DATASET.sub("", words, count=1)
        return usual != words and usual in found

    def _is_told(self, *keys: str) -> bool:
        """Whether a problem is told of one of these keys, around it or in it."""
        places = [f"{self.key}{key}" for key in keys]
        return any(is_at(told, p) or is_at(p, told) for told in self.told for p in places)

    def _names(self) -> Iterator[str]:
        for name in self.named.entries:
            if not re.fullmatch(NAME, str(name)):
                yield (
                    f"{self.key}methods.{name}: allowed in a name are letters, digits and _, and "
                    f"one - before what sets a variant apart (interpolant-fourier)."
                )

        for part in ("datasets", "methods", "measurements"):
            yield from alike(f"{self.key}{part}", getattr(self.section, part))
        for part, folders in FOLDERS.items():
            for name in getattr(self.section, part).keys() & folders:
                yield f"{self.key}{part}.{name}: a folder of results is called so; rename it."
        for name in self.section.measurements.keys() & RESERVED:
            yield f"{self.key}measurements.{name}: a table or a measurement of every suite has it."

    def _labels(self) -> Iterator[str]:
        """Labels that are not those of one method, or of one data set."""
        methods = {name: self.named.where(name) for name in self.section.methods}
        datasets = {name: f"{self.key}datasets.{name}" for name in self.section.datasets}
        yield from _equal_labels(self.section.methods, methods)
        yield from _equal_labels(self.section.datasets, datasets)

    def _references(self) -> Iterator[str]:
        """Names of data sets that there are not, and files."""
        known = self.section.datasets
        for where, dataset in self._named_datasets():
            if dataset not in known and not self._is_told(f"datasets.{dataset}"):
                yield unknown(f"{where}:", dataset, known)
        for where, path in self._named_files():
            if path is not None and not Path(path).is_file():
                yield _no_file(where, path)

    def _named_datasets(self) -> Iterator[tuple[str, str]]:
        for name, method in self.section.methods.items():
            where = self.named.where(name)
            yield from ((f"{where}.datasets", known) for known in method.datasets or ())
            yield from ((f"{where}.per_dataset", known) for known in differing(method))
        for name, entry in self.section.measurements.items():
            where = f"{self.key}measurements.{name}.datasets"
            yield from ((where, known) for known in entry.datasets or ())

    def _named_files(self) -> Iterator[tuple[str, str | None]]:
        methods, rows = self.section.methods.items(), rows_of(self.section)
        yield from ((f"{self.named.where(name)}.rules", method.rules) for name, method in methods)
        for name, method in methods:
            if not is_address(method.results_from or ""):
                yield f"{self.named.where(name)}.results_from", method.results_from
        yield f"{self.key}results_from", self.section.results_from
        for where, entry in rows:
            yield f"{self.key}{where}.file", entry.file
            yield f"{self.key}{where}.test", entry.test

    def _trainings(self) -> Iterator[str]:
        """Settings of each training by themselves."""
        for name, method in self.named.ours():
            for dataset in ("", *differing(method)):
                _, train = sections(method, dataset)
                where = f"{self.named.where(name, dataset)}.train."
                yield from mended(Training, train, where).problems

    def _budgets(self) -> Iterator[str]:
        """A training has one budget: its method's own, or that of the data set for all methods."""
        for dataset, name in sorted(self._meetings()):
            method = self.section.methods[name]
            if method.kind is not None and not self._is_told(f"datasets.{dataset}.budget"):
                train = sections(method, dataset)[1]
                # Misspelt keys count as what they are meant to be.
                meant = mended(Training, train).content
                yield from self._budget(dataset, name, {**meant, **train})

    def _meetings(self) -> dict[tuple[str, str], None]:
        """The data sets and the methods that run on them, as far as that is known."""
        pairs = dict.fromkeys((run.dataset, run.method) for run in runs_of("", self.section))
        return {pair: None for pair in pairs if not self._is_doubted(pair[1])}

    def _is_doubted(self, method: str) -> bool:
        """Whether it is not known on which data sets a method runs, or what differs there."""
        entry = self.named.where(method).removeprefix(self.key)
        return self._is_told(f"{entry}.datasets", f"{entry}.per_dataset")

    def _budget(self, dataset: str, name: str, train: Mapping[str, Any]) -> Iterator[str]:
        where = f"{self.named.where(name)}.train on {dataset}"
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

    def _steps(self) -> Iterator[str]:
        for name, method in self.named.ours():
            facts = self.named.facts_of(str(method.kind), "method")
            if facts is None:
                continue
            for dataset in ("", *differing(method)):
                steps = sections(method, dataset)[1].get("steps")
                where = f"{self.named.where(name, dataset)}.train.steps is {steps}"
                if not facts.trained and steps != 0:
                    yield f"{where}; allowed is 0: {method.kind} is not trained."
                if facts.trained and steps == 0:
                    yield f"{where}; allowed is at least 1: {method.kind} is trained."

    def _bases(self) -> Iterator[str]:
        """Rows of the base have to be like those of the data."""
        for name, entry in self.section.datasets.items():
            base = None if entry.base is None else self._rows(entry.base)
            data = self._rows(entry)
            if entry.base is None or base is None or data is None:
                continue
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
            facts = self._rows(entry)
            unit = "nats" if facts is None or facts.levels is None else "bits/dim"
            if facts is not None and units != {unit}:
                yield (
                    f"{where} is {given!r}, in {', '.join(sorted(units))}; allowed is a data set "
                    f"in {unit}, as is that of {entry.kind}."
                )

    def _features(self) -> Iterator[str]:
        """Only integers that are looked at as images have features, Inception's if bytes."""
        for name, entry in self.section.datasets.items():
            facts, where = self._rows(entry), f"{self.key}datasets.{name}.features"
            if entry.features is None or facts is None:
                continue
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
        for dataset, name in self._meetings():
            method = self.section.methods[name]
            if method.kind is None:
                continue
            for who, needs in self._needs(method, dataset):
                if not self._fits(dataset, needs):
                    able = [d for d in self.section.datasets if self._fits(d, needs)]
                    yield (
                        f"{self.named.where(name)}: {who}cannot run on {dataset}: it needs "
                        f"{' or '.join(_need(need) for need in needs)}. Set its 'datasets' to "
                        f"some of: {', '.join(able) or 'none'}."
                    )

    def _needs(self, method: MethodEntry, dataset: str) -> Iterator[tuple[str, tuple[str, ...]]]:
        """Who needs what of a data set: one of these."""
        facts = self.named.facts_of(str(method.kind), "method")
        if facts is not None:
            yield from (("", (need,)) for need in facts.requires)
            if "base" not in facts.accepts:
                yield "", (NORMAL_BASE,)
        for part in parts.named(sections(method, dataset)[0]):
            if network := self.named.facts_of(part, "network"):
                yield f"its network {part} ", network.takes

    def _fits(self, dataset: str, needs: tuple[str, ...]) -> bool:
        """Whether a data set has one of these; one whose class is not known may have all."""
        entry = self.section.datasets[dataset]
        if needs == (NORMAL_BASE,):
            return entry.base is None
        facts = self._rows(entry)
        return facts is None or any(has(facts, need) for need in needs)

    def _rows(self, rows: Rows) -> Facts | None:
        """Facts of the class of a data set or of its base."""
        return self.named.facts_of(rows.kind, "data set")


def alike(where: str, names: Iterable[Any]) -> Iterator[str]:
    """Names that are one file or folder where files do not differ in case."""
    first: dict[str, str] = {}
    for name in map(str, names):
        other = first.setdefault(name.casefold(), name)
        if other != name:
            yield f"{where}: {other} and {name} differ in case only; rename one of them."


NORMAL_BASE = "normal base"


def _need(need: str) -> str:
    if need == NORMAL_BASE:
        return "a data set without 'base', as it does not accept rows of the base"
    return NEEDS.get(need, need)


def _equal_labels(
    entries: Mapping[str, MethodEntry] | Mapping[str, DatasetEntry], places: Mapping[str, str]
) -> Iterator[str]:
    first: dict[str, str] = {}
    for name, entry in entries.items():
        other = first.setdefault(entry.label.strip(), name)
        if other != name:
            yield (
                f"{places[name]}.label is {entry.label!r}, as is that of {other}; allowed are "
                f"labels by which tables and figures tell them apart."
            )


def _no_file(where: str, path: str) -> str:
    return f"{where} is {path!r}; no such file. Paths start in the folder in which Snakemake runs."
