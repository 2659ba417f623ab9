"""Tables against numbers worked out by hand."""

import json

import pandas as pd
import pytest

from benchmark.files import write_json
from benchmark.records.records import Metric, records
from benchmark.records.run import Run
from benchmark.report import tables
from benchmark.report.significance import Comparison, Paired

STYLES = {
    "interpolant": {"label": "Interpolant", "colour": "#0072b2"},
    "ffjord": {"label": "FFJORD", "colour": "#d55e00"},
    "ot_flow": {"label": "OT-Flow", "colour": "#009e73"},
    "score_sde": {"label": "Score SDE", "colour": "#cc79a7"},
    "gaussian": {"label": "Gaussian", "colour": "#7f7f7f"},
    "oracle": {"label": "True density", "colour": "#000000"},
}
DATASETS = {"moons": "Moons", "power": "POWER"}
ODE = {
    **{"solver": "dopri5", "atol": 1e-5, "rtol": 1e-5, "divergence": "exact"},
    **{"rows": 2000, "data": "d1"},
}
CLOSED = {"solver": "none (closed form)", "trained": False, "rows": 2000, "data": "d1"}
CODE = {
    "commit": "abc123",
    "dirty": False,
    "source": "s1",
    "device": "cpu",
    "versions": {"a": "1"},
}


@pytest.fixture
def record(tmp_path):
    """Writes the record file of one run and gives its path."""

    def record(method, seed, values, protocol=ODE, provenance=CODE, dataset="moons"):
        path = tmp_path / dataset / method / f"seed{seed}" / "nll.json"
        found = [
            Metric(name, value, "nats", standard_error=0.02, n=2000)
            for name, value in values.items()
        ]
        run = Run("toy", dataset, method, seed)
        write_json(path, records(run, found, protocol, provenance))
        return path

    return record


def seeds(record, method, values, **more):
    return [record(method, seed, {"nll": value}, **more) for seed, value in enumerate(values)]


def gap(method, seed, dataset="moons"):
    return Run("toy", dataset, method, seed)


def row(table, label):
    found = [cells for cells in table.rows if label in (cells[0].text, cells[1].text)]
    return found[0]


def test_metrics_is_tidy_and_names_gaps(record):
    path = record("ffjord", 0, {"nll": 3.5, "kl": 0.1})
    frame = tables.metrics([path], {gap("ot_flow", 2): "out of time"})
    assert list(frame.metric) == ["nll", "kl", "nll"]
    assert list(frame.value[:2]) == [3.5, 0.1] and pd.isna(frame.value[2])
    assert frame.reason[2] == "out of time" and frame.reason[:2].isna().all()
    assert frame["provenance.commit"][0] == "abc123"
    assert frame["provenance.versions.a"][0] == "1"
    assert frame["protocol.atol"][0] == "1e-05" and pd.isna(frame["protocol.atol"][2])


def test_metrics_refuses_one_run_counted_twice(record):
    path = record("ffjord", 0, {"nll": 3.5})
    with pytest.raises(ValueError, match="ffjord"):
        tables.metrics([path, path], {})
    with pytest.raises(ValueError, match="ffjord"):
        tables.metrics([path], {gap("ffjord", 0): "lost"})


@pytest.mark.parametrize("gaps", [{}, {gap("ot_flow", 0): 'a, "quoted" reason'}])
def test_metrics_survive_csv_and_parquet(record, tmp_path, gaps):
    third = 1 / 3 + 1e-16
    frame = tables.metrics([record("ffjord", 0, {"nll": third, "kl": 1e-300})], gaps)
    tables.write_metrics(frame, tmp_path / "m.csv", tmp_path / "m.parquet")
    typed = tables.read_metrics(tmp_path / "m.parquet")
    pd.testing.assert_frame_equal(typed, frame, check_exact=True)
    text = pd.read_csv(tmp_path / "m.csv", dtype=frame.dtypes.to_dict())
    pd.testing.assert_frame_equal(text, frame, check_exact=True)


def test_types_do_not_depend_on_the_runs(record):
    full = tables.metrics([record("ffjord", 0, {"nll": 1.0})], {})
    gaps_only = tables.metrics([], {gap("ffjord", 0): "not run"})
    empty = tables.metrics([], {})
    assert dict(gaps_only.dtypes) == dict(empty.dtypes)
    assert dict(full.dtypes[list(tables.TYPES)]) == dict(empty.dtypes)


