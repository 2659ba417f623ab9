"""The interpolant flow: its loss, its minimiser, and what it learns."""

import math

import pytest
import torch
from plan import plan, unvalidated
from pydantic import ValidationError
from torch import nn
from torch.distributions import Beta

from benchmark import model, parts
from benchmark.ascent import ascend
from benchmark.baselines.interpolant import Draws, InterpolantFlow, PathSettings, Sampler
from benchmark.coordinates import Affine
from benchmark.densities import Empirical, GaussianMixture, LearnedNormal, StandardNormal
from benchmark.diffusion import Diffusion
from benchmark.divergence import exact_divergence
from benchmark.interpolants import Linear, Trigonometric
from benchmark.model import Model
from benchmark.networks.mlp import MLP
from benchmark.networks.network import Network
from benchmark.ode import Tolerance
from benchmark.oracles import MixtureVelocity
from benchmark.records.model_file import ModelFile
from benchmark.rows import Rows
from benchmark.training.loop import fit
from tests.test_controls import rows_of
from tests.test_diffusion import problem, same_distribution
from tests.test_diffusion import target as mixture
from tests.test_interpolants import bent

KIND = "benchmark.baselines.interpolant.InterpolantFlow"
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


# --- paths and bases that are learned -------------------------------------------------------------


def transport_cost(path, base):
    """``int E |v_t(x_t)|^2 dt`` from a Gaussian base to ``N(MEAN, SPREAD^2)``, with no sampling.

    ``E |v|^2 = |m'|^2 + tr(C' C^-1 C') / 4`` for Gaussians of moments m, C. Midpoint rule.
    """
    factor = base.factor
    total = 0.0
    for t in (torch.arange(100) + 0.5) / 100:
        (a, b), (da, db) = path.coefficients(t), path.rates(t)
        covariance = a**2 * factor @ factor.T + b**2 * torch.diag(SPREAD**2)
        rate = 2 * a * da * factor @ factor.T + 2 * b * db * torch.diag(SPREAD**2)
        mean = da * base.mean + db * MEAN
        squared = rate @ torch.linalg.solve(covariance, rate)
        total = total + mean.square().sum() + squared.trace() / 4
    return total / 100


def learning_flow(pace):
    """A flow whose path and base ascend, with the velocity that is right for both of them."""
    path, base = bent(2), LearnedNormal(2)
    with torch.no_grad():
        for weights in base.parameters():
            weights.copy_(0.3 * torch.cos(torch.arange(1.0 * len(weights))))
    normal = GaussianMixture(torch.ones(1), base.mean.detach()[None], base.factor.detach()[None])
    end = GaussianMixture(torch.ones(1), MEAN[None], torch.diag(SPREAD)[None])
    network = MixtureVelocity(normal, end, bent(2))  # a path of its own: not to be differentiated
    honest = list(path.parameters()) + list(base.parameters())
    slopes = torch.autograd.grad(transport_cost(path, base), honest)
    ascend(path, pace)
    ascend(base, pace)
    return InterpolantFlow(network.requires_grad_(False), path, base), slopes


@pytest.mark.parametrize("pace", [1.0, 0.3])
def test_path_and_base_go_down_the_path_length(pace):
    # At the best velocity min G = -E |v|^2, so that the ascent of G descends the path length,
    # and by the envelope theorem at fixed v already (equation 24).
    method, slopes = learning_flow(pace)
    weights = [*method.path.parameters(), *method.base.parameters()]
    runs = [torch.autograd.grad(method.loss(target(2000)), weights) for _ in range(100)]
    for found, slope in zip(zip(*runs, strict=True), slopes, strict=True):
        values = torch.stack(found)
        error = values.std(dim=0) / math.sqrt(len(values))
        # 9 numbers twice; midpoint rule: 1e-4 of slopes of some units.
        assert ((values.mean(dim=0) - pace * slope).abs() < 4 * error + 1e-3).all()
    assert max(slope.abs().max() for slope in slopes) > 1


@pytest.mark.parametrize(("base", "share"), [("normal", 0.95), ("learned", 0.7)])
def test_learning_shortens_the_path(base, share):
    # 2.59 by the trigonometric path, 2.1 at least (W2^2) from N(0, I), 0 from a base that may
    # become the target. Found: 0.90 of it, and 0.55 on the way down.
    network = MLP((2,), 32, 2, 2, 0)
    method = InterpolantFlow.build((2,), network, PathSettings("fourier", terms=3, base=base))
    optimiser = torch.optim.Adam(method.parameters(), lr=5e-3)
    for _ in range(400):
        optimiser.zero_grad()
        method.loss(target(256)).backward()
        optimiser.step()
    normal = LearnedNormal(2)
    learned = method.base if base == "learned" else normal
    assert transport_cost(method.path, learned) < share * transport_cost(Trigonometric(), normal)


def test_learned_path_and_base_survive_averaging_and_a_file(tmp_path, single_precision):
    size = {"width": 8, "depth": 2, "time_frequencies": 2, "space_frequencies": 0}
    network = {"class": "benchmark.networks.mlp.MLP", **size}
    arguments = {"network": network, "path": {"kind": "fourier", "base": "learned"}}
    method = model.build(KIND, (2,), arguments)
    rows = Rows(target(500).float().numpy(), None, torch.device("cpu"))
    short = plan(20, 64, 0.1, schedule="constant", ema=0.9)
    averaged, _ = fit(method, rows, short, unvalidated)
    fitted = Model(averaged, Affine.identity((2,)), Tolerance(1e-4, 1e-4))
    stored = {"class": KIND, "arguments": arguments, "event": (2,), "coordinates": "identity"}
    stored |= {"validation": {"atol": 1e-4, "rtol": 1e-4}}
    model.save(tmp_path, fitted, ModelFile(**stored))
    restored, x = model.load(tmp_path), torch.randn(10, 2)
    assert torch.equal(restored.log_prob(x), fitted.log_prob(x))
    torch.manual_seed(1)
    drawn = fitted.sample(10, epsilon=0.1, steps=20)
    torch.manual_seed(1)
    assert torch.equal(restored.sample(10, epsilon=0.1, steps=20), drawn)
    assert averaged.path.amplitudes.abs().min() > 1e-3 and averaged.base.mean.abs().min() > 1e-3


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


@pytest.mark.parametrize(("event", "rows"), [((1, 2, 2), None), ((2,), 20)])
def test_learned_base_is_for_vectors_without_rows(event, rows):
    path, message = PathSettings("linear", base="learned"), "model.path.base is 'learned'.*'normal'"
    with pytest.raises(ValueError, match=message):
        InterpolantFlow.build(event, MLP(event, 8, 2, 2, 0), path, base_rows=rows)


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
