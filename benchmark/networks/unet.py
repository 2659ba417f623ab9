"""U-Net on images: residual blocks at falling and rising resolutions, joined by skips.

The shape is that of Ronneberger et al. (2015), the blocks and the self-attention are those of
Ho et al. (2020), and time scales and shifts a normalisation in each block as in Nichol and
Dhariwal (2021).
"""

import functools
import math
from collections.abc import Callable, Sequence
from typing import ClassVar

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional

from benchmark.networks.network import Network
from benchmark.shapes import Batch, PositiveInt, Positives

Images = Float[Tensor, "batch _ height width"]

FASTEST = 30.0
"""Largest angular frequency of the time embedding, of a time in [0, 1]; the smallest is 1.

Ho et al. take 1000 for their thousand steps. A solver of the ODE has to follow the fastest wave
that training leaves.
"""


class UNet(Network):
    """``channels`` times each of ``multipliers`` is the width of a resolution, the finest first.

    Each resolution has half the side of the one before, rounded up, and ``residual_blocks`` on the
    way down and on the way up. Self-attention of ``heads`` follows every block at the resolutions
    whose side in pixels, the longer one, is among ``attention``. An untrained network is 0.

    Raises ``ValueError`` for events that are no images, and numbers that do not fit them.
    """

    takes: ClassVar[tuple[str, ...]] = ("images",)

    def __init__(
        self,
        event: tuple[int, ...],
        channels: PositiveInt,
        multipliers: Positives,
        residual_blocks: PositiveInt,
        attention: Positives,
        heads: PositiveInt,
    ) -> None:
        super().__init__()
        widths, features = [channels * factor for factor in multipliers], 4 * channels
        blocks = [
            functools.partial(_Block, features=features, heads=heads if side in attention else 0)
            for side in _sides(event, multipliers, attention)
        ]
        self.time = _Time(channels, features)
        self.opening = _convolution(event[0], widths[0])
        self.levels = _level(widths, blocks, residual_blocks)
        self.closing = nn.Sequential(
            _normalisation(widths[0]), nn.SiLU(), _zero(_convolution(widths[0], event[0]))
        )

    def forward(self, t: Tensor, x: Batch) -> Batch:
        return self.closing(self.levels(self.opening(x), self.time(t)))


