"""Score-SDE in the paper's own time: data at ``s = 0``, noise at ``s = 1``."""

import math

import pytest
import torch
from runge_kutta import runge_kutta
from torch import nn

from benchmark.baselines.score_sde import (
    Sampler,
    ScoreSDE,
    SubVariancePreserving,
    VarianceExploding,
    VariancePreserving,
)
from benchmark.densities import GaussianMixture
from benchmark.networks.mlp import MLP
from benchmark.networks.network import Network
from benchmark.ode import Tolerance, transport

TIGHT = Tolerance(1e-10, 1e-10)
BETA_MIN, BETA_MAX, SIGMA_MIN, SIGMA_MAX, S_MIN = 0.1, 20.0, 0.05, 8.0, 0.05
MEAN, SPREAD = torch.tensor([[1.0, -0.5], [0.4, 1.7]], dtype=torch.float64)

ODE = Sampler()
SDES = ("vp", "subvp", "ve")
WEIGHTINGS = ("variance", "likelihood")
every_sde = pytest.mark.parametrize("sde", SDES)
every_weighting = pytest.mark.parametrize("weighting", WEIGHTINGS)


# --- the paper's SDEs, in closed form -------------------------------------------------------------


def beta(s):
    return BETA_MIN + s * (BETA_MAX - BETA_MIN)


def integral(s):
    return BETA_MIN * s + (BETA_MAX - BETA_MIN) * s**2 / 2


def sigma(s):
    return SIGMA_MIN * (SIGMA_MAX / SIGMA_MIN) ** s


COEFFICIENTS = {
    "vp": lambda s: (-beta(s) / 2, beta(s)),
    "subvp": lambda s: (-beta(s) / 2, beta(s) * (1 - math.e ** (-2 * integral(s)))),
    "ve": lambda s: (0 * s, sigma(s) ** 2 * 2 * math.log(SIGMA_MAX / SIGMA_MIN)),
}
"""``f`` and ``g^2`` of ``dx = f x ds + g dW``: equations 11, 12 and 9 with appendix C."""

DIFFUSIONS = {
    "vp": VariancePreserving(BETA_MIN, BETA_MAX),
    "subvp": SubVariancePreserving(BETA_MIN, BETA_MAX),
    "ve": VarianceExploding(SIGMA_MIN, SIGMA_MAX),
}

MOMENTS = {
    "vp": lambda s: (math.e ** (-integral(s) / 2), 1 - math.e ** -integral(s)),
    "subvp": lambda s: (math.e ** (-integral(s) / 2), (1 - math.e ** -integral(s)) ** 2),
    "ve": lambda s: (1 + 0 * s, sigma(s) ** 2 - SIGMA_MIN**2),
}
"""Factor of the mean and variance of ``x_s`` given ``x_0``: equation 29."""


def gaussian(mean, variance):
    return GaussianMixture(torch.ones(1), mean[None], variance.sqrt().diag()[None])


def noised(sde, s):
    """The density at ``s`` of data ``N(MEAN, SPREAD^2)``."""
    factor, variance = MOMENTS[sde](s)
    return gaussian(factor * MEAN, factor**2 * SPREAD**2 + variance)


class ExactNoise(Network):
    """``E[z | x_s = x]`` for the Gaussian data, plus ``size`` x a change."""

    def __init__(self, sde, change=None):
        super().__init__()
        self.sde, self.size, self.change = sde, nn.Parameter(torch.zeros(())), change

    def forward(self, s, x):
        s = s.reshape(-1, 1)
        factor, variance = MOMENTS[self.sde](s)
        x = x * (factor**2 + variance).sqrt()  # the flow divides by it
        z = variance.sqrt() * (x - factor * MEAN) / (factor**2 * SPREAD**2 + variance)
        return z if self.change is None else z + self.size * self.change(s, x)


def built(sde, event=(2,), weighting="variance", sampler=ODE):
    network = MLP(event, 8, 2, 2, 2)
    return ScoreSDE.build(event, network, DIFFUSIONS[sde], weighting, S_MIN, sampler)


def exact_flow(sde, change=None, weighting="variance"):
    """The flow of the Gaussian data; its base is the exact density at s = 1."""
    flow = built(sde, weighting=weighting)
    flow.network, flow.base = ExactNoise(sde, change), noised(sde, 1.0)
    return flow


# --- the probability flow -------------------------------------------------------------------------


@every_sde
def test_velocity_is_the_papers_probability_flow_in_our_time(sde):
    # dx/ds = f x - g^2 score / 2 (equation 13), from the data's side to the base's.
    flow, x1 = exact_flow(sde), MEAN + SPREAD * torch.randn(6, 2)

    def rates(s, x):
        (f, g2), (factor, variance) = COEFFICIENTS[sde](s), MOMENTS[sde](s)
        score = -(x - factor * MEAN) / (factor**2 * SPREAD**2 + variance)
        return f * x - g2 * score / 2

    x0 = runge_kutta(rates, x1, S_MIN, 1.0, 1000)
    back = transport(flow.velocity, x0, TIGHT).values
    # 1e-10 a step and (10 / 1000)^4, amplified by the contraction from s = 1, up to 100-fold.
    torch.testing.assert_close(back, x1, atol=1e-6, rtol=0)


