"""The overhead of the submitit executor, beside Snakemake's own SLURM plugin, on one real SLURM.

    python tests/slurm_overhead.py [--with PYTHON]

prints a Markdown table after about half an hour. As root, with Debian's slurm-wlm and munge. PYTHON
belongs to an environment with snakemake and snakemake-executor-plugin-slurm, which is measured in
turns with ours. Each environment has one of the two plugins only: Snakemake imports all that it
finds, on the nodes as well. Workflow, resources and cluster are the same for both, and the jobs
write the time and do nothing else. What the rows are:

- **Submission**: from Snakemake's "Execute N jobs" (as it is read from its output) to the return of
  the last ``sbatch``, noted by a script that stands in its place on the PATH and adds some 2 ms to
  each call. The 100 jobs are not to begin within the hour.
- **Hand-over**: from the last act of a job to the first act of the job that needs its output.
- **On the node**: from the start of a job to its end, by the log of SLURM's controller.
- **Whole run**: from the start of Snakemake to its end.
- **Queries**: calls of squeue, sacct and scontrol, noted like those of sbatch: by Snakemake in the
  first minutes in which 1,000 jobs wait in the queue, and on its node by a job. The CPU seconds are
  those of Snakemake's main process in these minutes. One run each.

Hand-over and whole run are taken with what each plugin does by itself, and "often": with the
shortest pauses that both can be given, 1 s. Ours looks for results that often anyway; for the SLURM
plugin it is the first pause, to which it adds 10 s after each look that found no job ended. The
cluster has no accounting, so that the SLURM plugin is told to ask squeue; it asks sacct as often.
"""

import argparse
import contextlib
import datetime
import os
import re
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections import defaultdict
from dataclasses import dataclass, field
from pathlib import Path

import psutil
import slurm_cluster
from slurm_cluster import Cluster

ROUNDS = 3
WATCHED = 180
"""Seconds for which queries are counted."""
QUERIES = ("squeue", "sacct", "scontrol")

SNAKEFILE = """
rule all:
    input: expand("{k}.txt", k=range(config["jobs"]))
    localrule: True

rule job:
    output: "{k,[0-9]+}.txt"
    resources: runtime=5, mem_mb=50, slurm_partition="cpu", slurm_extra=config["extra"]
    shell: "date +%s.%N > {output}"

rule after:
    input: "0.txt"
    output: "after.txt"
    resources: runtime=5, mem_mb=50, slurm_partition="cpu"
    shell: "date +%s.%N > {output}"
"""

WRAPPER = """#!/bin/bash
before=$EPOCHREALTIME
{real} "$@"
status=$?
echo "{name} ${{SLURM_JOB_ID:+node}} $before $EPOCHREALTIME" >> "$CALLS"
exit $status
"""

VERSIONS = """import sys, importlib.metadata as metadata
print(", ".join(f"{name} {metadata.version(name)}" for name in sys.argv[1:]))"""


@dataclass(frozen=True)
class Executor:
    """A plugin with its settings, and those with which it looks for ended jobs most often."""

    name: str
    plugin: str
    python: str
    options: tuple[str, ...] = ()
    often: tuple[str, ...] = ("--seconds-between-status-checks", "1")
    environment: dict[str, str] = field(default_factory=dict)

    @property
    def versions(self):
        package = {"slurm": "snakemake-executor-plugin-slurm"}.get(self.plugin, self.plugin)
        command = [self.python, "-c", VERSIONS, "snakemake", package]
        return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()


def ours():
    # The plugin of this checkout, not that of an installed one.
    plugin = Path(__file__).parents[1] / "workflow/plugin"
    return Executor("submitit", "submitit", sys.executable, environment={"PYTHONPATH": str(plugin)})


def theirs(python):
    """The SLURM plugin as it is, and submitting arrays."""
    options = ("--slurm-status-command", "squeue")
    often = ("--slurm-init-seconds-before-status-checks", "1", *Executor.often)
    arrays = ("--slurm-array-jobs", "all")
    return [
        Executor("slurm", "slurm", python, options, often),
        Executor("slurm, arrays", "slurm", python, (*options, *arrays), often),
    ]


