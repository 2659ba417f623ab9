"""Dotted names: the object that a string such as ``package.module.Class`` means."""

import importlib
from typing import Any


def module_of(name: str) -> str:
    """The module of a dotted name."""
    return name.rpartition(".")[0]


def load(name: str) -> Any:
    """The object at a dotted name; raises ``ImportError`` naming the module that lacks it."""
    module, _, attribute = name.rpartition(".")
    try:
        return getattr(importlib.import_module(module), attribute)
    except AttributeError:
        raise ImportError(f"{name}: module {module} has no {attribute!r}.") from None