def test_summary_has_mean_sample_sd_and_count(record):
    frame = tables.metrics(seeds(record, "ffjord", [1.0, 2.0, 4.5]), {})
    (found,) = tables.summary(frame).to_dict("records")
    # deviations -1.5, -0.5, 2: sum of squares 6.5, over n - 1 = 2
    assert found["mean"] == pytest.approx(2.5)
    assert found["sd"] == pytest.approx(3.25**0.5)
    assert (found["n"], found["runs"]) == (3, 3)
    assert found["standard_error"] == pytest.approx(0.02)


def test_summary_of_one_run_has_no_sd(record):
    (found,) = tables.summary(tables.metrics(seeds(record, "ffjord", [1.0]), {})).to_dict("records")
    assert pd.isna(found["sd"]) and found["n"] == 1


def test_cells_show_mean_sd_and_n(record):
    files = seeds(record, "ffjord", [3.500, 3.512, 3.524]) + seeds(record, "gaussian", [4.158])
    table = tables.nll_table(tables.metrics(files, {}), STYLES, DATASETS, {})
    assert table.columns == ("Method\n", "Moons\nNLL [nats]")
    assert row(table, "FFJORD")[1].text == "3.512 ± 0.012 (n=3)"
    assert row(table, "Gaussian")[1].text == "4.158 (n=1)"


def test_gaps_are_counted_marked_and_explained(record):
    files = seeds(record, "ffjord", [3.50, 3.52])
    gaps = {gap("ffjord", 2): "diverged"} | {gap("ot_flow", k): "out of time" for k in range(3)}
    table = tables.nll_table(tables.metrics(files, gaps), STYLES, DATASETS, {})
    assert row(table, "FFJORD")[1].text == "3.510 ± 0.014 (n=2 of 3) [a]"
    assert row(table, "OT-Flow")[1].text == "— [b]"
    assert "[a] FFJORD on Moons, seed 2: diverged." in table.notes
    assert "[b] OT-Flow on Moons, seeds 0, 1, 2: out of time." in table.notes


def test_a_gap_reaches_the_kl_and_a_missing_record_is_said(record):
    files = [record("ffjord", 0, {"nll": 1.0, "kl": 0.5}), record("ffjord", 1, {"nll": 1.0})]
    frame = tables.metrics(files, {gap("ot_flow", 0): "out of time"})
    table = tables.nll_table(frame, STYLES, DATASETS, {})
    assert table.columns[2] == "Moons\nKL [nats]"
    assert row(table, "OT-Flow")[2].text == "— [a]"
    assert row(table, "FFJORD")[2].text == "0.500 (n=1 of 2) [b]"
    assert "[b] FFJORD on Moons, seed 1: not recorded." in table.notes


def test_the_best_of_one_protocol_is_bold_and_a_closed_form_never(record):
    files = seeds(record, "ffjord", [3.0]) + seeds(record, "ot_flow", [2.0])
    files += seeds(record, "gaussian", [1.0], protocol=CLOSED)
    table = tables.nll_table(tables.metrics(files, {}), STYLES, DATASETS, {})
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
    table = tables.nll_table(tables.metrics(files, {}), STYLES, DATASETS, {})
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
    frame = tables.metrics(files, {gap("score_sde", 1): "diverged"})
    assert tables.ranking(frame) == {"moons": ["interpolant", "ot_flow", "ffjord"]}


def compared(other, corrected, best="interpolant"):
    return Comparison(best, other, 2, 0.1, Paired(0.01, corrected), corrected)


def underlined(table, column):
    return [cells[0].text for cells in table.rows if cells[column].underlined]


def test_what_cannot_be_told_from_the_best_is_underlined(record):
    files = [
        record(method, seed, {"nll": nll, "kl": nll})
        for method, nll in (("interpolant", 3.0), ("ffjord", 3.1), ("ot_flow", 3.2))
        for seed in range(2)
    ]
    frame = tables.metrics(files, {})
    found = {"moons": [compared("ffjord", 0.06), compared("ot_flow", 0.04)]}
    table = tables.nll_table(frame, STYLES, DATASETS, found)
    assert underlined(table, 1) == underlined(table, 2) == ["FFJORD"]
    assert not any("too few" in note for note in table.notes)
    assert "Underlined: cannot be told from it (p > 0.05" in " ".join(table.notes)

    few = {"moons": [compared("ffjord", None), compared("ot_flow", None)]}
    table = tables.nll_table(frame, STYLES, DATASETS, few)
    assert underlined(table, 1) == []
    expected = (
        "Moons: fewer than two refits, too few to tell whether FFJORD, OT-Flow and Interpolant "
        "differ."
    )
    assert expected in table.notes

    # Of another best, as a KL divergence that not every method has, the tests say nothing.
    other = {"moons": [compared("interpolant", 0.9, best="ffjord")]}
    assert underlined(tables.nll_table(frame, STYLES, DATASETS, other), 1) == []


