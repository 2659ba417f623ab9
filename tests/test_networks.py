"""Networks: closed-form derivatives against autograd, formulas against the papers'."""

import math

import pytest
import torch

from benchmark.networks.concatsquash import ConcatSquash, ConcatSquashMLP
from benchmark.networks.mlp import MLP
from benchmark.networks.potential import Potential


def randomised(network, scale=0.5):
    with torch.no_grad():
        for weights in network.parameters():
            weights.add_(scale * torch.randn_like(weights))
    return network


@pytest.mark.parametrize("t", [torch.tensor(0.3, dtype=torch.float64), "each its own"])
def test_potential_derivatives_are_those_of_autograd(t):
    potential, dim, n = randomised(Potential(3, 8, rank=2)), 3, 6
    t = torch.rand(n) if isinstance(t, str) else t
    x = torch.randn(n, dim)
    found = potential.derivatives(t, x)
    for i in range(n):

        def phi(s):
            return potential(s[dim], s[None, :dim])[0]

        s = torch.cat([x[i], t.expand(n)[i : i + 1]])
        gradient = torch.func.grad(phi)(s)
        hessian = torch.func.hessian(phi)(s)
        torch.testing.assert_close(found.gradient[i], gradient[:dim])
        torch.testing.assert_close(found.time[i], gradient[dim])
        torch.testing.assert_close(found.laplacian[i], hessian[:dim, :dim].trace())


def test_potential_is_that_of_the_paper():
    network, (t, x) = randomised(Potential(2, 5, rank=2)), (torch.tensor(0.7), torch.randn(1, 2))
    s = torch.cat([x[0], t[None]])

    def sigma(z):  # equation 15: the antiderivative of tanh, log(e^z + e^-z)
        return torch.log(torch.exp(z) + torch.exp(-z))

    u0 = sigma(network.opening.weight @ s + network.opening.bias)
    resnet = u0 + sigma(network.residual.weight @ u0 + network.residual.bias)
    quadratic = 0.5 * s @ network.quadratic.T @ network.quadratic @ s
    expected = network.readout @ resnet + quadratic + network.linear @ s
    torch.testing.assert_close(network(t, x), expected[None])


def test_concatsquash_is_that_of_the_ffjord_code():
    layer, x = ConcatSquash(3, 4), torch.randn(5, 3)
    t = torch.rand(5)
    # layers/diffeq_layers/basic.py: self._layer(x) * sigmoid(self._hyper_gate(t)) + _hyper_bias(t)
    for i in range(5):
        gate = 1 / (1 + torch.exp(-(layer.gate.weight[:, 0] * t[i] + layer.gate.bias)))
        expected = (layer.linear.weight @ x[i] + layer.linear.bias) * gate
        expected = expected + layer.shift.weight[:, 0] * t[i]
        torch.testing.assert_close(layer(t, x)[i], expected)


def test_concatsquash_layers_are_joined_by_tanh():
    network = ConcatSquashMLP(2, width=3, depth=1)
    t, x = torch.tensor(0.3), torch.randn(4, 2)
    first, second = network.layers
    torch.testing.assert_close(network(t, x), second(t, torch.tanh(first(t, x))))


def test_mlp_sees_waves_of_time_and_space():
    network = MLP(2, width=3, depth=1, time_frequencies=2, space_frequencies=1)
    t, x = torch.rand(1), torch.randn(1, 2)
    waves = [x[0], torch.cos(x[0]), torch.sin(x[0]), t]
    waves += [torch.cos(math.pi * k * t) for k in (1, 2)]
    waves += [torch.sin(math.pi * k * t) for k in (1, 2)]
    opening, _, closing = network.layers
    hidden = opening(torch.cat(waves))
    torch.testing.assert_close(network(t, x)[0], closing(hidden * torch.sigmoid(hidden)))


NETWORKS = {
    "mlp": lambda dim: MLP(dim, 8, 2, time_frequencies=2, space_frequencies=2),
    "mlp without waves": lambda dim: MLP(dim, 8, 2, time_frequencies=0, space_frequencies=0),
    "concatsquash": lambda dim: ConcatSquashMLP(dim, 8, 2),
}


@pytest.mark.parametrize("make", NETWORKS.values(), ids=NETWORKS.keys())
def test_images_are_flattened_and_every_sample_has_its_own_time(make):
    network, t, x = randomised(make(12)), torch.rand(5), torch.randn(5, 3, 2, 2)
    found = network(t, x)
    torch.testing.assert_close(found.flatten(1), network(t, x.flatten(1)))
    for i in range(5):
        torch.testing.assert_close(found[i : i + 1], network(t[i], x[i : i + 1]))


def count(network):
    return sum(weights.numel() for weights in network.parameters())


@pytest.mark.parametrize(
    ("dim", "width", "published"), [(6, 128, 17_721), (8, 350, 126_791), (43, 256, 78_053)]
)
def test_potential_has_the_parameters_of_the_papers_runs(dim, width, published):
    # POWER, GAS and MINIBOONE; the paper's constant c has no effect and is left out.
    assert count(Potential(dim, width, rank=min(10, dim + 1))) == published - 1


@pytest.mark.parametrize(("dim", "width", "published"), [(6, 60, 43_325), (8, 160, 278_565)])
def test_concatsquash_has_the_parameters_of_the_papers_runs(dim, width, published):
    # POWER and GAS: five blocks of three hidden layers, each with an end time that is learned.
    assert 5 * (count(ConcatSquashMLP(dim, width, depth=3)) + 1) == published
