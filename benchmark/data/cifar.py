"""The 60,000 colour images of CIFAR-10."""

import pickle
from pathlib import Path
from typing import Any

import numpy as np

from benchmark.data.dataset import Dataset, Labelled, Splits
from benchmark.shapes import PositiveInt

BATCH = 10_000
"""Images in one file."""
KNOWN = {
    ("numpy._core.multiarray", "_reconstruct"),
    ("numpy", "ndarray"),
    ("numpy", "dtype"),
}
"""What a batch may name; plain numbers, strings, lists and dictionaries need no name."""
DAMAGED = (pickle.UnpicklingError, EOFError, AttributeError, LookupError, TypeError, ValueError)
"""What reading a pickle that is no batch raises."""


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
        if (module, name) not in KNOWN:
            raise pickle.UnpicklingError(f"it names {module}.{name}, which a batch does not need")
        return super().find_class(module, name)


def read_batch(path: Path) -> Labelled:
    """Images and labels of one file; ValueError if it holds anything else, none of which is run."""
    with path.open("rb") as file:
        try:
            batch = _Unpickler(file, encoding="latin1").load()
            pixels, labels = np.asarray(batch["data"]), np.asarray(batch["labels"])
        except DAMAGED as error:
            raise ValueError(
                f"{path}: is no batch of CIFAR-10 ({error}). Delete it to have it fetched anew."
            ) from error
    _check(path, pixels, labels)
    return pixels.reshape(BATCH, *CIFAR10.event), labels.astype(np.uint8)


def _check(path: Path, pixels: np.ndarray, labels: np.ndarray) -> None:
    if pixels.dtype != np.uint8 or pixels.shape != (BATCH, 3072):
        raise ValueError(
            f"{path}: holds {pixels.dtype} of shape {pixels.shape}; allowed are uint8 of shape "
            f"{(BATCH, 3072)}, images of 3 x 32 x 32."
        )
    if labels.shape != (BATCH,) or labels.dtype.kind != "i" or set(labels.tolist()) - {*range(10)}:
        raise ValueError(
            f"{path}: holds labels {labels.dtype} of shape {labels.shape}; allowed are {BATCH} "
            f"whole numbers 0 to 9."
        )
