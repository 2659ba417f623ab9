"""The table of the NLL, against numbers worked out by hand."""

import json

import pandas as pd
import pytest
from reporting import CLOSED, CODE, DATASETS, ODE, STYLES, gap, record, row, seeds

from benchmark.report import frame as frames
from benchmark.report.ranking import ranking
from benchmark.report.significance import Comparison, Paired
from benchmark.report.tables import nll

__all__ = ["record"]  # the fixture


def test_cells_show_mean_sd_and_n(record):
    files = seeds(record, "ffjord", [3.500, 3.512, 3.524]) + seeds(record, "gaussian", [4.158])
    table = nll.table(frames.metrics(files, {}), STYLES, DATASETS, {})
    assert table.columns == ("Method\n", "Moons\nNLL [nats]")
    assert row(table, "FFJORD")[1].text == "3.512 ± 0.012 (n=3)"
    assert row(table, "Gaussian")[1].text == "4.158 (n=1)"


def test_gaps_are_counted_marked_and_explained(record):
    files = seeds(record, "ffjord", [3.50, 3.52])
    gaps = {gap("ffjord", 2): "diverged"} | {gap("ot_flow", k): "out of time" for k in range(3)}
    table = nll.table(frames.metrics(files, gaps), STYLES, DATASETS, {})
    assert row(table, "FFJORD")[1].text == "3.510 ± 0.014 (n=2 of 3) [a]"
    assert row(table, "OT-Flow")[1].text == "— [b]"
    assert "[a] FFJORD on Moons, seed 2: diverged." in table.notes
    assert "[b] OT-Flow on Moons, seeds 0, 1, 2: out of time." in table.notes


def test_a_gap_reaches_the_kl_and_a_missing_record_is_said(record):
    files = [record("ffjord", 0, {"nll": 1.0, "kl": 0.5}), record("ffjord", 1, {"nll": 1.0})]
    frame = frames.metrics(files, {gap("ot_flow", 0): "out of time"})
    table = nll.table(frame, STYLES, DATASETS, {})
    assert table.columns[2] == "Moons\nKL [nats]"
    assert row(table, "OT-Flow")[2].text == "— [a]"
    assert row(table, "FFJORD")[2].text == "0.500 (n=1 of 2) [b]"
    assert "[b] FFJORD on Moons, seed 1: not recorded." in table.notes


def test_the_best_of_one_protocol_is_bold_and_a_closed_form_never(record):
    files = seeds(record, "ffjord", [3.0]) + seeds(record, "ot_flow", [2.0])
    files += seeds(record, "gaussian", [1.0], protocol=CLOSED)
    table = nll.table(frames.metrics(files, {}), STYLES, DATASETS, {})
    assert [cells[0].text for cells in table.rows if cells[1].bold] == ["OT-Flow"]
    assert not any("protocols differ" in note for note in table.notes)


@pytest.mark.parametrize(
    "changed",
    [{"atol": 1e-3}, {"rows": 100}, {"data": "d2"}, {"divergence": "hutchinson"}]
    + [{"solver": "none (discrete flow)"}],
)
def test_another_protocol_is_not_ranked_and_said(record, changed):
    files = seeds(record, "interpolant", [3.0]) + seeds(record, "ffjord", [3.5])
    files += seeds(record, "ot_flow", [1.0], protocol=ODE | changed)
    table = nll.table(frames.metrics(files, {}), STYLES, DATASETS, {})
    assert [cells[0].text for cells in table.rows if cells[1].bold] == ["Interpolant"]
    (note,) = [note for note in table.notes if "protocols differ" in note]
    key, value = next(iter(changed.items()))
    assert f"OT-Flow ({key} {value})" in note and "only Interpolant, FFJORD are ranked" in note


def test_ranking_has_the_lowest_mean_first_and_only_what_may_be_ranked(record):
    files = seeds(record, "ffjord", [3.0, 3.2]) + seeds(record, "interpolant", [2.0, 4.0])
    files += seeds(record, "ot_flow", [2.9, 3.1])
    files += seeds(record, "gaussian", [1.0], protocol=CLOSED)
    files += seeds(record, "score_sde", [1.0])
    files += seeds(record, "ffjord", [1.0], dataset="power")
    frame = frames.metrics(files, {gap("score_sde", 1): "diverged"})
    assert ranking(frame) == {"moons": ["interpolant", "ot_flow", "ffjord"]}


def compared(other, corrected, best="interpolant"):
    least = 1.0 if corrected is None else 0.01
    return Comparison(best, other, 2, 0.1, Paired(0.01, corrected), corrected, least)


def underlined(table, column):
    return [cells[0].text for cells in table.rows if cells[column].underlined]


def test_what_cannot_be_told_from_the_best_is_underlined(record):
    files = [
        record(method, seed, {"nll": nll, "kl": nll})
        for method, nll in (("interpolant", 3.0), ("ffjord", 3.1), ("ot_flow", 3.2))
        for seed in range(2)
    ]
    frame = frames.metrics(files, {})
    found = {"moons": [compared("ffjord", 0.06), compared("ot_flow", 0.04)]}
    table = nll.table(frame, STYLES, DATASETS, found)
    assert underlined(table, 1) == underlined(table, 2) == ["FFJORD"]
    assert not any("too few" in note for note in table.notes)
    assert (
        "Underlined: not significantly different from the best (paired tests: p > 0.05"
        in " ".join(table.notes)
    )

    few = {"moons": [compared("ffjord", None), compared("ot_flow", None)]}
    table = nll.table(frame, STYLES, DATASETS, few)
    assert underlined(table, 1) == []
    expected = (
        "Moons: too few refits or test rows to tell whether FFJORD, OT-Flow and Interpolant differ."
    )
    assert expected in table.notes

    # Of another best, as a KL divergence that not every method has, the tests say nothing.
    other = {"moons": [compared("interpolant", 0.9, best="ffjord")]}
    assert underlined(nll.table(frame, STYLES, DATASETS, other), 1) == []


