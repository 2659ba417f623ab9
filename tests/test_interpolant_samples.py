"""Samples of the interpolant flow: by its diffusions, and carried from data to data and back."""

import math

import pytest
import torch

from benchmark.baselines.interpolant import InterpolantFlow, Sampler
from benchmark.coordinates import Affine
from benchmark.densities import Empirical, GaussianMixture
from benchmark.diffusion import Diffusion
from benchmark.interpolants import Linear, Trigonometric
from benchmark.model import Model
from benchmark.ode import Tolerance
from benchmark.oracles import MixtureVelocity
from tests.test_controls import rows_of
from tests.test_diffusion import problem, same_distribution
from tests.test_diffusion import target as mixture
from tests.test_interpolant import MEAN, SPREAD, GaussianVelocity, every_path, flow, linear

# --- the diffusion --------------------------------------------------------------------------------


@every_path
def test_score_is_that_of_the_density(path):
    method = flow(path)
    for t in torch.tensor([0.0, 0.4, 1.0]):
        a, b, _, _ = method.network.coefficients(t)
        x = torch.randn(20, 2)
        expected = -(x - b * MEAN) / (a**2 + b**2 * SPREAD**2)
        torch.testing.assert_close(method.score(t, x).detach(), expected, atol=1e-10, rtol=1e-10)


@pytest.mark.parametrize("epsilon", [None, 0.5, lambda t: 1 - t])
def test_samples_of_every_sampler_are_of_the_target(epsilon):
    base, velocity = problem("trigonometric", "standard")
    method = InterpolantFlow(velocity, velocity.path, base)
    fitted = Model(method, Affine.identity((2,)), Tolerance(1e-5, 1e-5))
    drawn = fitted.sample(1000, epsilon=epsilon, steps=150)
    assert same_distribution(drawn, mixture().sample(1000))


def test_epsilon_of_the_config_is_the_default_and_in_the_protocol():
    plain = linear((2,))
    noisy = linear((2,), sampler=Sampler(epsilon=0.4, steps=9))
    noisy.load_state_dict(plain.state_dict())
    tolerance = Tolerance(1e-4, 1e-4)
    assert noisy.sample(5, tolerance).nfe == 18  # two velocities per step
    torch.manual_seed(1)
    expected = plain.sample(5, tolerance).values
    torch.manual_seed(1)
    assert torch.equal(noisy.sample(5, tolerance, epsilon=0.0).values, expected)
    torch.manual_seed(1)
    drawn = plain.sample(5, tolerance, epsilon=0.4, steps=9).values
    torch.manual_seed(1)
    assert torch.equal(noisy.sample(5, tolerance).values, drawn)
    assert (drawn - expected).abs().min() > 1e-3  # the noise
    sampler = {"sampler": "Euler-Maruyama, epsilon 0.4, 9 steps"}
    assert noisy.protocol(tolerance) == {**plain.protocol(tolerance), **sampler}


def test_impossible_diffusions_are_refused():
    method = flow("linear")
    with pytest.raises(ValueError, match="epsilon is -0.1; allowed is finite and at least 0"):
        method.sample(5, Tolerance(1e-3, 1e-3), epsilon=-0.1)
    with pytest.raises(ValueError, match="The base is Empirical.*leave out epsilon"):
        base = Empirical(torch.zeros(5, 2))
        InterpolantFlow(GaussianVelocity("linear"), Linear(), base, sampler=Diffusion(0.1))


# --- from data to data ----------------------------------------------------------------------------


def test_data_are_carried_to_data_and_back():
    # Two Gaussians known by samples only: beforehand their moments, by the closed-form velocity.
    start = GaussianMixture(
        torch.ones(1), torch.tensor([[-2.0, 1.0]]), torch.tensor([[[0.7, 0.0], [0.5, 0.4]]])
    )
    end = GaussianMixture(torch.ones(1), MEAN[None], torch.diag(SPREAD)[None])
    x0, x1, n = start.sample(4000), end.sample(4000), 4000
    base, network = Empirical(torch.zeros(n, 2)), MixtureVelocity(start, end, Trigonometric())
    method = InterpolantFlow(network, network.path, base)
    method.initialise(rows_of(x1), rows_of(x0))
    assert torch.equal(method.base.rows, x0)
    tolerance = Tolerance(1e-6, 1e-6)
    forward = method.sample(n, tolerance).values
    backward = method.transport(x1, tolerance, 1.0, 0.0).values
    for found, truth in ((forward, end), (backward, start)):
        centred = found - truth.means[0]
        products = (centred[:, :, None] * centred[:, None]).flatten(1)
        covariance = (truth.factors[0] @ truth.factors[0].T).flatten()
        for value, expected in ((found, truth.means[0]), (products, covariance)):
            # Drawn from 4000 rows with replacement: two errors of 1 / sqrt(4000).
            error = math.sqrt(2) * value.std(dim=0) / math.sqrt(n)
            assert ((value.mean(dim=0) - expected).abs() < 4 * error).all()
    there = method.transport(x0[:50], tolerance).values
    back = method.transport(there, tolerance, 1.0, 0.0).values
    torch.testing.assert_close(back, x0[:50], atol=1e-4, rtol=0)


def test_base_known_by_samples_has_no_likelihood():
    plain, method = linear((2,)), linear((2,), base_rows=20)
    assert plain.likelihood_gap() is None
    assert method.likelihood_gap() == "the base is known by samples only"
    method.initialise(rows_of(torch.randn(30, 2)), rows_of(torch.randn(20, 2)))
    restored = linear((2,), base_rows=20)
    restored.load_state_dict(method.state_dict())
    assert torch.equal(restored.base.rows, method.base.rows)
    with pytest.raises(ValueError, match="no rows; allowed is"):
        method.initialise(rows_of(torch.randn(30, 2)))
