"""The methods of the examples, on Gaussians, whose flows are known in closed form."""

import math

import pytest
import torch
from example_methods.latent_interpolant import LatentInterpolant
from example_methods.mean_flow import GAP, MeanFlow
from example_methods.rectified_flow import TIMES, RectifiedFlow
from torch import nn

from benchmark.coordinates import Affine
from benchmark.densities import StandardNormal
from benchmark.model import Model
from benchmark.networks.network import Network
from benchmark.ode import Tolerance

MEAN, SPREAD = torch.tensor([1.0, -2.0]).double(), torch.tensor([0.5, 1.5]).double()
"""Of the target; the base is N(0, I)."""
TIGHT = Tolerance(1e-8, 1e-8)
BASE = StandardNormal(torch.Size([2])).double()


def rows(n):
    return MEAN + SPREAD * torch.randn(n, 2)


def log_density(x):
    return torch.distributions.Normal(MEAN, SPREAD).log_prob(x).sum(dim=1)


class Known(Network):
    """A formula, bent by as much of a wave as its only weight says, which is 0."""

    def __init__(self, formula):
        super().__init__()
        self.formula, self.bend = formula, nn.Parameter(torch.zeros(()))

    def forward(self, t, x):
        return self.formula(t.reshape(-1, 1), x) + self.bend * torch.sin(x + t.reshape(-1, 1))


class KnownMean(Known):
    """The same of ``(x, t, r)``."""

    def forward(self, x, t, r):
        bend = self.bend * torch.sin(x + t[:, None] - r[:, None])
        return self.formula(t[:, None], r[:, None], x) + bend


def is_least(method, network, batches=30):
    """Whether the loss does not change, within 4 errors, as the network is bent."""
    losses = (method.loss(rows(2000)) for _ in range(batches))
    slopes = torch.stack([torch.autograd.grad(loss, network.bend)[0] for loss in losses])
    return slopes.mean().abs() < 4 * slopes.std() / math.sqrt(batches)


# --- rectified flow -------------------------------------------------------------------------------


def variance(t):
    """Of ``x_t`` of independent ends."""
    return (1 - t) ** 2 + (t * SPREAD) ** 2


def lean(t):
    """Covariance of ``x1 - x0`` and ``x_t``."""
    return t * SPREAD**2 - (1 - t)


def first_velocity(t, x):
    return MEAN + lean(t) / variance(t) * (x - t * MEAN)


def second_velocity(t, x):
    """Straight to ``MEAN + SPREAD x0``, where the first flow carries ``x0``."""
    return MEAN + (SPREAD - 1) * (x - t * MEAN) / (1 - t + t * SPREAD)


def rectified(formula, first=1):
    return RectifiedFlow(Known(formula), BASE, first, torch.zeros(2000, 2), 1e-8)


def test_the_first_flow_regresses_on_independent_ends():
    flow = rectified(first_velocity, first=10**6)
    assert is_least(flow, flow.network)
    t = (torch.arange(1000) + 0.5)[:, None] / 1000
    left = (1 + SPREAD**2 - lean(t) ** 2 / variance(t)).mean(dim=0).sum()
    assert abs(flow.loss(rows(100_000)) - left) < 0.03 * left
    assert not flow.x1.any()
    wrong = rectified(second_velocity, first=10**6)
    assert not is_least(wrong, wrong.network)


def test_the_second_flow_is_fitted_to_the_ends_of_the_paths_of_the_first():
    flow = rectified(first_velocity)
    assert flow.loss(rows(50)) > 0.1 and not flow.x0.any()
    flow.loss(rows(50))
    assert abs(flow.x0.std() - 1) < 0.1
    torch.testing.assert_close(flow.x1, MEAN + SPREAD * flow.x0, atol=1e-5, rtol=0)
    assert flow.loss(rows(50)) > 1e-2
    flow.network = Known(second_velocity)
    assert flow.loss(torch.full((50, 2), torch.nan)) < 1e-8


def test_a_resumed_reflow_has_its_pairs():
    flow, resumed = rectified(first_velocity), rectified(first_velocity)
    flow.loss(rows(50))
    flow.loss(rows(50))
    resumed.load_state_dict(flow.state_dict())
    torch.manual_seed(1)
    expected = flow.loss(rows(50))
    torch.manual_seed(1)
    assert torch.equal(resumed.loss(rows(50)), expected)


def test_straightness_is_that_of_the_paths():
    t = torch.tensor(TIMES)[:, None]
    bend = SPREAD - 1 - lean(t) / variance(t).sqrt()  # of the path t MEAN + sqrt(variance) x0
    curved = rectified(first_velocity).diagnostics(rows(20_000))["straightness"]
    assert abs(curved - bend.square().mean(dim=0).sum()) < 0.03 * curved
    assert rectified(second_velocity).diagnostics(rows(100))["straightness"] < 1e-10