def test_seeds_of_unequal_protocol_are_not_ranked(record):
    files = seeds(record, "interpolant", [3.0]) + seeds(record, "ffjord", [3.5])
    files += [record("ot_flow", 0, {"nll": 1.0})]
    files += [record("ot_flow", 1, {"nll": 1.0}, protocol=ODE | {"rows": 9})]
    table = nll.table(frames.metrics(files, {}), STYLES, DATASETS, {})
    assert not row(table, "OT-Flow")[1].bold and row(table, "Interpolant")[1].bold
    assert any("OT-Flow (seeds differ: rows 2000, rows 9)" in note for note in table.notes)


def test_a_control_that_solves_an_ode_is_never_ranked(record):
    files = seeds(record, "ffjord", [3.0]) + seeds(record, "ot_flow", [2.0])
    files += seeds(record, "oracle", [1.0], protocol=ODE | {"trained": False})
    table = nll.table(frames.metrics(files, {}), STYLES, DATASETS, {})
    assert [cells[0].text for cells in table.rows if cells[1].bold] == ["OT-Flow"]
    assert not any("protocols differ" in note for note in table.notes)


def test_closed_forms_are_no_group_of_their_own(record):
    files = seeds(record, "ffjord", [3.0])
    files += seeds(record, "gaussian", [2.0], protocol=CLOSED)
    files += seeds(record, "oracle", [1.0], protocol=CLOSED)
    table = nll.table(frames.metrics(files, {}), STYLES, DATASETS, {})
    assert not any(cells[1].bold for cells in table.rows)


def test_two_equal_groups_are_not_ranked(record):
    files = seeds(record, "interpolant", [3.0]) + seeds(record, "score_sde", [2.0])
    for method in ("ffjord", "ot_flow"):
        files += seeds(record, method, [1.0], protocol=ODE | {"rtol": 1e-2})
    table = nll.table(frames.metrics(files, {}), STYLES, DATASETS, {})
    assert not any(cells[1].bold for cells in table.rows)
    assert any("none are ranked" in note for note in table.notes)


def test_notes_name_rows_errors_and_mixed_or_dirty_source(record):
    files = [record("ffjord", 0, {"nll": 1.0, "solver_error": 2e-4})]
    files += [record("ffjord", 1, {"nll": 1.0, "solver_error": 7e-4})]
    clean = nll.table(frames.metrics(files, {}), STYLES, DATASETS, {})
    expected = (
        "Moons: 2000 test rows; standard error over test rows typically 0.02 nats; "
        "solver error at most 0.0007 nats."
    )
    assert expected in clean.notes and "Commit abc123." in clean.notes
    assert not any("version" in note or "ncommitted" in note for note in clean.notes)
    files += [record("ffjord", 2, {"nll": 1.0}, provenance=CODE | {"source": "s2", "dirty": True})]
    mixed = nll.table(frames.metrics(files, {}), STYLES, DATASETS, {})
    sources = "FFJORD on Moons: seeds come from different versions of the source (s1, s2)."
    assert sources in mixed.notes
    assert "Uncommitted changes when measured: FFJORD on Moons." in mixed.notes


def test_metrics_of_one_run_may_come_from_different_source(record):
    frame = frames.metrics([record("ffjord", 0, {"nll": 1.0})], {})
    other = frame.assign(metric="kl", **{"provenance.source": "s2"})
    table = nll.table(pd.concat([frame, other]), STYLES, DATASETS, {})
    assert not any("different versions" in note for note in table.notes)


def test_a_table_refuses_two_units_and_two_suites(record):
    frame = frames.metrics(seeds(record, "ffjord", [1.0, 2.0]), {})
    with pytest.raises(ValueError, match="bits/dim"):
        nll.table(frame.assign(unit=["nats", "bits/dim"]), STYLES, DATASETS, {})
    with pytest.raises(ValueError, match="suite"):
        nll.table(frame.assign(suite=["toy", "tabular"]), STYLES, DATASETS, {})


def test_rows_and_columns_follow_the_order_of_the_config(record):
    files = [
        path
        for dataset in DATASETS
        for method in reversed(STYLES)
        for path in seeds(record, method, [1.0], dataset=dataset)
    ]
    frame = frames.metrics(files, {})
    table = nll.table(frame, STYLES, {"power": "POWER", "moons": "Moons"}, {})
    assert [column.split("\n")[0] for column in table.columns] == ["Method", "POWER", "Moons"]
    assert [cells[0].text for cells in table.rows] == [s.label for s in STYLES.values()]


def test_a_record_may_be_null_with_its_own_reason(record, tmp_path):
    path = record("ffjord", 0, {"nll": 1.0, "kl": 0.1})
    content = json.loads(path.read_text())
    content["records"][1] |= {"value": None, "reason": "diverged"}
    path.write_text(json.dumps(content))
    table = nll.table(frames.metrics([path], {}), STYLES, DATASETS, {})
    assert [cell.text for cell in table.rows[0]] == ["FFJORD", "1.000 (n=1)", "— [a]"]
