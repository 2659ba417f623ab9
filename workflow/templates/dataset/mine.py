"""A noisy ring in the plane."""

import numpy as np

from benchmark.data.dataset import Dataset, Splits
from benchmark.shapes import PositiveInt


class Mine(Dataset):
    """Uniform angles; radii from N(2, 0.2^2)."""

    event = (2,)

    @staticmethod
    def prepare(train: PositiveInt, validation: PositiveInt, test: PositiveInt) -> Splits:
        """Independent samples, the same at every call."""
        random = np.random.default_rng(0)
        angle = random.uniform(0, 2 * np.pi, train + validation + test)
        radius = random.normal(2.0, 0.2, len(angle))
        rows = np.stack([radius * np.cos(angle), radius * np.sin(angle)], axis=1)
        return Splits(*np.split(rows.astype(np.float32), [train, train + validation]))
