"""Sections of a config as types: their base, and the numbers that they hold.

A number is strict: 8.0 is no whole number, "8" is no number, and no number is infinite.
"""

from typing import Annotated, Any

from annotated_types import Ge, Gt, Le, Lt
from pydantic import BaseModel, ConfigDict, Field, Strict


class Section(BaseModel):
    """A part of a config: it holds nothing but the keys that it names, and does not change."""

    model_config = ConfigDict(
        extra="forbid", frozen=True, populate_by_name=True, allow_inf_nan=False
    )


Whole = Annotated[int, Strict(), Le(2**53)]
Count = Annotated[Whole, Ge(1)]
Natural = Annotated[Whole, Ge(0)]
Seed = Annotated[Natural, Lt(2**32)]
"""Of every generator of random numbers."""
Positive = Annotated[float, Strict(), Gt(0)]
NonNegative = Annotated[float, Strict(), Ge(0)]
Share = Annotated[float, Strict(), Gt(0), Le(1)]
Flag = Annotated[bool, Strict()]


def distinct(values: list) -> list:
    """``values``. Raises ``ValueError`` if two of them are equal."""
    if len({repr(value) for value in values}) < len(values):
        raise ValueError("a list of distinct values")
    return values


class Tolerances(Section):
    """The ODE solves of a likelihood."""

    atol: Positive = Field(description="absolute tolerance of the ODE solver per step")
    rtol: Positive = Field(description="relative tolerance of the ODE solver per step")
    probes: Count | None = Field(
        None,
        description="random probes of Hutchinson's estimate of the divergence; without this key "
        "the divergence is exact",
    )


def plain(section: BaseModel | None, **chosen: Any) -> dict[str, Any]:
    """A section as plain values, without what it does not say: new keys change no hash."""
    if section is None:
        return {}
    return section.model_dump(by_alias=True, exclude_defaults=True, **chosen)
