"""The file ``model.json``: what builds a fitted method, and how it was trained."""

from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from benchmark.records.stored import StoredFile
from benchmark.section import Tolerances


class Trained(BaseModel):
    """The training behind a fitted method, as it went.

    ``seconds`` are those of its steps, ``None`` of a fit in closed form; ``peak_memory`` is in MiB.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    steps: int
    seconds: float | None
    lr: float
    precision: str
    processes: int
    peak_memory: float | None
    interruptions: int


class ModelFile(StoredFile):
    """The description that builds a fitted method, and where its weights come from.

    ``arguments`` are those of ``build`` as the config has them, and what the data set adds.
    ``coordinates`` is that of the training, ``validation`` the tolerance of the validation,
    ``weights`` says in words which weights are the fitted ones.
    """

    kind: str = Field(alias="class")
    arguments: dict[str, Any]
    event: tuple[int, ...]
    coordinates: str
    validation: Tolerances
    weights: str | None = None
    training: Trained | None = None
    provenance: dict[str, Any] = {}
