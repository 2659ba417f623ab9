"""Digests of source, on a small project made for it: what changes them, and what is followed."""

import importlib.metadata
import shutil
import sys

import pytest

from benchmark import source

PROJECT = {
    "pack/__init__.py": "",
    "pack/top.py": "import numpy as np\nfrom pack import middle\nfrom pack.sub import leaf\n",
    "pack/middle.py": "from pack.low import value, other\n",
    "pack/low.py": "import pack.top\nvalue = other = 1\n",  # a circle
    "pack/late.py": "def f():\n    from pack import low\n",
    "pack/alone.py": "from pathlib import Path\n",
    "pack/relative.py": "from . import alone\nfrom .sub import leaf\nfrom .low import *\n",
    "pack/unused.py": "",
    "pack/sub/__init__.py": "from .. import alone\n",
    "pack/sub/leaf.py": "from ..low import value\n",
    "pack/sub/deep/__init__.py": "from . import inner\n",
    "pack/sub/deep/inner.py": "",
    "space/part.py": "import space.other\n",  # a package without __init__.py
    "space/other.py": "",
}

FORMULA = '''"""A module."""

from pack import alone

SIZE = 3
"""How many there are."""


class Thing:
    """A thing."""

    width: int = 2
    """How wide it is."""

    def area(self, height: float = 1.0) -> float:
        """Width by height."""
        return self.width * height
'''


@pytest.fixture
def project(tmp_path, monkeypatch):
    """The folder of a project on the path."""
    folder = tmp_path / "project"
    for name, text in {**PROJECT, "pack/formula.py": FORMULA}.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    monkeypatch.syspath_prepend(folder)
    source.clear()
    yield folder
    source.clear()


def digest(*modules):
    source.clear()
    return source.digest(*modules)


# What a digest depends on


UNCHANGED = {
    "comment": ("SIZE = 3\n", "SIZE = 3  # of three\n"),
    "docstring of the module": ('"""A module."""', '"""A module of today."""'),
    "docstring of a class": ('    """A thing."""\n', ""),
    "docstring of a function": ("Width by height", "Height by width"),
    "docstring of a constant": ('"""How many there are."""\n', ""),
    "docstring of an attribute": ("How wide it is", "Its width"),
    "formatting": ("self.width * height", "(\n            self.width*height\n        )"),
    "blank lines": ("class Thing", "\n\n\nclass Thing"),
    "quotes": ("from pack", "'A text.'\nfrom pack"),
}
CHANGED = {
    "formula": ("self.width * height", "self.width + height"),
    "order of a formula": ("self.width * height", "height * self.width"),
    "constant": ("SIZE = 3", "SIZE = 4"),
    "default": ("height: float = 1.0", "height: float = 2.0"),
    "attribute": ("width: int = 2", "width: int = 3"),
    "annotation": ("height: float", "height: int"),
    "name": ("class Thing", "class Thong"),
    "import": ("import alone", "import alone, late"),
}


def edit(project, old, new):
    file = project / "pack/formula.py"
    assert file.read_text().count(old) == 1
    file.write_text(file.read_text().replace(old, new))


@pytest.mark.parametrize("change", UNCHANGED)
def test_what_changes_no_number_changes_no_digest(project, change):
    before = digest("pack.formula")
    edit(project, *UNCHANGED[change])
    assert digest("pack.formula") == before and len(before) == 16


@pytest.mark.parametrize("change", CHANGED)
def test_what_may_change_a_number_changes_the_digest(project, change):
    before = digest("pack.formula")
    edit(project, *CHANGED[change])
    assert digest("pack.formula") != before


def test_a_text_that_is_a_value_counts(project):
    edit(project, "SIZE = 3", "SIZE = 'three'")
    before = digest("pack.formula")
    edit(project, "'three'", "'four'")
    assert digest("pack.formula") != before


def test_a_function_of_a_docstring_alone_is_one_that_does_nothing(project):
    edit(
        project,
        '        """Width by height."""\n        return self.width * height',
        "        pass",
    )
    before = digest("pack.formula")
    edit(project, "        pass", '        """Nothing yet."""')
    assert digest("pack.formula") == before


def test_a_module_that_is_no_python_has_a_digest_until_it_is_mended(project):
    before = digest("pack.formula")
    edit(project, "SIZE = 3", "SIZE = = 3")
    assert digest("pack.formula") != before
    edit(project, "SIZE = = 3", "SIZE = 3")
    assert digest("pack.formula") == before


def test_a_project_may_be_moved_or_touched(project, monkeypatch, tmp_path):
    before = digest("pack.top", "space.part")
    for file in project.rglob("*.py"):
        file.touch()
    assert digest("pack.top", "space.part") == before
    moved = shutil.copytree(project, tmp_path / "moved" / "elsewhere")
    monkeypatch.syspath_prepend(moved)
    assert digest("pack.top", "space.part") == before
    assert source.file_of("pack.top") == moved / "pack/top.py"


def test_a_digest_is_of_everything_that_is_imported_and_of_nothing_else(project):
    before = digest("pack.top")
    for name in ("pack/unused.py", "pack/late.py", "pack/relative.py", "space/other.py"):
        (project / name).write_text("changed = 1\n")
    assert digest("pack.top") == before
    for module in source.modules_of("pack.top"):
        file = source.file_of(module)
        text = file.read_text()
        file.write_text(text + "changed = 1\n")
        assert digest("pack.top") != before, module
        file.write_text(text)
    assert digest("pack.top") == before


def test_a_digest_is_the_same_in_any_order_and_of_which_modules_it_is(project):
    assert digest("pack.low", "pack.alone") == digest("pack.alone", "pack.low")
    assert digest("pack.alone") != digest("pack.unused")


# What is followed


