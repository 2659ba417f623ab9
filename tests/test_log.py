"""Logs of jobs and the reasons of failures."""

import sys

import pytest

from benchmark.files import read_json, write_json
from benchmark.runtime.checkpoint import Interrupted
from benchmark.runtime.log import explained, failure_of, logged


def test_everything_printed_goes_to_the_log(tmp_path, capsys):
    with logged(tmp_path / "a.log"):
        print("out")
        print("err", file=sys.stderr)
    assert (tmp_path / "a.log").read_text() == "out\nerr\n"
    assert capsys.readouterr() == ("", "")
    print("after")
    assert capsys.readouterr().out == "after\n"


def test_a_failure_leaves_its_reason_and_goes_on(tmp_path):
    with pytest.raises(FloatingPointError), logged(tmp_path / "a.log"):
        raise FloatingPointError("The loss is nan.\nA second line.")
    assert failure_of(tmp_path / "a.log") == tmp_path / "a.failure.json"
    reason = read_json(tmp_path / "a.failure.json")
    assert reason == {
        "reason": "FloatingPointError: The loss is nan.",
        "log": str(tmp_path / "a.log"),
    }
    text = (tmp_path / "a.log").read_text()
    assert "Traceback" in text and "A second line." in text


def test_an_old_reason_does_not_outlive_a_new_start(tmp_path):
    failure, other = failure_of(tmp_path / "a.log"), failure_of(tmp_path / "b.log")
    for path in (failure, other):
        write_json(path, {"reason": "old"})
    with logged(tmp_path / "a.log"):
        assert not failure.exists()
        write_json(failure, {"reason": "of a process that was taken for dead"})
    assert not failure.exists() and other.exists()


def test_an_interruption_is_no_failure(tmp_path):
    with pytest.raises(Interrupted), logged(tmp_path / "a.log"):
        raise Interrupted("Stopped by SIGTERM")
    assert [path.name for path in tmp_path.iterdir()] == ["a.log"]
    assert "Stopped by SIGTERM" in (tmp_path / "a.log").read_text()


def test_the_reason_of_the_first_of_several_processes_stays(tmp_path):
    with pytest.raises(KeyError), explained(tmp_path / "a.log"):
        with pytest.raises(ValueError), explained(tmp_path / "a.log"):
            raise ValueError("first")
        raise KeyError("second")
    assert read_json(tmp_path / "a.failure.json")["reason"] == "ValueError: first"


def test_work_that_resumes_appends_to_its_log(tmp_path):
    for text in ("first", "second"):
        (tmp_path / "a.checkpoint").touch()
        with logged(tmp_path / "a.log"):
            print(text)
    assert (tmp_path / "a.log").read_text() == "first\nsecond\n"
    (tmp_path / "a.checkpoint").unlink()
    with logged(tmp_path / "a.log"):
        print("third")
    assert (tmp_path / "a.log").read_text() == "third\n"
