"""How fits are evaluated: the part of the key ``evaluation`` of a suite on which numbers depend."""

from pydantic import BaseModel, ConfigDict, NonNegativeInt, PositiveFloat, PositiveInt


class EvaluationSettings(BaseModel):
    """Tolerances of the ODE solver, random probes of the divergence (none: it is exact), passes of
    dequantisation, and numbers of rows.

    ``chunk`` rows are solved at a time, the first ``tight_rows`` again at a 10x tighter tolerance;
    ``samples`` are drawn.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    atol: PositiveFloat
    rtol: PositiveFloat
    chunk: PositiveInt
    tight_rows: PositiveInt
    samples: PositiveInt
    probes: NonNegativeInt = 0
    passes: PositiveInt = 1