class Run:
    """One run of the workflow: when Snakemake said what, and every call of a SLURM command."""

    def __init__(self, folder, cluster, executor, *arguments):
        self.folder, self.lines = Path(tempfile.mkdtemp(dir=folder)), []
        (self.folder / "Snakefile").write_text(SNAKEFILE)
        (self.folder / "calls").touch()
        command = [executor.python, "-m", "snakemake", "--executor", executor.plugin]
        options = ("--jobs", "1000", "--latency-wait", "5", *executor.options, *arguments)
        calls, path = str(self.folder / "calls"), f"{folder}/bin:{os.environ['PATH']}"
        added = {**cluster.environment, **executor.environment, "CALLS": calls, "PATH": path}
        self.started = time.time()
        self.process = subprocess.Popen(
            [*command, *options], cwd=self.folder, env={**os.environ, **added},
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, start_new_session=True,
        )  # fmt: skip
        self.reader = threading.Thread(target=self._read)
        self.reader.start()

    def _read(self):
        for line in self.process.stdout:
            self.lines.append((time.time(), line))

    def done(self):
        """Seconds from its start to its end, which must be good."""
        status = self.process.wait(300)
        ended = time.time()
        self.reader.join()
        if status:
            raise RuntimeError("".join(line for _, line in self.lines))
        return ended - self.started

    def interrupt(self):
        """Ctrl-C; the plugin cancels its jobs."""
        os.killpg(self.process.pid, signal.SIGINT)
        self.process.wait(60)
        self.reader.join()

    def calls(self, *names, node=False):
        """Start and end of each call, by Snakemake's main process or on a node."""
        lines = [line.split(" ") for line in (self.folder / "calls").read_text().splitlines()]
        return [
            (float(start), float(end))
            for name, place, start, end in lines
            if name in names and (place == "node") == node
        ]

    def submission(self):
        """Seconds from the first "Execute" to the end of the last sbatch."""
        execute = next(when for when, line in self.lines if line.startswith("Execute "))
        return max(end for _, end in self.calls("sbatch")) - execute

    def written(self, output):
        return float((self.folder / output).read_text())


class Bench:
    """All measurements on one cluster: values by row and executor."""

    def __init__(self, folder, cluster):
        self.folder, self.cluster = folder, cluster
        self.values, self.loads = defaultdict(lambda: defaultdict(list)), []
        self.run = None
        (folder / "bin").mkdir()
        for name in ("sbatch", *QUERIES):
            wrapper = folder / "bin" / name
            wrapper.write_text(WRAPPER.format(real=shutil.which(name), name=name))
            wrapper.chmod(0o755)

    def add(self, row, executor, value):
        print(f"{row}: {executor.name} {value:.4g}", file=sys.stderr)
        self.values[row][executor.name].append(value)

    def start(self, executor, target, jobs, *options, extra=""):
        config = ("--config", f"jobs={jobs}", f"extra={extra!r}")
        self.loads.append(os.getloadavg()[0])
        self.run = Run(self.folder, self.cluster, executor, target, *options, *config)
        return self.run

    def stop(self):
        """Stop the run of a failed measurement, and the cluster."""
        if self.run is not None and self.run.process.poll() is None:
            os.killpg(self.run.process.pid, signal.SIGKILL)
        self.cluster.stop()

    def chain(self, executor, how, options):
        """Two jobs, one after the other."""
        log = self.cluster.folder / "slurmctld.log"
        before = len(log.read_text())
        run = self.start(executor, "after.txt", 1, *options)
        run.done()
        handover = run.written("after.txt") - run.written("0.txt")
        self.add(f"Hand-over to the next job{how} [s]", executor, handover)
        for seconds in spans(log.read_text()[before:]):
            self.add("On the node, a job [s]", executor, seconds)
        queries = len(run.calls(*QUERIES, node=True)) / 2
        self.add("Queries on the node, a job", executor, queries)

    def whole(self, executor, jobs, how, options):
        """Some jobs at once."""
        run = self.start(executor, "all", jobs, *options)
        self.add(f"Whole run, {jobs} job{'s'[: jobs > 1]}{how} [s]", executor, run.done())
        if jobs == 1:
            self.add("Submission of 1 job [ms]", executor, 1000 * run.submission())

    def waiting(self, executor, jobs):
        """A run all of whose jobs wait in the queue."""
        run = self.start(executor, "all", jobs, extra="--begin=now+1hour")
        self.cluster.until(lambda: time.sleep(1) or self.queued() == jobs, 200)
        time.sleep(1)
        return run

    def queued(self):
        return len(self.cluster.run("squeue", "--noheader", "--array").splitlines())

    def hundred(self, executor):
        run = self.waiting(executor, 100)
        self.end(run)
        self.add("Submission of 100 jobs [ms]", executor, 1000 * run.submission())

    def thousand(self, executor):
        """The cost of waiting, from the last submission on."""
        run = self.waiting(executor, 1000)
        process, begin = psutil.Process(run.process.pid), time.time()
        cpu = sum(process.cpu_times()[:2])
        time.sleep(WATCHED)
        cpu = sum(process.cpu_times()[:2]) - cpu
        calls = [end - start for start, end in run.calls(*QUERIES) if start > begin]
        self.end(run)
        minutes = WATCHED / 60
        self.add("Queries a minute, 1,000 jobs waiting", executor, len(calls) / minutes)
        self.add("CPU a minute, 1,000 jobs waiting [s]", executor, cpu / minutes)
        for seconds in calls:
            self.add("Time of a query [ms]", executor, 1000 * seconds)

    def end(self, run):
        run.interrupt()
        self.cluster.run("scancel", "--user=root")
        self.cluster.until(lambda: self.queued() == 0, 60)


