"""The U-Net: its resolutions, its time, its attention, and what it is in other precisions."""

import functools
import math

import pytest
import torch
from torch.nn import functional

from benchmark import model
from benchmark.coordinates import Affine
from benchmark.divergence import hutchinson_estimates, rademacher
from benchmark.model import Model
from benchmark.networks.unet import FASTEST, UNet, _Attention, _Block, _Level
from benchmark.ode import Tolerance
from benchmark.records.model_file import ModelFile

T = torch.tensor(0.3, dtype=torch.float64)
SIZES = [
    ((1, 28, 28), [1, 2, 2, 2], [(28, 28), (14, 14), (7, 7), (4, 4)]),
    ((3, 32, 32), [1, 2], [(32, 32), (16, 16)]),
    ((1, 8, 8), [1, 1, 2, 2], [(8, 8), (4, 4), (2, 2), (1, 1)]),
    ((2, 7, 5), [2, 1, 1], [(7, 5), (4, 3), (2, 2)]),
]


def unet(event=(1, 4, 4), multipliers=(1, 2), attention=(2,), blocks=1):
    """A small one, all of its weights random."""
    network = UNet(event, 4, multipliers, blocks, attention, heads=2)
    with torch.no_grad():
        for weights in network.parameters():
            weights.add_(0.2 * torch.randn_like(weights))
    return network


def seen(network, kind):
    """Heights and widths of the images that modules of a ``kind`` get, in the order of calls."""
    found = []
    for module in network.modules():
        if isinstance(module, kind):
            module.register_forward_pre_hook(lambda _, x: found.append(tuple(x[0].shape[2:])))
    return found


@pytest.mark.parametrize(("event", "multipliers", "sides"), SIZES)
def test_each_resolution_has_half_the_side_of_the_last_rounded_up(event, multipliers, sides):
    network, x = unet(event, multipliers, attention=()), torch.randn(2, *event)
    found = seen(network, _Level)
    assert network(T, x).shape == x.shape
    assert found == sides


@pytest.mark.parametrize(("event", "multipliers", "sides"), SIZES)
def test_every_sample_has_its_own_time(event, multipliers, sides):
    network, t, x = unet(event, multipliers, [sides[-1][0]]), torch.rand(3), torch.randn(3, *event)
    found = network(t, x)
    for i in range(3):
        torch.testing.assert_close(found[i : i + 1], network(t[i], x[i : i + 1]))
    assert (found - network(t.flip(0), x))[::2].abs().max() > 1e-2


@pytest.mark.parametrize(("attention", "blocks"), [([], 1), ([7], 1), ([14, 4], 2)])
def test_attention_acts_at_the_chosen_sides_only(attention, blocks):
    network = unet((1, 28, 28), [1, 1, 1, 1], attention, blocks)
    found = seen(network, _Attention)
    network(T, torch.randn(1, 1, 28, 28))
    # Down and up, and the block inside of the last resolution.
    expected = {side: 2 * blocks + (side == 4) for side in attention}
    assert {side: found.count((side, side)) for side in attention} == expected
    assert len(found) == sum(expected.values())


def test_attention_is_that_of_the_paper():
    layer, x = _Attention(6, heads=3), torch.randn(2, 6, 2, 5)
    torch.nn.init.normal_(layer.output.weight)
    inputs = torch.einsum("oc,bchw->bohw", layer.inputs.weight, layer.normalisation(x)).flatten(2)
    for b in range(2):
        heads = []
        for head in range(3):
            query, key, value = (
                inputs[b, 6 * part + 2 * head : 6 * part + 2 * head + 2] for part in range(3)
            )
            # softmax(q k / sqrt(d)) v, over the ten pixels
            heads.append(value @ torch.softmax(query.T @ key / math.sqrt(2), dim=1).T)
        drawn = layer.output.weight @ torch.cat(heads) + layer.output.bias[:, None]
        torch.testing.assert_close(layer(x)[b], x[b] + drawn.reshape(6, 2, 5))


def test_time_scales_and_shifts_the_second_normalisation():
    block, x, time = _Block(4, 8, features=3, heads=0), torch.randn(2, 4, 6, 6), torch.randn(2, 3)
    torch.testing.assert_close(block(x, time), block.skip(x))  # before any training
    torch.nn.init.normal_(block.second[1].weight)
    hidden = functional.group_norm(x, 1)
    hidden = block.first[2](hidden * torch.sigmoid(hidden))
    hidden = functional.group_norm(hidden, 2)  # the least groups of four channels
    both = time @ block.time.weight.T + block.time.bias
    hidden = hidden * (1 + both[:, :8, None, None]) + both[:, 8:, None, None]
    hidden = block.second[1](hidden * torch.sigmoid(hidden))
    torch.testing.assert_close(block(x, time), block.skip(x) + hidden)


def test_time_enters_as_waves_of_geometric_frequencies():
    time = UNet((1, 4, 4), 6, [1], 1, [], 1).time
    inputs = []
    time.layers.register_forward_pre_hook(lambda _, x: inputs.append(x[0]))
    time(torch.tensor([0.2, 0.7]))
    for row, t in zip(inputs[0], (0.2, 0.7), strict=True):
        phases = [t * FASTEST**k for k in (0, 0.5, 1)]
        expected = [*map(math.cos, phases), *map(math.sin, phases)]
        torch.testing.assert_close(row, torch.tensor(expected))


def test_an_untrained_network_is_zero_and_learns_from_there():
    network, x = UNet((3, 8, 8), 4, [1, 2], 1, [4], 2), torch.randn(2, 3, 8, 8)
    found = network(T, x)
    assert found.eq(0).all()
    (found - 1).square().sum().backward()
    assert network.closing[2].weight.grad.ne(0).all()


