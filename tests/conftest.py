"""float64, one thread, fixed seeds: a test that needs otherwise says so. And real data, if any."""

import copy
import os
import subprocess
import sys

import pytest
import torch
from suites import TOY

from benchmark import source
from benchmark.bench import frechet
from benchmark.data.fetch import MIRRORS, mirrors
from benchmark.jobs import describe
from benchmark.source import ROOT
from benchmark.suite import classes

PACKED = ROOT.parent / "shared" / "data"
"""A mirror folder beside the checkout, packed."""

torch.set_num_threads(1)  # the problems are small: threads cost more than they bring


WORKFLOWS = {"Checkout", "Workflow"}
"""Helpers that run whole workflows: the tests of a file that imports one are slow."""


def pytest_collection_modifyitems(items):
    """Files that run workflows come first: a long one at the end would leave a core idle."""
    for item in items:
        if _runs_workflows(item):
            item.add_marker(pytest.mark.slow)
    items.sort(key=_runs_workflows, reverse=True)


def _runs_workflows(item):
    return bool(WORKFLOWS & vars(item.module).keys())


@pytest.fixture(autouse=True)
def double_precision():
    torch.set_default_dtype(torch.float64)
    torch.manual_seed(0)
    yield
    torch.set_default_dtype(torch.float32)


@pytest.fixture
def single_precision():
    """The precision of the workflow."""
    torch.set_default_dtype(torch.float32)


@pytest.fixture(scope="session")
def answers(tmp_path_factory):
    """The folder in which what classes say of themselves is kept from test to test."""
    return tmp_path_factory.mktemp("classes")


@pytest.fixture
def asked_here(answers, monkeypatch):
    """Classes are asked in this process, by the function that the child calls, in a second less."""
    ask_here(monkeypatch, answers)
    yield
    source.clear()


def ask_here(monkeypatch, answers):
    def asked(questions, path):
        return [describe.answer(question.name, question.arguments) for question in questions]

    monkeypatch.setattr(classes, "_asked", asked)
    monkeypatch.setattr(classes, "FOLDER", answers)
    monkeypatch.setattr(sys, "path", [*sys.path])


@pytest.fixture
def toy(asked_here):
    """The toy config, whose classes are asked in this process."""
    return copy.deepcopy(TOY)


@pytest.fixture(scope="session")
def mirror(tmp_path_factory):
    """Mirrors that have MNIST, the images of BSDS300 and the tables; else tests are skipped."""
    return _mirrors(tmp_path_factory, "mnist", "bsds300", "tables")


@pytest.fixture(scope="session")
def cifar_mirror(tmp_path_factory):
    """Mirrors that have CIFAR-10, which takes 10 s to unpack: only tests that need it wait."""
    return _mirrors(tmp_path_factory, "cifar-10")


def _mirrors(tmp_path_factory, *names):
    if os.environ.get(MIRRORS):
        return mirrors([])
    if not (PACKED / "restore.py").is_file():
        pytest.skip(f"no real data: {MIRRORS} is not set and there is no {PACKED}")
    folder = tmp_path_factory.mktemp("mirror")
    subprocess.run([sys.executable, PACKED / "restore.py", folder, *names], check=True)
    return [str(folder)]


@pytest.fixture(scope="session")
def clean_fid():
    """``cleanfid.fid``."""
    return frechet.clean_fid()
