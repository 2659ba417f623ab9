"""A user whose home cannot be written, or who has none, or no name."""

import os

import pytest
from snakemake_executor_plugin_submitit import home

NAMES = ("LOGNAME", "USER", "LNAME", "USERNAME")


@pytest.fixture(autouse=True)
def environment(monkeypatch, tmp_path):
    """An environment that is put back, and a folder to work in."""
    monkeypatch.setattr(os, "environ", dict(os.environ))
    monkeypatch.chdir(tmp_path)
    os.environ.pop("XDG_CACHE_HOME", None)
    os.environ["HOME"] = str(tmp_path)


def test_a_cache_that_can_be_written_is_used(tmp_path):
    home.settle()
    assert "XDG_CACHE_HOME" not in os.environ and (tmp_path / ".cache/snakemake").is_dir()


@pytest.mark.parametrize("name", ["HOME", "XDG_CACHE_HOME"])
def test_a_home_or_cache_that_cannot_be_written_gives_way_to_one_beside_the_work(name, tmp_path):
    (tmp_path / "file").touch()  # in which root has no folders either
    os.environ[name] = str(tmp_path / "file")
    home.settle()
    assert os.environ["XDG_CACHE_HOME"] == str(tmp_path / ".snakemake/cache")


def test_a_cache_without_permission_gives_way(tmp_path, monkeypatch):
    monkeypatch.setattr(home.os, "access", lambda *_: False)
    home.settle()
    assert os.environ["XDG_CACHE_HOME"] == str(tmp_path / ".snakemake/cache")


def test_nobody_has_a_home_or_a_name(tmp_path, monkeypatch):
    def no_entry(_):
        raise KeyError("getpwuid(): uid not found")

    monkeypatch.setattr("pwd.getpwuid", no_entry)
    for name in ("HOME", *NAMES):
        os.environ.pop(name, None)
    home.settle()
    assert os.environ["XDG_CACHE_HOME"] == str(tmp_path / ".snakemake/cache")
    assert os.environ["USER"] == str(os.getuid())
    assert not (tmp_path / "~").exists()
