"""float64, one thread, fixed seeds: a test that needs otherwise says so. And real data, if any."""

import os
import subprocess
import sys

import pytest
import torch

from benchmark.bench import frechet
from benchmark.data.fetch import MIRRORS, mirrors
from benchmark.source import ROOT

PACKED = ROOT.parent / "shared" / "data"
"""A mirror folder beside the checkout, packed."""

torch.set_num_threads(1)  # the problems are small: threads cost more than they bring


@pytest.fixture(autouse=True)
def double_precision():
    torch.set_default_dtype(torch.float64)
    torch.manual_seed(0)
    yield
    torch.set_default_dtype(torch.float32)


@pytest.fixture
def single_precision():
    """What the workflow runs in."""
    torch.set_default_dtype(torch.float32)


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