def test_gradients_reach_every_weight_and_passes_do_not_differ():
    network, x = unet((3, 9, 9), [1, 2, 2], [5], blocks=2), torch.randn(4, 3, 9, 9)
    given, t = x.clone(), torch.rand(4)

    def gradients():
        return torch.autograd.grad(network(t, x).square().sum(), list(network.parameters()))

    first, second = gradients(), gradients()
    assert torch.equal(x, given)
    for (name, _), found, again in zip(network.named_parameters(), first, second, strict=True):
        assert found.ne(0).all(), name
        assert torch.equal(found, again), name


def test_mean_over_probes_is_the_exact_divergence():
    network, x, n = unet((1, 4, 3)), torch.randn(1, 1, 4, 3), 4000
    exact = network.divergence(T, x).item()
    found = hutchinson_estimates(network, T, x, rademacher(x, n))
    error = found.std().item() / math.sqrt(n)
    assert abs(found.mean().item() - exact) < 4 * error < abs(exact)


def test_bfloat16_is_near_and_gradients_are_single(single_precision):
    network, x, t = unet((3, 8, 8), [1, 2], [4]), torch.randn(16, 3, 8, 8), torch.rand(16)
    exact = network(t, x)
    with torch.autocast("cpu", torch.bfloat16):
        found = network(t, x)
    # 8 bits of each of some 20 layers.
    assert found.dtype == torch.bfloat16
    assert 0 < (found - exact).norm() < 0.03 * exact.norm()
    found.float().square().sum().backward()
    assert {weights.grad.dtype for weights in network.parameters()} == {torch.float32}


def test_channels_may_lie_last_in_memory():
    network, x = unet((3, 8, 8), [1, 2], [4]), torch.randn(4, 3, 8, 8)
    expected = network(T, x)
    last = functools.partial(torch.Tensor.to, memory_format=torch.channels_last)
    torch.testing.assert_close(network(T, last(x)), expected)
    network.to(memory_format=torch.channels_last)
    torch.testing.assert_close(network(T, last(x)), expected)
    torch.testing.assert_close(network(T, x), expected)


MISTAKES = {
    "vectors": (
        {"event": (64,)},
        r"images as events, of axes \(channels, height, width\); found \(64,\)",
    ),
    "too many halvings": (
        {"multipliers": [1, 2, 2, 2, 2]},
        "multipliers has 5 resolutions, for images of 8 pixels, which can be halved 3 times; "
        "allowed are 1 to 4",
    ),
    "no resolution": ({"multipliers": []}, "multipliers has 0 resolutions.* allowed are 1 to 4"),
    "side of no resolution": (
        {"attention": [4, 3]},
        r"attention has sides \[3\], which no resolution has; allowed are \[8, 4\]",
    ),
    "heads that do not divide": (
        {"heads": 3},
        "heads is 3, where a resolution with attention has 8 channels; allowed are divisors",
    ),
}


@pytest.mark.parametrize(("change", "message"), MISTAKES.values(), ids=MISTAKES)
def test_what_does_not_fit_the_images_is_named(change, message):
    numbers = {"event": (1, 8, 8), "channels": 4, "multipliers": [1, 2], "residual_blocks": 1}
    numbers |= {"attention": [4], "heads": 2}
    UNet(**numbers)
    with pytest.raises(ValueError, match=message):
        UNet(**{**numbers, **change})


SIZE = {"channels": 4, "multipliers": [1, 2], "residual_blocks": 1, "attention": [3], "heads": 2}
NETWORK = {"class": "benchmark.networks.unet.UNet", **SIZE}
METHODS = {
    "interpolant.InterpolantFlow": {"path": "linear", "draws": {"beta": 0.75}},
    "ffjord.FFJORD": {"atol": 1e-3, "rtol": 1e-3, "blocks": 2},
    "score_sde.ScoreSDE": {"sde": "vp", "weighting": "variance", "s_min": 0.1},
    "ot_cfm.OTCFM": {},
}


@pytest.mark.parametrize("name", METHODS)
def test_methods_of_images_are_restored_bit_by_bit(name, tmp_path, single_precision):
    kind, event, tolerance = f"benchmark.baselines.{name}", (1, 5, 5), Tolerance(1e-2, 1e-2, 2)
    arguments = {"network": NETWORK, **METHODS[name]}
    method = model.build(kind, event, arguments)
    with torch.no_grad():
        for weights in method.parameters():
            weights.add_(0.1 * torch.randn_like(weights))
    fitted = Model(method, Affine.identity(event), tolerance)
    described = {"class": kind, "arguments": arguments, "event": event, "coordinates": "identity"}
    described |= {"validation": {"atol": 1e-2, "rtol": 1e-2}}
    model.save(tmp_path, fitted, ModelFile(**described))
    restored, x = model.load(tmp_path, tolerance), torch.randn(3, *event)

    def found(of):
        torch.manual_seed(3)
        return of.log_prob(x), of.sample(3)

    assert found(fitted)[1].shape == (3, *event)
    for before, after in zip(found(fitted), found(restored), strict=True):
        assert torch.equal(before, after)


@pytest.mark.parametrize("name", METHODS)
def test_methods_with_this_network_refuse_vectors(name):
    with pytest.raises(ValueError, match=r"UNet takes images; rows of shape \(25,\) are vectors"):
        arguments = {"network": NETWORK, **METHODS[name]}
        model.build(f"benchmark.baselines.{name}", (25,), arguments)
