"""The arrays of a run, as any program writes them: ``log_prob.npy`` and ``samples.npy``.

Raises ``ValueError`` with the file, what was found and what is allowed for anything else.
"""

import zipfile
from pathlib import Path

import numpy as np

from benchmark.records.likelihood_file import LARGEST


def log_prob(path: Path, rows: int) -> np.ndarray:
    """Log-densities in nats of all ``rows`` test rows, float64; not all need be finite."""
    allowed = f"float64 of the shape ({rows},), one value for each test row in their order"
    found = _numbers(path, allowed)
    if found.shape != (rows,):
        raise ValueError(f"{path}: found the shape {found.shape}; allowed is {allowed}.")
    values = np.asarray(found, dtype=np.float64)
    if np.abs(values, where=np.isfinite(values), out=np.zeros(rows)).max(initial=0.0) > LARGEST:
        raise ValueError(f"{path}: found a value beyond {LARGEST:g}; allowed are nats.")
    return values


def samples(path: Path, event: tuple[int, ...], levels: int | None) -> np.ndarray:
    """Samples ``[n, *event]``, all finite; those of integers are ``(k + u) / levels``."""
    values = drawn(path, event, levels)
    bad = int((~np.isfinite(values.reshape(len(values), -1))).any(axis=1).sum())
    if bad:
        raise ValueError(f"{path}: {bad} of {len(values)} samples are not finite.")
    return values


def drawn(path: Path, event: tuple[int, ...], levels: int | None) -> np.ndarray:
    """Samples ``[n, *event]``, of which some may not be finite."""
    shape = f"({', '.join(map(str, ('n', *event)))}), n at least 1"
    found = _numbers(path, f"float32 of the shape {shape}")
    if found.ndim != 1 + len(event) or found.shape[1:] != event or not len(found):
        raise ValueError(f"{path}: found the shape {found.shape}; allowed is {shape}.")
    values = found if found.dtype.itemsize <= 8 else np.asarray(found, dtype=np.float64)
    if levels is not None and values.max() > 1 and not np.any(values % 1):
        raise ValueError(
            f"{path}: found whole numbers up to {values.max():g}; allowed are values in [0, 1], "
            f"(k + u) / {levels} of the integer k with u uniform on [0, 1)."
        )
    return values


def _numbers(path: Path, allowed: str) -> np.ndarray:
    """The array of a file, read from disk on use."""
    try:
        found = np.load(path, mmap_mode="r")
    except (ValueError, EOFError, OverflowError, OSError, zipfile.BadZipFile) as error:
        raise ValueError(
            f"{path}: cannot be read ({error}); allowed is an array of {allowed}, as np.save "
            f"writes it."
        ) from None
    if not isinstance(found, np.ndarray):
        raise ValueError(f"{path}: found an archive of arrays; allowed is one, by np.save.")
    if found.dtype.kind != "f":
        raise ValueError(f"{path}: found {found.dtype}; allowed is {allowed}.")
    return found
