"""Methods that are each broken in one way, and the sound one that they are made from."""

from pathlib import Path

import numpy as np
import torch
from torch import nn

from benchmark.densities import GaussianMixture, StandardNormal
from benchmark.flow import ClosedForm, Flow
from benchmark.interpolants import Trigonometric
from benchmark.networks.network import Network
from benchmark.shapes import per_sample


class Small(Network):
    """Three layers, small enough for a hundred fits."""

    def __init__(self, event, width: int = 32):
        super().__init__()
        dim = torch.Size(event).numel()
        sizes = [(dim + 1, width), (width, width), (width, dim)]
        first, second, last = (nn.Linear(*size) for size in sizes)
        self.layers = nn.Sequential(first, nn.SiLU(), second, nn.SiLU(), last)

    def forward(self, t, x):
        rows = x.flatten(1)
        return self.layers(torch.cat([rows, t.reshape(-1, 1).expand(len(x), 1)], 1)).reshape(
            x.shape
        )


class Sound(Flow):
    """A flow that is right: it regresses on the rate of a trigonometric path."""

    def __init__(self, network, base):
        super().__init__()
        self.network, self.base, self.path = network, base, Trigonometric()

    @classmethod
    def build(cls, event, network: Network):
        return cls(network, StandardNormal(torch.Size(event)))

    def velocity(self, t, x):
        return self.network(t, x)

    def drawn(self, x1):
        return torch.rand(len(x1)).to(x1), self.base.sample(len(x1))

    def loss(self, x1):
        t, x0 = self.drawn(x1)
        x, rate = self.path.with_velocity(t, x0, x1)
        return self.weigh(t, (self.network(t, x) - rate).square().flatten(1).sum(dim=1)).mean()

    def weigh(self, t, errors):
        return (1 + t) * errors


class SeesOtherRows(Sound):
    def velocity(self, t, x):
        return self.network(t, x) - x.mean(dim=0)


class TimesMeetColumns(Sound):
    def velocity(self, t, x):
        return t * self.network(t, x)


class WrongDivergence(Sound):
    def divergence(self, t, x):
        return 0.5 * super().divergence(t, x)


class KeepsProbe(Sound):
    probe = None

    def divergence(self, t, x):
        if self.probe is None or self.probe.shape != x.shape:
            self.probe = torch.randn_like(x)
        with torch.enable_grad():
            x = x.detach().requires_grad_()
            (product,) = torch.autograd.grad(self.velocity(t, x), x, self.probe)
        return (product * self.probe).flatten(1).sum(dim=1)


class KeepsNoise(Sound):
    noise = None

    def drawn(self, x1):
        t, x0 = super().drawn(x1)
        if self.noise is None or self.noise.shape != x0.shape:
            self.noise = x0
        return t, self.noise


class BroadcastsLoss(Sound):
    def weigh(self, t, errors):
        return (1 + t)[:, None] * errors


class LosesGradient(Sound):
    def __init__(self, network, base):
        super().__init__(network, base)
        self.unused = nn.Linear(2, 2)


class LossOfEachRow(Sound):
    def loss(self, x1):
        return super().loss(x1).expand(len(x1))


class AscendsLoss(Sound):
    """The gradient of its loss is that of minus the loss."""

    def loss(self, x1):
        loss = super().loss(x1)
        return 2 * loss.detach() - loss


class TrainsInBuild(Sound):
    @classmethod
    def build(cls, event, network: Network):
        made = super().build(event, network)
        made.train_on(torch.randn(64, *event))
        return made

    def train_on(self, rows):
        optimiser = torch.optim.Adam(self.parameters())
        for _ in range(7):
            optimiser.zero_grad()
            self.loss(rows).backward()
            optimiser.step()


class TrainsInInitialise(Sound):
    train_on = TrainsInBuild.train_on

    def initialise(self, rows, base=None):
        self.train_on(rows.draw(64))


class DescendsByHand(Sound):
    """Trains without an optimiser."""

    def initialise(self, rows, base=None):
        weights = list(self.parameters())
        slopes = torch.autograd.grad(self.loss(rows.draw(64)), weights)
        torch._foreach_sub_([each.data for each in weights], slopes, alpha=0.1)


class TrainsInDiagnostics(Sound):
    train_on = TrainsInBuild.train_on

    def diagnostics(self, x1):
        with torch.enable_grad():
            self.train_on(x1)
        return {"loss": 0.0}


class LearnsNothing(Sound):
    """Its loss is that of rows three times as narrow."""

    def loss(self, x1):
        return super().loss(x1 / 3)


class WrongSignLate(Sound):
    breaks = (0.5,)  # at which it jumps: a solver need not find that

    def velocity(self, t, x):
        return per_sample(torch.where(t < 0.5, 1.0, -1.0).to(x), x) * self.network(t, x)


class StateOutside(Sound):
    """What it learns of the rows in closed form is a plain tensor."""

    def __init__(self, network, base):
        super().__init__(network, base)
        self.shift = torch.zeros(())

    def initialise(self, rows, base=None):
        self.shift = rows.all()[:100].mean() + 1

    def velocity(self, t, x):
        return self.network(t, x) + self.shift


class CountsOutside(Sound):
    """Weighs the loss by a count of its calls."""

    calls = 0

    def weigh(self, t, errors):
        self.calls += 1
        return super().weigh(t, errors) * (1 + self.calls)


class OwnGenerator(Sound):
    def drawn(self, x1):
        t, x0 = super().drawn(x1)
        return torch.from_numpy(np.random.default_rng().random(len(x1))).to(t), x0


class SeedsItself(Sound):
    @classmethod
    def build(cls, event, network: Network):
        torch.manual_seed(0)
        return cls(Small(event), StandardNormal(torch.Size(event)))


class ReadsTest(Sound):
    def initialise(self, rows, base=None):
        for file in Path("results").rglob("test.npy"):
            self.seen = np.load(file).mean()


class TiedToCPU(Sound):
    def __init__(self, network, base):
        super().__init__(network, base)
        self.scale = torch.ones(1)

    def velocity(self, t, x):
        return self.scale.to(x.dtype) * self.network(t, x)


class OtherBase(Sound):
    """Its base draws from another density than it states."""

    @classmethod
    def build(cls, event, network: Network):
        made = super().build(event, network)
        sample = made.base.sample
        made.base.sample = lambda n: 0.5 * sample(n)
        return made


class Fitted(ClosedForm):
    """A sound closed form."""

    requires = ("vectors",)

    def __init__(self, dim):
        super().__init__()
        self.density = GaussianMixture(torch.ones(1), torch.zeros(1, dim), torch.eye(dim)[None])

    @classmethod
    def build(cls, event):
        return cls(*event)

    def initialise(self, rows, base=None):
        x = rows.all()
        self.density.means.copy_(x.mean(dim=0, keepdim=True))
        covariance = torch.atleast_2d(torch.cov(x.T))  # of one column it is a number
        self.density.factors.copy_(torch.linalg.cholesky(covariance)[None])


class TooGood(Fitted):
    """Its log-density lacks a constant."""

    def log_prob(self, x, tolerance, t=1.0):
        found = super().log_prob(x, tolerance, t)
        return found._replace(values=found.values + 0.7)


class SinglePrecision(Fitted):
    def log_prob(self, x, tolerance, t=1.0):
        found = super().log_prob(x, tolerance, t)
        return found._replace(values=found.values.float())
