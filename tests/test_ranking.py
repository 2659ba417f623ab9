"""Which rows of the table of the NLL are ranked together, and what is said of the others."""

import pytest
from reporting import DATASETS, ODE, STYLES, record, seeds

from benchmark.report import frame as frames
from benchmark.report.ranking import ranking
from benchmark.report.tables import nll

__all__ = ["record"]  # the fixture

EXACT = {"solver": "none (kernel density)", "rows": 2000, "data": "d1"}


def solved(record, method, value, error=1e-3, **more):
    values = {"nll": value, **({} if error is None else {"solver_error": error})}
    return [record(method, seed, values, **more) for seed in range(2)]


def bold(table):
    return [cells[0].text for cells in table.rows if cells[1].bold]


def test_what_is_exact_is_ranked_where_the_solver_error_is_far_below_the_differences(record):
    files = solved(record, "interpolant", 3.0) + solved(record, "ffjord", 2.5)
    files += seeds(record, "ot_flow", [2.0, 2.0], protocol=EXACT)
    files += seeds(record, "score_sde", [2.9], protocol=EXACT | {"solver": "none (mixture)"})
    frame = frames.metrics(files, {})
    assert ranking(frame) == {"moons": ["ot_flow", "ffjord", "score_sde", "interpolant"]}
    table = nll.table(frame, STYLES, DATASETS, {})
    assert bold(table) == ["OT-Flow"]
    (note,) = [note for note in table.notes if "protocols differ" in note]
    assert note.startswith(
        "Moons: ranked though protocols differ, as every difference from what is exact is more "
        "than 10 times the solver error: "
    )
    assert "OT-Flow (solver none (kernel density))" in note


@pytest.mark.parametrize("error", [None, 0.06])
def test_what_is_exact_is_not_ranked_where_the_solver_may_make_the_difference(record, error):
    files = solved(record, "interpolant", 3.0, error) + solved(record, "ffjord", 2.5)
    files += seeds(record, "ot_flow", [2.45], protocol=EXACT)
    frame = frames.metrics(files, {})
    assert ranking(frame) == {"moons": ["ffjord", "interpolant"]}
    table = nll.table(frame, STYLES, DATASETS, {})
    assert bold(table) == ["FFJORD"]
    assert "Moons: better than the best in bold, but not ranked: OT-Flow." in table.notes


def test_what_is_exact_is_ranked_only_on_the_same_test_rows(record):
    files = solved(record, "interpolant", 3.0) + solved(record, "ffjord", 2.5)
    files += seeds(record, "ot_flow", [1.0], protocol=EXACT | {"data": "d2"})
    table = nll.table(frames.metrics(files, {}), STYLES, DATASETS, {})
    assert bold(table) == ["FFJORD"]
    assert not any("better than the best" in note for note in table.notes)


def test_one_flow_and_one_exact_density_are_ranked(record):
    files = solved(record, "ffjord", 2.5) + seeds(record, "ot_flow", [2.0], protocol=EXACT)
    assert ranking(frames.metrics(files, {})) == {"moons": ["ot_flow", "ffjord"]}


def test_a_control_that_is_better_is_said(record):
    files = solved(record, "interpolant", 3.0) + solved(record, "ffjord", 2.5)
    files += seeds(record, "gaussian", [1.0], protocol=EXACT | {"trained": False})
    files += seeds(record, "oracle", [2.7], protocol=ODE | {"trained": False})
    table = nll.table(frames.metrics(files, {}), STYLES, DATASETS, {})
    assert bold(table) == ["FFJORD"]
    assert "Moons: better than the best in bold, but not ranked: Gaussian." in table.notes