def test_seeds_of_unequal_protocol_are_not_ranked(record):
    files = seeds(record, "interpolant", [3.0]) + seeds(record, "ffjord", [3.5])
    files += [record("ot_flow", 0, {"nll": 1.0})]
    files += [record("ot_flow", 1, {"nll": 1.0}, protocol=ODE | {"rows": 9})]
    table = tables.nll_table(tables.metrics(files, {}), STYLES, DATASETS, {})
    assert not row(table, "OT-Flow")[1].bold and row(table, "Interpolant")[1].bold
    assert any("OT-Flow (seeds differ: rows 2000, rows 9)" in note for note in table.notes)


def test_a_control_that_solves_an_ode_is_never_ranked(record):
    files = seeds(record, "ffjord", [3.0]) + seeds(record, "ot_flow", [2.0])
    files += seeds(record, "oracle", [1.0], protocol=ODE | {"trained": False})
    table = tables.nll_table(tables.metrics(files, {}), STYLES, DATASETS, {})
    assert [cells[0].text for cells in table.rows if cells[1].bold] == ["OT-Flow"]
    assert not any("protocols differ" in note for note in table.notes)


def test_closed_forms_are_no_group_of_their_own(record):
    files = seeds(record, "ffjord", [3.0])
    files += seeds(record, "gaussian", [2.0], protocol=CLOSED)
    files += seeds(record, "oracle", [1.0], protocol=CLOSED)
    table = tables.nll_table(tables.metrics(files, {}), STYLES, DATASETS, {})
    assert not any(cells[1].bold for cells in table.rows)


def test_two_equal_groups_are_not_ranked(record):
    files = seeds(record, "interpolant", [3.0]) + seeds(record, "score_sde", [2.0])
    for method in ("ffjord", "ot_flow"):
        files += seeds(record, method, [1.0], protocol=ODE | {"rtol": 1e-2})
    table = tables.nll_table(tables.metrics(files, {}), STYLES, DATASETS, {})
    assert not any(cells[1].bold for cells in table.rows)
    assert any("none are ranked" in note for note in table.notes)


def test_notes_name_rows_errors_and_mixed_or_dirty_source(record):
    files = [record("ffjord", 0, {"nll": 1.0, "solver_error": 2e-4})]
    files += [record("ffjord", 1, {"nll": 1.0, "solver_error": 7e-4})]
    clean = tables.nll_table(tables.metrics(files, {}), STYLES, DATASETS, {})
    expected = (
        "Moons: 2000 test rows; standard error over test rows typically 0.02 nats; "
        "solver error at most 0.0007 nats."
    )
    assert expected in clean.notes and "Commit abc123." in clean.notes
    assert not any("version" in note or "ncommitted" in note for note in clean.notes)
    files += [record("ffjord", 2, {"nll": 1.0}, provenance=CODE | {"source": "s2", "dirty": True})]
    mixed = tables.nll_table(tables.metrics(files, {}), STYLES, DATASETS, {})
    sources = "FFJORD on Moons: seeds come from different versions of the source (s1, s2)."
    assert sources in mixed.notes
    assert "Uncommitted changes when measured: FFJORD on Moons." in mixed.notes


def test_metrics_of_one_run_may_come_from_different_source(record):
    nll = record("ffjord", 0, {"nll": 1.0})
    frame = tables.metrics([nll], {})
    other = frame.assign(metric="kl", **{"provenance.source": "s2"})
    table = tables.nll_table(pd.concat([frame, other]), STYLES, DATASETS, {})
    assert not any("different versions" in note for note in table.notes)


def test_a_table_refuses_two_units_and_two_suites(record):
    frame = tables.metrics(seeds(record, "ffjord", [1.0, 2.0]), {})
    with pytest.raises(ValueError, match="bits/dim"):
        tables.nll_table(frame.assign(unit=["nats", "bits/dim"]), STYLES, DATASETS, {})
    with pytest.raises(ValueError, match="suite"):
        tables.nll_table(frame.assign(suite=["toy", "tabular"]), STYLES, DATASETS, {})


