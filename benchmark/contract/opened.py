"""Files that were opened while somebody watched, and by whom."""

import os
import sys
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from benchmark.contract.finding import frame_in

_WATCHES: list[tuple[str, type, list[str]]] = []


def _hook(event: str, arguments: tuple[Any, ...]) -> None:
    if event != "open" or not _WATCHES or not isinstance(arguments[0], str | bytes | os.PathLike):
        return
    path = os.fsdecode(arguments[0])
    for name, kind, seen in _WATCHES:
        if os.path.basename(path) == name:
            seen.append(frame_in(kind, traceback.extract_stack()))


sys.addaudithook(_hook)  # it cannot be removed; without a watch it does nothing


@contextmanager
def opened(name: str, kind: type) -> Iterator[list[str]]:
    """The places from which files called ``name`` are opened in this context.

    ``kind`` is the class in whose package the places are looked for.
    """
    watch: tuple[str, type, list[str]] = (name, kind, [])
    _WATCHES.append(watch)
    try:
        yield watch[2]
    finally:
        _WATCHES.remove(watch)
