"""How like images of the data the samples of a method are: distances of their features.

Files in, files out. A folder ``features`` belongs to a data set: it holds its classifier, the
statistics of its training images (``reference.npz``), feature vectors of some of them
(``reference.npy``) and the floor, the distance of training and test images (``floor.json``).
"""

import csv
import hashlib
import logging
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from tqdm import tqdm

from benchmark import evaluation, frechet, model, names, origin, records
from benchmark.checkpoint import Checkpoint, Part
from benchmark.data import dataset
from benchmark.data.dataset import Description
from benchmark.features import (
    WEIGHTS,
    Classifier,
    Extractor,
    Fit,
    Images,
    Inception,
    accuracy,
    features,
    train_classifier,
)
from benchmark.files import atomic, write_json
from benchmark.frechet import Moments, Statistics
from benchmark.log import CHECKPOINT
from benchmark.model import Model
from benchmark.ode import Tolerance
from benchmark.prepare import splits
from benchmark.records import Metric, Run, config_hash

log = logging.getLogger(__name__)

KERNEL_ROWS, KERNEL_SUBSET = 10_000, 1000
"""Feature vectors of each side that a kernel distance is of, and in each of its subsets.

A thousand is Binkowski's choice (2018); a tenth of the vectors where these are fewer than ten
thousand, for as many subsets.
"""


def write_classifier(
    run: Run, settings: dict[str, Any], data: str | Path, folder: Path, device: torch.device
) -> None:
    """Train the classifier of a data set: ``classifier.safetensors`` and ``classifier.json``.

    ``run`` says of which. Raises ``ValueError`` if its rows have no labels.
    """
    labels = dataset.labels(data, "train")
    if labels is None:
        raise ValueError(
            f"datasets.{run.dataset}.features.classifier: the rows have no labels to train it "
            f"with. Use `inception`, or leave out `features`."
        )
    images = _pictures(dataset.rows(data, "train"), dataset.describe(data))
    fit = Fit(**settings["classifier"])
    train_classifier(settings["name"], images, labels, fit, device).save(folder)


def write_reference(  # noqa: PLR0913 (what it depends on)
    run: Run,
    settings: dict[str, Any],
    data: str | Path,
    folder: Path,
    device: torch.device,
    entry: dict[str, Any],
    downloads: str | Path,
) -> None:
    """Features of all training images, and the floor: ``reference.npz``, ``.npy``, ``floor.json``.

    The floor is of as many test images as there will be samples, or of all that ``entry`` prepares,
    however few are measured otherwise.
    """
    description = dataset.describe(data)
    extractor = _extractor(settings, folder, Path(downloads)).to(device)
    train = _pictures(dataset.rows(data, "train"), description)
    rows, labels = _test_rows(data, entry, Path(downloads))
    test, draw = _pictures(rows, description), np.random.default_rng(0)
    kept = draw.permutation(len(train)) < KERNEL_ROWS
    moments, vectors = Moments(), []
    for found in _watched(extractor, train, settings["chunk"]):
        vectors.append(found[kept[moments.n : moments.n + len(found)]])
        moments.add(found)
    reference = moments.statistics({**extractor.key, "data": description.hash})
    held_out = _Drawn()
    compared = draw.permutation(len(test))[: settings["samples"]]
    for found in _watched(extractor, test[compared], settings["chunk"]):
        held_out.add(found)
    some = np.concatenate(vectors)
    metrics = _metrics(extractor, held_out, reference, some)
    if isinstance(extractor, Classifier):
        assert labels is not None  # it was trained on those of the same images
        right = accuracy(extractor, test, labels, settings["chunk"])
        metrics.append(Metric("classifier_accuracy", right, "1", "higher", n=len(test)))
    made_by = origin.of([__name__], config_hash(settings), origin.device_name(device))
    protocol = _protocol(extractor, reference) | {"samples": len(compared)}
    with atomic(folder / "reference.npy") as temporary, temporary.open("wb") as file:
        np.save(file, some)
    reference.save(folder / "reference.npz")
    write_json(folder / "floor.json", records.records(run, metrics, protocol, made_by))


def _test_rows(
    data: str | Path, entry: dict[str, Any], downloads: Path
) -> tuple[np.ndarray, np.ndarray | None]:
    """All test rows and their labels: prepared anew where ``held_out`` has kept only some."""
    if "test" in entry.get("held_out", {}):
        prepared = splits(entry, downloads)
        return prepared.test, prepared.labels.get("test")
    return dataset.rows(data, "test"), dataset.labels(data, "test")


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
    extractor = _extractor(settings, shared, Path(downloads)).to(device)
    reference, rows = Statistics.load(shared / "reference.npz"), np.load(shared / "reference.npy")
    modules = [names.module_of(numbers["class"]), __name__]
    key = {
        **origin.key(run, modules, settings["config"], description, device),
        "model": hashlib.sha256((run.folder / "model.safetensors").read_bytes()).hexdigest(),
        "reference": _hash(reference),
    }
    curve: list[list[Any]] = []
    made: list[dict[str, Any]] = []
    with Checkpoint(folder / f"quality{CHECKPOINT}", key) as checkpoint:
        devices = checkpoint.visit(origin.device_name(device))
        for size in settings["tolerances"]:
            fitted = model.load(run.folder, Tolerance(size, size)).to(device)
            part = checkpoint.part(f"samples at tolerance {size:g}")
            drawn = _draw(fitted, extractor, description, settings, run.seed, part)
            metrics = _metrics(extractor, drawn, reference, rows)
            protocol = {
                **fitted.method.protocol(fitted.tolerance),
                **_protocol(extractor, reference),
                "samples": settings["samples"],
                "noise": f"by seed and number of a chunk of {settings['chunk']}",
                "trained": fitted.method.trained,
            }
            made_by = origin.of(modules, settings["config"], devices)
            made += [] if made else records.records(run, metrics, protocol, made_by)
            curve.append([size, drawn.mean_nfe, *(metric.value for metric in metrics[:2])])
        _write_curve(folder / "quality.csv", curve)
        write_json(folder / "quality.json", made)
        checkpoint.remove()


