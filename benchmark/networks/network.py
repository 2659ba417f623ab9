"""The interface of a network of a velocity, and how the exact ones propagate derivatives."""

import abc
import functools
from collections.abc import Callable, Mapping
from typing import Annotated, Any, ClassVar

import torch
from pydantic import WithJsonSchema
from pydantic.functional_validators import PlainValidator
from pydantic_core import CoreSchema, core_schema
from torch import Tensor, nn
from torch.nn import functional

from benchmark import parts
from benchmark.divergence import exact_divergence
from benchmark.names import load
from benchmark.shapes import Batch, PerSample, Velocity

AXES = {1: "vectors", 3: "images"}
"""Number of axes of a row -> the word for such rows in ``Network.takes``."""

TANGENTS = 2**20
"""Numbers in the tangents of one block of rows: few enough for the cache of a core."""


class Network(nn.Module, abc.ABC):
    """A map of ``(t, x)`` to the shape of ``x``; ``t`` is one time, or one per sample.

    A class is made with the shape of a row first, ``Class(event, **arguments)``. An argument of a
    method that is annotated as ``Network`` is written as ``{class: ..., <arguments>}``, and one
    that is annotated as ``NetworkMaker`` likewise, for methods that need several.
    """

    takes: ClassVar[tuple[str, ...]] = ("vectors", "images")
    """The rows it takes: ``"vectors"`` (events of one axis), ``"images"`` (of three)."""

    @abc.abstractmethod
    def forward(self, t: Tensor, x: Batch) -> Batch:
        """The value at ``x``, of its shape."""

    def divergence(self, t: Tensor, x: Batch) -> PerSample:
        """Trace of the Jacobian in ``x``; override where it can be had for less."""
        return exact_divergence(self, t, x)

    @classmethod
    def __get_pydantic_core_schema__(cls, source: Any, handler: Any) -> CoreSchema:
        return core_schema.with_info_plain_validator_function(
            lambda given, info: _maker(given, info)()
        )


def _maker(given: Any, info: Any) -> Callable[[], Network | None]:
    """Makes the network that a mapping describes; nothing where its arguments are only checked.

    Raises ``ValueError`` for what describes none.
    """
    if isinstance(given, Network):
        return lambda: given
    if not isinstance(given, Mapping) or not isinstance(given.get("class"), str):
        raise ValueError("allowed is {class: package.module.Class, <arguments>}")
    arguments = {name: value for name, value in given.items() if name != "class"}
    kind = _class(given["class"])
    if "event" not in (info.context or {}):
        parts.check(kind, arguments, supplied=("event",))
        return lambda: None
    event = info.context["event"]
    _refuse_unfit(kind, event)
    return functools.partial(kind, event, **parts.convert(kind, arguments, event))


def _class(name: str) -> type[Network]:
    """The network class that ``name`` means; raises ``ValueError`` if it means none."""
    try:
        kind = load(name)
    except (ImportError, ValueError) as error:  # ValueError: a name without a module
        raise ValueError(f"allowed is a class that can be imported: {error}") from None
    if not (isinstance(kind, type) and issubclass(kind, Network)):
        raise ValueError("allowed is a subclass of benchmark.networks.network.Network")
    return kind


def _refuse_unfit(kind: type[Network], event: tuple[int, ...]) -> None:
    """Raises ``ValueError`` for a network that does not take rows of this shape."""
    given = AXES.get(len(event))
    if given not in (None, *kind.takes):
        raise ValueError(
            f"{kind.__name__} takes {' and '.join(kind.takes)}; rows of shape {event} are {given}"
        )


NetworkMaker = Annotated[
    Callable[[], Network], PlainValidator(_maker), WithJsonSchema({"type": "object"})
]
"""Makes a network each time it is called."""


def by_rows(function: Velocity, t: Tensor, x: Batch, width: int) -> Tensor:
    """``function(t, x)``, in blocks of rows whose tangents ``[rows, dim, width]`` are few."""
    rows = max(1, TANGENTS // (x.shape[1:].numel() * width))
    parts = [slice(start, start + rows) for start in range(0, len(x), rows)]
    return torch.cat([function(t[part] if t.ndim else t, x[part]) for part in parts])


def through(weight: Tensor, slope: Tensor, tangents: Tensor) -> Tensor:
    """Tangents ``[batch, dim, width]`` after a square layer and an activation of this slope.

    One product over ``[batch * dim, width]``; ``slope`` is ``[batch, width]``. The product is
    written as a convolution by one pixel: on CPUs that is oneDNN's, which takes half of the time of
    a matrix product of MKL on AMD's.
    """
    pixels = tangents.transpose(1, 2).unsqueeze(2)  # channels last, as they lie in memory
    with torch.backends.cudnn.flags(enabled=True, allow_tf32=False):
        product = functional.conv2d(pixels, weight[:, :, None, None])
    return product.squeeze(2).transpose(1, 2).mul_(slope.unsqueeze(1))
