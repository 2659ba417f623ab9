"""The job that draws the points at which log-densities are audited."""

from pathlib import Path

from benchmark.measure.proposal import write_points


def points(data: Path, points: Path, densities: Path) -> None:
    """The points of a data set, and the log-densities of what they are drawn from."""
    write_points(data, points, densities)
