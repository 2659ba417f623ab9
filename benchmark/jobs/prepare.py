"""The jobs that prepare the rows of a data set, and put them in place."""

import os
import shutil
from pathlib import Path
from typing import Any

import numpy as np

from benchmark.data import dataset
from benchmark.data.description import DESCRIPTION
from benchmark.data.prepare import prepare as prepare_rows
from benchmark.files import atomic, read_json, write_json


def prepare(entry: dict[str, Any], source: str, downloads: Path, output: Path) -> None:
    """Prepare rows in a folder beside ``output``, which then says what they are.

    Snakemake removes the output of a job that fails: rows that are in place stay as they are.
    """
    staged = output.with_suffix("")
    prepare_rows(entry, downloads, staged, source)
    write_json(output, read_json(staged / DESCRIPTION))


def publish(prepared: Path, folder: Path) -> None:
    """Replace the rows in ``folder`` by those that ``prepared`` describes.

    They are linked where the disk allows it, and not copied; rows prepared before are removed.
    """
    with atomic(folder) as temporary:
        shutil.copytree(prepared.with_suffix(""), temporary, copy_function=_link)
    for other in prepared.parent.iterdir():
        if other.stem.partition(".")[0] != prepared.stem:
            shutil.rmtree(other) if other.is_dir() else other.unlink()


def dequantise(data: Path, number: int, output: Path) -> None:
    """The test rows of a pass of the evaluation, for other programs."""
    with atomic(output) as temporary:
        np.save(temporary, dataset.pass_rows(data, number))


def _link(source: str, target: str) -> None:
    try:
        os.link(source, target)
    except OSError:
        shutil.copy2(source, target)
