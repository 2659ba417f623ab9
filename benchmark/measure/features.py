"""Features of images, from which distances between sets of images are computed.

An extractor maps images, uint8 ``[n, C, H, W]``, to vectors. ``Inception`` is the network of FID,
as clean-fid has it (Parmar, Zhang and Zhu, 2022), with the resizing that belongs to it.
``Classifier`` is trained on the labels of a data set, where Inception's weights cannot be had or
do not suit the images; a Fréchet distance of its features is no FID: it is called ``fd_`` and its
name, a kernel distance ``kd_``.
"""

import abc
import hashlib
import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any, get_args

import numpy as np
import torch
from jaxtyping import Float, UInt8
from safetensors.torch import load_file, save_file
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from benchmark.data.catalogue import remote_file
from benchmark.data.fetch import verify
from benchmark.files import atomic, read_json, write_json
from benchmark.measure.feature_settings import ClassifierFit, Resize
from benchmark.names import load as load_name

WEIGHTS = "inception/inception-2015-12-05.pt"
"""Inception's, in the catalogue of fetched files."""

RESIZES = get_args(Resize)

SMALLEST_SIDE = 8
"""Side, in pixels, of the smallest images that a classifier takes."""

CHANNELS = (32, 64, 128)
"""Channels of the convolutions of a classifier, one by one; the last for all further ones."""

BATCH = 128
LR = 3e-3

Images = UInt8[Tensor, "batch channels height width"]
Features = Float[Tensor, "batch features"]


class Extractor(nn.Module, abc.ABC):
    """A network that maps images to feature vectors."""

    metric: str
    """Name of the Fréchet distance of its features."""
    kernel_metric: str
    """Name of the kernel distance of its features."""
    resize: str
    """How images are resized before it."""

    @property
    @abc.abstractmethod
    def identity(self) -> str:
        """A string unique to these weights: extractors whose features differ have others."""

    @property
    def key(self) -> dict[str, str]:
        """The part of the key of ``frechet.Statistics`` that states the extractor."""
        return {"extractor": self.identity, "resize": self.resize}

    @abc.abstractmethod
    def forward(self, images: Images) -> Features:
        """One vector per image."""


class Inception(Extractor):
    """The 2,048 features of FID: the last pooling of Inception-v3 (Szegedy et al., 2016).

    ``weights`` is the fetched file; ``resize`` one of ``RESIZES``. Grey images are repeated to
    three channels. Raises ``ValueError`` for another file, other channels or resizing, and
    ``ImportError`` without clean-fid.
    """

    metric, kernel_metric = "fid", "kid"
    identity = "inception-2015-12-05"

    def __init__(self, weights: Path, resize: str) -> None:
        super().__init__()
        if resize not in RESIZES:
            raise ValueError(f"resize is {resize!r}; allowed are {', '.join(RESIZES)}.")
        self.resize = resize
        network, resizer = _of_clean_fid(
            "inception_torchscript.InceptionV3W", "resize.build_resizer"
        )
        verify(remote_file(WEIGHTS), weights)
        self.resizer = resizer(resize)
        self.network = network(
            str(weights.parent), download=False, resize_inside=resize == "legacy_tensorflow"
        )

    def forward(self, images: Images) -> Features:
        resized = [self.resizer(image) for image in _coloured(images)]
        x = torch.from_numpy(np.stack(resized)).permute(0, 3, 1, 2)
        return self.network(x.to(images.device, torch.float32))


class Classifier(Extractor):
    """A small convolutional network for images of shape ``event`` in ``classes`` classes.

    Convolutions of 3 x 3, each with a pooling that halves the sides, while these have
    ``SMALLEST_SIDE`` pixels, and one layer of ``width`` units, which are the features.
    ``brightest`` is the largest value of a pixel. Raises ``ValueError`` for smaller images.
    """

    resize = "none"
    brightest: Tensor

    def __init__(self, name: str, event: tuple[int, ...], classes: int, width: int) -> None:
        super().__init__()
        if min(event[1:]) < SMALLEST_SIDE:
            raise ValueError(
                f"A classifier takes images of at least {SMALLEST_SIDE} x {SMALLEST_SIDE} pixels; "
                f"found images of shape {event}."
            )
        self.metric, self.kernel_metric = f"fd_{name}", f"kd_{name}"
        self.name, self.event = name, event
        self.register_buffer("brightest", torch.ones(()))
        self.trunk = nn.Sequential(*_layers(event, width))
        self.head = nn.Linear(width, classes)

    @property
    def identity(self) -> str:
        """The name and a hash of the weights: another training is another extractor."""
        digest = hashlib.sha256()
        for name, tensor in sorted(self.state_dict().items()):
            digest.update(name.encode() + tensor.cpu().numpy().tobytes())
        return f"{self.name} {digest.hexdigest()[:16]}"

    def forward(self, images: Images) -> Features:
        return self.trunk(images.to(self.brightest.dtype) / self.brightest)

    def save(self, folder: str | Path) -> None:
        """Write ``classifier.safetensors`` (weights) and ``classifier.json`` (what it is)."""
        weights = {name: tensor.contiguous().cpu() for name, tensor in self.state_dict().items()}
        with atomic(Path(folder) / "classifier.safetensors") as temporary:
            save_file(weights, temporary)
        about = {"classes": self.head.out_features, "width": self.head.in_features}
        write_json(
            Path(folder) / "classifier.json", {"name": self.name, "event": self.event, **about}
        )

    @classmethod
    def load(cls, folder: str | Path) -> "Classifier":
        """The classifier that ``save`` wrote, ready to use."""
        about = read_json(Path(folder) / "classifier.json")
        classifier = cls(**{**about, "event": tuple(about["event"])})
        classifier.load_state_dict(load_file(Path(folder) / "classifier.safetensors"))
        return classifier.eval()


