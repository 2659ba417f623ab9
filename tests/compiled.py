"""Train a small U-Net as it is and compiled; print whether the weights are the same.

A program of its own: torch cannot compile what checks the shapes of arguments, as tests do. By a
backend that needs no C++ compiler, which would take minutes.
"""

from functools import partialmethod

import numpy as np
import torch
from plan import plan, unvalidated
from torch import nn

from benchmark.baselines.interpolant import InterpolantFlow, PathSettings
from benchmark.networks.unet import UNet
from benchmark.rows import Rows
from benchmark.training.loop import fit

SIZE = {"channels": 8, "multipliers": [1, 2], "residual_blocks": 1, "attention": [2], "heads": 2}
IMAGES = Rows(np.arange(320, dtype=np.uint16).reshape(20, 1, 4, 4), 320, torch.device("cpu"))


def trained(**changes):
    """The method that was trained, in parts of unequal size, and the fitted weights."""
    torch.manual_seed(0)
    event = (1, 4, 4)
    method = InterpolantFlow.build(event, UNet(event, **SIZE), PathSettings("linear"))
    numbers = plan(4, 5, 1e-2, accumulate=2, **changes)
    found, _ = fit(method, IMAGES, numbers, unvalidated)
    return method, found.state_dict()


nn.Module.compile = partialmethod(nn.Module.compile, backend="aot_eager")
(method, weights), (_, plain) = trained(compile=True), trained()
assert method.network._compiled_call_impl is not None and plain["network.closing.2.weight"].any()
torch.testing.assert_close(weights, plain, rtol=1e-4, atol=1e-5)
print("the same")
