"""Densities: samples and log-densities against quadrature and against torch.distributions."""

import math

import pytest
import torch
from torch.distributions import Categorical, MixtureSameFamily, MultivariateNormal

from benchmark.densities import (
    Checkerboard,
    Empirical,
    GaussianMixture,
    LearnedNormal,
    ManyWell,
    Normal,
    StandardNormal,
    eight_gaussians,
)

WEIGHTS = [0.2, 0.5, 0.3]
MEANS = [[1.0, -2.0], [-1.5, 0.5], [2.0, 2.0]]
FACTORS = [[[0.9, 0.0], [-0.6, 0.5]], [[0.4, 0.0], [0.3, 0.8]], [[0.5, 0.0], [0.0, 0.5]]]


def correlated_mixture():
    return GaussianMixture(torch.tensor(WEIGHTS), torch.tensor(MEANS), torch.tensor(FACTORS))


def learned_normal(dim=2):
    density = LearnedNormal(dim).double()
    with torch.no_grad():
        for number, weights in enumerate(density.parameters()):
            weights.copy_(0.4 * torch.cos(torch.arange(1.0 * len(weights)) + number))
    return density


DENSITIES = {
    "learned normal": learned_normal,
    "standard normal": lambda: StandardNormal(torch.Size([2])),
    "standard normal image": lambda: StandardNormal(torch.Size([1, 2, 1])),
    "scaled normal image": lambda: Normal(torch.Size([1, 2, 1]), 1.4),
    "correlated mixture": correlated_mixture,
    "eight gaussians": eight_gaussians,
    "checkerboard": Checkerboard,
    "double well": lambda: ManyWell(pairs=1),
}
every_density = pytest.mark.parametrize("make", DENSITIES.values(), ids=DENSITIES.keys())

CELL = 1 / 32


def plane():
    """Centres of cells that tile ``[-10, 10]^2`` and end where the squares of the board do."""
    centres = torch.arange(-10, 10, CELL) + CELL / 2
    return torch.cartesian_prod(centres, centres)


@every_density
def test_density_is_normalised(make):
    density, x = make(), plane()
    x = x.reshape(-1, *density.sample(1).shape[1:])
    # The midpoint rule is exact on the board; on Gaussians of 8 and more cells per standard
    # deviation its error, and the mass outside the box, are below round-off.
    assert abs(density.log_prob(x).exp().sum() * CELL**2 - 1) < 1e-9


@every_density
def test_samples_have_the_moments_and_the_entropy_of_the_density(make):
    density, n = make(), 20_000
    drawn = density.sample(n)
    x = plane().reshape(-1, *drawn.shape[1:])
    weights = density.log_prob(x).exp() * CELL**2

    def observables(x):
        first, second = x.flatten(1).T
        log_prob = density.log_prob(x).nan_to_num(neginf=0.0)  # 0 x inf outside the support
        wave = torch.cos(1.3 * first + 0.7 * second)
        return [first, second, first**2, second**2, first * second, wave, log_prob]

    assert density.log_prob(drawn).isfinite().all()
    for found, value in zip(observables(drawn), observables(x), strict=True):
        error = found.std() / math.sqrt(n)
        # 5 standard errors; 1e-3 for the quadrature of polynomials on the board's cells.
        assert abs(found.mean() - (weights * value).sum()) < 5 * error + 1e-3


def test_mixture_agrees_with_torch():
    scale_tril = torch.tensor(FACTORS)
    components = MultivariateNormal(torch.tensor(MEANS), scale_tril=scale_tril)
    reference = MixtureSameFamily(Categorical(torch.tensor(WEIGHTS)), components)
    x = 5 * torch.randn(100, 2)
    torch.testing.assert_close(correlated_mixture().log_prob(x), reference.log_prob(x))


def test_standard_normal_agrees_with_torch_on_images():
    x = torch.randn(5, 3, 2, 2)
    reference = MultivariateNormal(torch.zeros(12), torch.eye(12)).log_prob(x.flatten(1))
    torch.testing.assert_close(StandardNormal(torch.Size([3, 2, 2])).log_prob(x), reference)


def test_checkerboard_is_that_of_the_ffjord_code():
    # toy_data.py of rtqichen/ffjord, whose points must all lie on our dark squares.
    n = 10_000
    first = torch.rand(n) * 4 - 2
    second = torch.rand(n) - torch.randint(0, 2, (n,)) * 2 + torch.floor(first) % 2
    x = 2 * torch.stack([first, second], dim=1)
    torch.testing.assert_close(Checkerboard().log_prob(x), torch.full((n,), -math.log(32)))


def test_checkerboard_has_light_squares_and_an_outside():
    outside = torch.tensor([[1.0, -1.0], [-3.0, -1.0], [3.0, 1.0], [5.0, 1.0], [1.0, -7.0]])
    assert (Checkerboard().log_prob(outside) == -math.inf).all()


