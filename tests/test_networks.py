"""Networks: closed-form derivatives against autograd, formulas against the papers'."""

import math

import pytest
import torch
from pydantic import ValidationError
from torch.nn import functional

from benchmark import parts
from benchmark.baselines.ffjord import FFJORD
from benchmark.baselines.ot_cfm import OTCFM
from benchmark.baselines.potential import Potential
from benchmark.divergence import exact_divergence
from benchmark.networks import network as networks
from benchmark.networks.concatsquash import ConcatSquash, ConcatSquashMLP
from benchmark.networks.mlp import MLP


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
        exact = {"atol": 1e-10, "rtol": 0}  # round-off of sums of 8 products
        torch.testing.assert_close(found.gradient[i], gradient[:dim], **exact)
        torch.testing.assert_close(potential.gradient(t, x)[i], gradient[:dim], **exact)
        torch.testing.assert_close(found.time[i], gradient[dim], **exact)
        torch.testing.assert_close(found.laplacian[i], hessian[:dim, :dim].trace(), **exact)


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


@pytest.mark.parametrize(
    ("activation", "function"), [("tanh", torch.tanh), ("softplus", functional.softplus)]
)
def test_concatsquash_layers_are_joined_by_the_activation(activation, function):
    network = ConcatSquashMLP((2,), width=3, depth=1, activation=activation)
    t, x = torch.tensor(0.3), torch.randn(4, 2)
    first, second = network.layers
    torch.testing.assert_close(network(t, x), second(t, function(first(t, x))))


def test_mlp_sees_waves_of_time_and_space():
    network = MLP((2,), width=3, depth=1, time_frequencies=2, space_frequencies=1)
    t, x = torch.rand(1), torch.randn(1, 2)
    waves = [x[0], torch.cos(x[0]), torch.sin(x[0]), t]
    waves += [torch.cos(math.pi * k * t) for k in (1, 2)]
    waves += [torch.sin(math.pi * k * t) for k in (1, 2)]
    opening, _, closing = network.layers
    hidden = opening(torch.cat(waves))
    torch.testing.assert_close(network(t, x)[0], closing(hidden * torch.sigmoid(hidden)))


def test_gated_mlp_adds_a_factor_of_each_coordinate():
    network = MLP((2,), width=3, depth=1, time_frequencies=0, space_frequencies=0, gated=True)
    t, x = torch.rand(1), torch.randn(1, 2)
    opening, _, closing = network.layers
    r = (1 + x[0].square().mean()).sqrt()
    hidden = opening(torch.cat([x[0] / r, t]))
    outputs = closing(hidden * torch.sigmoid(hidden))
    factor = math.pi * torch.tanh(outputs[2:] / math.pi)
    torch.testing.assert_close(network(t, x)[0], outputs[:2] + factor * x[0])


def test_gated_mlp_grows_like_pi_times_its_input_at_most():
    network, t = MLP((3,), 8, 2, time_frequencies=2, space_frequencies=0, gated=True), torch.rand(1)
    with torch.no_grad():
        for weights in network.parameters():
            weights.mul_(30)
        x = 1e9 * torch.randn(100, 3)
        assert (network(t, x).abs() <= math.pi * x.abs() + 1e-4 * x.norm(dim=1, keepdim=True)).all()
        # Without the gate such weights stretch hundreds of times as much.
        plain = MLP((3,), 8, 2, time_frequencies=2, space_frequencies=0)
        for weights in plain.parameters():
            weights.mul_(30)
        assert plain(t, x).norm() > 100 * math.pi * x.norm()


NETWORKS = {
    "mlp": lambda event: MLP(event, 8, 2, time_frequencies=2, space_frequencies=2),
    "mlp without waves": lambda event: MLP(event, 8, 2, time_frequencies=0, space_frequencies=0),
    "gated mlp": lambda event: MLP(event, 8, 2, 2, space_frequencies=2, gated=True),
    "concatsquash": lambda event: ConcatSquashMLP(event, 8, 2),
    "concatsquash of one layer": lambda event: ConcatSquashMLP(event, 8, 1, "softplus"),
    "concatsquash of two layers": lambda event: ConcatSquashMLP(event, 8, 2, "softplus"),
    "concatsquash of three layers": lambda event: ConcatSquashMLP(event, 8, 3, "softplus"),
    "concatsquash of three layers, tanh": lambda event: ConcatSquashMLP(event, 8, 3, "tanh"),
}


