"""Source files as data, on a small project made for it."""

import pytest

from benchmark import source

PROJECT = {
    "pack/__init__.py": "",
    "pack/top.py": "import numpy as np\nfrom pack import middle\nfrom pack.sub import leaf\n",
    "pack/middle.py": "from pack.low import value, other\n",
    "pack/low.py": "import pack.top\nvalue = other = 1\n",  # a circle
    "pack/late.py": "def f():\n    from pack import low\n",
    "pack/alone.py": "from pathlib import Path\n",
    "pack/sub/__init__.py": "from pack import alone\n",
    "pack/sub/leaf.py": "",
}


@pytest.fixture
def project(tmp_path, monkeypatch):
    for name, text in PROJECT.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    monkeypatch.setattr(source, "ROOT", tmp_path)
    source.imports_of.cache_clear()
    yield tmp_path
    source.imports_of.cache_clear()


def test_imports_of_the_project_only(project):
    assert source.imports_of("pack.top") == {"pack.middle", "pack.sub.leaf"}
    assert source.imports_of("pack.middle") == {"pack.low"}
    assert source.imports_of("pack.low") == {"pack.top"}
    assert source.imports_of("pack.late") == {"pack.low"}
    assert source.imports_of("pack.sub") == {"pack.alone"}
    assert source.imports_of("pack.alone") == source.imports_of("numpy") == frozenset()


def test_modules_are_followed_through_circles(project):
    everything = ["pack.low", "pack.middle", "pack.sub.leaf", "pack.top"]
    for start in ("pack.top", "pack.middle", "pack.low"):
        assert source.modules_of(start) == everything
    assert source.modules_of("pack.alone") == ["pack.alone"]
    assert source.modules_of("numpy") == []


def test_files_are_named_from_the_root(project):
    assert source.files_of("pack.sub", "pack.middle") == [
        "pack/alone.py",
        "pack/low.py",
        "pack/middle.py",
        "pack/sub/__init__.py",
        "pack/sub/leaf.py",
        "pack/top.py",
    ]


def test_digest_changes_with_any_of_the_files(project):
    files = source.files_of("pack.top")
    before = source.digest(files)
    assert source.digest(reversed(files)) == before and len(before) == 16
    (project / "pack" / "alone.py").write_text("# of no concern\n")
    assert source.digest(files) == before
    for name in files:
        text = (project / name).read_text()
        (project / name).write_text(text + "# changed\n")
        assert source.digest(files) != before
        (project / name).write_text(text)
    assert source.digest(files) == before


def test_a_method_depends_on_its_own_files_and_no_sibling():
    found = source.files_of("benchmark.baselines.ffjord")
    for needed in ("baselines/ffjord", "networks/concatsquash", "ode", "divergence", "shapes"):
        assert f"benchmark/{needed}.py" in found
    for foreign in ("baselines/ot_flow", "networks/mlp", "report", "plots", "config"):
        assert f"benchmark/{foreign}.py" not in found
