"""Score-SDE in the paper's own time: data at ``s = 0``, noise at ``s = 1``."""

import math

import pytest
import torch
from runge_kutta import runge_kutta
from torch import nn

from benchmark.baselines.score_sde import ScoreSDE
from benchmark.densities import GaussianMixture, StandardNormal
from benchmark.ode import Tolerance, transport

TIGHT = Tolerance(1e-10, 1e-10)
BETA_MIN, BETA_MAX, S_MIN = 0.1, 20.0, 0.05
STEPS = 2000
MEAN, SPREAD = torch.tensor([[1.0, -0.5], [0.4, 1.7]], dtype=torch.float64)


def beta(s):
    return BETA_MIN + s * (BETA_MAX - BETA_MIN)


def moments(s):
    """Factor of the mean and variance of ``x_s`` given ``x_0``, from their ODEs."""

    def rates(s, state):
        # dx = -beta x / 2 ds + sqrt(beta) dW.
        return torch.stack([-beta(s) / 2 * state[0], -beta(s) * state[1] + beta(s)])

    return runge_kutta(rates, torch.tensor([1.0, 0.0]), 0.0, s, STEPS)


class ExactNoise(nn.Module):
    """``E[z | x_s = x]`` for Gaussian data, plus ``size`` x a change."""

    def __init__(self, change=None):
        super().__init__()
        self.size, self.change = nn.Parameter(torch.zeros(())), change

    def forward(self, s, x):
        s = s.reshape(-1, 1)
        factor = torch.exp(-(BETA_MIN * s + (BETA_MAX - BETA_MIN) * s**2 / 2) / 2)
        noise = 1 - factor**2
        z = noise.sqrt() * (x - factor * MEAN) / (factor**2 * SPREAD**2 + noise)
        return z if self.change is None else z + self.size * self.change(s, x)


def gaussian(mean, variance):
    return GaussianMixture(torch.ones(1), mean[None], variance.sqrt().diag()[None])


def exact_flow(change=None):
    """The flow of Gaussian data; its base is the exact density at s = 1, nearly N(0, I)."""
    factor, variance = moments(1.0)
    base = gaussian(factor * MEAN, factor**2 * SPREAD**2 + variance)
    return ScoreSDE(ExactNoise(change), base, BETA_MIN, BETA_MAX, S_MIN)


@pytest.mark.parametrize("s", [1e-3, 0.1, 0.5, 1.0])
def test_kernel_solves_the_moment_equations(s):
    factor, deviation = exact_flow().kernel(torch.tensor(s))
    found = torch.stack([factor, deviation**2])
    torch.testing.assert_close(found, moments(s), atol=1e-9, rtol=0)


def test_velocity_is_the_papers_probability_flow_in_our_time():
    # dx/ds = -beta x / 2 - beta score / 2, from the data's side to the base's.
    flow = exact_flow()
    x1 = MEAN + SPREAD * torch.randn(6, 2)

    def rates(s, x):
        factor, variance = moments_in_closed_form(s)
        score = -(x - factor * MEAN) / (factor**2 * SPREAD**2 + variance)
        return -beta(s) / 2 * (x + score)

    x0 = runge_kutta(rates, x1, S_MIN, 1.0, STEPS)
    back = transport(flow.velocity, x0, TIGHT).values
    torch.testing.assert_close(back, x1, atol=1e-6, rtol=0)


def moments_in_closed_form(s):
    factor = math.exp(-(BETA_MIN * s + (BETA_MAX - BETA_MIN) * s**2 / 2) / 2)
    return factor, 1 - factor**2


def test_exact_score_gives_the_noised_density():
    flow, (factor, variance) = exact_flow(), moments(S_MIN)
    x = MEAN + SPREAD * torch.randn(50, 2)
    noised = gaussian(factor * MEAN, factor**2 * SPREAD**2 + variance)
    expected = noised.log_prob(x)
    clean = gaussian(MEAN, SPREAD**2).log_prob(x)
    assert (expected - clean).abs().max() > 0.1
    torch.testing.assert_close(flow.log_prob(x, TIGHT).values, expected, atol=1e-7, rtol=0)


def test_score_is_the_gradient_of_the_log_density():
    flow, s = exact_flow(), torch.tensor(0.3)
    factor, variance = moments(0.3)
    x = torch.randn(10, 2, requires_grad=True)
    density = gaussian(factor * MEAN, factor**2 * SPREAD**2 + variance)
    (expected,) = torch.autograd.grad(density.log_prob(x).sum(), x)
    torch.testing.assert_close(flow.score(s, x).detach(), expected, atol=1e-8, rtol=0)


CHANGES = {
    "constant": lambda s, x: torch.ones_like(x),
    "scale": lambda s, x: x,
    "early": lambda s, x: (1 - s) * torch.sin(3 * x),
}


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES.keys())
def test_exact_noise_is_the_minimiser_of_the_loss(change):
    flow, slopes, curvatures = exact_flow(change), [], []
    for _ in range(40):
        loss = flow.loss(MEAN + SPREAD * torch.randn(1000, 2))
        (slope,) = torch.autograd.grad(loss, flow.network.size, create_graph=True)
        slopes.append(slope.detach())
        curvatures.append(torch.autograd.grad(slope, flow.network.size)[0])
    slopes, curvature = torch.stack(slopes), torch.stack(curvatures).mean()
    error = slopes.std() / math.sqrt(len(slopes))
    # The loss is a parabola in `size`: its minimum is at -slope / curvature = 0.
    assert curvature > 0 and error < 0.05 * curvature
    assert abs(slopes.mean()) < 4 * error


def test_loss_of_the_exact_noise():
    # E |E[z | x_s] - z|^2 = sum_i a^2 C_i / (a^2 C_i + 1 - a^2), averaged over s in [s_min, 1].
    flow = exact_flow()
    found = torch.tensor([flow.loss(MEAN + SPREAD * torch.randn(5000, 2)) for _ in range(20)])
    s = torch.linspace(S_MIN, 1, 4001)[:, None]
    factor = torch.exp(-(BETA_MIN * s + (BETA_MAX - BETA_MIN) * s**2 / 2))
    left = factor * SPREAD**2 / (factor * SPREAD**2 + 1 - factor)
    expected = torch.trapezoid(left.sum(dim=1), dx=1 / 4000)
    assert abs(found.mean() - expected) < 4 * found.std() / math.sqrt(20)


def test_times_of_the_loss_reach_from_s_min_to_one():
    seen = []

    class Watching(ExactNoise):
        def forward(self, s, x):
            seen.append(s)
            return super().forward(s, x)

    base = StandardNormal(torch.Size([2]))
    ScoreSDE(Watching(), base, BETA_MIN, BETA_MAX, 0.3).loss(torch.randn(10_000, 2))
    (s,) = seen
    # 10,000 uniform draws come within 0.01 of both ends but for e^-143.
    assert 0.3 <= s.min() < 0.31 and 0.99 < s.max() <= 1
