"""ImageNet as images of 32 x 32 pixels, by Chrabaszcz, Loshchilov and Hutter (2017)."""

import io
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from tempfile import TemporaryFile
from typing import ClassVar
from zipfile import ZipFile

import numpy as np

from benchmark.data.dataset import Dataset, Labelled, Splits
from benchmark.shapes import PositiveInt


class ImageNet32(Dataset):
    """ImageNet (ILSVRC 2012) as 32 x 32 pixels, each the mean of a box: the new version.

    Chrabaszcz, Loshchilov and Hutter (2017); 1,281,167 images for training, in random order, and
    the 50,000 of ILSVRC's validation for test. Integers ``0 .. 255``; red, green, blue.

    There is an old version, with another downsampling, by van den Oord, Kalchbrenner and
    Kavukcuoglu (2016): 1,281,149 and 49,999 images, no longer offered by image-net.org. **Their
    likelihoods are not comparable**: one method has 3.43 bits/dim on the new and 3.69 on the old
    version (Zheng et al., 2023). According to that source, flow matching (Lipman et al., 2023) used
    the new version, VDM and the score-SDE literature the old one; Glow also used the old one. For
    stochastic interpolants we found no statement; their 3.48 bits/dim, far below the results on the
    old version, suggests the new one.
    """

    event = (3, 32, 32)
    levels = 256
    picture = (3, 32, 32)
    counts: ClassVar[dict[str, int]] = {"train": 1_281_167, "val": 50_000}
    """Number of images in each archive."""

    @staticmethod
    def prepare(source: Path, validation: PositiveInt) -> Splits:
        """The published split, the last ``validation`` training images set aside.

        The images (3.9 GB) are in unnamed temporary files in ``source`` while in use, and only one
        batch at a time is in memory (0.8 GB).
        """
        return Splits.published(_images(source, "train"), _images(source, "val"), validation)


def _images(source: Path, part: str) -> Labelled:
    path, count = source / f"Imagenet32_{part}_npz.zip", ImageNet32.counts[part]
    with TemporaryFile(dir=source) as file:
        rows = np.memmap(file, np.uint8, "w+", shape=(count, *ImageNet32.event))
    labels = np.empty(count, np.int64)
    end = 0
    for name, pixels, known in _batches(path):
        _check(f"{path}: {name}", pixels, known)
        start, end = end, end + len(pixels)
        if end <= count:
            rows[start:end], labels[start:end] = pixels.reshape(-1, *ImageNet32.event), known - 1
    if end != count:
        raise ValueError(
            f"{path}: holds {end} images; allowed are {count}. (The old version of ImageNet 32x32 "
            f"has 1281149 and 49999, and is another data set.)"
        )
    return rows, labels


def _batches(path: Path) -> Iterator[tuple[str, np.ndarray, np.ndarray]]:
    """Name, pixels and labels 1 to 1000 of each member, in the order of their numbers."""
    with ZipFile(path) as archive:
        members = [name for name in archive.namelist() if name.endswith(".npz")]
        for name in sorted(members, key=lambda name: (len(name), name)):
            with np.load(io.BytesIO(archive.read(name)), allow_pickle=False) as batch:
                yield PurePosixPath(name).name, batch["data"], batch["labels"]


def _check(where: str, pixels: np.ndarray, labels: np.ndarray) -> None:
    if pixels.dtype != np.uint8 or pixels.shape[1:] != (3072,):
        raise ValueError(
            f"{where} holds {pixels.dtype} of shape {pixels.shape}; allowed are uint8 of shape "
            f"(n, 3072), images of 3 x 32 x 32."
        )
    if labels.shape != pixels.shape[:1] or labels.min() < 1 or labels.max() > 1000:
        raise ValueError(
            f"{where} holds labels of shape {labels.shape}, {labels.min()} to {labels.max()}; "
            f"allowed are {len(pixels)}, 1 to 1000."
        )
