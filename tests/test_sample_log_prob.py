"""Samples with their log-densities, in one integration, beside the likelihood of the same rows."""

import math

import pytest
import torch

from benchmark.baselines.gaussian import Gaussian
from benchmark.baselines.interpolant import InterpolantFlow
from benchmark.baselines.oracle import Oracle, OracleFlow
from benchmark.coordinates import Affine
from benchmark.densities import Empirical, StandardNormal
from benchmark.flow import Flow
from benchmark.model import Model
from benchmark.ode import Tolerance

TIGHT = Tolerance(1e-8, 1e-8)
SHIFTED = Affine(torch.tensor([5.0, -7.0]), torch.tensor([0.5, 3.0]))
EIGHT = "benchmark.densities.eight_gaussians"


class Stretch(Flow):
    """``v = a x``: carries ``N(0, I)`` to ``N(0, e^(2a) I)``; counts its solves."""

    def __init__(self, rate=0.7, breaks=()):
        super().__init__()
        self.register_buffer("rate", torch.tensor(rate))
        self.base, self.breaks, self.starts = StandardNormal(torch.Size([2])), breaks, 0

    @classmethod
    def build(cls, event):
        return cls()

    def velocity(self, t, x):
        self.starts += int(t.flatten()[0] == 0)
        return self.rate * x

    def loss(self, x1):
        raise NotImplementedError


def model(method, tolerance=TIGHT, event=(2,)):
    return Model(method, SHIFTED.double(), tolerance, event).double()


@pytest.mark.parametrize("breaks", [(), (0.25, 0.5)])
def test_log_densities_of_samples_are_those_of_the_closed_form(breaks):
    x, log_prob = model(Stretch(breaks=breaks)).sample(300, log_prob=True)
    z = (x - SHIFTED.shift) / SHIFTED.scale
    normal = torch.distributions.Normal(0.0, math.exp(0.7)).log_prob(z).sum(dim=1)
    expected = normal - torch.tensor([0.5, 3.0]).log().sum()
    torch.testing.assert_close(log_prob, expected, atol=1e-6, rtol=0)
    assert log_prob.dtype == torch.float64 and not log_prob.requires_grad


METHODS = {
    "flow": lambda: OracleFlow.build((2,), EIGHT, "trigonometric"),
    "closed form": lambda: Oracle.build((2,), EIGHT),
}


@pytest.mark.parametrize("name", METHODS)
def test_they_are_those_of_log_prob_at_the_same_rows(name):
    fitted = model(METHODS[name](), Tolerance(1e-7, 1e-7))
    x, log_prob = fitted.sample(10, log_prob=True)
    torch.testing.assert_close(log_prob, fitted.log_prob(x), atol=1e-4, rtol=0)


def test_the_samples_are_those_without_log_densities():
    fitted = model(Stretch())
    torch.manual_seed(5)
    x, _ = fitted.sample(100, log_prob=True)
    torch.manual_seed(5)
    torch.testing.assert_close(x, fitted.sample(100), atol=1e-6, rtol=0)


def test_the_ode_is_solved_once():
    fitted, rows = Stretch(), 300
    model(fitted).sample(rows)
    alone, fitted.starts = fitted.starts, 0
    model(fitted).sample(rows, log_prob=True)
    # Pilots and the rows of the batch; back and forth would begin at t = 1 as well.
    assert 0 < fitted.starts <= 2 * alone + 2


@pytest.mark.parametrize("n", [0, 1, 7])
def test_any_number_of_samples_can_be_had(n, monkeypatch):
    monkeypatch.setattr("benchmark.model.MAX_ELEMENTS_PER_SOLVE", 6)  # three rows at a time
    x, log_prob = model(Stretch()).sample(n, log_prob=True)
    assert x.shape == (n, 2) and log_prob.shape == (n,)


def test_random_probes_are_right_in_the_mean():
    # The divergence of a stretch is the same for every probe of signs.
    x, log_prob = model(Stretch(), Tolerance(1e-8, 1e-8, probes=3)).sample(50, log_prob=True)
    torch.testing.assert_close(log_prob, model(Stretch()).log_prob(x), atol=1e-6, rtol=0)


def test_what_has_no_such_log_density_is_refused():
    with pytest.raises(ValueError, match="allowed is False, as samples with epsilon have none"):
        model(Stretch()).sample(3, log_prob=True, epsilon=0.5)
    gap = InterpolantFlow.likelihood_gap
    between = Stretch()
    between.base = Empirical(torch.randn(9, 2))
    between.likelihood_gap = lambda: gap(between)
    with pytest.raises(ValueError, match="as the base is known by samples only"):
        model(between).sample(3, log_prob=True)


def test_a_gaussian_that_was_fitted_has_its_own():
    fitted = Model(Gaussian.build((2,)), SHIFTED.double(), TIGHT, (2,)).double()
    x, log_prob = fitted.sample(20, log_prob=True)
    torch.testing.assert_close(log_prob, fitted.log_prob(x))
