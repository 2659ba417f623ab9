"""Files are whole or absent, follow the umask, and a full disk is called one."""

import errno
import math
import os
import re

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from benchmark import files
from benchmark.files import DiskError, atomic, read_json, write_json, writing


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


@pytest.fixture(params=[0o002, 0o027, 0o077])
def umask(request):
    before = os.umask(request.param)
    yield request.param
    os.umask(before)


def test_every_file_follows_the_umask_whatever_writes_it(umask, tmp_path):
    with atomic(tmp_path / "new" / "a.safetensors") as temporary:  # written through a private file
        save_file({"a": torch.zeros(3)}, temporary)
    write_json(tmp_path / "new" / "a.json", 1)
    with atomic(tmp_path / "data") as temporary:
        temporary.mkdir()
        np.save(temporary / "rows.npy", np.zeros(3))
    for path in tmp_path.rglob("*"):
        assert path.stat().st_mode & 0o777 == (0o777 if path.is_dir() else 0o666) & ~umask


def test_a_file_may_replace_one_behind_a_link(tmp_path):
    folder_with(tmp_path / "disk")
    (tmp_path / "results").symlink_to(tmp_path / "disk", target_is_directory=True)
    write_json(tmp_path / "results/a.json", 1)
    assert names(tmp_path / "disk") == ["a.json"] and (tmp_path / "results").is_symlink()


def full():
    return open("/dev/full", "wb", buffering=0)


def chained():
    try:
        raise OSError(errno.EDQUOT, os.strerror(errno.EDQUOT))
    except OSError:
        raise RuntimeError("unexpected pos 704 vs 598")  # noqa: B904 (as torch's archives do)


def short_write():
    with full() as file:
        np.save(file, np.zeros(10**5))


@pytest.mark.parametrize("write, told", [(short_write, "full disk"), (chained, "disk quota")])
def test_a_full_disk_is_called_one_and_leaves_the_old_file(write, told, tmp_path, monkeypatch):
    monkeypatch.setattr(files.tempfile, "TemporaryFile", lambda **_: full())
    path = tmp_path / "a.npy"
    path.write_text("old")
    with pytest.raises(DiskError, match=told) as error, atomic(path):
        write()
    assert str(error.value).startswith(f"{tmp_path} is o") and "free some space" in str(error.value)
    assert path.read_text() == "old" and names(tmp_path) == ["a.npy"]


@pytest.mark.parametrize("number, told", [(errno.EROFS, "only"), (errno.EACCES, "by you")])
def test_a_folder_that_cannot_be_written_is_named_with_what_to_do(
    number, told, tmp_path, monkeypatch
):
    def refuse(**_):
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(files.tempfile, "TemporaryFile", refuse)
    monkeypatch.setattr(files.tempfile, "mkdtemp", refuse)
    path = tmp_path / "new" / "a.json"
    with pytest.raises(DiskError, match=f"{re.escape(str(path.parent))} .*{told}"):
        write_json(path, 1)


def test_what_has_nothing_to_do_with_the_disk_is_told_as_it_is(tmp_path):
    with pytest.raises(PermissionError, match="a mirror"), writing(tmp_path / "absent"):
        raise PermissionError(errno.EACCES, "a mirror that may not be read")
