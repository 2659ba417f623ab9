"""A DataFrame pickled by an old pandas (0.15 to 1.x, Python 2 or 3), read without that pandas.

Modern pandas no longer has the classes that such a file names. Here numpy rebuilds the arrays, a
stand-in that stores its arguments replaces every other class, and nothing else that a file names is
called.
"""

import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

ALLOWED_NAMES = {
    "numpy": {"_reconstruct", "_frombuffer", "scalar", "ndarray", "dtype"},
    "_codecs": {"encode"},
    "copy_reg": {"_reconstructor"},
    "copyreg": {"_reconstructor"},
    "__builtin__": {"object", "slice"},
    "builtins": {"object", "slice"},
}
"""Names that a pickle may use, by package, including those of Python 2."""


class _StandIn:
    def __init__(self, *arguments: Any) -> None:
        self.arguments = arguments

    def __setstate__(self, state: Any) -> None:
        self.state = state


class _Unpickler(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> Any:
        if name in ALLOWED_NAMES.get(module.partition(".")[0], ()):
            return super().find_class(module.replace("numpy.core", "numpy._core"), name)
        return type(name, (_StandIn,), {})


def read_frame(path: Path) -> pd.DataFrame:
    """The table of numbers in the pickle ``path``; ValueError if it contains anything else."""
    with path.open("rb") as file:
        try:
            state = _Unpickler(file, encoding="latin1").load().state
            manager = state["_data"] if "_data" in state else state["_mgr"]
            table = manager.state[3]["0.14.1"]
            names = table["axes"][0].arguments[1]["data"]
            blocks = [(names[block["mgr_locs"]], block["values"]) for block in table["blocks"]]
        except (pickle.UnpicklingError, EOFError, AttributeError, LookupError, TypeError) as error:
            raise ValueError(f"{path}: is not a DataFrame pickled by an old pandas.") from error
    columns = {
        name: row for block, values in blocks for name, row in zip(block, values, strict=True)
    }
    return pd.DataFrame({name: np.asarray(columns[name]) for name in names})
