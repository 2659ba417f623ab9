"""The call of sbatch, through submitit, and what its refusals mean."""

import os
import re
import uuid
from collections.abc import Collection, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import submitit
from submitit.core.utils import DelayedSubmission

from .slurm import OUTAGE

TOO_MANY = re.compile(
    r"error: \w*(?:Max|Grp)Submit\w*$|MaxArraySize|Invalid job array specification"
    r"|temporarily unable to accept|job queue full|Resource temporarily unavailable",
    re.MULTILINE,
)
"""SLURM's reasons for which fewer jobs, or these jobs later, would be accepted."""

RENAMED = {"TIMELIMIT": "time", "MEM_PER_NODE": "mem", "ARRAY_INX": "array", "NNODES": "nodes"}
RENAMED |= {"NPROCS": "ntasks", "NO_REQUEUE": "requeue"}
"""Ends of variables ``SBATCH_...`` and ``SLURM_...`` that are not the names of their options."""

ALIKE = (
    {"mem", "mem_per_cpu", "mem_per_gpu"},
    {"gres", "gpus", "gpus_per_node", "gpus_per_task", "gpus_per_socket"},
    {"ntasks", "ntasks_per_node", "ntasks_per_core", "ntasks_per_socket", "ntasks_per_gpu"},
)
"""Options that request the same thing."""

OWN_OPTIONS = {"array", "error", "open_mode", "output", "requeue", "signal"}
"""Options of every submission beside those that the profile sets."""

NEVER = {"SBATCH_WAIT", "SBATCH_CLUSTERS"}
"""Variables with which the executor cannot follow its jobs."""


class Sbatch(submitit.SlurmExecutor):
    """sbatch through submitit, in a folder: one call for all jobs of a batch.

    Variables of the environment that would overrule an option of the submission are hidden.
    """

    def _make_submission_command(self, submission_file_path: Path) -> list[str]:
        hidden = overruling(options_of(self.parameters), os.environ)
        unset = [word for name in hidden for word in ("-u", name)]
        return [*(["env", *unset] if unset else []), "sbatch", str(submission_file_path)]

    def _internal_process_submissions(
        self, delayed_submissions: list[DelayedSubmission]
    ) -> list[submitit.Job[Any]]:
        if len(delayed_submissions) == 1:
            return super()._internal_process_submissions(delayed_submissions)
        # submitit's own array calls sbatch through another executor, not through this one.
        self.parameters["map_count"] = len(delayed_submissions)
        pickles = [self._pickled(submission) for submission in delayed_submissions]
        array = self._submit_command(self._submitit_command_str)
        ids = [f"{array.job_id}_{task}" for task in range(len(pickles))]
        jobs: list[submitit.Job[Any]] = [
            submitit.SlurmJob(folder=self.folder, job_id=job) for job in ids
        ]
        for job, pickle in zip(jobs, pickles, strict=True):
            job.paths.move_temporary_file(pickle, "submitted_pickle")
        return jobs

    def _pickled(self, submission: DelayedSubmission) -> Path:
        path = self.folder / f"{uuid.uuid4().hex}.pkl"
        submission.set_timeout(self.parameters["time"], self.max_num_timeout)
        submission.dump(path)
        return path


def options_of(parameters: Mapping[str, Any]) -> set[str]:
    """The options that a submission with these parameters sets on purpose, with underscores."""
    given = {name for name, value in parameters.items() if value is not None}
    given -= {"job_name"}  # the name of the rule, for want of another
    return given | OWN_OPTIONS | (parameters.get("additional_parameters") or {}).keys()


def overruling(options: Collection[str], environment: Iterable[str]) -> Sequence[str]:
    """The variables of the environment that would overrule one of the options.

    sbatch prefers ``SBATCH_...`` to the lines of a submission file; srun, in the job, takes
    ``SLURM_...`` of the submitting side for what sbatch does not set itself.
    """
    taken = {*options, *(alike for group in ALIKE if group & set(options) for alike in group)}
    return sorted(name for name in environment if _option(name) in taken or name in NEVER)


def call_in(folder: Path) -> str:
    """The call of sbatch that was made from a folder, with the options of the submission file."""
    texts = [path.read_text() for path in folder.glob(".submission_file_*.sh")]
    lines = [line for text in texts for line in text.splitlines() if line.startswith("#SBATCH ")]
    return " ".join(["sbatch", *(line.removeprefix("#SBATCH ") for line in lines)])


def is_outage(words: str) -> bool:
    """Whether sbatch failed with these words for a reason that ends by itself."""
    # What stands before comes from the site's own scripts, in any words.
    return bool(OUTAGE.search(words.rpartition("submission failed:")[2]))


def _option(variable: str) -> str | None:
    prefix, _, name = variable.partition("_")
    return RENAMED.get(name, name.lower()) if prefix in ("SBATCH", "SLURM") else None
