"""Features of images that come chunk by chunk: their moments, and some of the vectors."""

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch

from benchmark.measure.frechet import Moments


@dataclass
class FeatureAccumulator:
    """Running feature moments over chunks, vectors that are kept, and the NFE of each chunk that
    was drawn. ``outside`` is the sum over rows of the share of values outside the range of images.
    """

    moments: Moments = field(default_factory=Moments)
    rows: list[np.ndarray] = field(default_factory=list)
    nfe: list[int] = field(default_factory=list)
    outside: float = 0.0

    def add(self, vectors: np.ndarray, kept: np.ndarray) -> None:
        """Take in the features ``[m, d]`` of a chunk, and keep those where ``kept``, ``[m]``."""
        self.moments.add(vectors)
        self.rows.append(vectors[kept])

    @property
    def mean_nfe(self) -> float:
        """Mean NFE over chunks."""
        return float(np.mean(self.nfe))

    def state(self) -> dict[str, Any]:
        """The content of a checkpoint, from which ``restored`` makes the accumulator anew."""
        return {
            "n": self.moments.n,
            "mean": torch.from_numpy(self.moments.mean),
            "scatter": torch.from_numpy(self.moments.scatter),
            "rows": [torch.from_numpy(rows) for rows in self.rows],
            "nfe": list(self.nfe),
            "outside": self.outside,
        }

    @classmethod
    def restored(cls, state: dict[str, Any] | None) -> "FeatureAccumulator":
        """The accumulator with this ``state``; without one, an empty one."""
        if state is None:
            return cls()
        moments = Moments(state["n"], state["mean"].numpy(), state["scatter"].numpy())
        rows = [rows.numpy() for rows in state["rows"]]
        return cls(moments, rows, list(state["nfe"]), state["outside"])
