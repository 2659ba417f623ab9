"""Provenance of a record: the code, the config and the machine that made it."""

from __future__ import annotations

import importlib.metadata
import importlib.util
import json
import platform
import subprocess
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from importlib.metadata import Distribution
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote, urlparse

from benchmark.names import module_of
from benchmark.records.run import Run
from benchmark.source import ROOT

if TYPE_CHECKING:
    import torch

VERSIONS = ("torch", "torchdiffeq", "numpy")
"""Distributions whose versions a record states."""


def of(source: str, config: str, **more: Any) -> dict[str, Any]:
    """The provenance of a record made now.

    It has the commit, the digest of the ``source``, the hash of the ``config``, and versions.

    ``more`` (device, threads, packages, ...) is added as it is. ``commit`` and ``dirty`` are those
    of the checkout of the benchmark, ``None`` outside of git.
    """
    versions = {name: importlib.metadata.version(name) for name in VERSIONS}
    return {
        **_commit(ROOT),
        "source": source,
        "config": config,
        "versions": {"python": platform.python_version(), **versions},
        "time": datetime.now(UTC).isoformat(timespec="seconds"),
        **more,
    }


def of_classes(classes: Iterable[str], source: str, config: str, **more: Any) -> dict[str, Any]:
    """``of`` what ``classes`` make, with the ``packages`` that they come from."""
    return of(source, config, packages=packages_of(classes), **more)


def resume_key(
    run: Run, source: str, config: str, data: str, device: torch.device
) -> dict[str, str]:
    """All that has to agree before unfinished work on the rows of hash ``data`` may resume."""
    return {
        "config": config,
        "seed": str(run.seed),
        "source": source,
        "data": data,
        "torch": importlib.metadata.version("torch"),
        "device": device.type,
    }


def packages_of(classes: Iterable[str]) -> list[dict[str, Any]]:
    """Where classes come from; see ``package_of``. Those of one package are told once."""
    tops = dict.fromkeys(module_of(name).partition(".")[0] for name in classes)
    return [package_of(top) for top in tops]


def package_of(module: str) -> dict[str, Any]:
    """Where a module comes from: ``package`` and ``version`` and, of a folder, its commit.

    ``package`` is the distribution, or the top-level module where none is installed (``version``
    is then ``None``). A module that does not lie among the installed files, e.g. in a checkout
    installed in editable mode, also has ``commit`` and ``dirty`` of the folder it lies in:
    ``None`` outside of git, and where git ignores it. Raises ``ImportError`` for no module.
    """
    top = module.partition(".")[0]
    path = _path(top)
    if distribution := _installed(top, path):
        return _named(distribution)
    folder = path if path.is_dir() else path.parent
    distribution = next(_editable(folder), None)
    named = {"package": top, "version": None} if distribution is None else _named(distribution)
    return {**named, **_commit(folder, path)}


def _named(distribution: Distribution) -> dict[str, Any]:
    return {"package": distribution.name, "version": distribution.version}


def _path(top: str) -> Path:
    """The file of a top-level module, or the folder of a package."""
    spec = importlib.util.find_spec(top)
    if spec is None:
        raise ImportError(f"There is no module {top!r}.")
    places = list(spec.submodule_search_locations or ()) or [str(spec.origin)]
    return Path(places[0]).resolve()


def _installed(top: str, path: Path) -> Distribution | None:
    """The distribution whose files contain ``path``."""
    if not {"site-packages", "dist-packages"} & set(path.parts):
        return None
    names = importlib.metadata.packages_distributions().get(top, [])
    return importlib.metadata.distribution(names[0]) if names else None


def _editable(folder: Path) -> Iterator[Distribution]:
    """Distributions that are installed in editable mode from ``folder``, or one that holds it."""
    for distribution in importlib.metadata.distributions():
        origin = json.loads(distribution.read_text("direct_url.json") or "{}")
        if origin.get("dir_info", {}).get("editable"):
            checkout = Path(unquote(urlparse(origin["url"]).path)).resolve()
            if checkout in (folder, *folder.parents):
                yield distribution


def _commit(folder: Path, path: Path | None = None) -> dict[str, Any]:
    """The commit that ``folder`` is of, and whether something differs from it: with ``path``,
    something in the folder; otherwise, anything in the repository."""
    ignored = path is not None and _git(folder, "check-ignore", str(path)) is not None
    commit = None if ignored else _git(folder, "rev-parse", "HEAD")
    status = _git(folder, "status", "--porcelain", *(["."] if path else []))
    return {"commit": commit, "dirty": None if commit is None else bool(status)}


def _git(folder: Path, *arguments: str) -> str | None:
    """The output of git in ``folder``; ``None`` if it fails, or is not there."""
    try:
        answer = subprocess.run(["git", *arguments], cwd=folder, capture_output=True, text=True)
    except FileNotFoundError:
        return None
    return answer.stdout.strip() if answer.returncode == 0 else None
