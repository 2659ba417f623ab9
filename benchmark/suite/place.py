"""The folder in which a suite is run, checked before anything else."""

import os
import sys
from collections.abc import Iterator
from pathlib import Path

from benchmark.source import ROOT
from benchmark.suite.words import ConfigError, in_file

LINKS = ("results", ".snakemake")
"""What a run writes to, which may lie on another disk."""


def check(folder: Path, has_config: bool) -> None:
    """Raises ``ConfigError`` for a folder without a config, a path with braces, and links that lead
    nowhere."""
    problems = list(_problems(folder, has_config or (folder / "config.yaml").exists()))
    if problems:
        raise ConfigError(in_file(str(folder), problems))


def _problems(folder: Path, has_config: bool) -> Iterator[str]:
    if not has_config:
        yield (
            f"found no config.yaml. Type `cd {ROOT}` first; or write a config.yaml here, for "
            "results here. (Its paths start here, too.)"
        )
    for path in {str(folder), sys.executable}:
        if set("{}") & set(path):
            yield f"found braces in {path}, which Snakemake reads as variables: rename the folder."
    for name in LINKS:
        if (folder / name).is_symlink() and not (folder / name).exists():
            place = os.readlink(folder / name)
            yield f"{name} is a link to {place}, which is not there: make it, or remove the link."
