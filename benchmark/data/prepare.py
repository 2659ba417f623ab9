"""The prepared folder of a data set, made from fetched files or from nothing."""

from pathlib import Path
from typing import Any

import numpy as np
import torch

from benchmark import names
from benchmark.data import catalogue, dataset, fetch
from benchmark.data.dataset import Splits
from benchmark.records import provenance


def prepare(
    entry: dict[str, Any], downloads: Path, folder: str | Path, source: str | None = None
) -> None:
    """Write the prepared folder of one data set of the config; refuses damaged downloads.

    ``source`` is the digest of the code that makes the rows, for ``data.json``, which says of what
    packages they are, too.
    """
    kind = names.load(entry["class"])
    rows = splits(entry, downloads).some(entry.get("held_out", {}))
    base = splits(entry["base"], downloads) if "base" in entry else None
    dataset.write(folder, kind, rows, _truth(kind.density, rows), base, _made(entry, source))


def _made(entry: dict[str, Any], source: str | None) -> dict[str, Any]:
    kinds = [rows["class"] for rows in (entry, entry.get("base")) if rows]
    densities = [density for kind in kinds if (density := names.load(kind).density)]
    return {"source": source, "packages": tuple(provenance.packages_of([*kinds, *densities]))}


def splits(entry: dict[str, Any], downloads: Path) -> Splits:
    """All rows of a data set of the config; refuses damaged downloads."""
    given: dict[str, Any] = {"file": Path(entry["file"])} if "file" in entry else {}
    if "test" in entry:
        given["file"] = given["file"], Path(entry["test"])
    if "source" in entry:
        for file in catalogue.source(entry["source"]).files:
            fetch.verify(file, downloads / file.path)
            given["source"] = (downloads / file.path).parent
    arguments = entry.get("arguments", {})
    rows: Splits = names.load(entry["class"]).prepare(**arguments, **given)
    return rows


def _truth(density: str | None, splits: Splits) -> dict[str, np.ndarray]:
    """True log-density in nats of the held-out rows, where it is known."""
    if density is None:
        return {}
    truth = names.load(density)()
    held_out = {"validation": splits.validation, "test": splits.test}
    return {
        name: truth.log_prob(torch.from_numpy(rows).double()).numpy()
        for name, rows in held_out.items()
    }
