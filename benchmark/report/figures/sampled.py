"""The samples that figures show, and why a run has none."""

from collections.abc import Iterable

import numpy as np

from benchmark.data.description import describe
from benchmark.records import arrays
from benchmark.records.run import Run
from benchmark.report import gaps
from benchmark.report.asked import Suite


def sampled(suite: Suite, fits: Iterable[Run]) -> tuple[dict[Run, np.ndarray], dict[str, str]]:
    """The samples of each run that has some, and method -> the reason of each other."""
    samples, missing = {}, {}
    for run in fits:
        try:
            samples[run] = _of(suite, run)
        except ValueError as reason:
            missing[run.method] = str(reason)
    return samples, missing


def _of(suite: Suite, run: Run) -> np.ndarray:
    if reason := gaps.gap(suite, run):
        raise ValueError(reason)
    data = describe(run.data)
    return arrays.samples(run.samples, data.event, data.levels)
