"""The Makefile: an environment that is set up once, mended where it is half made, and cleaned."""

import shutil
import subprocess
from pathlib import Path

import pytest
from suites import ROOT

pytestmark = pytest.mark.slow

PYTHON = """#!/bin/sh
# Stands for the Python of a system and, copied, for that of an environment.
case "$*" in
    *version_info*) exec true ;;
    *"-m venv .venv") echo venv >> calls; mkdir -p .venv/bin; cp python .venv/bin/python ;;
    *"-m pip "*) echo pip >> calls; [ ! -e dies ] || kill -9 $PPID $$ ;;
    -I*) [ ! -e moved ] ;;
esac
"""


class Clone:
    """A folder with the Makefile, and a Python that notes what it is asked for."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        shutil.copy(ROOT / "Makefile", folder)
        for name in ("pyproject.toml", "constraints.txt"):
            (folder / name).touch()
        (folder / "python").write_text(PYTHON)
        (folder / "python").chmod(0o755)

    def make(self, target):
        command = ["make", "PYTHON=./python", target]
        return subprocess.run(command, cwd=self.folder, capture_output=True, text=True)

    def ready(self):
        """What setting up the environment called, after the end of ``make`` was good."""
        calls = self.folder / "calls"
        calls.write_text("")
        found = self.make(".venv/.ready")
        assert found.returncode == 0, found.stderr
        return calls.read_text().split()


@pytest.fixture
def clone(tmp_path):
    return Clone(tmp_path)


@pytest.mark.parametrize("name", ["a{b}", "a:b"])
def test_a_path_that_cannot_work_is_refused_before_anything_is_installed(name, tmp_path):
    (tmp_path / name).mkdir()
    clone = Clone(tmp_path / name)
    found = clone.make(".venv/.ready")
    assert found.returncode == 2 and "rename or move it" in found.stderr
    assert not (clone.folder / ".venv").exists()


@pytest.mark.parametrize("name", ["a b", "it's", 'a"b', "a$HOME", "a%b", "aé", "a;b*"])
def test_blanks_and_quotes_in_the_path_work(name, tmp_path):
    (tmp_path / name).mkdir()
    clone = Clone(tmp_path / name)
    assert clone.ready() == ["venv", "pip"]
    assert clone.ready() == []
    (clone.folder / "moved").touch()
    assert clone.ready() == ["venv", "pip"]


def test_an_environment_is_set_up_once_and_again_after_a_change(clone):
    assert clone.ready() == ["venv", "pip"]
    assert clone.ready() == []
    (clone.folder / "constraints.txt").touch()
    (clone.folder / ".venv/kept").touch()
    assert clone.ready() == ["venv", "pip"] and (clone.folder / ".venv/kept").exists()


def test_a_half_made_environment_is_made_anew(clone):
    (clone.folder / "dies").touch()
    assert clone.make(".venv/.ready").returncode != 0
    (clone.folder / "dies").unlink()
    (clone.folder / ".venv/half").touch()
    assert clone.ready() == ["venv", "pip"] and not (clone.folder / ".venv/half").exists()
    assert clone.ready() == []


def test_an_environment_of_another_python_or_folder_is_made_anew(clone):
    clone.ready()
    (clone.folder / "moved").touch()
    (clone.folder / ".venv/old").touch()
    assert clone.ready() == ["venv", "pip"] and not (clone.folder / ".venv/old").exists()


def test_a_linked_environment_is_left_alone(clone):
    clone.ready()
    shared = clone.folder / "shared"
    (clone.folder / ".venv").rename(shared)
    (clone.folder / ".venv").symlink_to(shared)
    (clone.folder / "moved").touch()
    assert clone.ready() == []
    clone.make("clean")
    assert (shared / ".ready").exists() and not (clone.folder / ".venv").is_symlink()


def linked(place, disk):
    """A link to a folder of another disk, with something in it."""
    disk.mkdir()
    (disk / "hidden").mkdir()
    (disk / "hidden/.file").touch()
    place.symlink_to(disk)


def test_clean_empties_what_lies_behind_links_and_keeps_downloads(clone, tmp_path_factory):
    disk, folder = tmp_path_factory.mktemp("disk"), clone.folder
    linked(folder / ".snakemake", disk / "state")
    linked(folder / "results", disk / "results")
    for kept in ("downloads", "bench", "example"):
        (folder / "results" / kept).mkdir()
    (folder / "results/README.md").touch()
    linked(folder / "results/a suite", disk / "suite")
    (folder / "results/b").mkdir()
    (folder / "results/b/precious").symlink_to(folder / "constraints.txt")
    assert clone.make("clean").returncode == 0
    assert not any((disk / "state").iterdir()) and not any((disk / "suite").iterdir())
    left = {path.name for path in (disk / "results").iterdir()}
    assert left == {"README.md", "downloads", "bench", "example", "a suite"}
    assert (folder / "constraints.txt").exists() and (folder / "results").is_symlink()


def test_clean_has_nothing_to_do_in_a_fresh_clone(clone):
    (clone.folder / "results").mkdir()
    assert clone.make("clean").returncode == 0
