"""From fetched files, or from nothing, to the prepared folder of a data set."""

from pathlib import Path
from typing import Any

import numpy as np
import torch

from benchmark import names
from benchmark.data import dataset, fetch
from benchmark.data.dataset import Splits


def prepare(entry: dict[str, Any], downloads: Path, folder: str | Path) -> None:
    """Write the prepared folder of one data set of the config; refuses damaged downloads."""
    kind = names.load(entry["class"])
    found = splits(entry, downloads).some(entry.get("held_out", {}))
    base = splits(entry["base"], downloads) if "base" in entry else None
    dataset.write(folder, kind, found, _truth(kind.density, found), base)


def splits(entry: dict[str, Any], downloads: Path) -> Splits:
    """All rows of a data set of the config; refuses damaged downloads."""
    given = {"file": Path(entry["file"])} if "file" in entry else {}
    if "source" in entry:
        for file in fetch.source(entry["source"]).files:
            fetch.verify(file, downloads / file.path)
            given["source"] = (downloads / file.path).parent
    found: Splits = names.load(entry["class"]).prepare(**entry["numbers"], **given)
    return found


def _truth(density: str | None, splits: Splits) -> dict[str, np.ndarray]:
    if density is None:
        return {}
    known = names.load(density)()
    held_out = {"validation": splits.validation, "test": splits.test}
    return {
        name: known.log_prob(torch.from_numpy(rows).double()).numpy()
        for name, rows in held_out.items()
    }
