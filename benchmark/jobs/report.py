"""The job that makes one table or figure."""

from typing import Any

from benchmark.report import outputs
from benchmark.suite.load import load


def write(config: dict[str, Any], name: str) -> None:
    """Make the table or figure ``name`` of the suite that ``config`` names."""
    outputs.write(load(config), name)
