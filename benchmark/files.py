"""Atomic writing of files: beside the target, then renamed over it, so that none is ever half."""

import json
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any


@contextmanager
def atomic(path: str | Path) -> Iterator[Path]:
    """A temporary path (file or folder) that replaces ``path`` when the block succeeds.

    A block that fails or is killed leaves ``path`` as it was. (An old folder is moved away before
    the new one is moved in: after a kill between the two it is absent, never half.)
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    folder = Path(tempfile.mkdtemp(prefix=f".{path.name}.", dir=path.parent))
    try:
        temporary = folder / path.name
        yield temporary
        if path.is_dir():
            os.replace(path, folder / f"{path.name}.old")
        os.replace(temporary, path)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def write_json(path: str | Path, content: Any) -> None:
    """Write ``content`` as indented JSON; ``ValueError`` for NaN, which JSON does not have."""
    with atomic(path) as temporary:
        temporary.write_text(json.dumps(content, indent=2, allow_nan=False) + "\n")


def read_json(path: str | Path) -> Any:
    """The content of a JSON file."""
    return json.loads(Path(path).read_text())
