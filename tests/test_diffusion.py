"""The score from the velocity against autograd, and the diffusions against exact samples."""

import math

import pytest
import torch

from benchmark import diffusion
from benchmark.densities import Empirical, GaussianMixture, LearnedNormal, StandardNormal
from benchmark.diffusion import Diffusion
from benchmark.interpolants import Linear, Trigonometric
from benchmark.oracles import MixtureVelocity
from tests.test_densities import learned_normal
from tests.test_interpolants import bent

PATHS = {"linear": Linear, "trigonometric": Trigonometric, "fourier": lambda: bent(2)}
BASES = {"standard": lambda: StandardNormal(torch.Size([2])), "learned": learned_normal}
every_path = pytest.mark.parametrize("path", PATHS)
every_base = pytest.mark.parametrize("base", BASES)
TIMES = [0.0, 1e-4, 0.3, 0.7, 0.9999, 1 - 1e-7, 1 - 1e-10, 1.0]


def target():
    return GaussianMixture(
        torch.tensor([0.6, 0.4]),
        torch.tensor([[1.5, -1.0], [-1.5, 0.5]]),
        torch.tensor([[[0.6, 0.0], [-0.3, 0.4]], [[0.4, 0.0], [0.2, 0.5]]]),
    )


def problem(path, base):
    """A base, and the closed-form velocity from it."""
    base = BASES[base]()
    if isinstance(base, LearnedNormal):
        mean, factor = base.mean.detach(), base.factor.detach()
    else:
        mean, factor = torch.zeros(2), torch.eye(2)
    normal = GaussianMixture(torch.ones(1), mean[None], factor[None])
    return base, MixtureVelocity(normal, target(), PATHS[path]())


def exact_score(velocity, t, x):
    x = x.detach().requires_grad_()
    log_prob = velocity.marginal(t).log_prob(x).sum()
    return torch.autograd.grad(log_prob, x)[0]


@every_path
@every_base
@pytest.mark.parametrize("t", TIMES)
def test_score_is_the_gradient_of_the_log_density(path, base, t):
    base, velocity = problem(path, base)
    t, x = torch.tensor(t), 2 * torch.randn(30, 2)
    found = diffusion.score(velocity, velocity.path, base, t, x)
    # Next to t = 1 the fraction keeps half of its digits, 1e-16 / 1.5e-8 at worst; times 10.
    expected = exact_score(velocity, t, x)
    torch.testing.assert_close(found.detach(), expected, atol=1e-7, rtol=1e-7)


def test_score_of_a_normal_base_has_the_plus_sign_of_the_tangent():
    # -x + (2 / pi) tan(pi t / 2) v on the trigonometric path, and its limit.
    base, velocity = problem("trigonometric", "standard")
    x, t = torch.randn(30, 2), torch.tensor(0.4)
    expected = -x + 2 / math.pi * math.tan(math.pi * 0.4 / 2) * velocity(t, x)
    found = diffusion.score(velocity, velocity.path, base, t, x)
    torch.testing.assert_close(found, expected)
    end, h = torch.tensor(1.0), 1e-5
    slope = (velocity(end, x) - velocity(end - h, x)) / h
    found = diffusion.score(velocity, velocity.path, base, end, x)
    # One-sided difference: h times the second derivative.
    torch.testing.assert_close(found, -x - 4 / math.pi**2 * slope, atol=1e-3, rtol=0)


@every_path
def test_every_row_has_its_own_time(path):
    base, velocity = problem(path, "learned")
    t, x = torch.tensor(TIMES), torch.randn(len(TIMES), 2)
    together = diffusion.score(velocity, velocity.path, base, t, x)
    alone = [exact_score(velocity, t[i], x[i : i + 1]) for i in range(len(t))]
    torch.testing.assert_close(together.detach(), torch.cat(alone), atol=1e-7, rtol=1e-7)


def test_score_needs_a_gaussian_base():
    _, velocity = problem("linear", "standard")
    with pytest.raises(ValueError, match="The base is Empirical: .*only for a Gaussian base"):
        base = Empirical(torch.randn(5, 2))
        diffusion.score(velocity, velocity.path, base, torch.tensor(0.5), torch.randn(3, 2))


def same_distribution(x, y, permutations=1000):
    """Whether the energy distance of two samples is below the largest of permuted ones.

    True with probability 1 - 1/1001 where they are of one distribution.
    """
    pooled, n = torch.cat([x, y]), len(x)
    signs = torch.cat([torch.full((n,), 1 / n), torch.full((len(y),), -1 / len(y))])
    shuffled = [signs[torch.randperm(len(signs))] for _ in range(permutations)]
    signs = torch.stack([signs, *shuffled], dim=1)
    energies = -(signs * (torch.cdist(pooled, pooled) @ signs)).sum(dim=0)
    return bool(energies[0] <= energies[1:].max())


EPSILONS = {
    "small": 0.1,
    "large": 1.0,
    "early": lambda t: 1.5 * (1 - t),
    "late": lambda t: 2 * t**2,
}


@pytest.mark.parametrize(("path", "base"), [("linear", "learned"), ("trigonometric", "standard")])
@pytest.mark.parametrize("epsilon", EPSILONS)
def test_every_diffusion_has_the_densities_of_the_flow(path, base, epsilon):
    base, velocity = problem(path, base)

    def score(t, x):
        return diffusion.score(velocity, velocity.path, base, t, x)

    x0 = base.sample(1500).detach()
    # The bias of 200 Euler steps is below what 1500 samples show.
    found = Diffusion(EPSILONS[epsilon], 200).solve(velocity, score, x0).values
    assert same_distribution(found, target().sample(1500))
    assert not same_distribution(0.85 * found, target().sample(1500))  # it can tell


def test_diffusion_without_noise_is_the_flow():
    base, velocity = problem("linear", "standard")
    x0 = base.sample(20)
    found, nfe = Diffusion(0.0, 400).solve(velocity, lambda t, x: x, x0)
    x = x0
    for k in range(400):
        x = x + velocity(torch.tensor(k / 400), x) / 400
    torch.testing.assert_close(found, x)
    assert nfe == 800


def test_epsilon_is_finite_and_not_negative():
    with pytest.raises(ValueError, match="epsilon is -0.5; allowed is finite and at least 0"):
        Diffusion(-0.5)
    with pytest.raises(ValueError, match="epsilon at t = 0 is inf; allowed is finite"):
        Diffusion(lambda t: 1 / t).rate(torch.tensor(0.0))
    with pytest.raises(ValueError, match="epsilon at t = 0.75 is -0.25; allowed is finite"):
        Diffusion(lambda t: 0.5 - t).rate(torch.tensor(0.75))
    with pytest.raises(ValueError, match="steps is 0; allowed is at least 1"):
        Diffusion(0.5, 0)
