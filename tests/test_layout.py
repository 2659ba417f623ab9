"""The layout of benchmark/README.md: every module is in it, below all that it imports."""

import ast

import pytest
from pages import block
from suites import ROOT

LIBRARY = ROOT / "benchmark"
PLACES = {
    name.strip("/"): place
    for place, line in enumerate(block("benchmark/README.md", "benchmark/   ").splitlines())
    if line.startswith("  ")
    for name in line.strip().split("   ")[0].split()
}
"""Module, or package, of the library -> its line."""


def module(path):
    return path.relative_to(LIBRARY).parts[0].removesuffix(".py")


FILES = [path for path in LIBRARY.rglob("*.py") if module(path) != "__init__"]


def imported(path):
    """Modules and packages of the library that a file imports, anywhere in it."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("benchmark"):
            names = [f"{node.module}.{alias.name}" for alias in node.names]
            yield from (name.split(".")[1] for name in names)


def test_the_layout_has_every_module():
    assert set(map(module, FILES)) == set(PLACES)


@pytest.mark.parametrize("name", PLACES)
def test_a_module_imports_only_from_its_line_and_those_above(name):
    files = [path for path in FILES if module(path) == name]
    below = {
        f"{path.relative_to(ROOT)}: {other}"
        for path in files
        for other in imported(path)
        if PLACES[other] > PLACES[name]
    }
    assert not below
