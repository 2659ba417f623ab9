"""The tidy frame of records and its summary, against numbers worked out by hand."""

import pandas as pd
import pytest
from reporting import gap, record, seeds

from benchmark.report import frame as frames
from benchmark.report.numbers import letters, mean_sd

__all__ = ["record"]  # the fixture


def test_metrics_is_tidy_and_names_gaps(record):
    path = record("ffjord", 0, {"nll": 3.5, "kl": 0.1})
    frame = frames.metrics([path], {gap("ot_flow", 2): "out of time"})
    assert list(frame.metric) == ["nll", "kl", "nll"]
    assert list(frame.value[:2]) == [3.5, 0.1] and pd.isna(frame.value[2])
    assert frame.reason[2] == "out of time" and frame.reason[:2].isna().all()
    assert frame["provenance.commit"][0] == "abc123"
    assert frame["provenance.versions.a"][0] == "1"
    assert frame["protocol.atol"][0] == "1e-05" and pd.isna(frame["protocol.atol"][2])


def test_metrics_refuses_one_run_counted_twice(record):
    path = record("ffjord", 0, {"nll": 3.5})
    with pytest.raises(ValueError, match="ffjord"):
        frames.metrics([path, path], {})
    with pytest.raises(ValueError, match="ffjord"):
        frames.metrics([path], {gap("ffjord", 0): "lost"})


@pytest.mark.parametrize("gaps", [{}, {gap("ot_flow", 0): 'a, "quoted" reason'}])
def test_metrics_survive_csv_and_parquet(record, tmp_path, gaps):
    third = 1 / 3 + 1e-16
    frame = frames.metrics([record("ffjord", 0, {"nll": third, "kl": 1e-300})], gaps)
    frames.write_metrics(frame, tmp_path / "m.csv", tmp_path / "m.parquet")
    typed = frames.read_metrics(tmp_path / "m.parquet")
    pd.testing.assert_frame_equal(typed, frame, check_exact=True)
    text = pd.read_csv(tmp_path / "m.csv", dtype=frame.dtypes.to_dict())
    pd.testing.assert_frame_equal(text, frame, check_exact=True)


def test_types_do_not_depend_on_the_runs(record):
    full = frames.metrics([record("ffjord", 0, {"nll": 1.0})], {})
    gaps_only = frames.metrics([], {gap("ffjord", 0): "not run"})
    empty = frames.metrics([], {})
    assert dict(gaps_only.dtypes) == dict(empty.dtypes)
    assert dict(full.dtypes[list(frames.TYPES)]) == dict(empty.dtypes)


def test_summary_has_mean_sample_sd_and_count(record):
    frame = frames.metrics(seeds(record, "ffjord", [1.0, 2.0, 4.5]), {})
    (found,) = frames.summary(frame).to_dict("records")
    # deviations -1.5, -0.5, 2: sum of squares 6.5, over n - 1 = 2
    assert found["mean"] == pytest.approx(2.5)
    assert found["sd"] == pytest.approx(3.25**0.5)
    assert (found["n"], found["runs"]) == (3, 3)
    assert found["standard_error"] == pytest.approx(0.02)


def test_summary_of_one_run_has_no_sd(record):
    (found,) = frames.summary(frames.metrics(seeds(record, "ffjord", [1.0]), {})).to_dict("records")
    assert pd.isna(found["sd"]) and found["n"] == 1


def test_numbers_follow_their_deviation():
    number = mean_sd
    assert number(123456.0, 2345.0, None) == "123,500 ± 2,300"
    assert number(3.14159, 0.0996, None) == "3.14 ± 0.10"
    assert number(101.13600000000001, 1.7e-14, None) == "101"
    assert number(-1e-9, float("nan"), 3) == "0.000"
    assert letters(0) == "a" and letters(26) == "aa"
