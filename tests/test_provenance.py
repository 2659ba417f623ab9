"""Provenance: which code made a number, and where a class comes from."""

import subprocess
import sys

import pytest
import torch

from benchmark.records import provenance
from benchmark.records.provenance import package_of
from benchmark.records.run import Run


def test_provenance_states_commit_source_config_and_versions():
    found = provenance.of("d16e57", "c0ffee", device="abacus")
    assert (found["source"], found["config"], found["device"]) == ("d16e57", "c0ffee", "abacus")
    assert {"python", "torch", "torchdiffeq", "numpy"} <= set(found["versions"])
    assert found["versions"]["torch"] == torch.__version__


def git(folder, *arguments):
    who = ["-c", "user.name=n", "-c", "user.email=e", "-c", "commit.gpgsign=false"]
    command = ["git", *who, *arguments]
    return subprocess.run(command, cwd=folder, check=True, capture_output=True, text=True)


def repository(folder, name="file.py"):
    git(folder, "init")
    (folder / name).parent.mkdir(exist_ok=True)
    (folder / name).write_text("first = 1\n")
    git(folder, "add", name)
    git(folder, "commit", "-m", "first")
    return git(folder, "rev-parse", "HEAD").stdout.strip()


def test_provenance_states_whether_the_commit_is_what_ran(tmp_path, monkeypatch):
    monkeypatch.setattr(provenance, "ROOT", tmp_path)
    commit = repository(tmp_path)
    clean = provenance.of("", "")
    assert (clean["commit"], clean["dirty"]) == (commit, False)
    (tmp_path / "file.py").write_text("second = 2\n")
    assert provenance.of("", "")["dirty"] is True
    (tmp_path / "file.py").write_text("first = 1\n")
    assert provenance.of("", "")["dirty"] is False
    (tmp_path / "method.py").write_text("not in the commit\n")
    assert provenance.of("", "")["dirty"] is True


def test_provenance_without_a_commit(tmp_path, monkeypatch):
    monkeypatch.setattr(provenance, "ROOT", tmp_path)
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path.parent))
    found = provenance.of("", "")
    assert (found["commit"], found["dirty"]) == (None, None)
    monkeypatch.setenv("PATH", "")  # no git at all
    assert provenance.of("", "")["commit"] is None


def test_work_resumes_only_with_the_same_source_config_data_torch_and_device():
    def key(seed=0, source="s", config="c", data="d"):
        run = Run("toy", "points", "mine", seed)
        return provenance.resume_key(run, source, config, data, torch.device("cpu"))

    assert key() == key() and key()["torch"] == torch.__version__
    changed = [key(seed=1), key(source="t"), key(config="e"), key(data="f")]
    assert all(other != key() for other in changed)


# --- where a class comes from ---------------------------------------------------------------------


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A folder of modules on the path, outside of git."""
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path.parent))
    monkeypatch.syspath_prepend(str(tmp_path))
    return tmp_path


def test_an_installed_package_has_its_distribution_and_version():
    found = package_of("sklearn.datasets")
    assert found["package"] == "scikit-learn" and set(found) == {"package", "version"}
    assert found["version"].count(".") >= 1


def test_a_folder_outside_of_git_has_no_commit(folder):
    (folder / "outside.py").write_text("")
    expected = {"package": "outside", "version": None, "commit": None, "dirty": None}
    assert package_of("outside") == expected


@pytest.mark.parametrize("name", ["alone.py", "together/__init__.py"])
def test_a_folder_in_git_has_its_commit(folder, name):
    commit = repository(folder, name)
    module = name.partition("/")[0].removesuffix(".py")
    assert package_of(module) == {**package_of(module), "commit": commit, "dirty": False}
    (folder / name).write_text("second = 2\n")
    assert package_of(f"{module}.part")["dirty"] is True


def test_what_lies_elsewhere_in_a_repository_does_not_make_a_package_dirty(folder):
    commit = repository(folder, "apart/__init__.py")
    (folder / "notes.txt").write_text("not in the commit")
    assert (package_of("apart")["commit"], package_of("apart")["dirty"]) == (commit, False)
    (folder / "apart/loss.py").write_text("not in the commit")
    assert package_of("apart")["dirty"] is True


def test_what_git_ignores_is_of_no_commit(folder):
    repository(folder)
    (folder / ".gitignore").write_text("ignored.py\n")
    (folder / "ignored.py").write_text("")
    assert (package_of("ignored")["commit"], package_of("ignored")["dirty"]) == (None, None)


def test_a_checkout_installed_in_editable_mode_has_its_version_too(folder):
    (folder / "edited.py").write_text("")
    commit = repository(folder, "edited.py")
    about = folder / "theirs-1.2.dist-info"
    about.mkdir()
    (about / "METADATA").write_text("Metadata-Version: 2.1\nName: theirs\nVersion: 1.2\n")
    url = folder.as_uri()
    (about / "direct_url.json").write_text(f'{{"url": "{url}", "dir_info": {{"editable": true}}}}')
    found = package_of("edited")
    assert (found["package"], found["version"], found["commit"]) == ("theirs", "1.2", commit)


def test_a_module_that_is_not_there_is_an_error():
    with pytest.raises(ImportError, match="no module 'nowhere'"):
        package_of("nowhere.method")


def test_nothing_is_imported_to_find_out(folder):
    (folder / "costly.py").write_text("raise RuntimeError('imported')")
    assert package_of("costly")["package"] == "costly" and "costly" not in sys.modules
