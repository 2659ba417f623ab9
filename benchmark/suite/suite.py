"""A checked suite: its sections, grids expanded, its runs, and what each result depends on."""

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from benchmark.archives.index import Archive, ArchivedRun
from benchmark.records.records import COST, DISTANCES, NLL, config_hash
from benchmark.records.run import LOG_PROB, PROGRAM, Run, data_folder
from benchmark.section import plain
from benchmark.suite.classes import Facts
from benchmark.suite.hyperparameters import hyperparameters
from benchmark.suite.models import (
    DatasetEntry,
    MeasurementEntry,
    MethodEntry,
    Published,
    Rows,
    SuiteSection,
)
from benchmark.suite.needs import has
from benchmark.suite.sources import Sources, content_hash
from benchmark.suite.terms import terms
from benchmark.training.settings import Hyperparameters

FIGURE_KEYS = {"grid", "frames", "frame_grid"}
"""Keys of ``evaluation`` on which only figures depend."""

MEASUREMENTS = {
    NLL: "benchmark.measure.nll.NLL",
    COST: "benchmark.measure.cost.Cost",
    DISTANCES: "benchmark.measure.distances.Distances",
}
"""Measurements of every suite; distances only of data sets with the key ``features``."""

Parts = tuple[str, list[str]]
"""The module of a job, and the classes that it works with."""


@dataclass(frozen=True)
class Expected:
    """The hashes of config and source with which the results of a run have to be made."""

    train_config: str
    train_source: str
    evaluate_config: str
    evaluate_source: str


