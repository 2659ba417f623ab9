"""Training rows on one device, from which batches are drawn."""

import copy
from collections.abc import Iterator

import numpy as np
import torch
from torch import Tensor

from benchmark.coordinates import Affine, Coordinates, fitted
from benchmark.shapes import Batch

ROWS_PER_PART = 10_000
"""Rows dequantised at a time in a pass over all of them, to bound memory."""


class Rows:
    """Training rows on one device; integer rows are dequantised with fresh noise at every draw."""

    def __init__(self, rows: np.ndarray, levels: int | None, device: torch.device) -> None:
        self.rows, self.levels = torch.tensor(rows, device=device), levels
        self.coordinates: Coordinates = Affine.identity(rows.shape[1:]).to(device)

    def within(self, coordinates: Coordinates) -> "Rows":
        """The same rows in other coordinates."""
        rows = copy.copy(self)
        rows.coordinates = coordinates
        return rows

    def fitted(self, kind: str) -> Coordinates:
        """Coordinates of a ``kind``, as named in config.yaml, fitted to these rows."""
        return fitted(kind, self.rows.shape[1:], self.parts()).to(self.rows.device)

    def all(self) -> Batch:
        """All rows, real-valued."""
        return self._real(self.rows)

    def parts(self) -> Iterator[Batch]:
        """All rows, real-valued, in parts of ``ROWS_PER_PART``."""
        return map(self._real, torch.split(self.rows, ROWS_PER_PART))

    def draw(self, n: int) -> Batch:
        """``n`` rows drawn with replacement, real-valued."""
        return self._real(self.rows[torch.randint(len(self.rows), (n,), device=self.rows.device)])

    def _real(self, rows: Tensor) -> Batch:
        if self.levels is None:
            return self.coordinates(rows.to(torch.get_default_dtype()))
        noise = torch.rand(rows.shape, device=rows.device)
        return self.coordinates((rows + noise) / self.levels)