def train_classifier(
    name: str, images: np.ndarray, labels: np.ndarray, fit: ClassifierFit, device: torch.device
) -> Classifier:
    """A classifier of ``images``, uint8 ``[n, C, H, W]``, by ``labels`` ``0, 1, ...``, ``[n]``.

    Minimises the cross-entropy by AdamW with a learning rate that rises and falls once. The same
    seed gives the same weights on the same CPU. Raises ``ValueError`` for other arrays.
    """
    _check(images, labels)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(fit.seed)
        classifier = Classifier(name, images.shape[1:], int(labels.max()) + 1, fit.width)
    classifier.brightest.fill_(max(int(images.max()), 1))
    _fit(classifier.to(device), images, labels, fit)
    return classifier.eval()


def accuracy(classifier: Classifier, images: np.ndarray, labels: np.ndarray, chunk: int) -> float:
    """The share of images whose largest output is that of their label."""
    device, correct = classifier.brightest.device, 0
    parts = np.split(labels, range(chunk, len(labels), chunk))
    for x, y in zip(features(classifier, images, chunk), parts, strict=True):
        with torch.no_grad():
            outputs = classifier.head(torch.from_numpy(x).to(device))
        correct += int((outputs.argmax(dim=1).cpu().numpy() == y).sum())
    return correct / len(labels)


def features(extractor: Extractor, images: np.ndarray, chunk: int) -> Iterator[np.ndarray]:
    """Features ``[m, d]`` of uint8 ``[n, C, H, W]``, of at most ``chunk`` images at a time.

    On the device of the extractor. Raises ``ValueError`` for other arrays.
    """
    _check(images)
    device = next(extractor.parameters()).device
    for start in range(0, len(images), chunk):
        part = torch.tensor(images[start : start + chunk], device=device)
        with torch.no_grad():
            vectors: np.ndarray = extractor(part).cpu().numpy()
        yield vectors


def _fit(
    classifier: Classifier, images: np.ndarray, labels: np.ndarray, fit: ClassifierFit
) -> None:
    draw, batches = np.random.default_rng(fit.seed), math.ceil(len(images) / BATCH)
    optimiser = torch.optim.AdamW(classifier.parameters(), lr=LR)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, LR, fit.epochs * batches)
    for _ in range(fit.epochs):
        for rows in np.array_split(draw.permutation(len(images)), batches):
            x = torch.tensor(images[rows], device=classifier.brightest.device)
            y = torch.tensor(labels[rows], dtype=torch.long, device=x.device)
            optimiser.zero_grad()
            cross_entropy(classifier.head(classifier(x)), y).backward()  # type: ignore[no-untyped-call]
            optimiser.step()
            schedule.step()


def _layers(event: tuple[int, ...], width: int) -> Iterator[nn.Module]:
    channels, height, high = event
    stage = 0
    while min(height, high) >= SMALLEST_SIDE:
        wide = CHANNELS[min(stage, len(CHANNELS) - 1)]
        yield nn.Conv2d(channels, wide, 3, padding=1)
        yield nn.MaxPool2d(2)
        yield nn.BatchNorm2d(wide)
        yield nn.ReLU()
        channels, height, high, stage = wide, height // 2, high // 2, stage + 1
    yield nn.Flatten()
    yield nn.Linear(channels * height * high, width)
    yield nn.SiLU()


def _check(images: np.ndarray, labels: np.ndarray | None = None) -> None:
    if images.ndim != 4 or images.dtype != np.uint8:
        raise ValueError(
            f"Found an array of {images.dtype} of shape {images.shape}; "
            f"expected are images, uint8 [n, channels, height, width]."
        )
    if labels is not None and not (
        labels.shape == images.shape[:1] and labels.dtype.kind in "iu" and labels.min() >= 0
    ):
        raise ValueError(
            f"Found labels of {labels.dtype} of shape {labels.shape} for {len(images)} images; "
            f"expected is a whole number from 0 for each."
        )


def _coloured(images: Tensor) -> np.ndarray:
    """``[n, height, width, 3]``, grey repeated."""
    if images.shape[1] not in (1, 3):
        raise ValueError(
            f"Inception takes images of 1 channel or 3; found shape {tuple(images.shape)}."
        )
    return images.expand(-1, 3, -1, -1).permute(0, 2, 3, 1).cpu().numpy()


def _of_clean_fid(*names: str) -> list[Any]:
    # Modules of clean-fid that import no torchvision, whose wheel needs torch's build for CUDA.
    try:
        return [load_name(f"cleanfid.{name}") for name in names]
    except ImportError as error:
        raise ImportError(
            f"FID needs clean-fid, which cannot be imported: {error}. Install it with "
            f"`pip install --constraint constraints.txt clean-fid`."
        ) from error