def spans(log):
    """Seconds from start to end of each job in the log of SLURM's controller."""
    started = r"(?:Started|Allocate) JobId=(\d+) "
    line = rf"\[(\S+)\] (?:.*{started}|_job_complete: JobId=(\d+) done)"
    starts, ends = {}, {}
    for stamp, first, last in re.findall(line, log):
        times = starts if first else ends
        times[first or last] = datetime.datetime.fromisoformat(stamp).timestamp()
    return [ends[job] - starts[job] for job in starts]


def measure(bench, executors):
    """Everything, in turns."""
    single = [executor for executor in executors if "arrays" not in executor.name]
    for _ in range(ROUNDS):
        for how in ("", ", often"):
            for executor in single:
                options = executor.often if how else ()
                bench.chain(executor, how, options)
                bench.whole(executor, 1, how, options)
                bench.whole(executor, 8, how, options)
        for executor in executors:
            bench.hundred(executor)
    for executor in single:
        bench.thousand(executor)


def table(values, names):
    """Medians, with the range of the rounds, and which is lower where the ranges are apart."""
    lines = [["", *names, "lower"], ["---"] * (len(names) + 2)]
    for row, found in values.items():
        cells = [cell(found[name]) if name in found else "" for name in names]
        lines.append([row, *cells, lower(found)])
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def cell(values):
    digits = 0 if min(values) >= 100 else 1 if min(values) >= 10 else 2
    three = (statistics.median(values), min(values), max(values))
    middle, least, most = (f"{value:.{digits}f}" for value in three)
    return middle if least == most else f"{middle} ({least} to {most})"


def lower(found):
    first, *others = sorted(found, key=lambda name: statistics.median(found[name]))
    apart = all(max(found[first]) < min(found[other]) for other in others)
    return first if others and apart else ""


@contextlib.contextmanager
def default_configuration(cluster):
    """The cluster as the one that is found without ``SLURM_CONF``, which the SLURM plugin drops."""
    folder, names = Path("/etc/slurm"), ("slurm.conf", "gres.conf", "cgroup.conf")
    if any((folder / name).exists() for name in names):
        raise SystemExit(f"{folder} is that of another cluster: the SLURM plugin would use it.")
    folder.mkdir(exist_ok=True)
    try:
        for name in names:
            (folder / name).symlink_to(cluster.folder / name)
        yield
    finally:
        for name in names:
            (folder / name).unlink(missing_ok=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--with", dest="python", help="interpreter with the SLURM plugin")
    python = parser.parse_args().python
    if reason := slurm_cluster.missing():
        raise SystemExit(reason)
    executors = [ours(), *(theirs(python) if python else [])]
    folder = Path(tempfile.mkdtemp(prefix="slurm."))
    bench = Bench(folder, Cluster(folder / "cluster"))
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    # Where it is ignored, as in a shell's background, it would be ignored by Snakemake too.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        bench.cluster.start()
        with default_configuration(bench.cluster):
            measure(bench, executors)
    finally:
        bench.stop()
        shutil.rmtree(folder, ignore_errors=True)
    print(table(bench.values, [executor.name for executor in executors]))
    slurm = subprocess.run(["slurmctld", "-V"], capture_output=True, text=True).stdout.strip()
    packages = "; ".join(dict.fromkeys(executor.versions for executor in executors))
    load = f"load {cell(bench.loads)}, that of the jobs included"
    print(f"\n{packages}; {slurm}; {os.cpu_count()} cores, {load}.")


if __name__ == "__main__":
    main()
