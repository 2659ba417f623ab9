"""A job as its rule describes it: a function of ``benchmark.jobs``, arguments, and the machine."""

from dataclasses import dataclass, field
from typing import Any

import yaml
from pydantic import TypeAdapter

from benchmark.records.usage import Asked

DUMPER: Any = getattr(yaml, "CSafeDumper", yaml.SafeDumper)
LOADER: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
"""YAML in C where it is installed: a dry run writes a task for every job."""


@dataclass(frozen=True)
class Machine:
    """The machine that a job computes on.

    ``device`` is that of config.yaml. ``gpus`` are those that the job has asked for, ``None`` where
    nothing was said; ``processes`` on each of ``nodes`` share a training, without a number one for
    each GPU. ``threads`` are those of the job on a node, ``memory`` [MiB] and ``minutes`` what it
    may take, as far as that was said.
    """

    threads: int = 1
    device: str = "cpu"
    gpus: int | None = None
    processes: int | None = None
    nodes: int = 1
    memory: int | None = None
    minutes: int | None = None

    @property
    def asked(self) -> Asked:
        """What the job has asked for, for its record."""
        return Asked(
            cpus=self.threads,
            gpus=self.gpus,
            memory=self.memory,
            minutes=self.minutes,
            processes=self.processes or self.gpus or 1,
        )


@dataclass(frozen=True)
class Task:
    """A job: ``name`` is that of a function in ``benchmark.jobs``, ``train.train``.

    ``path`` are the folders in which to look for modules first. A job without a ``machine`` needs
    no torch.
    """

    name: str
    log: str
    arguments: dict[str, Any]
    machine: Machine | None = None
    path: tuple[str, ...] = field(default=())

    def text(self) -> str:
        """The task in one line of YAML, for a command line; ``read`` reads it."""
        content = TASK.dump_python(self, mode="json", exclude_defaults=True)
        content["arguments"] = self.arguments  # JSON would have no numbers as keys
        options: Any = {"default_flow_style": True, "width": 10**9, "sort_keys": False}
        return str(yaml.dump(content, Dumper=DUMPER, **options))


TASK = TypeAdapter(Task)


def read(text: str) -> Task:
    """The task that ``Task.text`` has written."""
    return TASK.validate_python(yaml.load(text, LOADER))