@dataclass(frozen=True)
class Suite:
    """A checked suite; ``facts`` are those of every class that it names, ``archives`` maps methods
    whose finished runs are taken from an archive to that."""

    name: str
    section: SuiteSection
    facts: Mapping[str, Facts]
    runs: tuple[Run, ...]
    python_path: tuple[str, ...] = ()
    archives: Mapping[str, Archive] = field(default_factory=dict)
    _cache: dict[Any, Any] = field(default_factory=dict, compare=False, repr=False)

    @property
    def methods(self) -> dict[str, MethodEntry]:
        return self.section.methods

    @property
    def datasets(self) -> dict[str, DatasetEntry]:
        return self.section.datasets

    @property
    def threads(self) -> int:
        return self.section.threads

    def hyperparameters(self, run: Run) -> Hyperparameters:
        """Those of a run of this library, with what differs on its data set."""
        key = (run.dataset, run.method)
        if key not in self._cache:
            budget = self.datasets[run.dataset].budget
            self._cache[key] = hyperparameters(self.methods[run.method], run.dataset, budget)
        return self._cache[key]

    # What methods and data sets are

    def is_ours(self, method: str) -> bool:
        """Whether a method is a class, and made here: other programs bring their own rules."""
        return self.methods[method].kind is not None and method not in self.archives

    def archived(self, run: Run) -> ArchivedRun | None:
        """What the archive of a run says of it; ``None`` before it is fetched, or without one."""
        archive = self.archives.get(run.method)
        known = None if archive is None else archive.index
        return None if known is None else known.find(run.dataset, run.method, run.seed)

    def makes(self, run: Run, file: str) -> bool:
        """Whether a finished run has the ``file`` of this name."""
        if run.method in self.archives:
            about = self.archived(run)
            return file == LOG_PROB or about is not None and file in about.files
        return self.is_ours(run.method) or file in PROGRAM

    def method_facts(self, method: str) -> Facts | None:
        """Facts of the class of a method; ``None`` of another program."""
        kind = self.methods[method].kind
        return None if kind is None else self.facts[kind]

    def is_flow(self, method: str) -> bool:
        """Whether a method is a flow of this library, which has a path from base to data."""
        facts = self.method_facts(method)
        return facts is not None and facts.kind == "flow"

    def has_diagnostics(self, method: str) -> bool:
        """Whether the class of a method records diagnostics along its training."""
        facts = self.method_facts(method)
        return facts is not None and facts.diagnostics

    def is_oracle(self, method: str) -> bool:
        """Whether a method is the true density of its data set."""
        facts = self.method_facts(method)
        return facts is not None and facts.is_target

    def is_trained(self, run: Run) -> bool:
        """Whether a run is a training of this library, and no closed form."""
        return self.is_ours(run.method) and self.hyperparameters(run).train.steps != 0

    def is_searched(self, run: Run) -> bool:
        """Whether the learning rate of a run is searched."""
        return self.section.search is not None and self.is_trained(run)

    def dataset_facts(self, dataset: str) -> Facts:
        """Facts of the class of a data set."""
        return self.facts[self.datasets[dataset].kind]

    def event(self, dataset: str) -> tuple[int, ...] | None:
        """Shape of a row of a data set; ``None`` if only its file tells."""
        return self.dataset_facts(dataset).event

    def has_base(self, dataset: str) -> bool:
        """Whether a data set has rows of its base, whose density is then not known."""
        return self.datasets[dataset].base is not None

    @property
    def images(self) -> list[str]:
        """The data sets whose images are compared by their features."""
        return [name for name, entry in self.datasets.items() if entry.features is not None]

    @property
    def published(self) -> dict[str, Published]:
        """The key ``published`` of the data sets that have it."""
        known = ((name, entry.published) for name, entry in self.datasets.items())
        return {name: said for name, said in known if said is not None}

    @property
    def first_runs(self) -> list[Run]:
        """The first seed of every method on every data set: what figures of single fits show."""
        first = {(run.dataset, run.method): run for run in reversed(self.runs)}
        return list(first.values())[::-1]

    # Measurements

    @cached_property
    def measurements(self) -> dict[str, MeasurementEntry]:
        """All measurements by name: those of every suite, then its own."""
        usual = {
            name: MeasurementEntry.model_validate({"class": kind})
            for name, kind in MEASUREMENTS.items()
        }
        return {**usual, **self.section.measurements}

    def measurements_of(self, run: Run) -> list[str]:
        """The measurements that are made on a run."""
        return [name for name in self.measurements if self.is_measured(run, name)]

    def measurement_label(self, name: str) -> str:
        """The name of a measurement in the caption of its table."""
        return self.measurements[name].label or name.replace("_", " ")

    def is_measured(self, run: Run, name: str) -> bool:
        """Whether a measurement is made on a run."""
        entry = self.measurements[name]
        if run.method in self.archives:
            about = self.archived(run)
            return name in (about.measurements if about is not None else (NLL, COST))
        if name == DISTANCES and run.dataset not in self.images:
            return False
        facts = self.facts[entry.kind]
        able = facts.light or facts.of_files or self.is_ours(run.method)
        chosen = entry.datasets is None or run.dataset in entry.datasets
        return able and chosen and not self.lacks(run.dataset, facts.requires)

    def lacks(self, dataset: str, needs: tuple[str, ...]) -> list[str]:
        """The ``needs`` that a data set lacks, of a method or a measurement."""
        facts = self.dataset_facts(dataset)
        return [need for need in needs if not has(facts, need)]

    def features(self, dataset: str) -> dict[str, Any]:
        """How images of a data set are compared by their features."""
        entry = self.datasets[dataset].features
        assert entry is not None
        name = "inception" if entry.inception is not None else f"{dataset}_cnn"
        return {**plain(entry), "name": name, "chunk": self.section.evaluation.chunk}

    def has_curve(self, name: str) -> bool:
        """Whether a measurement has a curve of distances against NFE."""
        return self.facts[self.measurements[name].kind].curve

    def measurement_arguments(self, run: Run, name: str) -> dict[str, Any]:
        """The arguments of the class of a measurement on a run."""
        if name == DISTANCES:
            return {"features": self.features(run.dataset)}
        return self.measurements[name].arguments

    # What results depend on

    @cached_property
    def sources(self) -> Sources:
        return Sources(self.name)

    @property
    def kept(self) -> dict[str, list[str]]:
        """Commit -> the results of it that were kept after edits of the source."""
        kept: dict[str, list[str]] = {}
        for entry in self.sources.kept.values():
            kept.setdefault(str(entry.commit), []).extend(entry.what)
        return kept

    def prepared(self, dataset: str) -> dict[str, Any]:
        """The part of the config that the rows of a data set depend on."""
        keys = {"kind", "source", "file", "test", "arguments", "held_out", "base"}
        return plain(self.datasets[dataset], include=keys)

    def prepare_parts(self, dataset: str) -> Parts:
        """The source that the rows of a data set depend on."""
        entry = self.datasets[dataset]
        kinds = [rows.kind for rows in (entry, entry.base) if rows is not None]
        densities = [density for kind in kinds if (density := self.facts[kind].density)]
        return "benchmark.jobs.prepare", [*kinds, *densities]

    def run_parts(self, run: Run, job: str) -> Parts:
        """The source that a job of a run depends on."""
        return f"benchmark.jobs.{job}", self.hyperparameters(run).classes

    def measurement_parts(self, run: Run, name: str) -> Parts:
        """The source that a measurement on a run depends on."""
        kind = self.measurements[name].kind
        modelled = self.is_ours(run.method) and not self.facts[kind].light
        classes = self.hyperparameters(run).classes if modelled else []
        return "benchmark.jobs.measure", [kind, *classes]

    def prepare_source(self, dataset: str) -> str:
        """The digest of the source that the rows of a data set depend on."""
        return self.sources.of(*self.prepare_parts(dataset))

    def prepared_file(self, dataset: str) -> Path:
        """The description of the rows of a data set; its name is a hash of what they depend on.

        So nothing is prepared again when a change is undone, and a failure leaves these rows.
        """
        entry = self.datasets[dataset]
        files = [file for rows in (entry, entry.base) if rows for file in rows.files]
        depends = {
            "entry": self.prepared(dataset),
            "source": self.prepare_source(dataset),
            "files": [content_hash(file) for file in files],
        }
        folder = data_folder(self.name, dataset).parent / "prepared"
        return folder / f"{config_hash(depends)}.json"

    def source(self, run: Run, job: str) -> str:
        """The digest of the source that a job of a run depends on."""
        return self.sources.of(*self.run_parts(run, job))

    def measurement_source(self, run: Run, name: str) -> str:
        """The digest of the source that a measurement on a run depends on."""
        return self.sources.of(*self.measurement_parts(run, name))

    def train_hash(self, run: Run) -> str:
        """Identifies everything in the config that the fit of ``run`` depends on."""
        made_with = self.hyperparameters(run)
        searched = {"search": plain(self.section.search)} if self.is_searched(run) else {}
        return config_hash(
            {
                "data": self.prepared(run.dataset),
                "validation": plain(self.section.validation),
                "threads": self.threads,
                **{"class": made_with.kind, "model": made_with.model},
                **{"train": plain(made_with.train), **searched},
            }
        )

    def evaluate_hash(self, run: Run) -> str:
        """Identifies everything in the config that the evaluation of ``run`` depends on."""
        return config_hash({"fit": self.train_hash(run), "evaluation": self.evaluation()})

    def evaluation(self) -> dict[str, Any]:
        """The settings of the evaluation, without those of figures."""
        return plain(self.section.evaluation, exclude=FIGURE_KEYS)

    def measurement_hash(self, run: Run, name: str) -> str:
        """Identifies everything in the config that a measurement on a run depends on."""
        arguments = self.measurement_arguments(run, name)
        fit = self.evaluate_hash(run) if self.is_ours(run.method) else None
        return config_hash({"run": fit, "measurement": name, "arguments": arguments})

    def expected(self, run: Run) -> Expected:
        """The hashes and digests that the results of a run of this library must have."""
        return Expected(
            *(self.train_hash(run), self.source(run, "train")),
            *(self.evaluate_hash(run), self.source(run, "evaluate")),
        )

    def expected_measurement(self, run: Run, name: str) -> tuple[str, str]:
        """The hash of the config and the digest of the source of a measurement."""
        return self.measurement_hash(run, name), self.measurement_source(run, name)

    # In words

    @property
    def comparison_terms(self) -> str:
        """Budget and tuning rules, for table captions; empty where each has its own budget."""
        return " ".join(terms(self.section))

    def __str__(self) -> str:
        counts = Counter(run.method for run in self.runs)
        methods = ", ".join(f"{name} {count}" for name, count in counts.items())
        return (
            f"suite {self.name}: {len(self.runs)} runs on {len(self.datasets)} data sets "
            f"({', '.join(self.datasets)}) by {len(counts)} methods ({methods})"
        )


def runs_of(name: str, section: SuiteSection) -> Iterator[Run]:
    """Every data set x method x seed, less what a method leaves out."""
    for dataset in section.datasets:
        for method, entry in section.methods.items():
            if entry.datasets is None or dataset in entry.datasets:
                for seed in entry.seeds or section.seeds:
                    yield Run(name, dataset, method, seed)


def rows_of(section: SuiteSection) -> Iterator[tuple[str, Rows]]:
    """Every data set and, where it has one, the data set of its base, with its key."""
    for name, entry in section.datasets.items():
        yield f"datasets.{name}", entry
        if entry.base is not None:
            yield f"datasets.{name}.base", entry.base
