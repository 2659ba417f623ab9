"""The jobs that make what samples of images are compared with: a classifier, and features."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from benchmark.measure.feature_settings import FeatureSettings
from benchmark.measure.measurement import Subject
from benchmark.measure.reference import write_classifier, write_reference
from benchmark.records.records import DISTANCES
from benchmark.records.run import Run


@dataclass(frozen=True)
class Compared:
    """The images of a data set, for which ``run`` stands, and how their features are compared."""

    run: Run
    features: FeatureSettings
    config: str
    source: str
    downloads: Path

    def subject(self, device: torch.device) -> Subject:
        """The data set, as measurements see it."""
        return Subject(
            *(DISTANCES, self.run, self.source, self.config, self.downloads), device=device
        )


def classifier(compared: Compared, device: torch.device) -> None:
    """Train the classifier of a data set: ``classifier.safetensors`` and ``classifier.json``."""
    write_classifier(compared.subject(device), compared.features)


def reference(compared: Compared, entry: dict[str, Any], device: torch.device) -> None:
    """Features of all training images, and the floor: ``reference.npz``, ``.npy``, ``floor.json``.

    ``entry`` is what the rows of the data set depend on in the config.
    """
    write_reference(compared.subject(device), compared.features, entry)
