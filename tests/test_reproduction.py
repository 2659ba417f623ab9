"""Published beside measured: verdicts and words against the numbers of the paper, by hand."""

from dataclasses import asdict, replace

import pandas as pd
import pytest
from reporting import STYLES, gap, record, seeds

from benchmark.files import read_json, write_json
from benchmark.report import frame as frames
from benchmark.report.labels import Style
from benchmark.report.reproduction import Against, Row, passes, summary
from benchmark.report.tables import reproduction
from benchmark.suite.published import has_published

__all__ = ["record"]  # the fixture

AGAINST = {"power": Against("power", 0.25, "Fewer rows.")}
LABELS = {"power": "POWER", "moons": "Moons"}
WITHIN = Row("power", "ffjord", -0.46, "secondary", -0.5, 0.1, 2, -0.04, 0.25, "within", None)


@pytest.fixture
def frame(record):
    """Published: interpolant -0.57, FFJORD -0.46, OT-Flow -0.30, score-SDE nothing."""
    power = {"dataset": "power"}
    files = seeds(record, "interpolant", [-0.40, -0.42], **power)
    files += seeds(record, "ffjord", [-0.70, -0.74], **power)
    files += seeds(record, "ot_flow", [0.0], **power) + seeds(record, "score_sde", [1.0], **power)
    return frames.metrics(files, {gap("ot_flow", 1, "power"): "diverged"})


def found(frame, styles=STYLES, against=AGAINST):
    return {row.method: row for row in reproduction.rows(frame, styles, against)}


def test_differences_are_measured_less_published(frame):
    row = found(frame)["interpolant"]
    assert (row.published, row.status, row.n, row.tolerance) == (-0.57, "secondary", 2, 0.25)
    assert row.measured == pytest.approx(-0.41) and row.difference == pytest.approx(0.16)
    assert row.sd == pytest.approx(0.02 / 2**0.5)
    assert row.verdict == "within" and row.reason is None


@pytest.mark.parametrize(
    ("value", "verdict"),
    [(-0.72, "better"), (-0.70, "within"), (-0.22, "within"), (-0.20, "worse")],
)
def test_both_sides_of_the_tolerance_are_out_of_it(record, value, verdict):
    files = seeds(record, "ffjord", [value], dataset="power")
    assert found(frames.metrics(files, {}))["ffjord"].verdict == verdict


def test_a_seed_that_is_missing_has_its_reason(frame, record):
    row = found(frame)["ot_flow"]
    assert (row.verdict, row.reason, row.n, row.sd) == ("missing", "diverged", 1, None)
    assert row.difference == pytest.approx(0.3)
    every = frames.metrics([], {gap("ffjord", seed, "power"): "no data" for seed in range(2)})
    row = found(every)["ffjord"]
    assert (row.verdict, row.reason, row.measured, row.difference) == (
        *("missing", "no data"),
        *(None, None),
    )


def test_what_is_not_compared_has_no_verdict(frame):
    rows = found(frame)
    assert rows["score_sde"].verdict is None and rows["score_sde"].reason == "not published"
    assert rows["score_sde"].measured == 1.0 and rows["score_sde"].published is None
    assert rows["nsf"].published == -0.64 and rows["nsf"].reason == "not run in this suite"
    assert rows["made"].status == "unverified" and rows["made"].n == 0
    assert "gaussian" not in rows and "oracle" not in rows  # neither run nor published
    assert list(rows)[:4] == ["interpolant", "ffjord", "ot_flow", "score_sde"]


def test_a_variant_stands_beside_its_method(record):
    styles = {"ffjord-wide": Style("FFJORD, wide", "#000000")}
    frame = frames.metrics(seeds(record, "ffjord-wide", [-0.5], dataset="power"), {})
    rows = found(frame, styles)
    assert rows["ffjord-wide"].published == -0.46 and rows["ffjord-wide"].verdict == "within"
    assert "ffjord" not in rows and "interpolant" in rows
    table = reproduction.table(frame, styles, LABELS, AGAINST, {})
    assert "Beside the number of the method they vary: FFJORD, wide." in table.notes


def test_a_method_has_a_number_or_has_none():
    assert has_published("ffjord", "power") and has_published("ffjord-wide", "power")
    assert not has_published("score_sde", "power") and has_published("score_sde", "cifar10")


def test_only_a_whole_comparison_within_tolerance_passes():
    unpublished = replace(WITHIN, published=None, verdict=None, reason="not published")
    assert passes([WITHIN, WITHIN, unpublished])
    for verdict in ("better", "worse", "missing"):
        assert not passes([WITHIN, replace(WITHIN, verdict=verdict)])
    assert not passes([]) and not passes([unpublished])


def test_rows_survive_a_file(frame, tmp_path):
    rows = reproduction.rows(frame, STYLES, AGAINST)
    write_json(tmp_path / "rows.json", [asdict(row) for row in rows])
    assert [Row(**row) for row in read_json(tmp_path / "rows.json")] == rows


