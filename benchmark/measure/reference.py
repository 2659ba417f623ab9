"""The reference of samples of images: the features of the training images of a data set.

Files in, files out. A folder ``features`` belongs to a data set: it holds its classifier, the
statistics of its training images (``reference.npz``), feature vectors of some of them
(``reference.npy``) and the floor, the distance of test images from training images
(``floor.json``).
"""

import hashlib
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from tqdm import tqdm

from benchmark.data import dataset
from benchmark.data.description import Description, describe
from benchmark.data.prepare import splits
from benchmark.files import atomic
from benchmark.measure import frechet
from benchmark.measure.feature_accumulator import FeatureAccumulator
from benchmark.measure.feature_settings import FeatureSettings
from benchmark.measure.features import (
    WEIGHTS,
    Classifier,
    Extractor,
    Inception,
    accuracy,
    features,
    train_classifier,
)
from benchmark.measure.frechet import Statistics
from benchmark.measure.measurement import Subject
from benchmark.records import provenance, records
from benchmark.records.records import Metric, Reading, Source
from benchmark.records.run import Run
from benchmark.runtime.checkpoint import Checkpoint, Part
from benchmark.runtime.device import device_name
from benchmark.runtime.log import CHECKPOINT

KERNEL_ROWS, KERNEL_SUBSET = 10_000, 1000
"""Feature vectors of each side that a kernel distance is of, and in each of its subsets.

A thousand is Binkowski's choice (2018); a tenth of the vectors where these are fewer than ten
thousand, for as many subsets.
"""

COMPARED = ("solver", "atol", "rtol", "extractor", "resize", "samples", "reference")
"""The keys of a protocol that must agree before two distances are ranked."""


