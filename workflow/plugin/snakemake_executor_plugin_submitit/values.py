"""Values of resources, as a profile may write them."""

import re
from collections.abc import Callable
from typing import Any

from snakemake_interface_common.exceptions import WorkflowError

GPUS = r"(?:[\w.-]+:)?\d+"
"""A number of GPUs, ``2``, or a type and a number, ``a100:2``."""


def read(name: str, key: str, value: Any, convert: Callable[[Any], Any]) -> Any:
    """The resource ``key`` of rule ``name``, converted, or ``WorkflowError`` if it cannot be."""
    try:
        return convert(value)
    except ValueError as error:
        raise WorkflowError(f"{name}: the resource {key} is {value!r}; {error}.") from None


def whole(value: Any) -> int:
    """A number without a unit."""
    if not str(value).isdecimal():
        raise ValueError("a whole number is needed, without a unit")
    return int(value)


def mebibytes(value: Any) -> str:
    """A number of MiB, as SLURM writes it."""
    if not str(value).isdecimal():
        raise ValueError("a whole number of MiB is needed; `slurm_mem: 4G` takes units")
    return f"{value}M"


def gpus(value: Any) -> tuple[str, int]:
    """The type of GPUs, perhaps empty, and their number."""
    if not re.fullmatch(GPUS, str(value)):
        raise ValueError("a number is needed, or a type and a number, such as a100:2")
    model, _, count = str(value).rpartition(":")
    return model, int(count)


def types_of_gpus(value: Any) -> str:
    """GPUs of one or more types, ``a100:1,h100:1``."""
    if not re.fullmatch(f"{GPUS}(,{GPUS})*", str(value)):
        raise ValueError("a number is needed, or types and numbers, such as a100:2")
    return str(value)