def test_the_summary_has_a_line_for_each_comparison_and_one_for_all(frame):
    rows = reproduction.rows(frame, STYLES, AGAINST)
    lines = summary(rows, STYLES, LABELS).splitlines()
    verdicts = [line.split("  ")[-1] for line in lines[:3]]
    assert verdicts == ["within", "better", "missing: diverged"]
    assert lines[0].startswith(
        "POWER  Interpolant  published -0.57*  measured -0.410 ± 0.014 (n=2)"
    )
    assert len({line.index("tolerance 0.25") for line in lines[:3]}) == 1
    assert lines[3:] == [
        "Not reproduced: 1 of 3 published numbers are within tolerance, 1 are not, 1 were not "
        "measured by every seed."
    ]
    assert summary([WITHIN], STYLES, LABELS).splitlines()[-1] == (
        "Reproduced: 1 of 1 published numbers are within tolerance."
    )
    assert summary([], STYLES, LABELS) == (
        "Not reproduced: nothing was compared with a published number."
    )


def test_the_table_has_four_columns_per_data_set_and_the_published_for_context(frame):
    table = reproduction.table(frame, STYLES, LABELS, AGAINST, {})
    assert table.columns == (
        *("Method\n", "POWER\npublished", "POWER\nmeasured [nats]"),
        *("POWER\ndifference", "POWER\nverdict"),
    )
    cells = {row[0].text: [cell.text for cell in row[1:]] for row in table.rows}
    assert cells["Interpolant"] == ["-0.57*", "-0.410 ± 0.014 (n=2)", "+0.160", "within"]
    assert cells["FFJORD"] == ["-0.46*", "-0.720 ± 0.028 (n=2)", "-0.260", "better"]
    assert cells["OT-Flow"] == ["-0.30*", "0.000 (n=1 of 2) [a]", "+0.300", "missing"]
    assert cells["Score SDE"] == ["—", "1.000 (n=1)", "—", "not published"]
    assert cells["MADE"] == ["3.08?", "—", "—", "—"]
    assert list(cells)[4:7] == ["Neural spline flow", "MADE", "Real NVP"]
    assert [row[0].text for row in table.rows if row[2].bold] == ["FFJORD"]
    notes = "\n".join(table.notes)
    for text in (
        "Published: test NLL from InterFlow Table 2 left. *: read in texts that quote the paper, "
        "not in the paper. ?: recollected, seen in no source.",
        "The tolerances are ours, in the unit of the NLL: POWER 0.25.",
        "POWER stands beside the published power: Fewer rows.",
        "POWER: 2000 test rows",
        "[a] OT-Flow on POWER, seed 1: diverged.",
    ):
        assert text in notes
    for text in ("No mark", "Upper bounds", "they vary"):
        assert text not in notes


def test_a_data_set_that_lacks_a_method_has_dashes(frame, record):
    more = frames.metrics(seeds(record, "ffjord", [2.0]), {})
    whole = pd.concat([frame, more])
    against = {**AGAINST, "moons": Against("gas", 1.0)}
    rows = {(row.dataset, row.method): row for row in reproduction.rows(whole, STYLES, against)}
    assert rows["moons", "interpolant"].reason == "not run in this suite"
    assert ("moons", "score_sde") not in rows
    table = reproduction.table(whole, STYLES, LABELS, against, {})
    cells = {row[0].text: [cell.text for cell in row[5:]] for row in table.rows}
    assert cells["Interpolant"] == ["-12.35*", "—", "—", "—"]
    assert cells["Score SDE"] == ["—", "—", "—", "—"]


def test_a_gap_that_nothing_is_published_of_is_shown(record):
    files = seeds(record, "ffjord", [-0.5], dataset="power")
    frame = frames.metrics(files, {gap("gaussian", 0, "power"): "diverged"})
    table = reproduction.table(frame, STYLES, LABELS, AGAINST, {})
    cells = {row[0].text: [cell.text for cell in row[1:]] for row in table.rows}
    assert cells["Gaussian"] == ["—", "— [a]", "—", "not published"]
    assert "[a] Gaussian on POWER, seed 0: diverged." in table.notes


def test_bounds_and_primary_numbers_are_said():
    frame = frames.metrics([], {gap("score_sde", 0): "no data"})
    against = {"moons": Against("cifar10", 0.1)}
    table = reproduction.table(frame, STYLES, LABELS, against, {})
    cells = {row[0].text: row[1].text for row in table.rows}
    assert cells["Score SDE"] == "2.99" and cells["VDM"] == "2.65*"
    assert "Upper bounds: DDPM, DDPM++, VDM." in table.notes
    assert "No mark: read in the authors' own paper or repository." in table.notes[0]
