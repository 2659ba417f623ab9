"""Benchmark of continuous-time generative flows."""

from importlib import import_module
from typing import Any


def __getattr__(name: str) -> Any:
    # Importing torch takes more than a second, and reading a config or drawing a plot needs none.
    if name == "load":
        return import_module("benchmark.model").load
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