def test_rows_and_columns_follow_the_order_of_the_config(record):
    files = [
        path
        for dataset in DATASETS
        for method in reversed(STYLES)
        for path in seeds(record, method, [1.0], dataset=dataset)
    ]
    frame = tables.metrics(files, {})
    table = tables.nll_table(frame, STYLES, {"power": "POWER", "moons": "Moons"}, {})
    assert [column.split("\n")[0] for column in table.columns] == ["Method", "POWER", "Moons"]
    assert [cells[0].text for cells in table.rows] == [s["label"] for s in STYLES.values()]


def test_cost_table_scales_counts_and_explains(record):
    clock = ODE | {"clock": "synchronised"}
    costs = [{"training_seconds": 10.0 + k, "seconds_per_step": 0.0021} for k in range(2)]
    costs[0]["parameters"] = costs[1]["parameters"] = 12345.0
    files = [record("ffjord", k, cost, protocol=clock) for k, cost in enumerate(costs)]
    files += [record("ot_flow", 0, {"parameters": 10.0}, protocol=clock)]
    gaps = {gap("ffjord", 2): "diverged", gap("interpolant", 0): "out of time"}
    table = tables.cost_table(tables.metrics(files, gaps), STYLES, DATASETS)
    cells = dict(zip(table.columns, (cell.text for cell in row(table, "FFJORD")), strict=True))
    assert cells["n\n"] == "2 of 3 [b]"
    assert cells["Training\n[s]"] == "10.50 ± 0.71"
    assert cells["Step\n[ms]"] == "2.10"
    assert cells["Parameters\n"] == "12,345"
    assert cells["Memory\n[MiB]"] == "—"
    assert [cell.text for cell in row(table, "Interpolant")[2:4]] == ["0 of 1 [a]", "—"]
    assert "[b] FFJORD on Moons, seed 2: diverged." in table.notes
    assert any("clock: synchronised" in note and "device: cpu" in note for note in table.notes)


def test_interruptions_are_counted_in_a_note_only_where_there_were_any(record):
    def notes(*counts):
        files = []
        for seed, (training, evaluation) in enumerate(counts):
            values = {"training_seconds": 1.0, "training_interruptions": float(training)}
            values["evaluation_interruptions"] = float(evaluation)
            files.append(record("ffjord", seed, values))
        frame = tables.metrics(files, {gap("ot_flow", 0): "diverged"})
        table = tables.cost_table(frame, STYLES, DATASETS)
        return [note for note in table.notes if "interrupted" in note]

    assert notes((0, 0), (0, 0)) == []
    assert notes((0, 0), (2, 1)) == [
        "1 run was interrupted and went on (3 times in all); clocks leave out lost and repeated "
        "work."
    ]
    (note,) = notes((1, 0), (2, 1), (0, 4))
    assert note.startswith("3 runs were interrupted and went on (8 times in all)")


def test_interruptions_set_no_two_methods_apart(record):
    files = [record("ffjord", 0, {"nll": 3.0, "training_interruptions": 0.0})]
    files += [record("ot_flow", 0, {"nll": 2.0, "training_interruptions": 5.0})]
    table = tables.nll_table(tables.metrics(files, {}), STYLES, DATASETS, {})
    assert [cells[0].text for cells in table.rows if cells[1].bold] == ["OT-Flow"]
    assert len(table.columns) == 2


def test_numbers_follow_their_deviation():
    number = tables.mean_sd
    assert number(123456.0, 2345.0, None) == "123,500 ± 2,300"
    assert number(3.14159, 0.0996, None) == "3.14 ± 0.10"
    assert number(101.13600000000001, 1.7e-14, None) == "101"
    assert number(-1e-9, float("nan"), 3) == "0.000"
    assert tables._letters(0) == "a" and tables._letters(26) == "aa"


def test_a_record_may_be_null_with_its_own_reason(record, tmp_path):
    path = record("ffjord", 0, {"nll": 1.0, "kl": 0.1})
    content = json.loads(path.read_text())
    content[1] |= {"value": None, "reason": "diverged"}
    path.write_text(json.dumps(content))
    table = tables.nll_table(tables.metrics([path], {}), STYLES, DATASETS, {})
    assert [cell.text for cell in table.rows[0]] == ["FFJORD", "1.000 (n=1)", "— [a]"]


# --- distances of images --------------------------------------------------------------------------

INCEPTION = {"extractor": "inception", "resize": "clean", "samples": 1000, "reference": "r1"}
DRAWN = {"solver": "dopri5", "atol": 1e-2, "rtol": 1e-2, **INCEPTION}


