"""The ways to install say the same: pyproject.toml, environment.yml, constraints.txt."""

import ast
import re
import sys
import tomllib
from importlib.metadata import packages_distributions
from pathlib import Path

import yaml
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parent.parent
CONDA = {"torch": "pytorch", "snakemake": "snakemake-minimal"}
"""Names on conda-forge and bioconda that differ."""

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]


def split(requirement: str) -> tuple[str, str]:
    name, version = re.fullmatch(r"([\w.-]+)(.*)", requirement).groups()
    return name.lower().replace("_", "-"), version


def pins() -> dict[str, str]:
    lines = (ROOT / "constraints.txt").read_text().splitlines()
    return dict(split(line) for line in lines if line and not line.startswith("#"))


def test_conda_asks_for_the_same_ranges_as_pip():
    pip = {CONDA.get(n, n): v for n, v in map(split, PROJECT["dependencies"])}
    listed = yaml.safe_load((ROOT / "environment.yml").read_text())["dependencies"]
    by_pip = listed.pop()["pip"]  # what conda-forge does not have
    conda = dict(split(entry.rpartition("::")[2]) for entry in [*listed, *by_pip])
    assert conda.pop("pip") == ""
    assert conda.pop("python") == PROJECT["requires-python"]
    assert conda == pip


def test_everything_that_is_asked_for_is_pinned_within_its_range():
    optional = PROJECT["optional-dependencies"]
    asked = PROJECT["dependencies"] + optional["dev"] + optional["extras"]
    pinned = pins()
    for requirement in map(Requirement, asked):
        name = canonicalize_name(requirement.name)
        assert name in pinned, f"{name} is not in constraints.txt"
        version = pinned[name].removeprefix("==")
        assert version in requirement.specifier, f"constraints.txt has {version}: {requirement}"


def imported() -> set[str]:
    """Top-level names of all that the benchmark imports, at any depth of its code."""
    names = set()
    for file in (ROOT / "benchmark").rglob("*.py"):
        for node in ast.walk(ast.parse(file.read_text())):
            if isinstance(node, ast.Import):
                names |= {alias.name for alias in node.names}
            elif isinstance(node, ast.ImportFrom):
                names.add(node.module or "")
    return {name.partition(".")[0] for name in names}


def test_what_the_benchmark_imports_is_asked_for_or_comes_with_what_is():
    distributions = packages_distributions()
    optional = PROJECT["optional-dependencies"]
    asked = PROJECT["dependencies"] + optional["extras"]
    known = {canonicalize_name(Requirement(line).name) for line in asked}
    known.add("pydantic-core")  # of which pydantic needs one exact version
    others = imported() - set(sys.stdlib_module_names) - {"benchmark", "workflow", "snakemake"}
    for name in sorted(others):
        provided = {canonicalize_name(found) for found in distributions.get(name, [])}
        assert provided & known, f"{name} is imported, and pyproject.toml does not ask for it"


def test_make_installs_every_optional_group():
    groups = ",".join(PROJECT["optional-dependencies"])
    assert (
        f"--constraint constraints.txt --editable '.[{groups}]'" in (ROOT / "Makefile").read_text()
    )


def test_every_pin_is_exact():
    assert all(re.fullmatch(r"==[\w.!]+", version) for version in pins().values())
    assert pins()["torch"] == "==2.13.0"
