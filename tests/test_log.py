"""Logs of jobs and the reasons of failures."""

import sys

import pytest

from benchmark.files import read_json, write_json
from benchmark.runtime.log import FAILURE, logged


def test_everything_printed_goes_to_the_log(tmp_path, capsys):
    with logged(tmp_path / "a.log", tmp_path):
        print("out")
        print("err", file=sys.stderr)
    assert (tmp_path / "a.log").read_text() == "out\nerr\n"
    assert capsys.readouterr() == ("", "")
    print("after")
    assert capsys.readouterr().out == "after\n"


def test_a_failure_leaves_its_reason_and_goes_on(tmp_path):
    with pytest.raises(FloatingPointError), logged(tmp_path / "a.log", tmp_path):
        raise FloatingPointError("The loss is nan.\nA second line.")
    reason = read_json(tmp_path / FAILURE)
    assert reason == {
        "reason": "FloatingPointError: The loss is nan.",
        "log": str(tmp_path / "a.log"),
    }
    text = (tmp_path / "a.log").read_text()
    assert "Traceback" in text and "A second line." in text


def test_an_old_reason_does_not_outlive_a_new_start(tmp_path):
    write_json(tmp_path / FAILURE, {"reason": "old"})
    with logged(tmp_path / "a.log", tmp_path):
        assert not (tmp_path / FAILURE).exists()
    assert not (tmp_path / FAILURE).exists()


def test_a_failure_outside_a_run_leaves_its_log_only(tmp_path):
    with pytest.raises(KeyError), logged(tmp_path / "a.log"):
        raise KeyError("x")
    assert [path.name for path in tmp_path.iterdir()] == ["a.log"]
