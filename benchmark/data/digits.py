"""The 1,797 handwritten digits of 8 x 8 pixels that come with scikit-learn."""

import numpy as np
from sklearn.datasets import load_digits

from benchmark.data.dataset import Dataset, Splits
from benchmark.shapes import PositiveInt


class Digits(Dataset):
    """Handwritten digits as vectors of 64 integers ``0 .. 16`` (17 grey levels).

    The test part of Optical Recognition of Handwritten Digits (Alpaydin and Kaynak, 1998, UCI).
    """

    event = (64,)
    levels = 17
    picture = (1, 8, 8)

    @staticmethod
    def prepare(validation: PositiveInt, test: PositiveInt) -> Splits:
        """All digits in one fixed random order: test, validation, and the rest for training."""
        digits = load_digits()
        pixels, labels = digits.data.astype(np.uint8), digits.target.astype(np.uint8)
        if validation + test >= len(pixels):
            raise ValueError(
                f"digits: validation + test is {validation + test}; "
                f"allowed is less than the {len(pixels)} rows available."
            )
        order = np.random.default_rng(0).permutation(len(pixels))
        parts = np.split(order, [test, test + validation])
        tested, validated, trained = ((pixels[part], labels[part]) for part in parts)
        return Splits.labelled(trained, validated, tested)


class DigitImages(Digits):
    """The same digits as images, for methods with a U-Net."""

    event = (1, 8, 8)  # type: ignore[assignment]

    @staticmethod
    def prepare(validation: PositiveInt, test: PositiveInt) -> Splits:
        """The rows of ``Digits``, as images."""
        splits = Digits.prepare(validation, test)
        rows = [x.reshape(-1, *Digits.picture) for x in splits.rows.values()]
        return Splits(*rows, labels=splits.labels)