def test_imports_are_those_of_source_with_the_packages_that_they_lie_in(project):
    assert source.imports_of("pack.top") == {"pack", "pack.middle", "pack.sub", "pack.sub.leaf"}
    assert source.imports_of("pack.middle") == {"pack", "pack.low"}
    assert source.imports_of("pack.alone") == source.imports_of("numpy") == frozenset()


def test_imports_inside_functions_are_followed(project):
    assert source.imports_of("pack.late") == {"pack", "pack.low"}


def test_relative_imports_are_followed(project):
    found = {"pack", "pack.alone", "pack.sub", "pack.sub.leaf", "pack.low"}
    assert source.imports_of("pack.relative") == found
    assert source.imports_of("pack.sub") == {"pack", "pack.alone"}
    assert source.imports_of("pack.sub.leaf") == {"pack", "pack.low"}
    assert source.imports_of("pack.sub.deep") == {"pack", "pack.sub", "pack.sub.deep.inner"}


def test_packages_without_an_init_are_followed(project):
    assert source.imports_of("space.part") == {"space.other"}


def test_modules_are_followed_through_circles_and_what_packages_import(project):
    sub = ["pack.sub", "pack.sub.leaf"]
    everything = ["pack", "pack.alone", "pack.low", "pack.middle", *sub, "pack.top"]
    for start in ("pack.top", "pack.middle", "pack.low"):
        assert source.modules_of(start) == everything
    assert source.modules_of("pack.alone") == ["pack.alone"]
    assert source.modules_of("numpy", "json") == []


def test_a_class_is_followed_into_its_own_package_on_the_path(project):
    (project / "pack/low.py").write_text("value = 2\n")
    before = digest("pack.middle")
    (project / "pack/low.py").write_text("value = 3\n")
    assert digest("pack.middle") != before


def test_a_method_depends_on_its_own_files_and_no_sibling():
    found = source.modules_of("benchmark.baselines.ffjord")
    for needed in ("baselines.ffjord", "networks.network", "ode", "divergence", "shapes"):
        assert f"benchmark.{needed}" in found
    for foreign in ("baselines.ot_flow", "networks.mlp", "suite.load", "report", "jobs"):
        assert f"benchmark.{foreign}" not in found


# Distributions


@pytest.fixture
def installed(tmp_path, monkeypatch):
    """Installs a version of the distribution ``my-flows``, whose one module has this text."""
    folder = tmp_path / "site-packages"

    def install(version, text):
        shutil.rmtree(folder, ignore_errors=True)
        metadata = folder / f"my_flows-{version}.dist-info"
        metadata.mkdir(parents=True)
        (folder / "my_flows.py").write_text(text)
        about = f"Metadata-Version: 2.1\nName: my-flows\nVersion: {version}\n"
        (metadata / "METADATA").write_text(about)
        (metadata / "top_level.txt").write_text("my_flows\n")
        (metadata / "RECORD").write_text("my_flows.py,,\n")
        importlib.invalidate_caches()
        source.clear()

    monkeypatch.syspath_prepend(folder)
    yield install
    source.clear()


def test_an_installed_distribution_counts_by_name_and_version(installed):
    installed("1.0", "value = 1\n")
    before = source.digest("my_flows")
    assert source.release_of("my_flows") == ("my-flows", "1.0")
    assert source.modules_of("my_flows") == []
    installed("1.0", "value = 2\n")
    assert source.digest("my_flows") == before
    installed("1.1", "value = 2\n")
    assert source.digest("my_flows") != before


def test_what_a_module_imports_counts_by_version_unless_the_project_requires_it(installed, project):
    (project / "pack/low.py").write_text("import numpy\nimport my_flows\n")
    installed("1.0", "value = 1\n")
    before = source.digest("pack.low")
    assert source._installed(["pack.low"]) == {("my-flows", "1.0")}
    installed("1.1", "value = 1\n")
    assert source.digest("pack.low") != before


def test_of_versions_the_public_part_counts(installed):
    installed("1.0+cpu", "value = 1\n")
    assert source.release_of("my_flows") == ("my-flows", "1.0")


def test_extras_count_wherever_they_are_imported():
    assert "POT" in dict(source._installed(["benchmark.measure.sliced_wasserstein"]))


def test_what_is_no_distribution_has_no_release(project):
    assert source.release_of("pack.top") is None


# Places


def test_nothing_is_imported_to_find_a_module(project):
    (project / "pack/__init__.py").write_text("raise RuntimeError\n")
    source.clear()
    assert source.file_of("pack.low") == project / "pack/low.py"
    assert "pack.top" in source.modules_of("pack.low")
    assert "pack" not in sys.modules


def test_a_module_that_is_not_there_has_no_file(project):
    assert source.file_of("pack.nowhere") is source.file_of("nowhere.at.all") is None
    assert not source.is_source("pack.nowhere")


def test_modules_beside_another_are_named(project):
    assert {"top", "middle", "low"} <= set(source.beside("pack.tpo"))
    assert source.beside("alone") == [] == source.beside("nowhere.at.all")


# The cache


def test_what_was_read_once_is_kept_by_its_content(project, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / ".snakemake").mkdir()
    monkeypatch.setattr(source, "_cache", source._Cache())
    before = digest("pack.top")
    assert source.TREES.is_file()
    monkeypatch.setattr(source, "_cache", source._Cache())
    monkeypatch.setattr(source, "parse", None)  # nothing is parsed again
    assert digest("pack.top") == before


def test_a_damaged_cache_is_read_anew(project, tmp_path, monkeypatch):
    before = digest("pack.top")
    monkeypatch.chdir(tmp_path)
    source.TREES.parent.mkdir(parents=True)
    source.TREES.write_text("{")
    monkeypatch.setattr(source, "_cache", source._Cache())
    assert digest("pack.top") == before
