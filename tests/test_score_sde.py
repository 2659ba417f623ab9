"""Score-SDE in the paper's own time: data at ``s = 0``, noise at ``s = 1``."""

import math

import numpy as np
import pytest
import torch
from pydantic import ValidationError
from runge_kutta import runge_kutta
from torch import nn

from benchmark import parts
from benchmark.baselines.score_sde import (
    Sampler,
    ScoreSDE,
    SubVariancePreserving,
    VarianceExploding,
    VariancePreserving,
)
from benchmark.densities import Density, GaussianMixture, Normal
from benchmark.networks.mlp import MLP
from benchmark.networks.network import Network
from benchmark.ode import Tolerance, transport
from benchmark.sde import euler_maruyama

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


# --- the diffusions -------------------------------------------------------------------------------


@every_sde
@pytest.mark.parametrize("s", [1e-3, 0.1, 0.5, 1.0])
def test_kernel_solves_the_moment_equations_of_the_papers_sde(sde, s):
    def rates(s, state):
        f, g2 = COEFFICIENTS[sde](s)
        return np.array([f * state[0], 2 * f * state[1] + g2])

    factor, deviation = built(sde).diffusion.kernel(torch.tensor(s))
    expected = runge_kutta(rates, np.array([1.0, 0.0]), 0.0, s, 2000)
    # Runge-Kutta: (10 / 2000)^4 = 6e-10, relative to moments of up to sigma_max^2.
    np.testing.assert_allclose([factor, deviation**2], expected, atol=1e-9, rtol=1e-9)


@every_sde
def test_coefficients_are_the_papers(sde):
    s = torch.linspace(S_MIN, 1, 50)
    expected = COEFFICIENTS[sde](s)
    for found, value in zip(built(sde).diffusion.coefficients(s), expected, strict=True):
        torch.testing.assert_close(found, value, atol=1e-12, rtol=1e-12)


@every_sde
def test_kernel_is_that_of_the_simulated_sde(sde):
    diffusion, start, n = built(sde).diffusion, 1.5, 40_000

    def simulated(steps):
        def drift(s, x):
            return diffusion.coefficients(s)[0] * x

        def noise(s):
            return diffusion.coefficients(s)[1].sqrt()

        times = torch.linspace(0, 0.4, steps + 1)
        return euler_maruyama(drift, noise, torch.full((n, 1), start), times).values

    coarse, x = simulated(60), simulated(120)
    factor, deviation = diffusion.kernel(torch.tensor(0.4))
    # Weak order 1: the bias left is that removed by halving the step. 4 standard errors.
    bias = (x.mean() - coarse.mean()).abs()
    assert (x.mean() - factor * start).abs() < bias + 4 * deviation / math.sqrt(n)
    bias = (x.var() - coarse.var()).abs()
    assert (x.var() - deviation**2).abs() < bias + 4 * deviation**2 * math.sqrt(2 / n)


@every_sde
def test_base_is_the_density_at_one_of_data_of_unit_variance(sde):
    base = built(sde, (1, 2, 2)).base
    factor, variance = MOMENTS[sde](1.0)
    expected = Normal(torch.Size([1, 2, 2]), math.sqrt(factor**2 + variance))
    x = 3 * torch.randn(10, 1, 2, 2)
    torch.testing.assert_close(base.log_prob(x), expected.log_prob(x), atol=1e-12, rtol=1e-12)
    # The paper's priors: sigma_max^2 wants the data's variance, 1 / 8^2 of it.
    prior = {"vp": 1.0, "subvp": 1.0, "ve": SIGMA_MAX}[sde]
    assert abs(base.scale / prior - 1) < 1 / SIGMA_MAX**2


def test_numbers_out_of_range_are_refused():
    with pytest.raises(ValueError, match="sigma_max is 0.5; allowed is more than sigma_min = 0.5"):
        VarianceExploding(0.5, 0.5)
    with pytest.raises(ValueError, match="s_min is 1.0; allowed is between 0 and 1"):
        network = MLP((2,), 8, 2, 2, 2)
        ScoreSDE.build((2,), network, VariancePreserving(), "variance", 1.0)


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("vp", VariancePreserving(0.1, 20.0)),  # the paper's limits
        ("subvp", SubVariancePreserving(0.1, 20.0)),
        ("ve", VarianceExploding(0.01, 50.0)),
        ({"kind": "subvp", "beta_max": 7}, SubVariancePreserving(0.1, 7.0)),
        ({"kind": "ve", "sigma_min": 0.1}, VarianceExploding(0.1, 50.0)),
    ],
)
def test_an_sde_is_written_as_its_kind_or_with_its_numbers(written, meant):
    found = parts.convert(ScoreSDE.build, {"sde": written})["sde"]
    assert found == meant and type(found) is type(meant)


MISTAKES = {
    "unknown kind": ({"sde": "vq"}, "sde", "'vp', 'subvp', 've'"),
    "number of another SDE": ({"sde": {"kind": "vp", "sigma_min": 0.1}}, "sde.vp.sigma_min", ""),
    "wrong order": ({"sde": {"kind": "ve", "sigma_min": 90}}, "sde.ve", "allowed is more than"),
    "not positive": ({"sde": {"kind": "vp", "beta_min": 0}}, "sde.vp.beta_min", "greater than 0"),
    "unknown sampler": ({"sampler": "oed"}, "sampler.kind", "'ode', 'sde' or 'predictor_corr"),
    "steps of a sampler": ({"sampler": {"kind": "sde", "steps": 0}}, "sampler.steps", "equal to 1"),
}


@pytest.mark.parametrize(("change", "where", "message"), MISTAKES.values(), ids=MISTAKES)
def test_what_is_no_sde_or_sampler_is_told_where_it_is(change, where, message):
    given = {"sde": "vp", "weighting": "variance", "s_min": 1e-3}
    parts.check(ScoreSDE.build, given, ("event", "network"))
    with pytest.raises(ValidationError) as caught:
        parts.check(ScoreSDE.build, given | change, ("event", "network"))
    (problem,) = caught.value.errors()
    assert ".".join(map(str, problem["loc"])) == where and message in problem["msg"]


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


# --- the samplers ---------------------------------------------------------------------------------


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
