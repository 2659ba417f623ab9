"""Dotted names, and the object that each means; and names that are near an unknown one."""

import difflib
import importlib
from collections.abc import Iterable
from typing import Any


class Unknown(ImportError):
    """A name that its module lacks, with the classes that the module defines."""

    def __init__(self, module: Any, name: str) -> None:
        self.module, self.missing = module.__name__, name
        self.classes = [
            key
            for key, value in vars(module).items()
            if isinstance(value, type) and value.__module__ == module.__name__
        ]
        super().__init__(f"{self.module}.{name}: module {self.module} has no {name!r}.")


def module_of(name: str) -> str:
    """The module of a dotted name."""
    return name.rpartition(".")[0]


def load(name: str) -> Any:
    """The object at a dotted name; raises ``Unknown`` where its module lacks it."""
    module, _, attribute = name.rpartition(".")
    imported = importlib.import_module(module)
    if not hasattr(imported, attribute):
        raise Unknown(imported, attribute)
    return getattr(imported, attribute)


def nearest(name: str, known: Iterable[Any]) -> str | None:
    """The name among ``known`` that ``name`` may be meant to be."""
    return next(iter(difflib.get_close_matches(name, map(str, known), n=1)), None)


def did_you_mean(name: str, known: Iterable[Any]) -> str:
    """A hint after a sentence, or nothing."""
    close = nearest(name, known)
    return "" if close is None else f" Did you mean {close!r}?"
