"""What can be known of a trained Mine: the density of a Gaussian."""

import math

import torch
from mymethods.mine import Mine

from benchmark.networks.mlp import MLP
from benchmark.ode import Tolerance

MEAN, DEVIATION = torch.tensor([0.5, -1.0]), torch.tensor([0.5, 1.5])


def test_it_learns_a_gaussian() -> None:
    torch.manual_seed(0)
    flow = Mine.build((2,), MLP((2,), width=32, depth=2, time_frequencies=2, space_frequencies=0))
    optimiser = torch.optim.Adam(flow.parameters(), lr=1e-2)
    for _ in range(300):
        optimiser.zero_grad()
        flow.loss(MEAN + DEVIATION * torch.randn(256, 2)).backward()
        optimiser.step()
    tolerance, rows = Tolerance(1e-4, 1e-4), MEAN + DEVIATION * torch.randn(500, 2)
    true = torch.distributions.Normal(MEAN, DEVIATION).log_prob(rows).sum(dim=1)
    kl = (true - flow.log_prob(rows, tolerance).values).mean().item()
    assert abs(kl) < 0.1  # nats; at the start it is above 1
    samples = flow.sample(2000, tolerance).values
    assert (samples.mean(dim=0) - MEAN).norm() < 0.2
    assert math.isclose(samples[:, 1].std().item(), DEVIATION[1].item(), rel_tol=0.2)