def test_eight_gaussians_are_those_of_the_ffjord_code():
    # Centres at radius 4, noise 0.5, both divided by 1.414: here by sqrt 2.
    diagonal = 4 / math.sqrt(2)
    ring = [(1, 0), (-1, 0), (0, 1), (0, -1)]
    ring += [(a / math.sqrt(2), b / math.sqrt(2)) for a in (-1, 1) for b in (-1, 1)]
    centres = diagonal * torch.tensor(ring)
    x = 3 * torch.randn(100, 2)
    squares = (x[:, None] - centres).square().sum(dim=2)
    variance = 0.5**2 / 2
    normal = torch.exp(-squares / (2 * variance)) / (2 * math.pi * variance)
    torch.testing.assert_close(eight_gaussians().log_prob(x).exp(), normal.mean(dim=1))


def test_the_many_well_is_a_product_of_double_wells(single_precision):
    x, many, one = torch.randn(50, 32).double(), ManyWell(), ManyWell(pairs=1)
    each = torch.stack([one.log_prob(pair) for pair in x.split(2, dim=1)])
    torch.testing.assert_close(many.log_prob(x), each.sum(dim=0))
    # Midgley et al. (2023) quote log Z = 164.6957 of the 32 dimensions with its normals, unscaled.
    total = 16 * (many.log_normaliser + 0.5 * math.log(2 * math.pi))
    assert total.item() == pytest.approx(164.6957, abs=1e-3)
    wells = many.sample(20_000)[:, ::2]
    # The right one holds as much as quadrature says, in each of 16 independent coordinates.
    a = torch.linspace(0, 5, 5001, dtype=torch.float64)
    right = (ManyWell._log_well(a).logsumexp(0) + math.log(1e-3) - many.log_normaliser).exp()
    share = (wells > 0).double().mean()
    assert abs(share - right) < 4 * math.sqrt(right * (1 - right) / wells.numel())


@pytest.mark.parametrize("make", [eight_gaussians, Checkerboard, ManyWell])
def test_float64_rows_have_float64_densities(make, single_precision):
    density = make()
    x = density.sample(100)
    assert x.dtype == torch.float32
    found = density.log_prob(x.double())
    assert found.dtype == torch.float64
    # Parameters are float32: six digits of them are right.
    expected = make().double().log_prob(x.double())
    torch.testing.assert_close(found, expected, atol=1e-5, rtol=1e-6)


def test_learned_normal_starts_as_the_standard_normal():
    x = torch.randn(5, 3)
    expected = StandardNormal(torch.Size([3])).log_prob(x)
    torch.testing.assert_close(LearnedNormal(3).log_prob(x), expected)


@pytest.mark.parametrize("dim", [1, 3])
def test_learned_normal_agrees_with_torch(dim):
    density, x = learned_normal(dim), torch.randn(5, dim)
    reference = MultivariateNormal(density.mean, scale_tril=density.factor)
    torch.testing.assert_close(density.log_prob(x), reference.log_prob(x))


def test_samples_of_the_learned_normal_can_be_differentiated():
    # E |x|^2 = |m|^2 + |L|^2 has the gradients 2 m and 2 L.
    density, n = learned_normal(), 200_000
    x = density.sample(n)
    weights = (density.mean, density.lower, density.log_scales)
    found = torch.autograd.grad(x.square().sum(dim=1).mean(), weights)
    factor = density.factor
    expected = (2 * density.mean, 2 * factor[1, :1], 2 * factor.diagonal() ** 2)
    for value, truth in zip(found, expected, strict=True):
        # The gradients are means of 2 x_i or 2 x_i z_j, of a variance below 20.
        torch.testing.assert_close(value, truth, atol=4 * math.sqrt(20 / n), rtol=0)


def test_empirical_density_draws_every_row_alike():
    rows, n = torch.arange(10.0).reshape(5, 2), 20_000
    drawn = Empirical(rows).sample(n)
    counts = (drawn[:, None] == rows).all(dim=2).double().sum(dim=0)
    assert counts.sum() == n
    # Binomial counts: variance n p (1 - p).
    assert ((counts - n / 5).abs() < 4 * math.sqrt(n * 0.2 * 0.8)).all()


def test_empirical_density_has_no_log_prob():
    with pytest.raises(TypeError, match="known only by 5 samples has no log_prob. Use a base"):
        Empirical(torch.zeros(5, 2)).log_prob(torch.zeros(1, 2))


def test_empirical_density_is_filled_with_as_many_rows():
    density, rows = Empirical(torch.zeros(5, 2)), torch.randn(5, 2)
    density.fill(rows)
    assert torch.equal(density.rows, rows)
    with pytest.raises(ValueError, match=r"rows of shape \(1, 2\); allowed is \(5, 2\)"):
        density.fill(rows[:1])
    with pytest.raises(ValueError, match=r"no rows; .*Pass the rows of the base"):
        density.fill(None)
