"""Sample quality: Fréchet and kernel distances from the training images, in feature space."""

import csv
import hashlib
import logging
from collections.abc import Iterable
from typing import Any

import numpy as np
import torch
from tqdm import tqdm

from benchmark import model
from benchmark.data.description import Description, describe
from benchmark.files import atomic
from benchmark.measure import evaluation, reference
from benchmark.measure.feature_accumulator import FeatureAccumulator
from benchmark.measure.feature_settings import FeatureSettings
from benchmark.measure.features import Images
from benchmark.measure.measurement import Measurement, Subject
from benchmark.measure.reference import COMPARED, Reference, extractor_of
from benchmark.model import Model
from benchmark.ode import Tolerance
from benchmark.records import provenance
from benchmark.records.records import Metric, Reading
from benchmark.runtime.checkpoint import Checkpoint, Part
from benchmark.runtime.device import device_name

log = logging.getLogger(__name__)

COLUMNS = ("tolerance", "nfe", "distance", "kernel_distance")


class Distances(Measurement):
    """Distances of samples of a fit from the training images, and the NFE of a sample.

    The samples are drawn once for each tolerance of ``features``, chunk by chunk; records are of
    the first one, ``distances.csv`` has all of them. Work that was cut short leaves
    ``distances.checkpoint``, and resumes from it. Raises ``ValueError`` without a tolerance.
    """

    needs = ("weights", "model", "reference", "reference_rows")
    requires = ("picture",)
    compared = COMPARED
    writes = ("csv",)

    def __init__(self, features: FeatureSettings) -> None:
        self.features = features

    def take(self, subject: Subject) -> Iterable[Reading]:
        extractor = extractor_of(self.features, subject).to(subject.device)
        features = Reference.load(extractor, subject.run)
        curve: list[list[Any]] = []
        readings: list[Reading] = []
        with Checkpoint(subject.file("checkpoint"), self._key(subject, features)) as checkpoint:
            assert subject.device is not None
            devices = checkpoint.visit(device_name(subject.device))
            made_by = subject.provenance(self, device=devices, threads=torch.get_num_threads())
            for size in self.features.tolerances:
                fitted = model.load(subject.run.folder, Tolerance(size, size)).to(subject.device)
                part = checkpoint.part(f"samples at tolerance {size:g}")
                drawn = self._draw(fitted, features, subject, part)
                metrics = [*features.distances(drawn), *_beside(drawn)]
                protocol = {**self._protocol(fitted), **features.protocol}
                readings.append(Reading(metrics, protocol, made_by))
                curve.append([size, drawn.mean_nfe, *(metric.value for metric in metrics[:2])])
            _write_curve(subject, curve)
            checkpoint.remove()
        return readings[:1]

    def _key(self, subject: Subject, features: Reference) -> dict[str, str]:
        """All that has to agree before the drawing of samples may resume."""
        run, data = subject.run, describe(subject.run.data)
        assert subject.device is not None
        return {
            **provenance.resume_key(run, subject.source, subject.config, data.hash, subject.device),
            "model": hashlib.sha256(run.weights.read_bytes()).hexdigest(),
            "reference": features.hash,
        }

    def _draw(
        self, fitted: Model, features: Reference, subject: Subject, part: Part
    ) -> FeatureAccumulator:
        """Features of samples, one chunk of which is held at a time."""
        drawn = FeatureAccumulator.restored(part.state())
        data = describe(subject.run.data)
        sizes = evaluation.chunk_sizes(self.features.samples, self.features.chunk)
        done = len(drawn.nfe)
        if done:
            log.warning(f"{part.name}: resuming after {done:,} of {len(sizes):,} chunks.")
        chunks = range(done, len(sizes))
        for number in tqdm(chunks, part.name, len(sizes), initial=done, mininterval=5):
            values, nfe = evaluation.draw(fitted, number, sizes[number], subject.run.seed)
            with torch.no_grad():
                vectors = features.extractor(quantised(values, data)).cpu().numpy()
            kept = np.arange(len(vectors)) < reference.KERNEL_ROWS - drawn.moments.n
            drawn.add(vectors, kept)
            drawn.nfe.append(nfe)
            drawn.outside += float(((values < 0) | (values > 1)).flatten(1).double().mean(1).sum())
            if part.due():
                part.save(drawn.state())
        if chunks:
            part.save(drawn.state())
        return drawn

    def _protocol(self, fitted: Model) -> dict[str, Any]:
        """How the samples were drawn."""
        return {
            **evaluation.sampling_protocol(fitted),
            "samples": self.features.samples,
            "noise": f"by seed and number of a chunk of {self.features.chunk}",
        }


def quantised(x: torch.Tensor, data: Description) -> Images:
    """Samples in the unit cube as the images that they stand for, ``[n, *picture]``, uint8.

    The inverse of uniform dequantisation: ``k`` for ``k / levels <= x < (k + 1) / levels``, and
    the nearest level outside of the cube. Raises ``FloatingPointError`` for samples that are not
    finite.
    """
    assert data.levels is not None and data.picture is not None
    bad = int((~x.isfinite()).flatten(1).any(dim=1).sum())
    if bad:
        raise FloatingPointError(f"{bad} of {len(x)} samples are not finite: they are no images.")
    levels = (x * data.levels).floor().clamp(0, data.levels - 1)
    return levels.to(torch.uint8).reshape(-1, *data.picture)


def _beside(drawn: FeatureAccumulator) -> list[Metric]:
    """The mean NFE over chunks, and the share of values that ``quantised`` has moved."""
    n, outside = drawn.moments.n, 100 * drawn.outside / drawn.moments.n
    return [
        Metric("nfe_images", drawn.mean_nfe, "", "none", n=n, heading="NFE"),
        Metric("outside_range", outside, "%", "none", n=n, heading="Outside"),
    ]


def _write_curve(subject: Subject, curve: list[list[Any]]) -> None:
    with atomic(subject.file("csv")) as temporary, temporary.open("w", newline="") as file:
        lines = csv.writer(file, lineterminator="\n")
        lines.writerow(COLUMNS)
        lines.writerows(curve)
