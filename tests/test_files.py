"""Files are whole or absent."""

import math
import os

import pytest

from benchmark import files
from benchmark.files import atomic, read_json, write_json


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def test_file_appears_when_the_block_has_succeeded(tmp_path):
    path = tmp_path / "new" / "a.txt"
    with atomic(path) as temporary:
        temporary.write_text("new")
        assert not path.exists()
    assert path.read_text() == "new" and names(path.parent) == ["a.txt"]


def test_failure_leaves_the_old_file_and_no_other(tmp_path):
    path = tmp_path / "a.txt"
    path.write_text("old")
    with pytest.raises(RuntimeError, match="half way"), atomic(path) as temporary:
        temporary.write_text("ne")
        raise RuntimeError("half way")
    assert path.read_text() == "old" and names(tmp_path) == ["a.txt"]


def test_interruption_leaves_no_target(tmp_path):
    with pytest.raises(KeyboardInterrupt), atomic(tmp_path / "a.txt") as temporary:
        temporary.write_text("ne")
        raise KeyboardInterrupt
    assert names(tmp_path) == []


def folder_with(path, *contents):
    path.mkdir()
    for name in contents:
        (path / name).write_text(name)


def test_folder_takes_the_place_of_the_old_one(tmp_path):
    path = tmp_path / "data"
    folder_with(path, "old", "both")
    with atomic(path) as temporary:
        folder_with(temporary, "new", "both")
    assert names(path) == ["both", "new"] and names(tmp_path) == ["data"]


def test_failure_leaves_the_old_folder(tmp_path):
    path = tmp_path / "data"
    folder_with(path, "old")
    with pytest.raises(RuntimeError), atomic(path) as temporary:
        folder_with(temporary, "new")
        raise RuntimeError
    assert names(path) == ["old"] and names(tmp_path) == ["data"]


def test_old_folder_is_never_there_by_half(tmp_path, monkeypatch):
    # Killed at any moment of the replacement: files go only after the folder is out of the way.
    path = tmp_path / "data"
    folder_with(path, "old", "older")
    seen = []
    remove = files.shutil.rmtree

    def watched(folder, **options):
        seen.append(names(path))
        remove(folder, **options)

    monkeypatch.setattr(files.shutil, "rmtree", watched)
    with atomic(path) as temporary:
        folder_with(temporary, "new")
    assert seen == [["new"]]


def test_json_round_trip(tmp_path):
    content = {"b": [1, None, 2.5], "a": {"é": True}}
    write_json(tmp_path / "a.json", content)
    assert read_json(tmp_path / "a.json") == content


def test_json_refuses_nan_and_leaves_the_old_file(tmp_path):
    write_json(tmp_path / "a.json", {"value": 1})
    for bad in (math.nan, math.inf):
        with pytest.raises(ValueError, match="not JSON compliant"):
            write_json(tmp_path / "a.json", {"value": bad})
    assert read_json(tmp_path / "a.json") == {"value": 1} and names(tmp_path) == ["a.json"]


def test_files_can_be_read_by_others(tmp_path):
    # Temporary folders are private; what comes out of them is as any other file.
    usual = tmp_path / "usual.txt"
    usual.write_text("")
    write_json(tmp_path / "a.json", 1)
    mode = os.stat(usual).st_mode
    assert os.stat(tmp_path / "a.json").st_mode == mode
