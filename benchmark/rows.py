"""Training rows on one device, from which batches are drawn."""

import copy
from collections.abc import Iterator

import numpy as np
import torch
from torch import Tensor

from benchmark.coordinates import Affine, Coordinates, fitted, moments
from benchmark.shapes import Batch

ROWS_PER_PART = 10_000
"""Rows dequantised at a time in a pass over all of them, to bound memory."""
STEPS = 100
"""Steps of rounding that a standard deviation has at least."""


class Rows:
    """Training rows on one device; integer rows are dequantised with fresh noise at every draw.

    They are kept in their own precision; only their coordinates are rounded to the default one.
    """

    def __init__(self, rows: np.ndarray, levels: int | None, device: torch.device) -> None:
        kind = rows.dtype if levels is not None else np.result_type(rows, np.float32)
        self.rows, self.levels = torch.tensor(rows.astype(kind, copy=False), device=device), levels
        self.coordinates: Coordinates = Affine.identity(rows.shape[1:]).to(device)

    def within(self, coordinates: Coordinates) -> "Rows":
        """The same rows in other coordinates."""
        rows = copy.copy(self)
        rows.coordinates = coordinates
        return rows

    def fitted(self, kind: str) -> Coordinates:
        """Coordinates of a ``kind``, as named in config.yaml, fitted to these rows."""
        return fitted(kind, self.rows.shape[1:], self.parts()).to(self.rows.device)

    def all(self, precision: torch.dtype | None = None) -> Batch:
        """All rows, real-valued, in the default precision or in a better one."""
        if precision is None:
            return self._rounded(self.rows)
        return self.coordinates(self._real(self.rows).to(precision))

    def parts(self) -> Iterator[Batch]:
        """All rows with all their digits, real-valued, in parts of ``ROWS_PER_PART``."""
        parts = torch.split(self.rows, ROWS_PER_PART)
        return (self.coordinates(self._real(part)) for part in parts)

    def draw(self, n: int) -> Batch:
        """``n`` rows drawn with replacement, real-valued."""
        return self._rounded(
            self.rows[torch.randint(len(self.rows), (n,), device=self.rows.device)]
        )

    def require_precision(self) -> None:
        """Raise ``ValueError`` where rounding to the default precision leaves few digits."""
        kind = torch.get_default_dtype()
        if self.levels is not None or self.rows.dtype == kind:
            return
        mean, spread = (found.flatten() for found in moments(self.parts()))
        coarse = spread < STEPS * torch.finfo(kind).eps * mean.abs()
        bad = coarse | (mean.abs() + STEPS * spread > torch.finfo(kind).max)
        if bad.any():
            place = int(bad.nonzero()[0])
            raise ValueError(
                f"Coordinate {place} of the rows, of offset {mean[place]:.15g} and spread "
                f"{spread[place]:.3g}, has too few digits in {str(kind).removeprefix('torch.')}, "
                f"in which the method is trained. Set train.coordinates to standardised."
            )

    def _rounded(self, rows: Tensor) -> Batch:
        return self.coordinates.rounded(self._real(rows))

    def _real(self, rows: Tensor) -> Batch:
        """Rows as real numbers of the default precision or better, in no coordinates yet."""
        if self.levels is None:
            return rows.to(torch.promote_types(rows.dtype, torch.get_default_dtype()))
        noise = torch.rand(rows.shape, device=rows.device)
        return (rows + noise) / self.levels
