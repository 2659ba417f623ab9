"""The diffusions of Score-SDE: those of the paper, as a config writes them."""

import math

import numpy as np
import pytest
import torch
from pydantic import ValidationError
from runge_kutta import runge_kutta

from benchmark import parts
from benchmark.baselines.score_sde import (
    ScoreSDE,
    SubVariancePreserving,
    VarianceExploding,
    VariancePreserving,
)
from benchmark.densities import Normal
from benchmark.networks.mlp import MLP
from benchmark.sde import euler_maruyama
from tests.test_score_sde import COEFFICIENTS, MOMENTS, S_MIN, SIGMA_MAX, built, every_sde


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
