"""Paths and bases that the interpolant flow learns: down the path length, into a file and back."""

import math

import pytest
import torch
from plan import plan, unvalidated

from benchmark import model
from benchmark.ascent import ascend
from benchmark.baselines.interpolant import InterpolantFlow, PathSettings
from benchmark.coordinates import Affine
from benchmark.densities import GaussianMixture, LearnedNormal
from benchmark.interpolants import Trigonometric
from benchmark.model import Model
from benchmark.networks.mlp import MLP
from benchmark.ode import Tolerance
from benchmark.oracles import MixtureVelocity
from benchmark.records.model_file import ModelFile
from benchmark.rows import Rows
from benchmark.training.loop import fit
from tests.test_interpolant import MEAN, SPREAD, target
from tests.test_interpolants import bent

KIND = "benchmark.baselines.interpolant.InterpolantFlow"


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


@pytest.mark.parametrize(("event", "rows"), [((1, 2, 2), None), ((2,), 20)])
def test_learned_base_is_for_vectors_without_rows(event, rows):
    path, message = PathSettings("linear", base="learned"), "model.path.base is 'learned'.*'normal'"
    with pytest.raises(ValueError, match=message):
        InterpolantFlow.build(event, MLP(event, 8, 2, 2, 0), path, base_rows=rows)
