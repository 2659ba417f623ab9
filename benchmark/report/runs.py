"""Runs that a figure is about."""

from benchmark.records.run import Run
from benchmark.report.asked import Suite


def first_runs_on(suite: Suite, dataset: str) -> list[Run]:
    """The first seed of every method on one data set."""
    return [run for run in suite.first_runs if run.dataset == dataset]


def first_runs_with(suite: Suite, dataset: str, file: str) -> list[Run]:
    """Those of them that a figure of this file shows: all but runs whose archive lacks it."""
    return [
        run
        for run in first_runs_on(suite, dataset)
        if run.method not in suite.archives or suite.makes(run, file)
    ]


def planes(suite: Suite) -> list[str]:
    """Data sets of points in the plane with a base of known density: densities are drawn."""
    names = [name for name in suite.datasets if suite.event(name) == (2,)]
    return [name for name in names if not suite.has_base(name)]


def with_density(suite: Suite) -> list[Run]:
    """Runs whose density is evaluated on a grid."""
    drawn = planes(suite)
    own = (run for run in suite.first_runs if run.dataset in drawn)
    return [run for run in own if suite.makes(run, run.density.name)]


def with_path(suite: Suite) -> list[Run]:
    """Flows whose way from base to data is evaluated: in the plane, and of images."""
    drawn = [*planes(suite), *suite.images]
    flows = (run for run in suite.first_runs if suite.is_flow(run.method))
    return [r for r in flows if r.dataset in drawn and suite.makes(r, r.path.name)]


def with_backward(suite: Suite) -> list[Run]:
    """Flows between two data sets, which carry test rows back."""
    flows = (run for run in suite.first_runs if suite.is_flow(run.method))
    based = (run for run in flows if suite.has_base(run.dataset))
    return [run for run in based if suite.makes(run, run.samples_base.name)]


def drawn(suite: Suite) -> dict[str, list[Run]]:
    """The runs that each job draws with; those of an archive are drawn already."""
    every = {
        "density": with_density(suite),
        "path": with_path(suite),
        "backward": with_backward(suite),
    }
    return {
        job: [run for run in chosen if run.method not in suite.archives]
        for job, chosen in every.items()
    }


def trained(suite: Suite) -> list[Run]:
    """Runs that have a training curve; of an archive those that were trained have one."""
    return [
        run
        for run in suite.runs
        if suite.is_trained(run)
        or run.method in suite.archives
        and suite.makes(run, run.history.name)
    ]


def diagnosed(suite: Suite) -> list[Run]:
    """Runs whose training curve has diagnostics."""
    return [run for run in trained(suite) if suite.has_diagnostics(run.method)]


def measured(suite: Suite, name: str) -> list[Run]:
    """Runs on which the measurement ``name`` is made."""
    return [run for run in suite.runs if name in suite.measurements_of(run)]


def measurements(suite: Suite) -> list[str]:
    """All that is measured in a suite."""
    return list(dict.fromkeys(name for run in suite.runs for name in suite.measurements_of(run)))
