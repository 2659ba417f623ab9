"""The jobs of a suite, done in this process with the arguments that rules give them."""

import copy

import torch
import yaml

from benchmark import names, parts
from benchmark.jobs.tasks import Job, Tasks
from benchmark.source import ROOT
from benchmark.suite.load import load
from benchmark.suite.suite import Suite

CPU = torch.device("cpu")
TOY = yaml.safe_load((ROOT / "tests/toy.yaml").read_text())


def toy(datasets, methods, **changes):
    """A part of the toy suite, with other sections where ``changes`` has some."""
    content = copy.deepcopy(TOY)
    section = content["suites"]["toy"]
    for key, chosen in (("datasets", datasets), ("methods", methods)):
        section[key] = {name: section[key][name] for name in chosen}
    section.update(changes)
    return load(content)


def tasks(suite: Suite) -> Tasks:
    """The jobs of a suite."""
    return Tasks(suite, {})


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
