"""The resources of a Snakemake job as the parameters of submitit."""

import difflib
import shlex
from collections.abc import Callable, Mapping
from typing import Any

from snakemake_interface_common.exceptions import WorkflowError

RENAMED: Mapping[str, tuple[str, Callable[[Any], Any]]] = {
    "runtime": ("time", int),
    "mem_mb": ("mem", lambda value: f"{int(value)}M"),
    "mem_mb_per_cpu": ("mem_per_cpu", lambda value: f"{int(value)}M"),
    "nodes": ("nodes", int),
    "qos": ("qos", str),
    "constraint": ("constraint", str),
    "gres": ("gres", str),
}
"""Snakemake's names (those of its own SLURM plugin), and submitit's with its unit."""

OURS = {"slurm_extra", "slurm_setup"}
TEXTS = {"partition", "account", "qos", "constraint", "exclude", "nodelist", "wckey"}
TEXTS |= {"mail_type", "mail_user", "dependency", "gres", "mem", "mem_per_gpu", "mem_per_cpu"}
NUMBERS = {"array_parallelism", "cpus_per_gpu", "gpus_per_task", "gpus_per_node"}
OPTIONS = {f"slurm_{name}" for name in TEXTS | NUMBERS}
"""submitit's own names: ``slurm_<parameter of submitit.SlurmExecutor>``."""

OWN = ("array", "comment", "error", "open-mode", "output", "signal")
"""Options of sbatch that the executor lives by."""

MEMORY = {"slurm_mem", "slurm_mem_per_cpu", "slurm_mem_per_gpu"}
GPUS = {"gres", "slurm_gres", "slurm_gpus_per_node", "slurm_gpus_per_task"}
INSTEAD = {"mem_mb": MEMORY | {"mem_mb_per_cpu"}, "mem_mb_per_cpu": MEMORY, "gpu": GPUS}
"""What a resource, perhaps a default of the profile, gives way to: sbatch takes one of them."""


def of_slurm(job: Any, name: str, signal_delay: int) -> dict[str, Any]:
    """Parameters of ``submitit.SlurmExecutor`` for a job, called ``name`` in the queue.

    ``signal_delay`` is the warning before the time limit in seconds, at most a third of the limit.
    Raises ``WorkflowError`` for a resource ``slurm_...`` that means nothing.
    """
    given = _given(job, name)
    runtime = int(given.get("runtime", 60))
    cpus, nodes = cpus_of(job), int(given.get("nodes", 1))
    found: dict[str, Any] = {
        "job_name": name,
        "time": runtime,
        "cpus_per_task": cpus,
        "ntasks_per_node": _tasks_per_node(given, nodes, name),
        "signal_delay_s": _before_limit(signal_delay, runtime),
        "stderr_to_stdout": True,
        "wckey": None,
        # One Snakemake a job, on its first node. srun reads neither the environment where
        # SBATCH_EXPORT is NONE, nor the CPUs of a task from SLURM 22.05 on.
        "srun_args": ["--export=ALL", "--nodes=1", "--ntasks=1", f"--cpus-per-task={cpus}"],
        "setup": setup_of(job) or None,
        "additional_parameters": {"requeue": True, **_extra(given, name)},
    }
    for key, (parameter, convert) in RENAMED.items():
        if key in given:
            found[parameter] = convert(given[key])
    for key in OPTIONS & given.keys():
        parameter = key.removeprefix("slurm_")
        found[parameter] = str(given[key]) if parameter in TEXTS else int(given[key])
    return found | _gpus(given)


def of_local(job: Any, gpus: tuple[int, ...], signal_delay: int) -> dict[str, Any]:
    """Parameters of ``submitit.LocalExecutor`` for a job that has the ``gpus`` of these indices."""
    runtime = int(job.resources.get("runtime") or 60)
    return {
        "timeout_min": runtime,
        "gpus_per_node": len(gpus),
        "visible_gpus": gpus,
        "signal_delay_s": _before_limit(signal_delay, runtime),
        "stderr_to_stdout": True,
    }


def setup_of(job: Any) -> list[str]:
    """Lines of shell that run before a job."""
    return str(job.resources.get("slurm_setup") or "").splitlines()


def cpus_of(job: Any) -> int:
    """How many CPUs a job asks for."""
    return int(job.resources.get("cpus_per_task") or job.threads or 1)


def gpus_of(job: Any) -> int:
    """How many GPUs a job asks for."""
    return int(job.resources.get("gpu") or 0)


def _given(job: Any, name: str) -> dict[str, Any]:
    """The resources of a job, without those that give way to others."""
    given = {key: value for key, value in job.resources.items() if value not in (None, "")}
    _check(given, name)
    return {
        key: value for key, value in given.items() if not INSTEAD.get(key, set()) & given.keys()
    }


def _before_limit(signal_delay: int, runtime: int) -> int:
    return min(signal_delay, 20 * runtime)


def _tasks_per_node(given: Mapping[str, Any], nodes: int, name: str) -> int:
    tasks = int(given.get("tasks", nodes))
    if tasks % nodes:
        raise WorkflowError(f"{name}: tasks={tasks} cannot be shared evenly by nodes={nodes}.")
    return tasks // nodes


def _gpus(given: Mapping[str, Any]) -> dict[str, Any]:
    count, model = int(given.get("gpu") or 0), given.get("gpu_model")
    if not count:
        return {}
    return {"gres": f"gpu:{model}:{count}"} if model else {"gpus_per_node": count}


def _extra(given: Mapping[str, Any], name: str) -> dict[str, Any]:
    """``--flag`` and ``--key=value`` as submitit takes them."""
    items = shlex.split(given.get("slurm_extra", ""))
    pairs = [item.removeprefix("--").partition("=") for item in items]
    for item, (key, _, _) in zip(items, pairs, strict=True):
        if not item.startswith("--") or key in OWN:
            raise WorkflowError(
                f"{name}: slurm_extra has {item!r}; allowed are --flag and --key=value, but for "
                f"{', '.join(f'--{own}' for own in OWN)}, which are the executor's own."
            )
    return {key: value if separator else True for key, separator, value in pairs}


def _check(given: Mapping[str, Any], name: str) -> None:
    allowed = sorted(OPTIONS | OURS)
    for key in sorted(key for key in given if key.startswith("slurm_") and key not in allowed):
        near = difflib.get_close_matches(key, allowed, 1)
        hint = f" Did you mean {near[0]!r}?" if near else ""
        raise WorkflowError(
            f"{name}: the resource {key!r} means nothing to submitit.{hint} Allowed: "
            f"{', '.join(allowed)}; anything else goes into slurm_extra."
        )
