"""Records: one measured number, with what it needs to be believed.

A record file is a JSON list of records of one run. Each record is a flat mapping
``suite, dataset, method, seed, metric, value, standard_error, unit, n, direction, reason``
and two mappings: ``protocol`` (how it was measured: two records may be ranked against each
other only if their protocols agree) and ``provenance`` (what measured it, where and when).
"""

import hashlib
import importlib.metadata
import json
import platform
import subprocess
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

from benchmark.files import read_json
from benchmark.records.run import Run
from benchmark.source import ROOT, digest, files_of

SCHEMA = 1
"""Version of the form of a record file."""

FLOOR = "floor"
"""In the place of a method, in records of test images beside training images."""


@dataclass(frozen=True)
class Metric:
    """One number of a run. A number that was not computed is ``None`` and says why in ``reason``.

    ``n`` counts what was averaged (test rows, timed repetitions); ``standard_error`` is that of
    the mean over these ``n``, in ``unit``.
    """

    metric: str
    value: float | None
    unit: str
    direction: Literal["lower", "higher", "none"] = "lower"
    standard_error: float | None = None
    n: int | None = None
    reason: str | None = None

    def __post_init__(self) -> None:
        if (self.value is None) == (self.reason is None):
            raise ValueError(
                f"Metric {self.metric!r}: found value={self.value}, reason={self.reason!r}; "
                f"a metric has either a value or a reason why it is missing."
            )


def records(
    run: Run, metrics: Sequence[Metric], protocol: dict[str, Any], provenance: dict[str, Any]
) -> list[dict[str, Any]]:
    """The content of a record file, or of a part of it that shares protocol and provenance."""
    shared = {"protocol": protocol, "provenance": provenance}
    return [{**asdict(run), **asdict(metric), **shared} for metric in metrics]


def read(path: str | Path) -> list[dict[str, Any]]:
    """The records of one file; raises ``ValueError`` for another version than ``SCHEMA``."""
    content = read_json(path)
    version = content.get("schema") if isinstance(content, dict) else None
    if version != SCHEMA:
        raise ValueError(f"{path}: found records of version {version}; allowed is {SCHEMA}.")
    return list(content["records"])


def provenance(modules: Sequence[str], config: str, **more: Any) -> dict[str, Any]:
    """What made a record: commit, hash of the source of ``modules``, hash of the config, versions.

    ``more`` (device, ...) is added as it is; ``commit`` is ``None`` outside a git checkout.
    """
    status = _git("status", "--porcelain")
    return {
        "commit": _git("rev-parse", "HEAD"),
        "dirty": None if status is None else bool(status),
        "source": digest(files_of(*modules)),
        "config": config,
        "versions": {
            "python": platform.python_version(),
            **{
                name: importlib.metadata.version(name) for name in ("torch", "torchdiffeq", "numpy")
            },
        },
        "time": datetime.now(UTC).isoformat(timespec="seconds"),
        **more,
    }


def config_hash(config: dict[str, Any]) -> str:
    """First 16 hex digits of the SHA-256 of a config section, independent of key order."""
    return hashlib.sha256(json.dumps(config, sort_keys=True).encode()).hexdigest()[:16]


def _git(*arguments: str) -> str | None:
    try:
        found = subprocess.run(["git", *arguments], cwd=ROOT, capture_output=True, text=True)
    except FileNotFoundError:
        return None
    return found.stdout.strip() if found.returncode == 0 else None
