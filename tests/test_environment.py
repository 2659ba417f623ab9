"""The ways to install say the same: pyproject.toml, environment.yml, constraints.txt."""

import re
import tomllib
from pathlib import Path

import yaml

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
    asked = PROJECT["dependencies"] + optional["dev"] + optional["extras"] + optional["bench"]
    pinned = pins()
    for name, version in map(split, asked):
        assert name in pinned, f"{name} is not in constraints.txt"
        if version:
            found, least = (
                tuple(int(part) for part in re.findall(r"\d+", text)[:3])
                for text in (pinned[name], version)
            )
            assert found >= least, f"{name}: constraints.txt has {pinned[name]}, asked is {version}"


def test_make_installs_every_optional_group():
    groups = ",".join(PROJECT["optional-dependencies"])
    assert (
        f"--constraint constraints.txt --editable '.[{groups}]'" in (ROOT / "Makefile").read_text()
    )


def test_every_pin_is_exact():
    assert all(re.fullmatch(r"==[\w.!]+", version) for version in pins().values())
    assert pins()["torch"] == "==2.13.0"
