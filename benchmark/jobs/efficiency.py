"""What the jobs of a suite have asked for beside what they have used, by rule.

``python -m benchmark.jobs.efficiency SUITE`` prints a table, and lines for a cluster's profile that
ask for enough and for little more. It reads what each job leaves beside its log and, where SLURM
keeps accounts, the memory that these state.
"""

import math
import subprocess
import sys
from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd
import yaml

from benchmark.jobs.command import suite_named
from benchmark.records.run import DRAWINGS, features_folder
from benchmark.records.usage import Start, UsageFile, usage_of
from benchmark.suite.suite import Suite

SPARE_TIME, SPARE_MEMORY = 1.5, 1.25
"""Factors between what was used and what is to be asked for."""
START_MINUTES, NODE_MEMORY = 5, 300
"""Added to it: the start of a job on a busy file system; MiB of the Snakemake that runs it."""

Job = tuple[Start, ...]


@dataclass(frozen=True)
class Rule:
    """The jobs of a rule; ``accounts`` are MiB by the number of a SLURM job."""

    name: str
    jobs: Sequence[Job]
    accounts: Mapping[str, float]

    @property
    def starts(self) -> list[Start]:
        """The starts of all jobs."""
        return [start for job in self.jobs for start in job]

    @property
    def unknown(self) -> int:
        """The number of starts without an end."""
        return sum(start.used is None for start in self.starts)

    @property
    def minutes(self) -> float | None:
        """Minutes of the longest job, over its starts."""
        seconds = [sum(s.used.seconds for s in job if s.used) for job in self.jobs]
        return max(seconds) / 60 or None

    @property
    def memory(self) -> float | None:
        """MiB of the largest job."""
        own = [start.used.memory for start in self.starts if start.used]
        stated = [self.accounts.get(start.slurm or "", 0.0) for start in self.starts]
        return max([*own, *stated]) or None

    @property
    def cpus(self) -> float | None:
        """CPUs that were busy, on average."""
        used = [start.used for start in self.starts if start.used]
        seconds = sum(one.seconds for one in used)
        return sum(one.cpu_seconds for one in used) / seconds if seconds else None

    @property
    def gpu_memory(self) -> float | None:
        """MiB on a GPU of the largest job."""
        known = [s.used.gpu_memory for s in self.starts if s.used and s.used.gpu_memory]
        return max(known, default=None)

    def asked(self, name: str) -> str:
        """What its jobs have asked for."""
        values = {getattr(job[-1].asked, name) for job in self.jobs} - {None}
        ends = {min(values), max(values)} if values else set()
        return " to ".join(map(str, sorted(ends)))

    def row(self) -> dict[str, Any]:
        """Its line of the table."""
        return {
            "rule": self.name,
            "jobs": len(self.jobs),
            "minutes asked": self.asked("minutes"),
            "longest": _rounded(self.minutes, 1),
            "MiB asked": self.asked("memory"),
            "largest": _rounded(self.memory, 0),
            "CPUs asked": self.asked("cpus"),
            "busy": _rounded(self.cpus, 1),
            "GPUs asked": self.asked("gpus"),
            "MiB on GPU": _rounded(self.gpu_memory, 0),
        }

    def resources(self) -> dict[str, int]:
        """What to ask for, as far as that is known."""
        wanted = {}
        if self.minutes is not None:
            wanted["runtime"] = _up(SPARE_TIME * self.minutes + START_MINUTES, 5)
        if self.memory is not None:
            wanted["mem_mb"] = _up(SPARE_MEMORY * self.memory + NODE_MEMORY, 100)
        return wanted


def logs(suite: Suite) -> Iterator[tuple[str, Path]]:
    """The rule and the log of every job of a suite that may compute with a model."""
    for run in suite.runs:
        yield f"train_{run.method.partition('-')[0]}", run.folder / "train.log"
        for job in ("evaluate", *DRAWINGS):
            yield job, run.folder / f"{job}.log"
        for name in suite.measurements_of(run):
            yield f"measure_{name}", run.measurement(name, "log")
    for run in suite.first_runs:
        yield "search", run.search.with_suffix(".log")
    for dataset in suite.datasets:
        for job in ("classifier", "reference"):
            yield job, features_folder(suite.name, dataset) / f"{job}.log"


def rules(suite: Suite) -> dict[str, list[Job]]:
    """The jobs that have left a record, by their rule."""
    found = defaultdict(list)
    for rule, log in logs(suite):
        if usage_of(log).exists():
            found[rule].append(UsageFile.load(usage_of(log)).starts)
    return found


def accounts(numbers: Collection[str]) -> dict[str, float]:
    """Peak memory [MiB] of SLURM jobs by their number, as ``sacct`` states it.

    Raises ``OSError`` or ``subprocess.CalledProcessError`` where there are no accounts.
    """
    form = ("--noheader", "--parsable2", "--duplicates", "--units=M", "--format=JobIDRaw,MaxRSS")
    command = ["sacct", *form, f"--jobs={','.join(sorted(numbers))}"]
    answer = subprocess.run(command, capture_output=True, text=True, check=True, timeout=120)
    found: dict[str, float] = {}
    for line in answer.stdout.splitlines():
        step, _, memory = line.partition("|")
        if memory.endswith("M"):
            job = step.partition(".")[0]
            found[job] = max(found.get(job, 0.0), float(memory.removesuffix("M")))
    return found


def report(suite: Suite) -> str:
    """The table, what it does not know, and lines of a profile."""
    found = rules(suite)
    numbers = {s.slurm for jobs in found.values() for job in jobs for s in job if s.slurm}
    notes, stated = ["How busy a GPU was is not known."], {}
    try:
        stated = accounts(numbers) if numbers else {}
    except (OSError, subprocess.SubprocessError):
        notes.append("SLURM keeps no accounts here: what killed jobs used is not known.")
    known = [Rule(name, jobs, stated) for name, jobs in sorted(found.items())]
    if not known:
        return f"No job of the suite {suite.name} has left a record of what it used."
    if unknown := sum(rule.unknown for rule in known):
        notes.append(f"{unknown} starts have no end: killed, or running; their time is left out.")
    table = pd.DataFrame([rule.row() for rule in known]).to_string(index=False)
    wanted = {rule.name: rule.resources() for rule in known if rule.resources()}
    lines = yaml.safe_dump({"set-resources": wanted}, default_flow_style=None, sort_keys=False)
    return "\n".join([table, "", *notes, "", "For slurm/profile.yaml:", "", lines])


def _rounded(value: float | None, digits: int) -> str:
    return "" if value is None else f"{value:.{digits}f}"


def _up(value: float, step: int) -> int:
    return step * math.ceil(value / step)


def main(suite: str, config: str = "config.yaml") -> None:
    """Print the report of a suite of a config file."""
    print(report(suite_named(suite, config)))


if __name__ == "__main__":
    main(*sys.argv[1:])
