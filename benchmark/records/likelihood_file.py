"""The file ``likelihood.json``: how the log-densities of ``log_prob.npy`` were computed."""

from typing import Annotated

from annotated_types import Ge, Le
from pydantic import field_validator

from benchmark.records.stored import Amount, Reason, Stated, StoredFile

LARGEST = 1e100
"""No log-density in nats is larger: sums of squares of larger numbers overflow."""
LogProb = Annotated[float, Ge(-LARGEST), Le(LARGEST)]


class LikelihoodFile(StoredFile):
    """How the log-densities of the test rows were computed, by whatever program.

    ``nfe`` and ``nodes``: evaluations of the velocity and of its divergence per row; ``nfe`` is
    ``None`` where no ODE is solved. ``probe_error``: standard error of the mean log-density, in
    nats, due to random probes. ``tight_log_prob``: nats of the first test rows at a 10x tighter
    tolerance, beside their ``loose_log_prob`` with the same noise (that of ``log_prob.npy`` where
    left out), or the ``tight_reason`` why there are none. ``reason``: why the method has no
    log-density.
    """

    nfe: Amount | None
    nodes: Amount | None = None
    probe_error: Amount | None = None
    tight_log_prob: list[LogProb | None] | None = None
    tight_reason: Reason | None = None
    loose_log_prob: list[LogProb | None] | None = None
    reason: Reason | None = None
    protocol: Stated
    provenance: Stated = {}

    @field_validator("protocol")
    @classmethod
    def _says_what_is_trained(cls, given: Stated) -> Stated:
        if not isinstance(given.get("trained", True), bool):
            raise ValueError("allowed as 'trained' is true, or false of a control")
        return given

    @property
    def counts_gap(self) -> str | None:
        """Why there is no count of evaluations; ``None`` if there may be one."""
        if self.reason is None and self.nfe is None:
            return f"no ODE is solved, solver {self.protocol.get('solver', 'not stated')}"
        return self.reason