@every_sde
def test_exact_score_gives_the_noised_density(sde):
    flow, x = exact_flow(sde), MEAN + SPREAD * torch.randn(50, 2)
    expected = noised(sde, S_MIN).log_prob(x)
    # At another time as well: t = 0.5 is the middle between s = 1 and s_min.
    middle = noised(sde, (1 + S_MIN) / 2).log_prob(x)
    assert (expected - middle).abs().max() > 0.1
    torch.testing.assert_close(flow.log_prob(x, TIGHT).values, expected, atol=1e-7, rtol=0)
    torch.testing.assert_close(flow.log_prob(x, TIGHT, 0.5).values, middle, atol=1e-7, rtol=0)


@every_sde
def test_score_is_the_gradient_of_the_log_density(sde):
    x = torch.randn(10, 2, requires_grad=True)
    (expected,) = torch.autograd.grad(noised(sde, 0.3).log_prob(x).sum(), x)
    found = exact_flow(sde).score(torch.tensor(0.3), x).detach()
    torch.testing.assert_close(found, expected, atol=1e-12, rtol=1e-12)


@every_sde
@pytest.mark.parametrize("event", [(3,), (2, 1, 2)])
def test_divergence_is_the_trace_of_the_jacobian(sde, event):
    flow, x, dim = built(sde, event), 2 * torch.randn(3, *event), math.prod(event)
    for t in torch.tensor([0.0, 0.4, 1.0]):
        found = flow.divergence(t, x)
        for i in range(3):
            jacobian = torch.func.jacrev(lambda row: flow.velocity(t, row[None])[0])(x[i])  # noqa: B023
            trace = jacobian.reshape(dim, dim).trace()
            # The paper's drift alone gives f dim: the network's part is there, or nothing is seen.
            s = 1 - t * (1 - S_MIN)
            assert (trace + (1 - S_MIN) * dim * COEFFICIENTS[sde](s)[0]).abs() > 1e-3
            # Round-off of a few hundred products.
            torch.testing.assert_close(found[i], trace, atol=1e-10, rtol=1e-10)


# --- the losses -----------------------------------------------------------------------------------

CHANGES = {
    "constant": lambda s, x: torch.ones_like(x),
    "scale": lambda s, x: x,
    "early": lambda s, x: (1 - s) * torch.sin(3 * x),
}


@every_sde
@every_weighting
@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES.keys())
def test_exact_noise_is_the_minimiser_of_the_loss(sde, weighting, change):
    flow, slopes, curvatures = exact_flow(sde, change, weighting), [], []
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


@every_sde
@every_weighting
def test_loss_of_the_exact_noise(sde, weighting):
    # E |E[z | x_s] - z|^2 = sum_i a^2 C_i / (a^2 C_i + v), weighted, averaged over s.
    flow = exact_flow(sde, weighting=weighting)
    found = torch.tensor([flow.loss(MEAN + SPREAD * torch.randn(5000, 2)) for _ in range(20)])
    s = torch.linspace(S_MIN, 1, 4001)
    factor, variance = (moment[:, None] for moment in MOMENTS[sde](s))
    left = factor**2 * SPREAD**2 / (factor**2 * SPREAD**2 + variance)
    weight = {"variance": 1, "likelihood": COEFFICIENTS[sde](s)[1] / variance[:, 0]}[weighting]
    expected = torch.trapezoid(weight * left.sum(dim=1), dx=1 / 4000)
    assert abs(found.mean() - expected) < 4 * found.std() / math.sqrt(20)


@every_sde
@every_weighting
def test_loss_is_the_papers_for_known_draws(sde, weighting):
    # weight |score + z / std|^2, of a network that knows nothing.
    flow, x1 = built(sde, (2, 1, 2), weighting), torch.randn(7, 2, 1, 2)
    torch.manual_seed(5)
    found = flow.loss(x1)
    torch.manual_seed(5)
    s, z, total = S_MIN + (1 - S_MIN) * torch.rand(7), torch.randn(7, 2, 1, 2), 0.0
    for row in range(7):
        factor, variance = MOMENTS[sde](s[row])
        weight = {"variance": variance, "likelihood": COEFFICIENTS[sde](s[row])[1]}[weighting]
        score = flow.score(s[row], (factor * x1[row] + variance.sqrt() * z[row])[None])[0]
        total += weight * (score + z[row] / variance.sqrt()).square().sum()
    torch.testing.assert_close(found, total / 7)


def test_times_of_the_loss_reach_from_s_min_to_one():
    seen, flow = [], exact_flow("vp")
    flow.network.register_forward_pre_hook(lambda network, inputs: seen.append(inputs[0]))
    flow.s_min = 0.3
    flow.loss(torch.randn(10_000, 2))
    (s,) = seen
    # 10,000 uniform draws come within 0.01 of both ends but for e^-143.
    assert 0.3 <= s.min() < 0.31 and 0.99 < s.max() <= 1
