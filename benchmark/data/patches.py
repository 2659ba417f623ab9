"""Grey patches cut afresh from the images of BSDS300, the Berkeley segmentation data set."""

from pathlib import Path

import numpy as np
from PIL import Image

from benchmark.data.dataset import Dataset, Splits
from benchmark.shapes import PositiveInt

SIDE = 8
VALIDATION_EVERY = 10
"""One in so many training images is set aside for validation."""


class BSDS300Recut(Dataset):
    """Patches of 8 x 8 pixels in [0, 1] without their mean and their last pixel: 63 dimensions.

    The recipe of the set of Papamakarios et al. (2017; Zoran and Weiss, 2011; Uria et al., 2013)
    with random draws of our own, so that likelihoods are comparable with the published ones up to
    these draws: grey levels by Rec. 601 (Pillow's ``L``, which is Matlab's ``rgb2gray``, 0.299 R +
    0.587 G + 0.114 B, rounded), uniform noise of one level added once, divided by 256. Validation
    patches come from training images that yield no training patch, test patches from the test
    images.
    """

    event = (63,)

    @staticmethod
    def prepare(
        source: Path, train: PositiveInt, validation: PositiveInt, test: PositiveInt
    ) -> Splits:
        """Patches at uniformly random places of uniformly random images, the same at every call.

        They depend on Pillow's libjpeg, whose versions may differ by a grey level.
        """
        draw = np.random.default_rng(0)
        images = _images(source / "images" / "train")
        return Splits(
            train=_patches([x for i, x in enumerate(images) if i % VALIDATION_EVERY], train, draw),
            validation=_patches(images[::VALIDATION_EVERY], validation, draw),
            test=_patches(_images(source / "images" / "test"), test, draw),
        )


def _images(folder: Path) -> list[np.ndarray]:
    return [np.asarray(Image.open(path).convert("L")) for path in sorted(folder.glob("*.jpg"))]


def _patches(images: list[np.ndarray], count: int, draw: np.random.Generator) -> np.ndarray:
    origins = draw.integers(len(images), size=count)
    rows = np.empty((count, SIDE * SIDE - 1), np.float32)
    for number, image in enumerate(images):
        chosen = np.flatnonzero(origins == number)
        rows[chosen] = _without_mean(_cut(image, len(chosen), draw), draw)
    return rows


def _cut(image: np.ndarray, count: int, draw: np.random.Generator) -> np.ndarray:
    windows = np.lib.stride_tricks.sliding_window_view(image, (SIDE, SIDE))
    top, left = (draw.integers(size, size=count) for size in windows.shape[:2])
    return windows[top, left].reshape(count, SIDE * SIDE)


def _without_mean(patches: np.ndarray, draw: np.random.Generator) -> np.ndarray:
    values = (patches + draw.random(patches.shape)) / 256
    return (values - values.mean(axis=1, keepdims=True))[:, :-1]