@dataclass(frozen=True, eq=False)
class Reference:
    """An extractor and the features of all training images: their statistics, and some ``rows``."""

    extractor: Extractor
    statistics: Statistics
    rows: np.ndarray

    @classmethod
    def load(cls, extractor: Extractor, run: Run) -> "Reference":
        """The reference of the data set of ``run``, as ``save`` wrote it."""
        return cls(extractor, Statistics.load(run.reference), np.load(run.reference_rows))

    def save(self, run: Run) -> None:
        """Write ``reference.npz`` and ``reference.npy``."""
        with atomic(run.reference_rows) as temporary, temporary.open("wb") as file:
            np.save(file, self.rows)
        self.statistics.save(run.reference)

    @property
    def hash(self) -> str:
        """The first 16 hex digits of the SHA-256 of the statistics."""
        content = self.statistics.mean.tobytes() + self.statistics.covariance.tobytes()
        return hashlib.sha256(content).hexdigest()[:16]

    @property
    def protocol(self) -> dict[str, Any]:
        """The extractor, and what distances are measured from."""
        reference = f"{self.statistics.n} training images, {self.hash}"
        return {**self.extractor.key, "reference": reference}

    def distances(self, images: FeatureAccumulator) -> list[Metric]:
        """The Fréchet and the kernel distance of images from the training images."""
        key = {**self.extractor.key, "data": "compared"}
        statistics = images.moments.statistics(key)
        frechet_distance = frechet.distance(statistics, self.statistics)
        rounding = frechet.ROUNDING * (statistics.trace + self.statistics.trace)
        rows = np.concatenate(images.rows)
        size = min(KERNEL_SUBSET, max(2, min(len(rows), len(self.rows)) // 10))
        kernel = frechet.kid(rows, self.rows, size, seed=0)
        return [
            replace(
                _metric(self.extractor.metric, frechet_distance, statistics.n), least=-rounding
            ),
            _metric(self.extractor.kernel_metric, kernel.value, len(rows), kernel.standard_error),
        ]


class HeldOutImages(NamedTuple):
    """Test images ``[n, channels, height, width]``, and their labels ``[n]`` if they have any."""

    images: np.ndarray
    labels: np.ndarray | None


def write_classifier(subject: Subject, settings: FeatureSettings) -> None:
    """Train the classifier of a data set: ``classifier.safetensors`` and ``classifier.json``.

    ``subject`` is of any run on the data set. Raises ``ValueError`` if its rows have no labels.
    """
    run = subject.run
    labels = dataset.labels(run.data, "train")
    if labels is None:
        raise ValueError(
            f"datasets.{run.dataset}.features.classifier: the rows have no labels to train it "
            f"with. Use `inception`, or leave out `features`."
        )
    assert settings.classifier is not None and subject.device is not None
    images = _pictures(dataset.rows(run.data, "train"), describe(run.data))
    fit = settings.classifier
    train_classifier(settings.name, images, labels, fit, subject.device).save(run.features)


def write_reference(subject: Subject, settings: FeatureSettings, entry: dict[str, Any]) -> None:
    """Features of all training images, and the floor: ``reference.npz``, ``.npy``, ``floor.json``.

    ``subject`` is of the run ``FLOOR`` on the data set. The floor is of as many test images as
    there will be samples, or of all that ``entry`` of the config prepares, however few are measured
    otherwise. Work that was cut short leaves ``reference.checkpoint``, and resumes from it.
    """
    run, device = subject.run, subject.device
    assert device is not None
    extractor = extractor_of(settings, subject).to(device)
    data = describe(run.data)
    key = provenance.resume_key(run, subject.source, subject.config, data.hash, device)
    path = run.features / f"reference{CHECKPOINT}"
    with Checkpoint(path, {**key, "extractor": extractor.identity}) as checkpoint:
        devices, draw = checkpoint.visit(device_name(device)), np.random.default_rng(0)
        chunk, part = settings.chunk, checkpoint.part("training images")
        reference = _reference(extractor, run.data, chunk, draw, part)
        test = _test_images(subject, entry)
        compared = draw.permutation(len(test.images))[: settings.samples]
        floor = _floor(reference, test, compared, chunk, checkpoint.part("floor"))
        made_by = provenance.of(
            subject.source, subject.config, device=devices, threads=torch.get_num_threads()
        )
        reference.save(run)
        records.write(run.floor, run, Source(subject.measurement, COMPARED, made_by), [floor])
        checkpoint.remove()


def extractor_of(settings: FeatureSettings, subject: Subject) -> Extractor:
    """Inception from the downloads, or the classifier of the data set."""
    if settings.inception is not None:
        return Inception(subject.downloads / WEIGHTS, settings.inception).eval()
    return Classifier.load(subject.run.features)


def _reference(
    extractor: Extractor, folder: Path, chunk: int, draw: np.random.Generator, part: Part
) -> Reference:
    data = describe(folder)
    images = _pictures(dataset.rows(folder, "train"), data)
    kept = draw.permutation(len(images)) < KERNEL_ROWS
    accumulated = _accumulated(extractor, images, kept, chunk, part)
    statistics = accumulated.moments.statistics({**extractor.key, "data": data.hash})
    return Reference(extractor, statistics, np.concatenate(accumulated.rows))


def _floor(
    reference: Reference, test: HeldOutImages, compared: np.ndarray, chunk: int, part: Part
) -> Reading:
    """Distances of test images from the training images, and the accuracy of the classifier."""
    kept = np.arange(len(compared)) < KERNEL_ROWS
    images = _accumulated(reference.extractor, test.images[compared], kept, chunk, part)
    metrics = reference.distances(images)
    if isinstance(reference.extractor, Classifier):
        assert test.labels is not None  # it was trained on those of the same images
        share = accuracy(reference.extractor, test.images, test.labels, chunk)
        metrics.append(Metric("classifier_accuracy", share, "1", "higher", n=len(test.images)))
    return Reading(metrics, reference.protocol | {"samples": len(compared)})


def _accumulated(
    extractor: Extractor, images: np.ndarray, kept: np.ndarray, chunk: int, part: Part
) -> FeatureAccumulator:
    """Features of ``images``, one chunk of which is held at a time."""
    accumulated = FeatureAccumulator.restored(part.state())
    done = accumulated.moments.n
    with tqdm(None, part.name, len(images), initial=done, unit="image", mininterval=5) as bar:
        for vectors in features(extractor, images[done:], chunk):
            accumulated.add(vectors, kept[accumulated.moments.n :][: len(vectors)])
            bar.update(len(vectors))
            if part.due():
                part.save(accumulated.state())
    if accumulated.moments.n > done:
        part.save(accumulated.state())
    return accumulated


def _test_images(subject: Subject, entry: dict[str, Any]) -> HeldOutImages:
    """All test images and their labels: prepared anew where ``held_out`` has kept only some."""
    folder = subject.run.data
    if "test" in entry.get("held_out", {}):
        prepared = splits(entry, subject.downloads)
        rows, labels = prepared.test, prepared.labels.get("test")
    else:
        rows, labels = dataset.rows(folder, "test"), dataset.labels(folder, "test")
    return HeldOutImages(_pictures(rows, describe(folder)), labels)


def _pictures(rows: np.ndarray, data: Description) -> np.ndarray:
    assert data.picture is not None
    return rows.reshape(-1, *data.picture)


def _metric(name: str, value: float, n: int, standard_error: float | None = None) -> Metric:
    return Metric(name, value, "", standard_error=standard_error, n=n, heading=name.upper())
