"""How fits are evaluated: the part of the key ``evaluation`` of a suite on which numbers depend."""

from pydantic import Field

from benchmark.section import Count, Tolerances


class EvaluationSettings(Tolerances):
    """The ODE solves of the test rows, and numbers of rows and samples."""

    chunk: Count = Field(description="rows per ODE solve")
    tight_rows: Count = Field(description="test rows solved again at a 10x tighter tolerance")
    passes: Count = Field(
        1,
        description="passes over the test rows of integers, each with other noise of "
        "dequantisation and other probes, whose mean is recorded; 1 without this key",
    )
    samples: Count = Field(description="number of samples drawn from each fit")
