"""What samples are compared with: the features of the training images of a data set.

Files in, files out. A folder ``features`` belongs to a data set: it holds its classifier, the
statistics of its training images (``reference.npz``), feature vectors of some of them
(``reference.npy``) and the floor, the distance of training and test images (``floor.json``).
"""

import hashlib
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from tqdm import tqdm

from benchmark.data import dataset
from benchmark.data.dataset import Description
from benchmark.data.prepare import splits
from benchmark.files import atomic, write_json
from benchmark.measure import frechet
from benchmark.measure.features import (
    WEIGHTS,
    Classifier,
    Extractor,
    Fit,
    Inception,
    accuracy,
    features,
    train_classifier,
)
from benchmark.measure.frechet import Moments, Statistics
from benchmark.records import provenance, records
from benchmark.records.records import Metric, config_hash
from benchmark.records.run import Run
from benchmark.runtime.checkpoint import Checkpoint, Part
from benchmark.runtime.log import CHECKPOINT

KERNEL_ROWS, KERNEL_SUBSET = 10_000, 1000
"""Feature vectors of each side that a kernel distance is of, and in each of its subsets.

A thousand is Binkowski's choice (2018); a tenth of the vectors where these are fewer than ten
thousand, for as many subsets.
"""


@dataclass
class Gathered:
    """What is known of images that came chunk by chunk: moments of features, some of them, and of
    images that were drawn ``nfe``, of each chunk."""

    moments: Moments = field(default_factory=Moments)
    rows: list[np.ndarray] = field(default_factory=list)
    nfe: list[int] = field(default_factory=list)

    def add(self, found: np.ndarray, kept: np.ndarray, *nfe: int) -> None:
        """Take in the features of a chunk, and keep those of which ``kept`` says so."""
        self.moments.add(found)
        self.rows.append(found[kept])
        self.nfe += nfe

    @property
    def mean_nfe(self) -> float:
        """Of all chunks."""
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
    def restored(cls, state: dict[str, Any]) -> "Gathered":
        """What ``state`` was."""
        moments = Moments(state["n"], state["mean"].numpy(), state["scatter"].numpy())
        return cls(moments, [rows.numpy() for rows in state["rows"]], list(state["nfe"]))


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
    however few are measured otherwise. Work that was cut short leaves ``reference.checkpoint``, and
    goes on from it.
    """
    description, chunk = dataset.describe(data), settings["chunk"]
    extractor = extractor_of(settings, folder, Path(downloads)).to(device)
    train = _pictures(dataset.rows(data, "train"), description)
    rows, labels = _test_rows(data, entry, Path(downloads))
    test, draw = _pictures(rows, description), np.random.default_rng(0)
    kept = draw.permutation(len(train)) < KERNEL_ROWS
    compared = draw.permutation(len(test))[: settings["samples"]]
    first = np.arange(len(compared)) < KERNEL_ROWS
    hashed = config_hash(settings)
    key = provenance.key(run, [__name__], hashed, description, device)
    path = folder / f"reference{CHECKPOINT}"
    with Checkpoint(path, {**key, "extractor": extractor.identity}) as checkpoint:
        devices = checkpoint.visit(provenance.device_name(device))
        seen = _gathered(extractor, train, kept, chunk, checkpoint.part("training images"))
        held_out = _gathered(extractor, test[compared], first, chunk, checkpoint.part("floor"))
        reference = seen.moments.statistics({**extractor.key, "data": description.hash})
        some = np.concatenate(seen.rows)
        metrics = distances(extractor, held_out, reference, some)
        if isinstance(extractor, Classifier):
            assert labels is not None  # it was trained on those of the same images
            right = accuracy(extractor, test, labels, chunk)
            metrics.append(Metric("classifier_accuracy", right, "1", "higher", n=len(test)))
        made_by = provenance.of([__name__], hashed, devices)
        stated = protocol(extractor, reference) | {"samples": len(compared)}
        with atomic(folder / "reference.npy") as temporary, temporary.open("wb") as file:
            np.save(file, some)
        reference.save(folder / "reference.npz")
        write_json(folder / "floor.json", records.records(run, metrics, stated, made_by))
        checkpoint.remove()


def _gathered(
    extractor: Extractor, images: np.ndarray, kept: np.ndarray, chunk: int, part: Part
) -> Gathered:
    """Of ``images``, one chunk of which is held at a time."""
    state = part.state()
    found = Gathered() if state is None else Gathered.restored(state)
    done = found.moments.n
    with tqdm(None, part.name, len(images), initial=done, unit="image", mininterval=5) as bar:
        for rows in features(extractor, images[done:], chunk):
            found.add(rows, kept[found.moments.n :][: len(rows)])
            bar.update(len(rows))
            if part.due():
                part.save(found.state())
    if found.moments.n > done:
        part.save(found.state())
    return found


def _test_rows(
    data: str | Path, entry: dict[str, Any], downloads: Path
) -> tuple[np.ndarray, np.ndarray | None]:
    """All test rows and their labels: prepared anew where ``held_out`` has kept only some."""
    if "test" in entry.get("held_out", {}):
        prepared = splits(entry, downloads)
        return prepared.test, prepared.labels.get("test")
    return dataset.rows(data, "test"), dataset.labels(data, "test")


def _pictures(rows: np.ndarray, description: Description) -> np.ndarray:
    assert description.picture is not None
    return rows.reshape(-1, *description.picture)


def extractor_of(settings: dict[str, Any], folder: Path, downloads: Path) -> Extractor:
    """Inception from ``downloads``, or the classifier in ``folder``."""
    if "inception" in settings:
        return Inception(downloads / WEIGHTS, settings["inception"]).eval()
    return Classifier.load(folder)


def distances(
    extractor: Extractor, gathered: Gathered, reference: Statistics, rows: np.ndarray
) -> list[Metric]:
    """The Fréchet and the kernel distance from the training images, and of samples their NFE.

    ``rows`` are feature vectors of some training images, for the kernel distance.
    """
    found = gathered.moments.statistics({**extractor.key, "data": "compared"})
    few = np.concatenate(gathered.rows)
    size = min(KERNEL_SUBSET, max(2, min(len(few), len(rows)) // 10))
    kernel = frechet.kid(few, rows, size, seed=0)
    return [
        Metric(extractor.metric, frechet.distance(found, reference), "1", n=found.n),
        Metric(
            extractor.kernel_metric, kernel.value, "1", "lower", kernel.standard_error, len(few)
        ),
        *(
            [Metric("nfe_images", gathered.mean_nfe, "evaluations", n=found.n)]
            if gathered.nfe
            else []
        ),
    ]


def protocol(extractor: Extractor, reference: Statistics) -> dict[str, Any]:
    """What a distance was measured with and from."""
    return {**extractor.key, "reference": f"{reference.n} training images, {hash_of(reference)}"}


def hash_of(statistics: Statistics) -> str:
    """Of their values."""
    content = statistics.mean.tobytes() + statistics.covariance.tobytes()
    return hashlib.sha256(content).hexdigest()[:16]
