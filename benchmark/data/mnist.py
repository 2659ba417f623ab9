"""The 70,000 handwritten digits of MNIST."""

import math
import struct
from pathlib import Path

import numpy as np

from benchmark.data.dataset import Dataset, Labelled, Splits
from benchmark.shapes import PositiveInt

UINT8 = b"\0\0\x08"
"""First three bytes of an idx file of unsigned bytes; the fourth counts the dimensions."""


class MNIST(Dataset):
    """Handwritten digits as images of 28 x 28 integers ``0 .. 255``.

    LeCun, Bottou, Bengio and Haffner (1998); 60,000 for training, 10,000 for test.
    """

    event = (1, 28, 28)
    levels = 256
    picture = (1, 28, 28)

    @staticmethod
    def prepare(source: Path, validation: PositiveInt) -> Splits:
        """The published split, the last ``validation`` training images set aside."""
        train, test = (_labelled(source, part) for part in ("train", "t10k"))
        return Splits.published(train, test, validation)


def read_idx(path: Path) -> np.ndarray:
    """The array of unsigned bytes in an idx file; ValueError if it is not one, or truncated."""
    content = path.read_bytes()
    start = 4 * (1 + content[3]) if len(content) > 3 else 4
    if content[:3] != UINT8 or len(content) < start:
        raise ValueError(
            f"{path}: begins with {content[:4]!r}; expected is an unzipped idx file of unsigned "
            f"bytes, {UINT8!r} and its sizes. Delete it to download it again."
        )
    shape = struct.unpack(f">{content[3]}I", content[4:start])
    if len(content) - start != math.prod(shape):
        raise ValueError(
            f"{path}: holds {len(content) - start} bytes of data; its header promises "
            f"{' x '.join(map(str, shape))}. Delete it to download it again."
        )
    return np.frombuffer(content, np.uint8, offset=start).reshape(shape)


def _labelled(source: Path, part: str) -> Labelled:
    path = source / f"{part}-labels-idx1-ubyte"
    images, labels = _images(source / f"{part}-images-idx3-ubyte"), read_idx(path)
    if labels.shape != images.shape[:1] or labels.max(initial=0) > 9:
        raise ValueError(
            f"{path}: holds an array of shape {labels.shape} up to {labels.max(initial=0)}; "
            f"expected are labels 0 to 9 of {len(images)} images."
        )
    return images, labels


def _images(path: Path) -> np.ndarray:
    images = read_idx(path)
    if images.shape[1:] != MNIST.event[1:]:
        raise ValueError(
            f"{path}: holds an array of shape {images.shape}; expected are images, [n, 28, 28]."
        )
    return images[:, None]
