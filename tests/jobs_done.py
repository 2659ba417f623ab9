"""The jobs of a suite, done in this process with the arguments that rules give them."""

import copy

import torch
import yaml

from benchmark import names, parts
from benchmark.jobs.tasks import Job, Tasks
from benchmark.records.run import DRAWINGS
from benchmark.report.outputs import outputs
from benchmark.source import ROOT
from benchmark.suite.load import load
from benchmark.suite.models import SuiteSection
from benchmark.suite.suite import Suite, runs_of

CPU = torch.device("cpu")
TOY = yaml.safe_load((ROOT / "tests/toy.yaml").read_text())

FULL = copy.deepcopy(TOY)
"""The toy suite with every kind of job."""

SECTION = FULL["suites"]["toy"]
SECTION["datasets"]["digits"]["features"] = {
    "classifier": {"width": 16, "epochs": 3, "seed": 0},
    **{"samples": 100, "tolerances": [1e-2]},
}
SECTION["measurements"] = {
    "sliced": {
        "class": "benchmark.measure.sliced_wasserstein.SlicedWasserstein",
        "label": "Sliced",
        "arguments": {"projections": 8},
    }
}


def toy(datasets, methods, **changes):
    """A part of the toy suite, with other sections where ``changes`` has some."""
    content = copy.deepcopy(TOY)
    section = content["suites"]["toy"]
    for key, chosen in (("datasets", datasets), ("methods", methods)):
        section[key] = {name: section[key][name] for name in chosen}
    section.update(changes)
    return load(content)


def changed(suite, **changes):
    """The ``FULL`` suite with some values (paths, slashes as __) changed; ``...`` removes one."""
    content = copy.deepcopy(SECTION)
    for path, value in changes.items():
        *folders, last = path.split("__")
        section = content
        for folder in folders:
            section = section.setdefault(folder, {})
        if value is ...:
            section.pop(last)
        else:
            section[last] = value
    section = SuiteSection.model_validate(content)
    return Suite("toy", section, suite.facts, tuple(runs_of("toy", section)))


def tasks(suite: Suite) -> Tasks:
    """The jobs of a suite."""
    return Tasks(suite, {})


def jobs(suite, **config):
    """All jobs of a suite: (name, data set, method, seed) -> job."""
    rules = Tasks(suite, {**FULL, **config})
    made = {}
    for name in suite.datasets:
        made["prepare", name] = rules.prepare(name, str(suite.prepared_file(name)))
        made["publish", name] = rules.publish(name)
    for name in suite.images:
        made["classifier", name] = rules.classifier(name)
        made["reference", name] = rules.reference(name)
    for run in suite.runs:
        key = run.dataset, run.method, run.seed
        for job in ("train", "evaluate"):
            made[job, *key] = getattr(rules, job)(run)
        for job in DRAWINGS:
            made[job, *key] = rules.draw(job, run)
        for job in suite.measurements_of(run):
            made[job, *key] = rules.measure(job, run)
        if suite.is_searched(run):
            made["search", *key] = rules.search(run)
    for output in outputs(suite):
        made["report", output.name] = rules.report(output)
    return made


def arguments(job: Job) -> dict:
    """The arguments of a job as its function takes them."""
    return parts.convert(names.load(f"benchmark.jobs.{job.name}"), job.arguments)


def do(job: Job) -> None:
    """Do a job here."""
    function = names.load(f"benchmark.jobs.{job.name}")
    device = {"device": CPU} if "device" in parts.parameters(function) else {}
    function(**arguments(job), **device)


def prepare(suite: Suite) -> None:
    """Put the rows of all data sets in place."""
    for name in suite.datasets:
        do(tasks(suite).prepare(name, str(suite.prepared_file(name))))
        do(tasks(suite).publish(name))