class _Time(nn.Module):
    """Waves of time, and two layers on them; ``[1 or batch, features]``."""

    frequencies: Tensor

    def __init__(self, waves: int, features: int) -> None:
        super().__init__()
        frequencies = torch.logspace(0, math.log10(FASTEST), (waves + 1) // 2)
        self.register_buffer("frequencies", frequencies)
        inputs = 2 * len(frequencies)
        layers = [nn.Linear(inputs, features), nn.SiLU(), nn.Linear(features, features), nn.SiLU()]
        self.layers = nn.Sequential(*layers)

    def forward(self, t: Tensor) -> Tensor:
        phases = t.reshape(-1, 1) * self.frequencies
        return self.layers(torch.cat([torch.cos(phases), torch.sin(phases)], dim=1))


class _Block(nn.Module):
    """Two convolutions beside a skip, time between them; then attention, if it has heads."""

    def __init__(self, inputs: int, outputs: int, features: int, heads: int) -> None:
        super().__init__()
        self.first = nn.Sequential(_normalisation(inputs), nn.SiLU(), _convolution(inputs, outputs))
        self.time = nn.Linear(features, 2 * outputs)
        self.normalisation = _normalisation(outputs)
        self.second = nn.Sequential(nn.SiLU(), _zero(_convolution(outputs, outputs)))
        self.skip = nn.Identity() if inputs == outputs else nn.Conv2d(inputs, outputs, 1)
        self.attention = _Attention(outputs, heads) if heads else nn.Identity()

    def forward(self, x: Images, time: Tensor) -> Images:
        scale, shift = self.time(time).unflatten(1, (2, -1, 1, 1)).unbind(dim=1)
        hidden = self.normalisation(self.first(x)) * (1 + scale) + shift
        return self.attention(self.skip(x) + self.second(hidden))


class _Attention(nn.Module):
    """Each pixel adds what it draws from all pixels of its image (Vaswani et al., 2017)."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        if width % heads:
            raise ValueError(
                f"heads is {heads}, where a resolution with attention has {width} channels; "
                f"allowed are divisors of that. Change heads, channels or multipliers."
            )
        self.heads, self.normalisation = heads, _normalisation(width)
        self.inputs = nn.Linear(width, 3 * width, bias=False)
        self.output = _zero(nn.Linear(width, width))

    def forward(self, x: Images) -> Images:
        pixels = self.normalisation(x).flatten(2).transpose(1, 2)
        inputs = self.inputs(pixels).unflatten(2, (3, self.heads, -1))
        query, key, value = inputs.permute(2, 0, 3, 1, 4)  # each [batch, heads, pixels, ...]
        drawn = functional.scaled_dot_product_attention(query, key, value)
        return x + self.output(drawn.transpose(1, 2).flatten(2)).transpose(1, 2).view_as(x)


class _Level(nn.Module):
    """One resolution: blocks on the way down, all that is ``inside``, blocks on the way up."""

    def __init__(self, width: int, block: Callable, count: int, inside: nn.Module) -> None:
        super().__init__()
        self.down = nn.ModuleList(block(width, width) for _ in range(count))
        self.inside = inside
        self.up = nn.ModuleList(block(2 * width, width) for _ in range(count))

    def forward(self, x: Images, time: Tensor) -> Images:
        skips = []
        for block in self.down:
            x = block(x, time)
            skips.append(x)
        x = self.inside(x, time)
        for block in self.up:
            x = block(torch.cat([x, skips.pop()], dim=1), time)
        return x


class _Halved(nn.Module):
    """A level at half the side, rounded up, for images of ``outside`` channels."""

    def __init__(self, outside: int, width: int, level: nn.Module) -> None:
        super().__init__()
        self.reduce = nn.Conv2d(outside, width, 3, stride=2, padding=1)
        self.level = level
        self.restore = _convolution(width, outside)

    def forward(self, x: Images, time: Tensor) -> Images:
        halved = self.level(self.reduce(x), time)
        return self.restore(functional.interpolate(halved, x.shape[2:], mode="nearest"))


def _level(widths: Sequence[int], blocks: Sequence[Callable], count: int) -> _Level:
    """The level of the first width, those of all others inside; one block inside the last."""
    (width, *inner_widths), (block, *inner_blocks) = widths, blocks
    if not inner_widths:
        return _Level(width, block, count, block(width, width))
    inner = _level(inner_widths, inner_blocks, count)
    return _Level(width, block, count, _Halved(width, inner_widths[0], inner))


def _sides(
    event: tuple[int, ...], multipliers: Sequence[int], attention: Sequence[int]
) -> list[int]:
    """The longer side of each resolution, in pixels."""
    if len(event) != 3:
        raise ValueError(
            f"A U-Net has images as events, of axes (channels, height, width); found {event}."
        )
    longest, levels = max(event[1:]), len(multipliers)
    halvings = (longest - 1).bit_length()  # each rounds up, until 1 is left
    if not 1 <= levels <= halvings + 1:
        raise ValueError(
            f"multipliers has {levels} resolutions, for images of {longest} pixels, which "
            f"can be halved {halvings} times; allowed are 1 to {halvings + 1} of them."
        )
    sides = [math.ceil(longest / 2**k) for k in range(levels)]
    if absent := [side for side in attention if side not in sides]:
        raise ValueError(
            f"attention has sides {absent}, which no resolution has; allowed are {sides}."
        )
    return sides


def _convolution(inputs: int, outputs: int) -> nn.Conv2d:
    return nn.Conv2d(inputs, outputs, 3, padding=1)


def _normalisation(width: int) -> nn.GroupNorm:
    """In 8 groups, fewer where they would not be of the same size, or of less than 4 channels."""
    return nn.GroupNorm(max(1, math.gcd(width, 32) // 4), width)


def _zero(layer: nn.Module) -> nn.Module:
    """The layer, its weights zero."""
    for weights in layer.parameters():
        nn.init.zeros_(weights)
    return layer