# --- interpolant with a latent --------------------------------------------------------------------


SCALE = 2.0
"""Of the latent."""


def gamma(t):
    return SCALE * t * (1 - t)


def latent_variance(t):
    return variance(t) + gamma(t) ** 2


def latent_velocity(t, x):
    drift = lean(t) + gamma(t) * SCALE * (1 - 2 * t)
    return MEAN + drift / latent_variance(t) * (x - t * MEAN)


def latent_denoiser(t, x):
    return gamma(t) / latent_variance(t) * (x - t * MEAN)


def latent(velocity=latent_velocity, epsilon=0.0):
    networks = Known(velocity), Known(latent_denoiser)
    return LatentInterpolant(networks, BASE, SCALE, (epsilon, 100))


def test_velocity_and_denoiser_are_the_conditional_means():
    flow = latent()
    assert is_least(flow, flow.network) and is_least(flow, flow.denoiser)
    wrong = latent(velocity=first_velocity)
    assert not is_least(wrong, wrong.network)


@pytest.mark.parametrize("make", [latent, lambda: rectified(second_velocity)])
def test_the_likelihood_is_that_of_the_target(make):
    x = rows(50)
    values = Model(make(), Affine.identity((2,)), TIGHT).log_prob(x)
    torch.testing.assert_close(values, log_density(x), atol=1e-5, rtol=0)


def test_the_score_is_that_of_the_density():
    t, x = torch.tensor(0.3), rows(20)
    expected = -(x - t * MEAN) / latent_variance(t)
    torch.testing.assert_close(latent().score(t, x), expected)


@pytest.mark.parametrize("epsilon", [0.0, 1.0, 5.0])
def test_samples_of_ode_and_sde_are_of_the_target(epsilon):
    drawn, nfe = latent(epsilon=epsilon).sample(4000, TIGHT)
    z = (drawn - MEAN) / SPREAD
    # Errors of 4000 normal numbers; the SDE's bias is of the order of its 100 steps.
    assert z.mean(dim=0).abs().max() < 4 / math.sqrt(4000) + 0.02
    assert (z.std(dim=0) - 1).abs().max() < 4 / math.sqrt(8000) + 0.02
    assert nfe == 200 or not epsilon


def test_the_sde_is_in_the_protocol_and_may_be_chosen_per_call():
    assert "sampler" not in latent().protocol(TIGHT)
    said = latent(epsilon=0.5).protocol(TIGHT)["sampler"]
    assert said == "Euler-Maruyama, epsilon 0.5 gamma, 100 steps"
    assert latent().sample(3, TIGHT, epsilon=1.0, steps=7).nfe == 14


# --- MeanFlow -------------------------------------------------------------------------------------


def mean_velocity(t, r, x, spread=SPREAD, mean=MEAN):
    """``(x_r - x_t) / (r - t)`` on the path ``t MEAN + sqrt(variance) x0``."""
    at, end = (((1 - s) ** 2 + (s * spread) ** 2).sqrt() for s in (t, r))
    slope = ((r + t) * (1 + spread**2) - 2) / (at + end)
    return mean + slope / at * (x - t * mean)


def mean_flow(formula=mean_velocity):
    return MeanFlow(KnownMean(formula), BASE, steps=1)


def test_the_mean_velocity_is_where_the_loss_is_least():
    method = mean_flow()
    assert is_least(method, method.network)
    wrong = mean_flow(lambda t, r, x: mean_velocity(t, t, x))
    assert not is_least(wrong, wrong.network)


def test_of_a_point_as_target_the_loss_is_zero():
    method = mean_flow(lambda t, r, x: mean_velocity(t, r, x, 0 * SPREAD))
    assert method.loss(MEAN.expand(500, 2)) < 1e-10


def test_one_step_is_as_good_as_many():
    torch.manual_seed(1)
    x0 = BASE.sample(50)
    for steps in (1, 4):
        torch.manual_seed(1)
        drawn, nfe = mean_flow().sample(50, TIGHT, steps)
        torch.testing.assert_close(drawn, MEAN + SPREAD * x0)
        assert nfe == steps


def test_mean_flow_has_samples_only():
    method = MeanFlow.build((2,), width=8, depth=2, frequencies=2)
    assert method.likelihood_gap() == GAP
    with pytest.raises(TypeError, match="no log-density: samples are those"):
        Model(method, Affine.identity((2,)), TIGHT).log_prob(rows(3))
    method.loss(rows(16)).backward()
    assert all(weights.grad.ne(0).all() for weights in method.parameters())
