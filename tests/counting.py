"""Workflows that count slowly, run by a real Snakemake through submitit.

A count saves itself when it is asked to stop, and resumes from there. It ends at its number, or
where a test says that it is enough, so that no test has to be faster than a count.
"""

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path

COUNT = """
import os, signal, sys, time
from pathlib import Path

count, until, folder = 0, int(sys.argv[1]), Path(sys.argv[2])
folder.mkdir(exist_ok=True)
saved, starts = folder / "saved", folder / "starts"
if saved.exists():
    count = int(saved.read_text())
with starts.open("a") as file:
    print(count, os.environ.get("SLURMD_NODENAME"), file=file)
asked = []
for number in (signal.SIGUSR2, signal.SIGTERM):
    signal.signal(number, lambda number, frame: asked.append(number))
while count < until and not Path("enough").exists():
    time.sleep(0.1)
    count += 1
    (folder / "now").write_text(str(count))
    if asked:
        saved.write_text(str(count))
        sys.exit(f"asked to stop by {asked}, saved at {count}")
"""

SNAKEFILE = """
rule all:
    input: expand("{name}.txt", name=config["counts"])
    localrule: True

rule count:
    output: "{name}.txt"
    resources: runtime=5, mem_mb=50
    shell: "python count.py {config[until]} state_{wildcards.name} && echo done > {output}"
"""


PATIENCE = 3
"""Times as long as things take alone: files of tests run beside each other on the same cores."""


def until(true: Callable[[], object], seconds: float, report: Callable[[], str]) -> None:
    """Wait for something to be true. Raises ``TimeoutError`` with what there was instead."""
    end = time.monotonic() + PATIENCE * seconds
    while not true():
        if time.monotonic() > end:
            raise TimeoutError(f"not within {PATIENCE * seconds} s:\n{report()}")
        time.sleep(0.05)


def hear_interrupts():
    """In a new process: tests that run in the background of a shell do not hear Ctrl-C."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


class Workflow:
    """A workflow in a folder of its own, whose path has a blank."""

    def __init__(self, folder: Path, environment: Mapping[str, str]):
        self.folder, self.environment = folder / "a workflow", dict(environment)
        self.folder.mkdir()
        (self.folder / "Snakefile").write_text(SNAKEFILE)
        (self.folder / "count.py").write_text(COUNT)
        self.process, self.path = None, self.folder / "output"

    def start(self, *options, counts="a", until=1):
        command = [sys.executable, "-m", "snakemake", *self.options(counts, until), *options]
        with self.path.open("a") as output:
            self.process = subprocess.Popen(
                command, cwd=self.folder, env={**os.environ, **self.environment},
                stdout=output, stderr=output, start_new_session=True, preexec_fn=hear_interrupts,
            )  # fmt: skip
        return self

    def options(self, counts, until):
        return [
            *("--executor", "submitit", "--jobs", "10", "--keep-going"),
            *("--latency-wait", "5", "--seconds-between-status-checks", "1"),
            *("--config", f"counts=[{counts}]", f"until={until}"),
        ]

    def wait(self, seconds=120):
        """The exit status."""
        try:
            return self.process.wait(PATIENCE * seconds)
        except subprocess.TimeoutExpired:
            self.kill()
            raise AssertionError(f"not done in {PATIENCE * seconds} s\n{self.report()}") from None

    def kill(self):
        """End Snakemake, and what runs in its group, if it still does."""
        if self.process is not None and self.process.poll() is None:
            os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()

    def done(self, seconds=120):
        """Wait for the end, which must be good."""
        assert self.wait(seconds) == 0, self.report()

    def enough(self):
        """Let all counts end where they are."""
        (self.folder / "enough").touch()
        return self

    @property
    def told(self):
        return self.path.read_text()

    def report(self):
        """The text to show when a test fails."""
        return self.told

    def until(self, true, seconds=30):
        until(true, seconds, self.report)

    def says(self, text, seconds=30):
        self.until(lambda: re.search(text, self.told), seconds)

    def counts(self, name="a", to=1, seconds=30):
        """Wait until a count has come to a number."""
        now = self.folder / f"state_{name}" / "now"
        self.until(lambda: now.exists() and int(now.read_text() or 0) >= to, seconds)

    def starts_again(self, name="a", seconds=60):
        """Wait until a count has started a second time."""
        self.until(lambda: len(self.starts(name)) == 2, seconds)
        return self

    def made(self):
        """The names of the counts that are done."""
        return {path.stem for path in self.folder.glob("?.txt")}

    def logs(self):
        """The logs of the jobs."""
        logs = sorted((self.folder / ".snakemake/submitit").glob("*/*_log.out"))
        return "\n".join(log.read_text() for log in logs)

    def starts(self, name="a"):
        """The counts from which it started, and the nodes."""
        lines = (self.folder / f"state_{name}" / "starts").read_text().splitlines()
        return [(int(line.split()[0]), line.split()[1]) for line in lines]

    def submitted(self):
        return re.findall(r"Submitted \d+ of \S+ as (.+), logs in", self.told)


def went_on(starts):
    """Whether a count started twice, the second time from where it was."""
    assert len(starts) == 2, starts
    assert starts[0][0] == 0 and starts[1][0] > 0, starts
    return True
