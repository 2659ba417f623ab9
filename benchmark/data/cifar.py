"""The 60,000 colour images of CIFAR-10."""

import pickle
from pathlib import Path
from typing import Any

import numpy as np

from benchmark.data.dataset import Dataset, Labelled, Splits
from benchmark.shapes import PositiveInt

IMAGES_PER_BATCH = 10_000
"""Number of images in a file."""
ALLOWED_NAMES = {
    ("numpy._core.multiarray", "_reconstruct"),
    ("numpy", "ndarray"),
    ("numpy", "dtype"),
}
"""Classes and functions that the pickle of a batch may name; plain values need none."""
PICKLE_ERRORS = (
    pickle.UnpicklingError,
    EOFError,
    AttributeError,
    LookupError,
    TypeError,
    ValueError,
)
"""Errors raised when reading a pickle that is not a batch."""


class CIFAR10(Dataset):
    """Colour images of 32 x 32 pixels with integers ``0 .. 255``, in ten classes.

    Krizhevsky (2009); 50,000 for training, 10,000 for test. Channels are red, green, blue.
    """

    event = (3, 32, 32)
    levels = 256
    picture = (3, 32, 32)

    @staticmethod
    def prepare(source: Path, validation: PositiveInt) -> Splits:
        """The published split, the last ``validation`` training images set aside."""
        batches = [read_batch(source / f"data_batch_{number}") for number in range(1, 6)]
        images, labels = (np.concatenate(parts) for parts in zip(*batches, strict=True))
        return Splits.published((images, labels), read_batch(source / "test_batch"), validation)


class _Unpickler(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> Any:
        module = module.replace("numpy.core", "numpy._core")
        if (module, name) not in ALLOWED_NAMES:
            raise pickle.UnpicklingError(f"it names {module}.{name}, which a batch does not need")
        return super().find_class(module, name)


def read_batch(path: Path) -> Labelled:
    """Images and labels of a file; ValueError if it contains anything else, which is never run."""
    with path.open("rb") as file:
        try:
            batch = _Unpickler(file, encoding="latin1").load()
            pixels, labels = np.asarray(batch["data"]), np.asarray(batch["labels"])
        except PICKLE_ERRORS as error:
            raise ValueError(
                f"{path}: is not a batch of CIFAR-10 ({error}). Delete it to download it again."
            ) from error
    _check(path, pixels, labels)
    return pixels.reshape(IMAGES_PER_BATCH, *CIFAR10.event), labels.astype(np.uint8)


def _check(path: Path, pixels: np.ndarray, labels: np.ndarray) -> None:
    if pixels.dtype != np.uint8 or pixels.shape != (IMAGES_PER_BATCH, 3072):
        raise ValueError(
            f"{path}: holds {pixels.dtype} of shape {pixels.shape}; allowed are uint8 of shape "
            f"{(IMAGES_PER_BATCH, 3072)}, images of 3 x 32 x 32."
        )
    if (
        labels.shape != (IMAGES_PER_BATCH,)
        or labels.dtype.kind != "i"
        or set(labels.tolist()) - {*range(10)}
    ):
        raise ValueError(
            f"{path}: holds labels {labels.dtype} of shape {labels.shape}; allowed are "
            f"{IMAGES_PER_BATCH} whole numbers 0 to 9."
        )