@pytest.mark.parametrize("make", NETWORKS.values(), ids=NETWORKS.keys())
def test_images_are_flattened_and_every_sample_has_its_own_time(make):
    network, t, x = randomised(make((3, 2, 2))), torch.rand(5), torch.randn(5, 3, 2, 2)
    found = network(t, x)
    torch.testing.assert_close(found.flatten(1), network(t, x.flatten(1)))
    for i in range(5):
        torch.testing.assert_close(found[i : i + 1], network(t[i], x[i : i + 1]))


@pytest.mark.parametrize("make", NETWORKS.values(), ids=NETWORKS.keys())
@pytest.mark.parametrize("t", [torch.tensor(0.3, dtype=torch.float64), "each its own"])
def test_divergence_is_that_of_autograd(make, t, monkeypatch):
    monkeypatch.setattr(networks, "TANGENTS", 3 * 12 * 8)  # 3 rows of tangents: blocks of 3, 3, 1
    network, x = randomised(make((3, 2, 2))), torch.randn(7, 3, 2, 2)
    t = torch.rand(7) if isinstance(t, str) else t
    exact = exact_divergence(lambda _, x: network(t, x), torch.tensor(0.0), x)
    assert exact.abs().min() > 1e-3
    # Round-off of a few hundred products.
    torch.testing.assert_close(network.divergence(t, x), exact, atol=1e-10, rtol=0)


# --- as a config writes them ----------------------------------------------------------------------

SQUASH = {"class": "benchmark.networks.concatsquash.ConcatSquashMLP", "width": 3, "depth": 1}
MISTAKES = {
    "no mapping": ("mlp", "", "allowed is {class: package.module.Class, <arguments>}"),
    "no class": ({"width": 3}, "", "allowed is {class:"),
    "no module": (
        {"class": "ConcatSquashMLP"},
        "",
        "allowed is a class that can be imported: Empty module name.*'ConcatSquashMLP'",
    ),
    "unknown module": ({"class": "benchmark.nets.A"}, "", "No module named 'benchmark.nets'"),
    "unknown class": (
        {"class": "benchmark.networks.mlp.MPL"},
        "",
        "allowed is a class that can be imported: benchmark.networks.mlp.MPL: .*has no 'MPL'",
    ),
    "no network": (
        {"class": "torch.nn.Linear"},
        "",
        "allowed is a subclass of benchmark.networks.network.Network .*torch.nn.Linear",
    ),
    "unknown argument": ({**SQUASH, "widht": 3}, "widht", "Extra inputs are not permitted"),
    "no whole number": ({**SQUASH, "width": 3.5}, "width", "valid integer"),
    "text": ({**SQUASH, "width": "3"}, "width", "valid integer"),
    "too small": ({**SQUASH, "depth": 0}, "depth", "greater than or equal to 1"),
    "unknown activation": ({**SQUASH, "activation": "relu"}, "activation", "'tanh' or 'softplus'"),
    "left out": ({**SQUASH, "width": None}, "width", "valid integer"),
}


@pytest.mark.parametrize("method", [OTCFM, FFJORD])
@pytest.mark.parametrize(("network", "where", "message"), MISTAKES.values(), ids=MISTAKES)
def test_what_describes_no_network_is_refused_in_words(method, network, where, message):
    numbers = {"atol": 1e-3, "rtol": 1e-3} if method is FFJORD else {}
    parts.check(method.build, {"network": SQUASH, **numbers}, ("event",))
    with pytest.raises(ValidationError, match=message) as caught:
        parts.check(method.build, {"network": network, **numbers}, ("event",))
    (problem,) = caught.value.errors()
    assert problem["loc"] == ("network", *filter(None, [where]))


def test_a_network_is_made_for_the_shape_of_a_row_and_a_maker_makes_many():
    made = parts.convert(OTCFM.build, {"network": SQUASH}, (3, 2, 2))["network"]
    assert isinstance(made, ConcatSquashMLP) and made(torch.rand(1), torch.randn(1, 3, 2, 2)).ndim
    maker = parts.convert(FFJORD.build, {"network": SQUASH}, (5,))["network"]
    first, second = maker(), maker()
    assert first.layers[0].linear.in_features == 5 and first is not second


def test_a_network_that_does_not_take_the_rows_is_refused():
    size = {"channels": 4, "multipliers": [1], "residual_blocks": 1, "attention": [], "heads": 1}
    network = {"class": "benchmark.networks.unet.UNet", **size}
    for method in (OTCFM, FFJORD):
        message = r"UNet takes images; rows of shape \(5,\) are vectors"
        with pytest.raises(ValidationError, match=message):
            parts.convert(method.build, {"network": network}, (5,))
