"""The interpolant flow: its loss, its minimiser, what it tells, and how a config writes it."""

import math

import pytest
import torch
from pydantic import ValidationError
from torch import nn
from torch.distributions import Beta

from benchmark import parts
from benchmark.baselines.interpolant import Draws, InterpolantFlow, PathSettings
from benchmark.densities import StandardNormal
from benchmark.divergence import exact_divergence
from benchmark.interpolants import Linear, Trigonometric
from benchmark.networks.mlp import MLP
from benchmark.networks.network import Network
from benchmark.ode import Tolerance

PATHS = {"linear": Linear(), "trigonometric": Trigonometric()}
every_path = pytest.mark.parametrize("path", PATHS)
every_time = pytest.mark.parametrize("times", [(1.0, 1.0), (1.0, 0.5), (0.7, 2.0)])

MEAN, SPREAD = torch.tensor([[1.0, -0.5], [0.4, 1.7]], dtype=torch.float64)
"""Mean and standard deviations of the Gaussian target of most tests here."""


class GaussianVelocity(Network):
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
    return InterpolantFlow(GaussianVelocity(path, change), PATHS[path], base, Draws(*times))


def linear(event, width=8, **arguments):
    network, path = MLP(event, width, 2, 2, 1), PathSettings("linear")
    return InterpolantFlow.build(event, network, path, **arguments)


@every_path
@every_time
def test_loss_of_known_draws(path, times):
    method, x1 = flow(path, times), target(7)
    with torch.no_grad():
        method.network.size.fill_(0.3)
    torch.manual_seed(5)
    found = method.loss(x1)
    torch.manual_seed(5)
    t = method.draws.draw_times(7, x1)
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


@every_time
def test_times_are_those_of_the_beta_distribution(times):
    seen = []

    class Watching(GaussianVelocity):
        def forward(self, t, x):
            seen.append(t)
            return super().forward(t, x)

    base = StandardNormal(torch.Size([2]))
    InterpolantFlow(Watching("linear"), Linear(), base, Draws(*times)).loss(target(10_000))
    truth = Beta(*torch.tensor(times, dtype=torch.float64))
    # (1, 0.5) has mean 2/3, near the target; its mirror image 1/3.
    for power, moment in ((1, truth.mean), (2, truth.variance + truth.mean**2)):
        found = seen[0] ** power
        assert abs(found.mean() - moment) < 4.5 * found.std() / 100


@every_path
def test_closed_form_velocity_carries_the_base_to_the_target(path):
    x = target(50)
    found = flow(path).log_prob(x, Tolerance(1e-9, 1e-9)).values
    normal = torch.distributions.Normal(MEAN, SPREAD)
    torch.testing.assert_close(found, normal.log_prob(x).sum(dim=1), atol=1e-7, rtol=0)


def test_product_loss_combines_all_times_bases_and_rows():
    method, x1 = flow("trigonometric", (1.0, 0.5), "scale"), target(4)
    method.draws = Draws(1.0, 0.5, times=3, bases=5)
    with torch.no_grad():
        method.network.size.fill_(0.3)
    torch.manual_seed(5)
    found = method.loss(x1)
    torch.manual_seed(5)
    times = method.draws.draw_times(3, x1)
    bases, total = torch.randn(5, 2), 0.0
    for t in times:
        a, b, da, db = method.network.coefficients(t)
        for x0 in bases:
            for row in x1:
                v = method.velocity(t, (a * x0 + b * row)[None])[0]
                total += v @ v - 2 * v @ (da * x0 + db * row)
    torch.testing.assert_close(found, total / (3 * 5 * 4))


def test_product_loss_has_the_expectation_of_the_plain_loss():
    method, losses = flow("trigonometric", (1.0, 0.5), "scale"), []
    with torch.no_grad():
        method.network.size.fill_(0.3)
    for crossed in ({}, {"times": 4, "bases": 3}):
        method.draws = Draws(1.0, 0.5, **crossed)
        losses.append(torch.stack([method.loss(target(50)).detach() for _ in range(1000)]))
    error = (sum(loss.var() for loss in losses) / 1000).sqrt()
    assert abs(losses[0].mean() - losses[1].mean()) < 4 * error
    assert error < 0.05 * abs(losses[0].mean())


