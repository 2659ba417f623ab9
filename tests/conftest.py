"""float64 by default, one thread, fixed seeds: a test that needs otherwise says so."""

import pytest
import torch

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
