"""Records: a number or a reason, and where it comes from."""

import math
import subprocess
from pathlib import Path

import pytest

from benchmark.files import write_json
from benchmark.records import records
from benchmark.records.records import Metric
from benchmark.records.run import Run, data_folder
from benchmark.source import ROOT, digest, files_of

RUN = Run("quick", "moons", "ffjord", 2)


def test_a_run_has_its_folder():
    assert RUN.folder == Path("results/quick/moons/ffjord/seed2")
    assert data_folder("quick", "moons") == Path("results/quick/moons/data")


def test_what_is_written_is_read(tmp_path):
    metrics = [
        Metric("nll", 1.5, "nats", standard_error=0.1, n=7),
        Metric("fid", None, "1", reason="no network"),
        Metric("speed", 3.0, "1/s", direction="higher"),
    ]
    content = records.records(RUN, metrics, {"solver": "x"}, {"commit": "c"})
    write_json(tmp_path / "new" / "nll.json", content)
    found = records.read(tmp_path / "new" / "nll.json")
    shared = {
        **{"suite": "quick", "dataset": "moons", "method": "ffjord", "seed": 2},
        **{"protocol": {"solver": "x"}, "provenance": {"commit": "c"}},
    }
    assert found[0] == {
        **{"metric": "nll", "value": 1.5, "unit": "nats", "direction": "lower"},
        **{"standard_error": 0.1, "n": 7, "reason": None},
        **shared,
    }
    assert (found[1]["value"], found[1]["reason"]) == (None, "no network")
    assert found[2]["direction"] == "higher" and len(found) == 3


@pytest.mark.parametrize(("value", "reason"), [(None, None), (1.0, "unknown")])
def test_a_metric_has_either_a_value_or_a_reason(value, reason):
    with pytest.raises(ValueError, match="'nll'.*either a value or a reason"):
        Metric("nll", value, "nats", reason=reason)


@pytest.mark.parametrize("bad", [math.nan, math.inf])
def test_a_number_that_is_none_is_not_written(tmp_path, bad):
    with pytest.raises(ValueError, match="not JSON compliant"):
        write_json(
            tmp_path / "nll.json", records.records(RUN, [Metric("nll", bad, "nats")], {}, {})
        )
    assert not list(tmp_path.iterdir())


def test_provenance_names_commit_source_config_and_versions():
    found = records.provenance(["benchmark.ode"], config="c0ffee", device="abacus")
    assert found["source"] == digest(files_of("benchmark.ode"))
    assert found["source"] != records.provenance(["benchmark.flow"], config="")["source"]
    assert (found["config"], found["device"]) == ("c0ffee", "abacus")
    assert {"python", "torch", "torchdiffeq", "numpy"} <= set(found["versions"])


def repository(folder):
    def git(*arguments):
        who = ["-c", "user.name=n", "-c", "user.email=e", "-c", "commit.gpgsign=false"]
        command = ["git", *who, *arguments]
        return subprocess.run(command, cwd=folder, check=True, capture_output=True, text=True)

    git("init")
    (folder / "file.py").write_text("first\n")
    git("add", "file.py")
    git("commit", "-m", "first")
    return git("rev-parse", "HEAD").stdout.strip()


def test_provenance_tells_whether_the_commit_is_what_ran(tmp_path, monkeypatch):
    monkeypatch.setattr(records, "ROOT", tmp_path)
    commit = repository(tmp_path)
    clean = records.provenance([], config="")
    assert (clean["commit"], clean["dirty"]) == (commit, False)
    (tmp_path / "file.py").write_text("second\n")
    assert records.provenance([], config="")["dirty"] is True
    (tmp_path / "file.py").write_text("first\n")
    assert records.provenance([], config="")["dirty"] is False
    (tmp_path / "method.py").write_text("not in the commit\n")
    assert records.provenance([], config="")["dirty"] is True


def test_provenance_without_a_commit(tmp_path, monkeypatch):
    monkeypatch.setattr(records, "ROOT", tmp_path)
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path.parent))
    found = records.provenance([], config="")
    assert (found["commit"], found["dirty"]) == (None, None)
    monkeypatch.setenv("PATH", "")  # no git at all
    assert records.provenance([], config="")["commit"] is None


def test_config_hash_does_not_depend_on_the_order_of_keys():
    one = {"model": {"width": 8, "depth": 2}, "class": "a"}
    other = {"class": "a", "model": {"depth": 2, "width": 8}}
    assert records.config_hash(one) == records.config_hash(other)
    for changed in ({"model": {"width": 8, "depth": 3}, "class": "a"}, {**one, "class": "b"}):
        assert records.config_hash(changed) != records.config_hash(one)


def test_source_lies_in_the_checkout():
    assert (ROOT / "benchmark" / "records" / "run.py").is_file()
