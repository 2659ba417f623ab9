"""How like images of the data the samples of a method are: distances of their features.

Files in, files out; ``benchmark.measure.reference`` makes what they are compared with.
"""

import csv
import hashlib
import logging
from pathlib import Path
from typing import Any

import numpy as np
import torch
from tqdm import tqdm

from benchmark import model, names
from benchmark.data import dataset
from benchmark.data.dataset import Description
from benchmark.files import atomic, write_json
from benchmark.measure import evaluation
from benchmark.measure.features import Extractor, Images
from benchmark.measure.frechet import Statistics
from benchmark.measure.reference import (
    KERNEL_ROWS,
    Gathered,
    distances,
    extractor_of,
    hash_of,
    protocol,
)
from benchmark.model import Model
from benchmark.ode import Tolerance
from benchmark.records import provenance, records
from benchmark.records.run import Run
from benchmark.runtime.checkpoint import Checkpoint, Part
from benchmark.runtime.log import CHECKPOINT

log = logging.getLogger(__name__)


def write_quality(  # noqa: PLR0913 (what it depends on)
    run: Run,
    settings: dict[str, Any],
    data: str | Path,
    folder: Path,
    device: torch.device,
    numbers: dict[str, Any],
    downloads: str | Path,
) -> None:
    """Distances of samples of a fit from the training images: ``quality.json``, ``quality.csv``.

    ``settings``: those of the key ``features`` of the data set, ``chunk`` and the hash ``config``.
    The samples are drawn once for each of ``tolerances``, chunk by chunk; records are of the first
    one, ``quality.csv`` has all of them. Work that was cut short leaves ``quality.checkpoint``, and
    goes on from it.
    """
    description, shared = dataset.describe(data), Path(data).parent / "features"
    extractor = extractor_of(settings, shared, Path(downloads)).to(device)
    reference, rows = Statistics.load(shared / "reference.npz"), np.load(shared / "reference.npy")
    modules = [names.module_of(numbers["class"]), __name__]
    key = {
        **provenance.key(run, modules, settings["config"], description, device),
        "model": hashlib.sha256((run.folder / "model.safetensors").read_bytes()).hexdigest(),
        "reference": hash_of(reference),
    }
    curve: list[list[Any]] = []
    made: list[dict[str, Any]] = []
    with Checkpoint(folder / f"quality{CHECKPOINT}", key) as checkpoint:
        devices = checkpoint.visit(provenance.device_name(device))
        for size in settings["tolerances"]:
            fitted = model.load(run.folder, Tolerance(size, size)).to(device)
            part = checkpoint.part(f"samples at tolerance {size:g}")
            drawn = _draw(fitted, extractor, description, settings, run.seed, part)
            metrics = distances(extractor, drawn, reference, rows)
            solved = fitted.method.protocol(fitted.tolerance)
            stated = {
                **{key: solved[key] for key in solved if key != "divergence"},
                **protocol(extractor, reference),
                "samples": settings["samples"],
                "noise": f"by seed and number of a chunk of {settings['chunk']}",
                "trained": fitted.method.trained,
            }
            made_by = provenance.of(modules, settings["config"], devices)
            made += [] if made else records.records(run, metrics, stated, made_by)
            curve.append([size, drawn.mean_nfe, *(metric.value for metric in metrics[:2])])
        _write_curve(folder / "quality.csv", curve)
        write_json(folder / "quality.json", made)
        checkpoint.remove()


def _draw(  # noqa: PLR0913 (what samples depend on)
    fitted: Model,
    extractor: Extractor,
    description: Description,
    settings: dict[str, Any],
    seed: int,
    part: Part,
) -> Gathered:
    """Features of samples, one chunk of which is held at a time."""
    state = part.state()
    drawn = Gathered() if state is None else Gathered.restored(state)
    sizes = evaluation.chunk_sizes(settings["samples"], settings["chunk"])
    done = len(drawn.nfe)
    if done:
        log.warning(f"{part.name}: going on after {done:,} of {len(sizes):,} chunks.")
    for number in tqdm(range(done, len(sizes)), part.name, len(sizes), initial=done, mininterval=5):
        values, nfe = evaluation.draw(fitted, number, sizes[number], seed)
        with torch.no_grad():
            found = extractor(quantised(values, description)).cpu().numpy()
        drawn.add(found, np.arange(len(found)) < KERNEL_ROWS - drawn.moments.n, nfe)
        if part.due():
            part.save(drawn.state())
    if len(drawn.nfe) > done:
        part.save(drawn.state())
    return drawn


def quantised(x: torch.Tensor, description: Description) -> Images:
    """Samples in the unit cube as the images that they stand for, ``[n, *picture]``, uint8.

    The inverse of uniform dequantisation: ``k`` for ``k / levels <= x < (k + 1) / levels``, and
    the nearest level outside of the cube. Raises ``FloatingPointError`` for samples that are not
    finite.
    """
    assert description.levels is not None and description.picture is not None
    bad = int((~x.isfinite()).flatten(1).any(dim=1).sum())
    if bad:
        raise FloatingPointError(f"{bad} of {len(x)} samples are not finite: they are no images.")
    levels = (x * description.levels).floor().clamp(0, description.levels - 1)
    return levels.to(torch.uint8).reshape(-1, *description.picture)


def _write_curve(path: Path, curve: list[list[Any]]) -> None:
    with atomic(path) as temporary, temporary.open("w", newline="") as file:
        lines = csv.writer(file, lineterminator="\n")
        lines.writerow(["tolerance", "nfe", "distance", "kernel_distance"])
        lines.writerows(curve)
