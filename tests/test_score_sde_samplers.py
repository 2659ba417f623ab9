"""The samplers of Score-SDE, against the densities and the recursions that they have."""

import math

import pytest
import torch

from benchmark.baselines.score_sde import Sampler
from benchmark.densities import Density, GaussianMixture, Normal
from benchmark.networks.network import Network
from tests.test_score_sde import COEFFICIENTS, MOMENTS, S_MIN, TIGHT, built, every_sde


def mixture(sde, s):
    """The density at ``s`` of unlike Gaussians of unlike weights."""
    factor, variance = MOMENTS[sde](s)
    means = factor * torch.tensor([[1.5, -1.0], [-1.0, 0.5]])
    deviations = (factor**2 * torch.tensor([[0.3, 0.6], [0.5, 0.2]]) ** 2 + variance).sqrt()
    return GaussianMixture(torch.tensor([0.3, 0.7]), means, torch.diag_embed(deviations))


class NoiseOf(Network):
    """``-deviation grad log p_s`` of densities ``p_s`` given in closed form."""

    def __init__(self, sde, density):
        super().__init__()
        self.sde, self.density, self.calls = sde, density, 0

    def forward(self, s, x):
        self.calls += 1
        factor, variance = MOMENTS[self.sde](s)
        with torch.enable_grad():
            x = (x * (factor**2 + variance).sqrt()).requires_grad_()
            log_prob = self.density(self.sde, s).log_prob(x)
            return -variance.sqrt() * torch.autograd.grad(log_prob.sum(), x)[0]


def observables(x):
    first, second = x.T
    return [first, second, first**2, second**2, first * second, torch.cos(2 * first + second)]


@every_sde
@pytest.mark.parametrize("kind", ["sde", "predictor_corrector"])
def test_samplers_draw_from_the_noised_data(sde, kind):
    flow, n, true = built(sde), 3000, mixture(sde, S_MIN).sample(100_000)
    flow.network, flow.base = NoiseOf(sde, mixture), mixture(sde, torch.tensor(1.0))
    flow.sampler = Sampler(kind, 60, 0.12)
    coarse = flow.sample(n, TIGHT).values
    flow.sampler = Sampler(kind, 120, 0.06)
    x = flow.sample(n, TIGHT).values
    samples = (observables(x), observables(coarse), observables(true))
    for found, rough, expected in zip(*samples, strict=True):
        # Bias of order step (and snr^2): what is left is less than what halving both removed.
        bias = (found.mean() - rough.mean()).abs()
        error = torch.sqrt(found.var() / n + expected.var() / len(true))
        assert (found.mean() - expected.mean()).abs() < bias + 4 * error


@every_sde
@pytest.mark.parametrize("kind", ["sde", "predictor_corrector"])
def test_samplers_have_the_variance_of_their_recursion(sde, kind):
    # N(0, 0.5^2 I) in few, large steps: what every factor of a step does is far above the noise.
    steps, snr, n, s_min = 8, 0.6, 30_000, 0.6

    def exact(sde, s):
        factor, variance = MOMENTS[sde](s)
        return Normal(torch.Size([2]), float((factor**2 * 0.5**2 + variance) ** 0.5))

    flow = built(sde)
    flow.network, flow.base = NoiseOf(sde, exact), exact(sde, 1.0)
    flow.s_min, flow.sampler = s_min, Sampler(kind, steps, snr)
    x = flow.sample(n, TIGHT).values

    h, found = (1 - s_min) / steps, exact(sde, 1.0).scale ** 2
    for step in range(steps):
        s, after = 1 - step * h, 1 - (step + 1) * h
        f, g2 = COEFFICIENTS[sde](s)
        found = (1 - h * (f + g2 / exact(sde, s).scale ** 2)) ** 2 * found + h * g2
        if kind == "predictor_corrector":
            # |score| = |z| sqrt(found) / target: size = 2 alpha (snr target)^2 / found.
            target = exact(sde, after).scale ** 2
            alpha = math.exp(2 * COEFFICIENTS[sde](after)[0] * h)
            size = 2 * alpha * (snr * target) ** 2 / found
            found = (1 - size / target) ** 2 * found + 2 * size
    # 4 standard errors of a variance from 2 n normal numbers.
    assert abs(x.var() / found - 1) < 4 * math.sqrt(2 / (2 * n))


@pytest.mark.parametrize(("kind", "calls"), [("sde", 7), ("predictor_corrector", 14)])
def test_nfe_counts_every_evaluation_of_the_network(kind, calls):
    flow = built("vp", sampler=Sampler(kind, steps=7))
    flow.network = NoiseOf("vp", mixture)
    assert flow.sample(10, TIGHT).nfe == flow.network.calls == calls


def test_protocol_tells_the_sampler_where_it_is_not_the_ode():
    plain = built("vp").protocol(TIGHT)
    assert "sampler" not in plain
    stochastic = {**plain, "sampler": "sde", "sampler_steps": 7}
    assert built("vp", sampler=Sampler("sde", steps=7)).protocol(TIGHT) == stochastic
    corrected = {**plain, "sampler": "predictor_corrector", "sampler_steps": 500}
    found = built("vp", sampler=Sampler("predictor_corrector", snr=0.2)).protocol(TIGHT)
    assert found == {**corrected, "sampler_snr": 0.2}


class Rows(Density):
    """Always the same rows, so that two samplers start alike and then draw alike."""

    def __init__(self, rows):
        super().__init__()
        self.rows = rows

    def sample(self, n):
        return self.rows[:n]

    def log_prob(self, x):
        raise NotImplementedError


@every_sde
def test_single_precision_weights_are_sampled_in_double(sde):
    flow = built(sde, sampler=Sampler("predictor_corrector", steps=20))
    flow.base = Rows(torch.randn(50, 2))
    torch.manual_seed(1)
    exact = flow.sample(50, TIGHT).values
    torch.manual_seed(1)
    found = flow.float().sample(50, TIGHT).values
    assert found.dtype == torch.float64
    # 1e-7 of noise predictions in float32, times g^2 / deviation, which reaches 10 sigma_max.
    torch.testing.assert_close(found, exact, atol=1e-4, rtol=1e-4)
