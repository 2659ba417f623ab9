"""Names of the types that every module shares.

``PositiveInt`` and its like are plain numbers at run time. In the signature of a class that a
config names they say what the config may hold (see ``benchmark.parts``). Shapes are checked in
tests only.
"""

from collections.abc import Callable, Sequence
from typing import Annotated, Any

from jaxtyping import Float
from pydantic import AfterValidator, BeforeValidator, Field, GetPydanticSchema
from pydantic_core import CoreSchema, core_schema
from torch import Tensor

from benchmark.section import distinct


def _number(**bounds: Any) -> GetPydanticSchema:
    """A number within ``bounds``, whole or not."""

    def schema(source: Any, handler: Any) -> CoreSchema:
        return core_schema.float_schema(**bounds)

    return GetPydanticSchema(schema)


def _adding_up(shares: list[float]) -> list[float]:
    if abs(sum(shares) - 1) > 1e-9:
        raise ValueError(f"shares that add up to 1, not to {sum(shares):g}")
    return shares


PositiveInt = Annotated[int, Field(ge=1)]
NonNegativeInt = Annotated[int, Field(ge=0)]
PositiveFloat = Annotated[float | int, _number(gt=0)]
NonNegativeFloat = Annotated[float | int, _number(ge=0)]
Positives = Sequence[PositiveInt]
Columns = Annotated[list[str | int], Field(min_length=1), AfterValidator(distinct)]
"""Columns of a table, by name or by place."""
Steps = dict[str | int, PositiveFloat]
"""The step to which each of some columns is rounded."""
Shares = Annotated[
    list[PositiveFloat], Field(min_length=2, max_length=3), AfterValidator(_adding_up)
]
"""Shares of training, validation and, if they are of the same file, test rows; they add up to 1."""

Time = Float[Tensor, ""] | Float[Tensor, " batch"]
Batch = Float[Tensor, "batch *event"]
PerSample = Float[Tensor, " batch"]
Velocity = Callable[[Tensor, Tensor], Tensor]


def kind_alone(settings: Any) -> BeforeValidator:
    """Allows a config to write ``settings`` that have a ``kind`` as that kind alone."""

    def named(given: Any) -> Any:
        return {"kind": given} if isinstance(given, str) else given

    return BeforeValidator(named, json_schema_input_type=str | settings)


def per_sample(scalar: Tensor, x: Tensor) -> Tensor:
    """``scalar`` of shape ``[]`` or ``[batch]``, ready to multiply ``x`` of ``[batch, *event]``."""
    return scalar.reshape(-1, *[1] * (x.ndim - 1))
