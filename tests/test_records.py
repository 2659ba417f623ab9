"""Records: a number or a reason, how it was measured, in a file of a known schema."""

import math
from dataclasses import asdict
from pathlib import Path

import pytest

from benchmark.files import read_json, write_json
from benchmark.records import records
from benchmark.records.records import Metric, Reading, Source
from benchmark.records.run import Run, data_folder
from benchmark.source import ROOT

RUN = Run("quick", "moons", "ffjord", 2)
SOURCE = Source("nll", ("solver", "atol"), {"commit": "c"})


def test_a_run_has_its_folder():
    assert RUN.folder == Path("results/quick/moons/ffjord/seed2")
    assert data_folder("quick", "moons") == Path("results/quick/moons/data")
    assert RUN.measurement("nll") == RUN.folder / "measurements/nll.json"
    assert RUN.reference == Path("results/quick/moons/features/reference.npz")


def test_what_is_written_is_read(tmp_path):
    metrics = [
        Metric("nll", 1.5, "nats", standard_error=0.1, n=7, heading="NLL"),
        Metric("kl", None, "1", reason="no truth"),
    ]
    other = Metric("speed", 3.0, "1/s", direction="higher")
    readings = [Reading(metrics, {"solver": "x"}), Reading([other], {}, {"commit": "d"})]
    path = tmp_path / "new" / "nll.json"
    records.write(path, RUN, SOURCE, readings)
    assert read_json(path)["schema"] == 1 and list(read_json(path)) == ["schema", "records"]
    found = records.read(path)
    assert found[0] == {
        **asdict(RUN),
        **{"measurement": "nll", "metric": "nll", "heading": "NLL", "value": 1.5, "unit": "nats"},
        **{"direction": "lower", "standard_error": 0.1, "n": 7, "reason": None},
        **{"compared": ["solver", "atol"], "protocol": {"solver": "x"}},
        "provenance": {"commit": "c"},
    }
    assert (found[1]["value"], found[1]["reason"]) == (None, "no truth")
    assert found[2]["direction"] == "higher" and len(found) == 3
    assert (found[2]["protocol"], found[2]["provenance"]) == ({}, {"commit": "d"})


@pytest.mark.parametrize(("value", "reason"), [(None, None), (1.0, "unknown")])
def test_a_metric_has_either_a_value_or_a_reason(value, reason):
    with pytest.raises(ValueError, match="'nll'.*either a value or a reason"):
        Metric("nll", value, "nats", reason=reason)


@pytest.mark.parametrize(
    ("bad", "reason"),
    [
        (math.nan, "found nan, which no sliced distance can be"),
        (math.inf, "found inf, which no sliced distance can be"),
        (-0.5, "found -0.5, below 0, which no sliced distance can be"),
    ],
)
def test_a_number_that_cannot_be_is_missing_with_its_reason(tmp_path, bad, reason):
    bads = [Metric("sliced_distance", bad, "", standard_error=0.1, least=0.0)]
    error = Metric("spread", -0.5, "", standard_error=math.nan)
    records.write(tmp_path / "own.json", RUN, SOURCE, [Reading([*bads, error], {})])
    found, spread = records.read(tmp_path / "own.json")
    assert (found["value"], found["standard_error"], found["reason"]) == (None, None, reason)
    assert (spread["value"], spread["standard_error"]) == (-0.5, None)


@pytest.mark.parametrize(
    ("measurement", "names", "said"),
    [
        ("mine", ["speed", "speed"], "mine: found the metric 'speed' twice"),
        ("mine", ["nll"], "mine: found the metric 'nll', which is one of nll; allowed is a name"),
        ("nll", ["nll", "training_seconds"], "'training_seconds', which is one of cost"),
    ],
)
def test_a_measurement_has_metrics_of_its_own_names(tmp_path, measurement, names, said):
    readings = [Reading([Metric(name, 1.0, "") for name in names], {})]
    with pytest.raises(ValueError, match=said):
        records.write(tmp_path / "mine.json", RUN, Source(measurement), readings)
    assert not list(tmp_path.iterdir())


def test_an_unknown_schema_is_refused_in_words(tmp_path):
    path = tmp_path / "nll.json"
    write_json(path, {"schema": 2, "numbers": []})
    with pytest.raises(ValueError) as caught:
        records.read(path)
    assert str(caught.value) == (
        f"{path}: is of schema 2; this version of the benchmark reads 1. Update the "
        f"benchmark, or make the file again."
    )


def test_records_of_earlier_versions_are_refused_in_words(tmp_path):
    path = tmp_path / "nll.json"
    write_json(path, [{"metric": "nll", "value": 3.0}])
    with pytest.raises(ValueError, match=r"nll.json: found \[\{.*\]; allowed is an object"):
        records.read(path)


def test_config_hash_does_not_depend_on_the_order_of_keys():
    one = {"model": {"width": 8, "depth": 2}, "class": "a"}
    other = {"class": "a", "model": {"depth": 2, "width": 8}}
    assert records.config_hash(one) == records.config_hash(other)
    for changed in ({"model": {"width": 8, "depth": 3}, "class": "a"}, {**one, "class": "b"}):
        assert records.config_hash(changed) != records.config_hash(one)


def test_source_lies_in_the_checkout():
    assert (ROOT / "benchmark" / "records" / "run.py").is_file()
