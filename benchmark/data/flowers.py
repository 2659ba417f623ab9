"""The 8,189 photographs of Oxford Flowers 102, as images of 128 x 128 pixels."""

from pathlib import Path
from typing import ClassVar

import numpy as np
from PIL import Image, ImageOps
from scipy.io import loadmat

from benchmark.data.dataset import Dataset, Labelled, Splits


class Flowers102(Dataset):
    """Photographs of flowers of 102 kinds as 128 x 128 pixels with integers ``0 .. 255``.

    Nilsback and Zisserman (2008). The shorter side is resized to 128 pixels by Pillow's bicubic
    filter, which averages over all pixels it covers (no aliasing), and the middle is cut out.
    """

    event = (3, 128, 128)
    levels = 256
    picture = (3, 128, 128)
    parts: ClassVar[dict[str, int]] = {"tstid": 6149, "valid": 1020, "trnid": 1020}
    """Lists of ``setid.mat`` used as training, validation and test rows, with their counts."""

    @classmethod
    def prepare(cls, source: Path) -> Splits:
        """The published parts, with those for training and for test exchanged.

        They were made for classification with ten examples of each kind, and 1,020 images are too
        few for a density; no likelihood has been published for them. Rows depend on how Pillow's
        libjpeg decodes.
        """
        paths, labels = _paths(source / "jpg", sum(cls.parts.values())), _labels(source)
        return Splits.labelled(
            *(_part(paths, labels, numbers) for numbers in _numbers(source / "setid.mat"))
        )


SIDE = Flowers102.event[-1]


def read_image(path: Path) -> np.ndarray:
    """``[3, 128, 128]`` of a photograph; ValueError if it is damaged, too small or not in RGB."""
    try:
        with Image.open(path) as image:
            if image.mode != "RGB" or min(image.size) < SIDE:
                raise ValueError(
                    f"{path}: is an image of {image.width} x {image.height} pixels in mode "
                    f"{image.mode}; allowed is mode RGB, no side shorter than {SIDE}."
                )
            middle = ImageOps.fit(image, (SIDE, SIDE), Image.Resampling.BICUBIC)
    except OSError as error:
        raise ValueError(
            f"{path}: is not a complete image ({error}). "
            f"Delete the folder {path.parent} to download it again."
        ) from error
    return np.asarray(middle).transpose(2, 0, 1)


def _part(paths: list[Path], labels: np.ndarray, numbers: np.ndarray) -> Labelled:
    images = np.empty((len(numbers), *Flowers102.event), np.uint8)
    for row, number in enumerate(numbers):
        images[row] = read_image(paths[number - 1])
    return images, labels[numbers - 1]


def _paths(folder: Path, count: int) -> list[Path]:
    paths = sorted(folder.glob("*.jpg"))
    expected = [f"image_{number:05}.jpg" for number in range(1, count + 1)]
    if [path.name for path in paths] != expected:
        raise ValueError(
            f"{folder}: holds {len(paths)} images; allowed are exactly the {count} from "
            f"{expected[0]} to {expected[-1]}. Delete it to download it again."
        )
    return paths


def _labels(source: Path) -> np.ndarray:
    path, count = source / "imagelabels.mat", sum(Flowers102.parts.values())
    labels = loadmat(path)["labels"].ravel()
    if len(labels) != count or labels.min() < 1 or labels.max() > 102:
        raise ValueError(
            f"{path}: holds {len(labels)} labels, {labels.min()} to {labels.max()}; allowed are "
            f"{count}, 1 to 102."
        )
    return (labels - 1).astype(np.uint8)


def _numbers(path: Path) -> list[np.ndarray]:
    stored, count = loadmat(path), sum(Flowers102.parts.values())
    lists = [stored[name].ravel().astype(int) for name in Flowers102.parts]
    counts = dict(zip(Flowers102.parts, map(len, lists), strict=True))
    numbers = sorted(np.concatenate(lists).tolist())
    if counts != Flowers102.parts or numbers != list(range(1, count + 1)):
        raise ValueError(
            f"{path}: lists {counts} images, {len(set(numbers))} different ones; allowed are "
            f"{Flowers102.parts}, each of the {count} once."
        )
    return lists
