"""The file ``cost.json``: what a fit and its evaluation took."""

from typing import Any

from pydantic import field_validator, model_validator

from benchmark.records.stored import Amount, Number, Reason, Stated, StoredFile


class CostFile(StoredFile):
    """Costs of a run, each of them optional: ``{"training_seconds": 3.1}`` is a whole file.

    ``n`` counts, by the name of a cost, the rows or samples that it is of; ``reasons`` says, by
    the name of a cost, why it has no value. ``diagnostics`` are numbers that a method reports of
    itself, ``None`` where they are not finite. ``protocol`` and ``provenance`` are those of the
    evaluation, ``training_provenance`` that of the training.
    """

    training_seconds: Amount | None = None
    seconds_per_step: Amount | None = None
    peak_memory: Amount | None = None
    """Memory of the training process, MiB."""
    training_interruptions: Amount | None = None
    parameters: Amount | None = None
    """Number of trained numbers."""
    likelihood_seconds: Amount | None = None
    sampling_seconds: Amount | None = None
    nfe_sampling: Amount | None = None
    """Evaluations of the velocity per solve of a chunk of samples."""
    samples_per_second: Amount | None = None
    evaluation_interruptions: Amount | None = None
    diagnostics: dict[str, float | None] = {}
    n: dict[str, Number] = {}
    reasons: dict[str, Reason] = {}
    protocol: Stated = {}
    provenance: Stated = {}
    training_provenance: Stated = {}

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

    @field_validator("n", "reasons")
    @classmethod
    def _of_costs(cls, given: dict[str, Any]) -> dict[str, Any]:
        unknown = sorted(given.keys() - cls.model_fields.keys())
        if unknown:
            raise ValueError(f"allowed are names of costs, {', '.join(unknown)} is none")
        return given