def path_length(path):
    """``int E |v_t(x_t)|^2 dt`` of the closed form, by the midpoint rule (1e-5 of it)."""
    t = ((torch.arange(200) + 0.5) / 200).reshape(-1, 1)
    a, b, da, db = GaussianVelocity(path).coefficients(t)
    slope = (da * a + db * b * SPREAD**2) / (a**2 + b**2 * SPREAD**2)
    square = (db * MEAN) ** 2 + slope**2 * (a**2 + b**2 * SPREAD**2)
    return square.sum(dim=1).mean().item()


@every_path
@pytest.mark.parametrize("times", [(1.0, 1.0), (1.0, 0.5)])
def test_diagnostics_of_the_closed_form(path, times):
    method = flow(path, times)
    runs = [method.diagnostics(target(2000)) for _ in range(50)]
    truth = {"monitor": 0.0, "path_length": path_length(path)}
    assert runs[0].keys() == truth.keys()
    for name, expected in truth.items():
        values = torch.tensor([run[name] for run in runs])
        error = values.std() / math.sqrt(len(values))
        assert abs(values.mean() - expected) < 4 * error and error < 0.02 * path_length(path)


def test_monitor_tells_a_wrong_velocity():
    method = flow("linear", change="scale")
    with torch.no_grad():
        method.network.size.fill_(0.2)
    x1 = target(20_000)
    found = method.diagnostics(x1)["monitor"]
    # 2 E v_hat . (v_hat - v) with v_hat = v + 0.2 x.
    t, x0 = torch.rand(20_000), torch.randn(20_000, 2)
    x = Linear()(t, x0, x1)
    v = method.velocity(t, x)
    terms = (2 * 0.2 * v * x).sum(dim=1)
    # The monitor's own noise, of 2 v . (v - d/dt x_t), is less than three times that of |v|^2.
    error = 2 * (x1 - x0 - v).square().sum(dim=1).mul(v.square().sum(dim=1)).mean().sqrt()
    error = (error + terms.std()) / math.sqrt(20_000)
    assert abs(found - terms.mean()) < 4 * error and terms.mean() > 10 * error


def test_divergence_is_that_of_the_network():
    method = linear((3,), 16)
    t, x = torch.tensor(0.3), torch.randn(5, 3)
    expected = exact_divergence(method.velocity, t, x)
    torch.testing.assert_close(method.divergence(t, x), expected)
    method.network.divergence = lambda t, x: torch.full((len(x),), 7.0)
    assert torch.equal(method.divergence(t, x), torch.full((5,), 7.0))


# --- as a config writes it ------------------------------------------------------------------------


def test_one_number_of_crossed_draws_means_one_of_the_other():
    assert Draws().crossed is None
    assert Draws(times=3, bases=5).crossed == (3, 5)
    assert Draws(times=3).crossed == (3, 1) and Draws(bases=5).crossed == (1, 5)


SUPPLIED = ("event", "network", "base_rows")


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("linear", PathSettings("linear", 7, "normal", 0.1)),
        ({"kind": "fourier", "terms": 3}, PathSettings("fourier", 3, "normal", 0.1)),
        (
            {"kind": "trigonometric", "base": "learned", "pace": 1},
            PathSettings("trigonometric", 7, "learned", 1.0),
        ),
    ],
)
def test_a_path_is_written_as_its_kind_or_with_its_numbers(written, meant):
    assert parts.convert(InterpolantFlow.build, {"path": written}) == {"path": meant}
    parts.check(InterpolantFlow.build, {"path": written}, SUPPLIED)


@pytest.mark.parametrize(
    ("change", "where"),
    [
        ({"path": "lineal"}, "path.kind"),
        ({"path": {"kind": "fourier", "therms": 3}}, "path.therms"),
        ({"path": {"kind": "fourier", "terms": 3.0}}, "path.terms"),
        ({"path": {"base": "learned"}}, "path.kind"),
        ({"draws": {"alpha": 0}}, "draws.alpha"),
        ({"draws": {"gamma": 1}}, "draws.gamma"),
        ({"draws": {"times": 0}}, "draws.times"),
        ({"sampler": {"epsilon": -0.1}}, "sampler.epsilon"),
        ({"sampler": {"steps": "9"}}, "sampler.steps"),
        ({"width": 8}, "width"),
    ],
)
def test_what_is_no_argument_is_told_where_it_is(change, where):
    with pytest.raises(ValidationError) as caught:
        parts.check(InterpolantFlow.build, {"path": "linear"} | change, SUPPLIED)
    (problem,) = caught.value.errors()
    assert ".".join(map(str, problem["loc"])) == where
