"""The results of a suite, collected from its folders: what every table is made from."""

from collections.abc import Iterable

import numpy as np
import pandas as pd

from benchmark.data.description import describe
from benchmark.records import arrays
from benchmark.records.records import NLL
from benchmark.records.run import Run, data_folder, floor_file, metrics_file
from benchmark.report import audits, frame
from benchmark.report.asked import Suite
from benchmark.report.gaps import gaps, measurement_gap
from benchmark.report.ranking import ranking
from benchmark.report.significance import Comparison
from benchmark.report.significance import comparisons as compare


def write(suite: Suite) -> None:
    """``metrics.csv`` and ``metrics.parquet``, which tables and figures read."""
    made = collect(suite, suite.runs)
    frame.write_metrics(made, metrics_file(suite.name, ".csv"), metrics_file(suite.name))


def read(suite: Suite) -> pd.DataFrame:
    """The frame that ``write`` wrote."""
    return frame.read_metrics(metrics_file(suite.name))


def collect(suite: Suite, chosen: Iterable[Run]) -> pd.DataFrame:
    """The records of those of ``chosen`` that are whole, and the gaps."""
    chosen = list(chosen)
    missing = gaps(suite, chosen)
    pairs = [(r, name) for r in chosen if r not in missing for name in _due(suite, r)]
    lacking = {pair: why for pair in pairs if (why := measurement_gap(suite, *pair)) is not None}
    files = [run.measurement(name) for run, name in pairs if (run, name) not in lacking]
    return audits.withheld(frame.metrics(files, missing, lacking))


def floors(suite: Suite) -> pd.DataFrame:
    """The frame of the records of test images beside training images, where there are any."""
    files = [floor_file(suite.name, name) for name in suite.images]
    return frame.metrics([file for file in files if file.exists()], {})


def comparisons(suite: Suite, metrics: pd.DataFrame) -> dict[str, list[Comparison]]:
    """Data set -> the method with the lowest mean NLL against each other ranked one."""
    return {
        name: compare({method: _row_nll(suite, name, method) for method in methods})
        for name, methods in ranking(metrics).items()
    }


def _due(suite: Suite, run: Run) -> list[str]:
    """The measurements on its data set, of this run or of others; the NLL is always one."""
    others = [other for other in suite.runs if other.dataset == run.dataset]
    names = [name for other in others for name in suite.measurements_of(other)]
    return list(dict.fromkeys([NLL, *names]))


def _row_nll(suite: Suite, name: str, method: str) -> dict[int, np.ndarray]:
    """Seed -> NLL of each test row."""
    described = describe(data_folder(suite.name, name))
    rows = described.rows["test"]
    refits = [run for run in suite.runs if (run.dataset, run.method) == (name, method)]
    return {run.seed: described.nll(arrays.log_prob(run.log_prob, rows)) for run in refits}
