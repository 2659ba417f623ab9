"""The jobs that prepare the rows of a data set, and put them in place."""

import os
import shutil
from pathlib import Path
from typing import Any

from benchmark.data.prepare import prepare as prepare_rows
from benchmark.files import atomic, read_json, write_json

STAGED = ".prepared"
"""Folder, beside that of the rows, in which they are prepared."""


def prepare(
    entry: dict[str, Any], source: str, downloads: Path, folder: Path, output: Path
) -> None:
    """Prepare rows beside ``folder``; ``output`` says what they are.

    Snakemake removes the output of a job that fails: rows that are in place stay as they are.
    """
    staged = folder.parent / STAGED
    prepare_rows(entry, downloads, staged, source)
    write_json(output, read_json(staged / "data.json"))


def publish(folder: Path) -> None:
    """Put prepared rows in the place of those in ``folder``, without a copy where that can be."""
    staged = folder.parent / STAGED
    with atomic(folder) as temporary:
        shutil.copytree(staged, temporary, copy_function=_link)


def _link(source: str, target: str) -> None:
    try:
        os.link(source, target)
    except OSError:
        shutil.copy2(source, target)
