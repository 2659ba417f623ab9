"""Settings of the plugin, on the command line ``--submitit-<name>``."""

from dataclasses import dataclass, field
from typing import Any, Optional

from snakemake_interface_executor_plugins.settings import ExecutorSettingsBase

CLUSTERS = ("slurm", "local", "debug")


def _setting(default: Any, text: str) -> Any:
    return field(default=default, metadata={"help": text, "env_var": False, "required": False})


# Snakemake builds its command line from these types: `str | None` crashes it.
@dataclass
class ExecutorSettings(ExecutorSettingsBase):
    """Settings of the plugin, on the command line ``--submitit-<name>``."""

    cluster: Optional[str] = _setting(  # noqa: UP045
        "slurm", "Where jobs run: slurm, local (processes on this machine) or debug (in Snakemake)."
    )
    signal_delay: Optional[int] = _setting(  # noqa: UP045
        120, "Seconds before a job's time limit at which SLURM warns it, so that it saves its work."
    )
    max_timeouts: Optional[int] = _setting(  # noqa: UP045
        50, "How often a job that reached its time limit resumes in the same SLURM job."
    )
    submit_retries: Optional[int] = _setting(  # noqa: UP045
        10, "How often a submission beyond a limit is tried again while none of our jobs is left."
    )
    keep_logs: bool = _setting(False, "Keep the logs of jobs that have succeeded, for ten days.")
