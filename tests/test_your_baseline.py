"""The guide, done as it says: every `make new-*` of the page, its class, the tests that were laid
down, and the suite from beginning to end, with budgets of seconds."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest
import yaml
from pages import block
from suites import ROOT, TOY

PAGE = "workflow/YOUR_BASELINE.md"
MADE = re.findall(r"make new-(\w+) NAME=(\w+)", (ROOT / PAGE).read_text())
SHOWN = block(PAGE, "pytest mymethods/test_straight.py").splitlines()
PARTS = ("method", "network", "method", "foreign", "dataset", "measurement")


class Workflow:
    """A folder in which the commands of the guide are typed."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def run(self, module: str, *arguments: str) -> str:
        """What a command says that ends well."""
        path = os.pathsep.join([str(ROOT), str(ROOT / "workflow/plugin")])
        environment = {**os.environ, "PYTHONPATH": path, "CUDA_VISIBLE_DEVICES": ""}
        command = [sys.executable, "-m", module, *arguments]
        found = subprocess.run(
            command, cwd=self.folder, env=environment, capture_output=True, text=True
        )
        assert found.returncode == 0, found.stdout + found.stderr
        return found.stdout + found.stderr


def replace(path, old, new):
    text = path.read_text()
    assert text.count(old) == 1
    path.write_text(text.replace(old, new))


def shorten(config):
    """Trainings and evaluations of seconds, on the ring, beside the fitted Gaussian."""
    content = yaml.safe_load(config.read_text())
    suite = content["suites"]["mymethods"]
    suite["evaluation"] = TOY["suites"]["toy"]["evaluation"]
    for name in ("interpolant", "oracle"):
        del suite["methods"][name]
    for entry in suite["methods"].values():
        if "train" in entry:
            entry["train"] |= {"steps": min(entry["train"]["steps"], 10), "validations": 1}
    suite["datasets"] = {"ring": suite["datasets"]["ring"]}
    suite["datasets"]["ring"]["arguments"] = {"train": 500, "validation": 20, "test": 60}
    config.write_text(yaml.safe_dump(content, sort_keys=False))


@pytest.fixture(scope="module")
def research(tmp_path_factory):
    research = tmp_path_factory.mktemp("guide") / "research"
    package = research / "mymethods"
    checkout = Workflow(ROOT)
    said = [checkout.run("benchmark.jobs.scaffold", *made, str(package)) for made in MADE]
    research.joinpath("said").write_text(said[0])
    (package / "mixture.py").write_text(block(PAGE, "class Mixture"))
    network = "MLP((2,), width=32, depth=2, time_frequencies=2, space_frequencies=0)"
    replace(package / "test_mixture.py", network, "components=4")
    content = yaml.safe_load((research / "config.yaml").read_text())
    content["suites"]["mymethods"]["methods"]["mixture"]["model"] = {"components": 16}
    (research / "config.yaml").write_text(yaml.safe_dump(content, sort_keys=False))
    return research


def test_the_guide_lays_down_every_part():
    assert tuple(kind for kind, _ in MADE) == PARTS


def test_what_is_printed_is_what_the_page_shows(research):
    said = [line.strip() for line in (research / "said").read_text().splitlines()]
    assert said[-len(SHOWN) + 1 :] == SHOWN[1:]
    assert said[-len(SHOWN)].startswith("cd ") and "research && . " in said[-len(SHOWN)]


def test_the_tests_that_were_laid_down_succeed(research):
    said = Workflow(research).run("pytest", "-q", "-p", "no:cacheprovider")
    assert re.search(r"^7 passed", said, re.MULTILINE), said


def test_every_part_is_in_the_tables(research):
    shorten(research / "config.yaml")
    planned = Workflow(research).run("snakemake", "--dry-run", "--quiet", "rules")
    for job in ("train_straight", "train_interpolant_shallow", "train_mixture", "fit_kde"):
        assert re.search(rf"^{job} +1$", planned, re.MULTILINE), planned
    Workflow(research).run("snakemake", "--cores", "2", "--quiet", "rules")
    tables = research / "results/mymethods/tables"
    nll = pd.read_csv(tables / "nll.csv", index_col="Method")
    own = {"Straight", "Interpolant (Shallow)", "Mixture", "Kde"}
    assert set(nll.index) == own | {"Gaussian (fitted)"} and list(nll) == ["Ring NLL [nats]"]
    assert nll.notna().all().all()
    spread = pd.read_csv(tables / "spread.csv", index_col="Method")
    assert set(spread.index) == set(nll.index) and spread.notna().all().all()
