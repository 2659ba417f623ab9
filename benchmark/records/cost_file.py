"""The file ``cost.json``: what a fit and its evaluation took."""

from typing import Annotated, Any

from pydantic import Field, field_validator, model_validator

from benchmark.records.stored import StoredFile

Cost = Annotated[float, Field(ge=0, allow_inf_nan=False)]


class CostFile(StoredFile):
    """Costs of a run, each of them optional: ``{"training_seconds": 3.1}`` is a whole file.

    ``n`` counts, by the name of a cost, the rows or samples that it is of; ``reasons`` says, by
    the name of a cost, why it has no value. ``diagnostics`` are numbers that a method reports of
    itself. ``protocol`` and ``provenance`` are those of the evaluation, ``training_provenance``
    that of the training.
    """

    training_seconds: Cost | None = None
    seconds_per_step: Cost | None = None
    peak_memory: Cost | None = None
    """Memory of the training process, MiB."""
    training_interruptions: Cost | None = None
    parameters: Cost | None = None
    """Number of trained numbers."""
    likelihood_seconds: Cost | None = None
    sampling_seconds: Cost | None = None
    nfe_sampling: Cost | None = None
    """Evaluations of the velocity per solve of a chunk of samples."""
    samples_per_second: Cost | None = None
    evaluation_interruptions: Cost | None = None
    diagnostics: dict[str, float] = {}
    n: dict[str, int] = {}
    reasons: dict[str, str] = {}
    protocol: dict[str, Any] = {}
    provenance: dict[str, Any] = {}
    training_provenance: dict[str, Any] = {}

    @model_validator(mode="before")
    @classmethod
    def _from_list(cls, given: Any) -> Any:
        """A list, as files of earlier versions hold, says nothing if it is empty."""
        if isinstance(given, list) and given:
            raise ValueError(
                "this is a list of records, as earlier versions wrote it; write a mapping of "
                'costs, e.g. {"training_seconds": 3.1}, or evaluate again'
            )
        return {} if given == [] else given

    @field_validator("reasons")
    @classmethod
    def _of_costs(cls, given: dict[str, str]) -> dict[str, str]:
        unknown = sorted(given.keys() - cls.model_fields.keys())
        if unknown:
            raise ValueError(f"allowed are names of costs, {', '.join(unknown)} is none")
        return given
