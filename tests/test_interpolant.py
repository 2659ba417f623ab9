"""The interpolant flow: its loss, its minimiser, and what it learns."""

import math

import pytest
import torch
from torch import nn
from torch.distributions import Beta

from benchmark.baselines.interpolant import InterpolantFlow
from benchmark.coordinates import Affine
from benchmark.densities import GaussianMixture, StandardNormal
from benchmark.interpolants import Linear, Trigonometric
from benchmark.model import Model
from benchmark.ode import Tolerance
from benchmark.training import Rows, Training, fit

PATHS = {"linear": Linear(), "trigonometric": Trigonometric()}
every_path = pytest.mark.parametrize("path", PATHS)
every_time = pytest.mark.parametrize("times", [(1.0, 1.0), (1.0, 0.5), (0.7, 2.0)])

MEAN, SPREAD = torch.tensor([[1.0, -0.5], [0.4, 1.7]], dtype=torch.float64)
"""Mean and standard deviations of the Gaussian target of most tests here."""


class GaussianVelocity(nn.Module):
    """Closed-form velocity from ``N(0, I)`` to ``N(MEAN, SPREAD^2)``, plus ``size`` x a change.

    ``v = b' m + (a' a + b' b s^2) / (a^2 + b^2 s^2) (x - b m)``, the conditional mean of
    ``d/dt x_t`` given ``x_t = x``.
    """

    def __init__(self, path, change="none"):
        super().__init__()
        self.size = nn.Parameter(torch.zeros(()))
        self.path, self.change = path, change

    def coefficients(self, t):
        if self.path == "linear":
            return 1 - t, t, -torch.ones_like(t), torch.ones_like(t)
        angle, rate = math.pi / 2 * t, math.pi / 2
        return angle.cos(), angle.sin(), -rate * angle.sin(), rate * angle.cos()

    def forward(self, t, x):
        t, mean, variance = t.reshape(-1, 1), MEAN, SPREAD**2
        a, b, da, db = self.coefficients(t)
        slope = (da * a + db * b * variance) / (a**2 + b**2 * variance)
        return db * mean + slope * (x - b * mean) + self.size * CHANGES[self.change](t, x)


CHANGES = {
    "none": lambda t, x: 0 * x,
    "constant": lambda t, x: torch.ones_like(x),
    "scale": lambda t, x: x,
    "late": lambda t, x: t * torch.sin(3 * x),
    "turning": lambda t, x: torch.cos(math.pi * t) * x.flip(1),
}


def target(n):
    return MEAN + SPREAD * torch.randn(n, 2)


def flow(path, times=(1.0, 1.0), change="none"):
    base = StandardNormal(torch.Size([2]))
    return InterpolantFlow(GaussianVelocity(path, change), PATHS[path], base, times)


@every_path
@every_time
def test_loss_of_known_draws(path, times):
    method, x1 = flow(path, times), target(7)
    with torch.no_grad():
        method.network.size.fill_(0.3)
    torch.manual_seed(5)
    found = method.loss(x1)
    torch.manual_seed(5)
    t = Beta(torch.tensor(times[0]), torch.tensor(times[1])).sample((7,))
    x0 = torch.randn(7, 2)
    total = 0.0
    for i in range(7):
        a, b, da, db = method.network.coefficients(t[i])
        x, rate = a * x0[i] + b * x1[i], da * x0[i] + db * x1[i]
        v = method.velocity(t[i], x[None])[0]
        total += (v - rate) @ (v - rate) - rate @ rate  # equation 9 by its other name
    torch.testing.assert_close(found, total / 7)


@every_path
@every_time
@pytest.mark.parametrize("change", list(CHANGES)[1:])
def test_closed_form_velocity_is_stationary_for_every_time_weight(path, times, change):
    method, slopes, curvatures = flow(path, times, change), [], []
    for _ in range(40):
        loss = method.loss(target(1000))
        (slope,) = torch.autograd.grad(loss, method.network.size, create_graph=True)
        slopes.append(slope.detach())
        curvatures.append(torch.autograd.grad(slope, method.network.size)[0])
    slopes, curvature = torch.stack(slopes), torch.stack(curvatures).mean()
    error = slopes.std() / math.sqrt(len(slopes))
    # The loss is a parabola in `size`: its minimum is at -slope / curvature = 0.
    assert curvature > 0 and error < 0.05 * curvature
    assert abs(slopes.mean()) < 4.5 * error  # 24 cases: one in 10^4 fails by chance


@every_path
def test_minimum_of_the_loss_is_minus_the_kinetic_energy(path):
    # G(v) = -E |v_t(x_t)|^2 at the minimiser (equation 10).
    method, n = flow(path), 100_000
    x0, x1, t = torch.randn(n, 2), target(n), torch.rand(n)
    speed = method.velocity(t, PATHS[path](t, x0, x1)).square().sum(dim=1)
    error = speed.std() / math.sqrt(n)
    losses = torch.stack([method.loss(target(n // 20)).detach() for _ in range(20)])
    error = (error**2 + losses.var() / 20).sqrt()
    assert abs(losses.mean() + speed.mean()) < 4 * error


def test_times_are_drawn_near_the_target():
    # Beta(1, 0.5) has mean 2/3; its mirror image 1/3.
    seen = []

    class Watching(GaussianVelocity):
        def forward(self, t, x):
            seen.append(t)
            return super().forward(t, x)

    base = StandardNormal(torch.Size([2]))
    InterpolantFlow(Watching("linear"), Linear(), base, (1.0, 0.5)).loss(target(10_000))
    (t,) = seen
    assert abs(t.mean() - 2 / 3) < 4 * t.std() / math.sqrt(len(t))


@every_path
def test_closed_form_velocity_carries_the_base_to_the_target(path):
    x = target(50)
    found = flow(path).log_prob(x, Tolerance(1e-9, 1e-9)).values
    normal = torch.distributions.Normal(MEAN, SPREAD)
    torch.testing.assert_close(found, normal.log_prob(x).sum(dim=1), atol=1e-7, rtol=0)


def test_training_recovers_a_mixture_of_gaussians(single_precision):
    means = torch.tensor([[2.0, 0.0], [-1.0, 1.5], [-1.0, -1.5]])
    factors = 0.5 * torch.eye(2).expand(3, 2, 2).clone()
    truth = GaussianMixture(torch.tensor([0.5, 0.25, 0.25]), means, factors)
    method = InterpolantFlow.build((2,), "trigonometric", 64, 3, 4, 0, 1.0, 0.5)
    rows = Rows(truth.sample(20_000).numpy(), None, torch.device("cpu"))
    numbers = Training(1500, 512, 5e-3, "cosine", 1.0, 0.99, "identity", 1)
    fitted, history = fit(method, rows, Affine.identity((2,)), numbers, lambda method: 0.0)
    x = truth.sample(2000).double()
    model = Model(fitted, Affine.identity((2,)), Tolerance(1e-5, 1e-5))
    excess = truth.log_prob(x) - model.log_prob(x)
    error = excess.std() / math.sqrt(len(x))
    # An untrained flow has 1.4 nats, the best Gaussian 0.95; this one has 0.013 to 0.017.
    assert -4 * error < excess.mean() < 0.04 + 4 * error and error < 0.01
    assert history[-1].loss < history[0].loss