def image_records(tmp_path, method, seed, fid, protocol=DRAWN, **more):
    found = [
        Metric("fid", fid, "1", n=1000),
        Metric("kid", fid / 1000, "1", standard_error=0.001, n=1000),
        Metric("nfe_images", 20.0 + seed, "evaluations", n=1000),
    ]
    path = tmp_path / "quality" / method / f"seed{seed}.json"
    write_json(path, records(Run("toy", "moons", method, seed), found, protocol, {**CODE, **more}))
    return path


FLOOR = [
    {"metric": "fid", "value": 1.25, "n": 500},
    {"metric": "kid", "value": 0.0001, "n": 500},
    {"metric": "classifier_accuracy", "value": 0.987, "n": 500},
]


def quality(frame, names=("fid", "kid"), **against):
    distances = {"moons": names}
    return tables.quality_table(frame, {"moons": FLOOR}, distances, STYLES, DATASETS, against)


def test_distances_are_means_over_refits_above_the_floor(record, tmp_path):
    files = [*seeds(record, "interpolant", [1.0, 1.0]), *seeds(record, "ffjord", [1.0, 1.0])]
    files += [image_records(tmp_path, "interpolant", seed, 10.0 + seed) for seed in (0, 1)]
    files += [image_records(tmp_path, "ffjord", seed, 20.0 + seed) for seed in (0, 1)]
    found = quality(tables.metrics(files, {}))
    assert found.columns == ("Method\n", "Moons\nFID", "Moons\nKID", "Moons\nNFE")
    rows = {row[0].text: row[1:] for row in found.rows}
    assert list(rows) == ["Interpolant", "FFJORD", "Test images (floor)"]
    assert rows["Interpolant"][0] == ("10.50 ± 0.71 (n=2)", True, False)
    assert rows["FFJORD"][0] == ("20.50 ± 0.71 (n=2)", False, False)
    assert rows["Interpolant"][2].text == "20.50 ± 0.71" and not rows["Interpolant"][2].bold
    assert [cell.text for cell in rows["Test images (floor)"]] == ["1.25", "0.00010", "—"]
    notes = " ".join(found.notes)
    assert "extractor: inception; resize: clean; reference: r1; samples: 1000" in notes
    assert "floor of 500 test images" in notes and "98.7% of the test images right" in notes


def test_distances_of_other_numbers_of_samples_are_not_ranked(record, tmp_path):
    files = [*seeds(record, "interpolant", [1.0]), *seeds(record, "ffjord", [1.0])]
    files += [image_records(tmp_path, "interpolant", 0, 10.0)]
    files += [image_records(tmp_path, "ffjord", 0, 20.0, {**DRAWN, "samples": 500})]
    found = quality(tables.metrics(files, {}))
    assert not any(cell.bold for row in found.rows for cell in row)
    assert "samples: 1000 (Interpolant), 500 (FFJORD)" in " ".join(found.notes)


def test_published_fids_stand_below_measured_ones_only(record, tmp_path):
    files = [*seeds(record, "interpolant", [1.0]), image_records(tmp_path, "interpolant", 0, 10.0)]
    frame = tables.metrics(files, {})
    notes = " ".join(quality(frame, moons="cifar10").notes)
    assert "Moons: published FID, by other code" in notes
    assert "Interpolant 10.27*, DDPM 3.17?" in notes and "Score-SDE 2.92, " in notes
    assert "*: read in texts that quote the paper" in notes and "?: recollected" in notes
    assert "published" not in " ".join(quality(frame).notes)
    own = quality(frame, ("fd_moons_cnn", "kd_moons_cnn"), moons="cifar10")
    assert "published" not in " ".join(own.notes)


def test_a_missing_distance_says_why_and_leaves_the_likelihood(record, tmp_path):
    files = [*seeds(record, "interpolant", [1.0]), *seeds(record, "ffjord", [1.0])]
    files += [image_records(tmp_path, "interpolant", 0, 10.0)]
    lacking = {(gap("ffjord", 0), name): "no weights" for name in ("fid", "kid")}
    frame = tables.metrics(files, {}, lacking)
    found = quality(frame)
    assert [cell.text for cell in found.rows[1][1:]] == ["— [a]", "— [a]", "—"]
    assert "[a] FFJORD on Moons, seed 0: no weights." in found.notes
    nll = tables.nll_table(frame, STYLES, DATASETS, {})
    assert "—" not in nll.rows[1][1].text
