"""The description of prepared rows: ``data.json`` of a prepared folder."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import TypeAdapter

from benchmark.data.facts import Facts
from benchmark.files import read_json

if TYPE_CHECKING:  # every start of Snakemake reads descriptions, and needs no numpy for it
    import numpy as np

DESCRIPTION = "data.json"


@dataclass(frozen=True)
class Description:
    """Description of the rows of a prepared folder; ``hash`` identifies their content.

    Labels are not in the hash: fits and likelihoods depend on the rows alone. ``base`` is the
    number of rows of the base to fit with, ``None`` where there are none. ``columns`` are the names
    of the columns of a table, where they are known, ``facts`` are what was counted of the rows.
    ``source`` is the digest of the code that made them and ``packages`` where that comes from,
    where it was stated.
    """

    event: tuple[int, ...]
    levels: int | None
    picture: tuple[int, int, int] | None
    density: str | None
    rows: dict[str, int]
    hash: str
    base: int | None = None
    columns: tuple[str, ...] | None = None
    facts: Facts | None = None
    source: str | None = None
    packages: tuple[Mapping[str, Any], ...] = ()

    @property
    def unit(self) -> str:
        """Unit of negative log-likelihoods: nats per row, or bits per dimension."""
        return "nats" if self.levels is None else "bits/dim"

    def nll(self, log_prob: np.ndarray) -> np.ndarray:
        """Negative log-likelihoods in ``unit`` of rows whose log-densities are ``log_prob`` nats.

        Bits per dimension of integers ``0 .. L - 1`` dequantised to the unit cube:
        ``-log p / (D log 2) + log2 L`` (Theis et al., 2016, section 3.1).
        """
        if self.levels is None:
            return -log_prob
        return -log_prob / (math.prod(self.event) * math.log(2)) + math.log2(self.levels)


def describe(folder: str | Path) -> Description:
    """The description of a prepared folder."""
    return STORED.validate_python(read_json(Path(folder) / DESCRIPTION))


STORED = TypeAdapter(Description)
