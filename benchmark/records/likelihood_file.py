"""The file ``likelihood.json``: how the log-densities of ``log_prob.npy`` were computed."""

from typing import Any

from benchmark.records.stored import StoredFile


class LikelihoodFile(StoredFile):
    """How the log-densities of the test rows were computed, by whatever program.

    ``nfe`` and ``nodes``: evaluations of the velocity and of its divergence per row; ``nfe`` is
    ``None`` where no ODE is solved. ``probe_error``: standard error of the mean log-density, in
    nats, due to random probes. ``tight_log_prob``: nats of the first test rows at a 10x tighter
    tolerance, beside their ``loose_log_prob`` with the same noise (that of ``log_prob.npy`` where
    left out), or the ``tight_reason`` why there are none. ``reason``: why the method has no
    log-density.
    """

    nfe: float | None
    nodes: float | None = None
    probe_error: float | None = None
    tight_log_prob: list[float | None] | None = None
    tight_reason: str | None = None
    loose_log_prob: list[float | None] | None = None
    reason: str | None = None
    protocol: dict[str, Any]
    provenance: dict[str, Any] = {}

    @property
    def counts_gap(self) -> str | None:
        """Why there is no count of evaluations; ``None`` if there may be one."""
        if self.reason is None and self.nfe is None:
            return f"no ODE is solved, solver {self.protocol.get('solver', 'not stated')}"
        return self.reason
