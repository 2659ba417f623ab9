"""A copy of the project with the toy suite, for tests that run the whole workflow."""

import copy
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pandas as pd
import yaml
from counting import hear_interrupts

ROOT = Path(__file__).parent.parent
TOY = yaml.safe_load((ROOT / "tests/toy.yaml").read_text())


PIPES = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT}


class Checkout:
    """A copy of the project in which Snakemake runs, as a user's clone."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        for name in (
            "benchmark",
            "workflow",
            "slurm",
            "tests/toy.yaml",
            "environment.yml",
            "pyproject.toml",
        ):
            copied = shutil.copytree if (ROOT / name).is_dir() else shutil.copy2
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            copied(ROOT / name, folder / name)
        self.configure(TOY)

    def configure(self, config: dict) -> None:
        (self.folder / "config.yaml").write_text(yaml.safe_dump(config, sort_keys=False))

    def command(self, *arguments: str) -> dict:
        path = f"{self.folder}{os.pathsep}{self.folder / 'workflow/plugin'}"
        environment = {**os.environ, "PYTHONPATH": path, "CUDA_VISIBLE_DEVICES": ""}
        command = [sys.executable, "-m", "snakemake", *arguments]
        return {"args": command, "cwd": self.folder, "env": environment, "text": True}

    def snakemake(self, *arguments: str) -> subprocess.CompletedProcess:
        return subprocess.run(**self.command(*arguments), **PIPES)

    def start(self, *arguments: str) -> subprocess.Popen:
        """Snakemake in a group of processes of its own; what it says is in the file ``output``."""
        with (self.folder / "output").open("w") as output:
            return subprocess.Popen(
                **self.command(*arguments), stdout=output, stderr=output,
                start_new_session=True, preexec_fn=hear_interrupts,
            )  # fmt: skip

    def make(self, umask=-1, environment=None) -> subprocess.CompletedProcess:
        given = self.command("--cores", "2", "--quiet", "rules", "--rerun-incomplete")
        given["env"] |= environment or {}
        return subprocess.run(**given, **PIPES, umask=umask)

    def planned(self) -> dict[str, int]:
        """Rule -> jobs that would run now."""
        found = self.snakemake("--dry-run", "--quiet", "rules")
        assert found.returncode == 0, found.stdout
        if "Nothing to be done" in found.stdout:
            return {}
        table = found.stdout.partition("Job stats:")[2].partition("Reasons:")[0]
        counts = {rule: int(n) for rule, n in re.findall(r"^(\w+) +(\d+)$", table, re.MULTILINE)}
        return {rule: n for rule, n in counts.items() if rule not in ("all", "total")}

    def run(self, dataset: str, method: str, seed: int = 0) -> Path:
        """The folder of a run."""
        return self.folder / "results/toy" / dataset / method / f"seed{seed}"

    def nll(self) -> pd.Series:
        """NLL by run, bit for bit."""
        frame = pd.read_parquet(self.folder / "results/toy/metrics.parquet")
        frame = frame[frame.metric == "nll"]
        return frame.set_index(["dataset", "method", "seed"]).value.sort_index()


def edited(**changes):
    """The toy config with some paths (slashes written as __) changed."""
    config = copy.deepcopy(TOY)
    for path, value in changes.items():
        *folders, last = path.split("__")
        section = config["suites"]["toy"]
        for folder in folders:
            section = section[folder]
        section[last] = value
    return config
