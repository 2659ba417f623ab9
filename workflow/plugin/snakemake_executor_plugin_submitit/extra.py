"""Options of sbatch that a user writes as text, ``slurm_extra``."""

import re
import shlex
from collections.abc import Mapping
from typing import Any

from snakemake_interface_common.exceptions import WorkflowError

from .sbatch import ALIKE

OURS = ("array", "error", "open-mode", "output", "signal")
"""Options that the executor sets itself."""

IMPOSSIBLE = {
    "no-requeue": "a job resumes by being requeued",
    "wait": "the executor waits for jobs itself",
    "parsable": "the executor reads the answer of sbatch",
    "quiet": "the executor reads the answer of sbatch",
    "test-only": "nothing would be submitted; `sbatch --test-only` by hand tells what SLURM thinks",
    "wrap": "the executor has a command of its own",
    "clusters": "the executor watches one cluster; SLURM_CLUSTERS in the environment names it",
    "help": "nothing would be submitted",
    "usage": "nothing would be submitted",
    "version": "nothing would be submitted",
}
"""Options with which the executor cannot work, and why."""


def extra_options(text: str, name: str) -> dict[str, Any]:
    """The options in a text, in submitit's form: with underscores, flags as ``True``.

    Raises ``WorkflowError``, for the rule ``name``, for what is no long option, or not allowed.
    """
    pairs = [(item, *item.removeprefix("--").partition("=")) for item in shlex.split(text)]
    for item, key, _, _ in pairs:
        _check(item, key.replace("_", "-"), name)
    return {key.replace("-", "_"): value if sign else True for _, key, sign, value in pairs}


def without_overruled(parameters: Mapping[str, Any], extra: Mapping[str, Any]) -> dict[str, Any]:
    """Parameters of submitit without those that request what the user's options do."""
    given = {key for key in extra if key != "gres" or "gpu" in extra["gres"]}
    taken = {alike for group in ALIKE if group & given for alike in group}
    return {key: value for key, value in parameters.items() if key not in taken}


def minutes_of(limit: str) -> int | None:
    """The minutes of a time limit as sbatch reads it; ``None`` for UNLIMITED and the like.

    ``M``, ``M:S``, ``H:M:S``, ``D-H``, ``D-H:M`` or ``D-H:M:S``; of a begun minute, the whole.
    """
    match = re.fullmatch(r"(?:(\d+)-)?(\d+)(?::(\d+))?(?::(\d+))?", limit)
    if match is None:
        return None
    days, first, second, third = (int(number or 0) for number in match.groups())
    hours = match[1] is not None or match[4] is not None
    seconds = (3600 * first + 60 * second + third) if hours else (60 * first + second)
    return -(-(86400 * days + seconds) // 60)


def _check(item: str, key: str, name: str) -> None:
    if not item.startswith("--") or key in OURS:
        raise WorkflowError(
            f"{name}: slurm_extra has {item!r}; allowed are --flag and --key=value, except for "
            f"{', '.join(f'--{own}' for own in OURS)}, set by the executor."
        )
    if key in IMPOSSIBLE:
        raise WorkflowError(f"{name}: slurm_extra has {item!r}; {IMPOSSIBLE[key]}. Remove it.")
