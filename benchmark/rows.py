"""Training rows on one device, from which a method draws."""

import copy
from collections.abc import Iterator

import numpy as np
import torch
from torch import Tensor

from benchmark.coordinates import Affine, Coordinates, fitted
from benchmark.shapes import Batch

PART = 10_000
"""Rows that are real-valued at once where all are needed, one after the other."""


class Rows:
    """Training rows on one device; integer rows are dequantised anew at every draw."""

    def __init__(self, rows: np.ndarray, levels: int | None, device: torch.device) -> None:
        self.rows, self.levels = torch.tensor(rows, device=device), levels
        self.coordinates: Coordinates = Affine.identity(rows.shape[1:]).to(device)

    def within(self, coordinates: Coordinates) -> "Rows":
        """The same rows in other coordinates."""
        found = copy.copy(self)
        found.coordinates = coordinates
        return found

    def fitted(self, kind: str) -> Coordinates:
        """The coordinates of a ``kind`` of config.yaml, fitted to these rows, on their device."""
        return fitted(kind, self.rows.shape[1:], self.parts()).to(self.rows.device)

    def all(self) -> Batch:
        """Every row once, real-valued."""
        return self._real(self.rows)

    def parts(self) -> Iterator[Batch]:
        """Every row once, real-valued, in memory for few of them."""
        return map(self._real, torch.split(self.rows, PART))

    def draw(self, n: int) -> Batch:
        """``n`` rows drawn with replacement, real-valued."""
        return self._real(self.rows[torch.randint(len(self.rows), (n,), device=self.rows.device)])

    def _real(self, rows: Tensor) -> Batch:
        if self.levels is None:
            return self.coordinates(rows.to(torch.get_default_dtype()))
        noise = torch.rand(rows.shape, device=rows.device)
        return self.coordinates((rows + noise) / self.levels)
