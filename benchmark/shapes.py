"""Names of the types every module shares. Shapes are checked in tests only.

``PositiveInt`` and its like are plain numbers at run time; in the signature of a class
that ``config.yaml`` names they tell what the config may hold (see ``benchmark.suite.config``).
"""

from collections.abc import Callable

from jaxtyping import Float
from torch import Tensor

PositiveInt = int
NonNegativeInt = int
PositiveFloat = float | int
Columns = list[str] | list[int]
Steps = dict[str, PositiveFloat] | dict[int, PositiveFloat]
Shares = list[PositiveFloat]
Positives = list[PositiveInt]

Time = Float[Tensor, ""] | Float[Tensor, " batch"]
Batch = Float[Tensor, "batch *event"]
PerSample = Float[Tensor, " batch"]
Velocity = Callable[[Tensor, Tensor], Tensor]


def per_sample(scalar: Tensor, x: Tensor) -> Tensor:
    """``scalar`` of shape ``[]`` or ``[batch]``, ready to multiply ``x`` of ``[batch, *event]``."""
    return scalar.reshape(-1, *[1] * (x.ndim - 1))
