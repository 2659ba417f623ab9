"""Ascent: one optimiser finds a saddle point, and keeps to the paces."""

import copy

import pytest
import torch
from torch import nn

from benchmark.ascent import ascend
from benchmark.interpolants import Fourier


class Pair(nn.Module):
    """Two numbers, to be minimised and maximised over."""

    def __init__(self, pace):
        super().__init__()
        self.low, self.high = nn.Linear(1, 1, bias=False), nn.Linear(1, 1, bias=False)
        ascend(self.high, pace)

    def numbers(self):
        return self.low.weight.squeeze(), self.high.weight.squeeze()


@pytest.mark.parametrize("pace", [0.3, 2.0])
def test_one_optimiser_finds_the_saddle_point(pace):
    pair = Pair(pace)
    optimiser = torch.optim.Adam(pair.parameters(), lr=0.05)
    schedule = torch.optim.lr_scheduler.ExponentialLR(optimiser, 0.995)
    for _ in range(1500):
        optimiser.zero_grad()
        low, high = pair.numbers()
        # Convex in low, concave in high: 2 low - high = 1.8 and high = -low at the saddle.
        (low**2 - high * low - high**2 / 2 - 1.8 * low).backward()
        optimiser.step()
        schedule.step()
    low, high = pair.numbers()
    expected = torch.tensor([0.6, -0.6])
    # The last steps are 3e-5; ten of them.
    torch.testing.assert_close(torch.stack([low, high]).detach(), expected, atol=3e-4, rtol=0)


@pytest.mark.parametrize("pace", [0.3, 2.0])
def test_a_step_of_adam_goes_up_at_its_pace(pace):
    pair = Pair(pace)
    optimiser = torch.optim.Adam(pair.parameters(), lr=0.01)
    before = [number.item() for number in pair.numbers()]
    (5 * pair.numbers()[0] + 7 * pair.numbers()[1]).backward()
    optimiser.step()
    steps = [n.item() - b for n, b in zip(pair.numbers(), before, strict=True)]
    # The first step of Adam is lr, but for its epsilon of 1e-8.
    assert steps == pytest.approx([-0.01, pace * 0.01], rel=1e-6)


def test_values_are_those_of_before_and_survive_a_copy():
    path = Fourier(3)
    with torch.no_grad():
        path.amplitudes.copy_(torch.randn(2, 3))
    before = path.amplitudes.detach().clone()
    ascend(path, 0.3)
    torch.testing.assert_close(path.amplitudes, before)
    assert torch.equal(copy.deepcopy(path).amplitudes, path.amplitudes)
