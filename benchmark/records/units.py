"""The file ``units.json`` of prepared rows: the units of a table, and the names of its columns."""

import math
from pathlib import Path

import numpy as np
import pandas as pd

from benchmark.records.stored import StoredFile

UNITS = "units.json"


class Units(StoredFile):
    """A row in units is ``x = mean + deviation z``, ``z`` a prepared row, column by column.

    ``columns`` are the names of the columns, where they are known. ``noise`` is, for each column,
    the step of the uniform noise that was added to it and is in ``x`` still; 0 for none.
    """

    columns: tuple[str, ...] | None
    mean: tuple[float, ...]
    deviation: tuple[float, ...]
    noise: tuple[float, ...]

    @property
    def log_scale(self) -> float:
        """Nats by which an NLL in units is above that of prepared rows: ``sum log deviation``."""
        return math.fsum(map(math.log, self.deviation))

    def table(self, rows: np.ndarray) -> pd.DataFrame:
        """Prepared rows, ``[n, columns]``, in units, with the names of the columns."""
        values = np.asarray(self.mean) + np.asarray(self.deviation) * rows
        return pd.DataFrame(values, columns=self.columns)


def units_beside(run: str | Path) -> Units | None:
    """The units of the data set of a run, by its folder; ``None`` if there are none."""
    path = Path(run).absolute().parent.parent / "data" / UNITS
    return Units.load(path) if path.exists() else None