@dataclass
class _Drawn:
    """What is known of images that came chunk by chunk: moments of features, the first of them."""

    moments: Moments = field(default_factory=Moments)
    rows: list[np.ndarray] = field(default_factory=list)
    nfe: list[int] = field(default_factory=list)

    def add(self, found: np.ndarray, *nfe: int) -> None:
        room = KERNEL_ROWS - sum(map(len, self.rows))
        self.moments.add(found)
        self.rows += [found[:room]] if room > 0 else []
        self.nfe += nfe

    @property
    def mean_nfe(self) -> float:
        return float(np.mean(self.nfe))

    def state(self) -> dict[str, Any]:
        """For a checkpoint, from which ``restored`` makes it anew."""
        return {
            "n": self.moments.n,
            "mean": torch.from_numpy(self.moments.mean),
            "scatter": torch.from_numpy(self.moments.scatter),
            "rows": [torch.from_numpy(rows) for rows in self.rows],
            "nfe": list(self.nfe),
        }

    @classmethod
    def restored(cls, state: dict[str, Any]) -> "_Drawn":
        moments = Moments(state["n"], state["mean"].numpy(), state["scatter"].numpy())
        return cls(moments, [rows.numpy() for rows in state["rows"]], list(state["nfe"]))


def _draw(  # noqa: PLR0913 (what samples depend on)
    fitted: Model,
    extractor: Extractor,
    description: Description,
    settings: dict[str, Any],
    seed: int,
    part: Part,
) -> _Drawn:
    """Features of samples, one chunk of which is held at a time."""
    state = part.state()
    drawn = _Drawn() if state is None else _Drawn.restored(state)
    sizes = evaluation.chunk_sizes(settings["samples"], settings["chunk"])
    done = len(drawn.nfe)
    if done:
        log.warning(f"{part.name}: going on after {done:,} of {len(sizes):,} chunks.")
    for number in tqdm(range(done, len(sizes)), part.name, len(sizes), initial=done, mininterval=5):
        values, nfe = evaluation.draw(fitted, number, sizes[number], seed)
        with torch.no_grad():
            drawn.add(extractor(quantised(values, description)).cpu().numpy(), nfe)
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


def _pictures(rows: np.ndarray, description: Description) -> np.ndarray:
    assert description.picture is not None
    return rows.reshape(-1, *description.picture)


def _watched(extractor: Extractor, images: np.ndarray, chunk: int) -> Iterator[np.ndarray]:
    with tqdm(total=len(images), unit="image", mininterval=5) as bar:
        for found in features(extractor, images, chunk):
            yield found
            bar.update(len(found))


def _extractor(settings: dict[str, Any], folder: Path, downloads: Path) -> Extractor:
    if "inception" in settings:
        return Inception(downloads / WEIGHTS, settings["inception"]).eval()
    return Classifier.load(folder)


def _metrics(
    extractor: Extractor, drawn: _Drawn, reference: Statistics, rows: np.ndarray
) -> list[Metric]:
    """The Fréchet and the kernel distance from the training images, and of samples their NFE."""
    found = drawn.moments.statistics({**extractor.key, "data": "samples"})
    few = np.concatenate(drawn.rows)
    size = min(KERNEL_SUBSET, max(2, min(len(few), len(rows)) // 10))
    kernel = frechet.kid(few, rows, size, seed=0)
    nfe = [Metric("nfe_images", drawn.mean_nfe, "evaluations", n=found.n)] if drawn.nfe else []
    return [
        Metric(extractor.metric, frechet.distance(found, reference), "1", n=found.n),
        Metric(
            extractor.kernel_metric, kernel.value, "1", "lower", kernel.standard_error, len(few)
        ),
        *nfe,
    ]


def _protocol(extractor: Extractor, reference: Statistics) -> dict[str, Any]:
    return {**extractor.key, "reference": f"{reference.n} training images, {_hash(reference)}"}


def _hash(statistics: Statistics) -> str:
    content = statistics.mean.tobytes() + statistics.covariance.tobytes()
    return hashlib.sha256(content).hexdigest()[:16]


def _write_curve(path: Path, curve: list[list[Any]]) -> None:
    with atomic(path) as temporary, temporary.open("w", newline="") as file:
        lines = csv.writer(file, lineterminator="\n")
        lines.writerow(["tolerance", "nfe", "distance", "kernel_distance"])
        lines.writerows(curve)
