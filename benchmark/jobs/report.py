"""The job that makes one table or figure."""

import os
from typing import Any

from benchmark.report import outputs
from benchmark.suite.load import load

GAPS = "BENCHMARK_GAPS"
"""Environment variable of a report of what is there, after a failure: see the Snakefile."""


def write(config: dict[str, Any], name: str) -> None:
    """Make the table or figure ``name`` of the suite that ``config`` names.

    A figure that cannot be drawn fails; in a report with gaps it says why instead.
    """
    suite = load(config)
    try:
        outputs.write(suite, name)
    except Exception as error:
        if GAPS not in os.environ or not name.startswith("figures/"):
            raise
        outputs.write_failure(suite, name, f"{type(error).__name__}: {error}")
