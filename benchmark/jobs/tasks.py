"""The jobs of a suite: what each runs, and on what of config and source its result depends."""

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from benchmark.jobs.task import Machine, Task
from benchmark.records.records import FLOOR, config_hash
from benchmark.records.run import Run, data_folder, features_folder, suite_folder
from benchmark.report.outputs import Output
from benchmark.section import plain
from benchmark.suite.suite import Suite

DOWNLOADS = "results/downloads"


@dataclass(frozen=True)
class Job:
    """A function of ``benchmark.jobs`` and its arguments.

    ``depends`` identifies what of the config and the source its result depends on, beside its input
    files: Snakemake runs a job again when it has changed.
    """

    name: str
    log: str
    arguments: dict[str, Any]
    depends: str = ""


@dataclass(frozen=True)
class Tasks:
    """All jobs of ``suite``, which ``config`` names."""

    suite: Suite
    config: dict[str, Any]

    def text(self, job: Job, machine: Machine | None = None) -> str:
        """The command-line argument of ``python -m benchmark.jobs``."""
        path = self.suite.python_path
        return Task(job.name, job.log, job.arguments, machine, path).text()

    def machine(self, threads: int, resources: Any) -> Machine:
        """The machine of a job with Snakemake's ``threads`` and ``resources``.

        Raises ``ValueError`` for one that is no number.
        """
        return Machine(
            *(threads, self.config["device"]),
            gpus=_asked("gpu", resources),
            processes=_asked("processes", resources),
            nodes=_asked("nodes", resources) or 1,
            memory=_known(resources.get("mem_mb")),
            minutes=_known(resources.get("runtime")),
        )

    # Data sets

    def fetch(self, name: str, output: str, mirrors: list[str]) -> Job:
        """A file of the catalogue."""
        arguments = {"name": name, "output": output, "mirrors": mirrors}
        return Job("fetch.fetch", f"{output}.log", arguments)

    def prepare(self, dataset: str, output: str) -> Job:
        """The rows of a data set; ``output`` is named after what they depend on."""
        arguments = {
            "entry": self.suite.prepared(dataset),
            "source": self.suite.prepare_source(dataset),
            "downloads": DOWNLOADS,
            "output": output,
        }
        return Job("prepare.prepare", str(Path(output).with_suffix(".log")), arguments)

    def publish(self, dataset: str) -> Job:
        """Prepared rows, put in place."""
        folder = data_folder(self.suite.name, dataset)
        prepared = self.suite.prepared_file(dataset)
        arguments = {"prepared": str(prepared), "folder": str(folder)}
        return Job("prepare.publish", str(folder.parent / "publish.log"), arguments)

    def dequantise(self, dataset: str, number: int, output: str) -> Job:
        """The test rows of a pass of the evaluation."""
        folder = data_folder(self.suite.name, dataset)
        arguments = {"data": str(folder), "number": number, "output": output}
        depends = self.suite.sources.of("benchmark.jobs.prepare")
        return Job("prepare.dequantise", str(Path(output).with_suffix(".log")), arguments, depends)

    def audit_points(self, dataset: str) -> Job:
        """The points at which log-densities on a data set are audited."""
        run = Run(self.suite.name, dataset, FLOOR, 0)
        files = {"points": str(run.audit_points), "densities": str(run.audit_proposal)}
        depends = self.suite.sources.of("benchmark.jobs.audit")
        log = str(run.audit_points.with_suffix(".log"))
        return Job("audit.points", log, {"data": str(run.data), **files}, depends)

    def classifier(self, dataset: str) -> Job:
        """The classifier whose features of the images of a data set are compared."""
        # How many images are compared, and how many at a time, changes no classifier.
        return self._of_features("classifier", dataset, ["classifier", "name"], {})

    def reference(self, dataset: str) -> Job:
        """The features of the training images of a data set, and the floor."""
        keys = ["classifier", "inception", "name", "samples", "chunk"]
        entry = {"entry": self.suite.prepared(dataset)}
        return self._of_features("reference", dataset, keys, entry)

    def _of_features(self, name: str, dataset: str, keys: list[str], more: dict[str, Any]) -> Job:
        """A job that depends on the ``keys`` of the features of a data set, and on ``more``."""
        features = self.suite.features(dataset)
        source = self.suite.sources.of("benchmark.jobs.reference")
        config = config_hash({"features": _chosen(features, *keys), **more})
        compared = {
            "run": asdict(Run(self.suite.name, dataset, FLOOR, 0)),
            "features": features,
            "config": config,
            "source": source,
            "downloads": DOWNLOADS,
        }
        log = features_folder(self.suite.name, dataset) / f"{name}.log"
        depends = config_hash({"config": config, "source": source})
        return Job(f"reference.{name}", str(log), {"compared": compared, **more}, depends)

    # Runs

    def search(self, run: Run) -> Job:
        """The learning rates that are tried for a method on a data set."""
        section = plain(self.suite.section.search)
        arguments = {"fit": self._fit(run, "search"), "search": section}
        return Job("search.search", str(run.search.with_suffix(".log")), arguments, _of(arguments))

    def train(self, run: Run) -> Job:
        """The fit of a run."""
        arguments = {"fit": self._fit(run, "train"), "searched": self.suite.is_searched(run)}
        return Job("train.train", _log(run, "train"), arguments, _of(arguments))

    def _fit(self, run: Run, job: str) -> dict[str, Any]:
        made_with = self.suite.hyperparameters(run)
        train = made_with.train.model_dump(exclude_defaults=True)
        return {
            "run": asdict(run),
            "hyperparameters": {"kind": made_with.kind, "model": made_with.model, "train": train},
            "validation": plain(self.suite.section.validation),
            "config": self.suite.train_hash(run),
            "source": self.suite.source(run, job),
        }

    def evaluate(self, run: Run) -> Job:
        """The log-densities, the samples and the cost of a run."""
        given = {
            "run": asdict(run),
            "classes": self.suite.hyperparameters(run).classes,
            "settings": self.suite.evaluation(),
            "config": self.suite.evaluate_hash(run),
            "source": self.suite.source(run, "evaluate"),
        }
        arguments = {"given": given}
        return Job("evaluate.evaluate", _log(run, "evaluate"), arguments, _of(arguments))

    def draw(self, name: str, run: Run) -> Job:
        """The density of a run on a grid, its path, or test rows carried back to the base."""
        section = self.suite.section.evaluation
        more = {
            "density": {"points": section.grid},
            "path": {"points": section.frame_grid, "frames": section.frames},
            "backward": {},
        }
        drawing = {
            "run": asdict(run),
            "tolerance": _chosen(plain(section), "atol", "rtol"),
            "chunk": section.chunk,
            "source": self.suite.source(run, "draw"),
            **more[name],
        }
        arguments = {"drawing": drawing}
        return Job(f"draw.{name}", _log(run, name), arguments, _of(arguments))

    def measure(self, name: str, run: Run) -> Job:
        """A measurement on a run."""
        entry = self.suite.measurements[name]
        config, source = self.suite.expected_measurement(run, name)
        measuring = {
            "name": name,
            "kind": entry.kind,
            "arguments": self.suite.measurement_arguments(run, name),
            "run": asdict(run),
            "config": config,
            "source": source,
            "downloads": DOWNLOADS,
        }
        way = "light" if self.suite.facts[entry.kind].light else "on_device"
        arguments = {"measuring": measuring}
        depends = config_hash({"arguments": measuring["arguments"], "source": source})
        return Job(f"measure.{way}", str(run.measurement(name, "log")), arguments, depends)

    # The report

    def report(self, output: Output) -> Job:
        """A table or a figure."""
        arguments = {"config": self.config, "name": output.name}
        source = self.suite.sources.now(output.module)
        depends = config_hash({"shows": output.shows, "source": source})
        log = suite_folder(self.suite.name) / f"{output.name}.log"
        return Job("report.write", str(log), arguments, depends)


def _log(run: Run, job: str) -> str:
    return str(run.folder / f"{job}.log")


def _of(arguments: dict[str, Any]) -> str:
    return config_hash(arguments)


def _asked(name: str, resources: Any) -> int | None:
    """The number in a resource, ``2`` or, of GPUs with their type, ``a100:2``."""
    given = resources.get(name)
    number = str(given).rpartition(":")[2]
    if given is not None and not number.isdecimal():
        raise ValueError(
            f"The resource {name} is {given!r}; a number is needed (of GPUs: 2, or a100:2)."
        )
    return None if given is None else int(number)


def _known(number: int | str | None) -> int | None:
    """A number that Snakemake may know only when the inputs of a job are there."""
    return number if isinstance(number, int) else None


def _chosen(section: dict[str, Any], *keys: str) -> dict[str, Any]:
    return {key: section[key] for key in keys if key in section}
