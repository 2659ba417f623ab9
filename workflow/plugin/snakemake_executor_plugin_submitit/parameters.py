"""Translation of the resources of a Snakemake job into the parameters of submitit."""

import difflib
from collections.abc import Callable, Mapping
from typing import Any

from snakemake_interface_common.exceptions import WorkflowError

from . import values
from .extra import extra_options, minutes_of, without_overruled

RENAMED_RESOURCES: Mapping[str, tuple[str, Callable[[Any], Any]]] = {
    "runtime": ("time", values.whole),
    "mem_mb": ("mem", values.mebibytes),
    "mem_mb_per_cpu": ("mem_per_cpu", values.mebibytes),
    "nodes": ("nodes", values.whole),
    "qos": ("qos", str),
    "constraint": ("constraint", str),
    "gres": ("gres", str),
}
"""Resources by the names of Snakemake's own SLURM plugin: submitit's name, and conversion."""

PLUGIN_RESOURCES = {"slurm_extra", "slurm_setup"}
"""Resources that this plugin adds."""

TEXT_PARAMETERS = {"partition", "account", "qos", "constraint", "exclude", "nodelist", "wckey"}
TEXT_PARAMETERS |= {
    "comment",
    "mail_type",
    "mail_user",
    "dependency",
    "gres",
    "mem",
    "mem_per_gpu",
    "mem_per_cpu",
}
SUBMITIT_RESOURCES: Mapping[str, Callable[[Any], Any]] = {
    **{f"slurm_{name}": str for name in TEXT_PARAMETERS},
    **{f"slurm_{name}": values.whole for name in ("array_parallelism", "cpus_per_gpu")},
    **{f"slurm_{name}": values.types_of_gpus for name in ("gpus_per_task", "gpus_per_node")},
}
"""Resources by submitit's own names, ``slurm_<parameter of submitit.SlurmExecutor>``, and their
conversion."""

OTHER_RESOURCES = {"cpus_per_task", "gpu", "gpu_model", "tasks"}
"""Resources that are read together with others."""

MEMORY = {"mem", "mem_per_cpu", "mem_per_gpu"}
MEMORY_RESOURCES = {f"slurm_{name}" for name in MEMORY}
GPU_RESOURCES = {"gres", "slurm_gres", "slurm_gpus_per_node", "slurm_gpus_per_task"}
OVERRIDDEN_BY = {
    "mem_mb": MEMORY_RESOURCES | {"mem_mb_per_cpu"},
    "mem_mb_per_cpu": MEMORY_RESOURCES,
    "gpu": GPU_RESOURCES,
}
"""Resources that take precedence over one (perhaps a default of the profile): sbatch accepts only
one of them."""


SETUP_GUARD = (
    "trap 'status=$?; [[ ${#BASH_SOURCE[@]} -gt '${#BASH_SOURCE[@]}' ]] || "
    '{ echo "slurm_setup ends with status $status at:'
    ' $(sed -n "${LINENO}p" "$0" 2> /dev/null || echo "$BASH_COMMAND")'
    " (a line that may fail: ... || true)\" >&2; exit $status; }' ERR"
)
"""Line before the set-up that ends the job where a line fails, but not inside what it sources or
calls. It prints the line or, where the script is no file, the command."""


def of_slurm(job: Any, name: str, signal_delay: int) -> dict[str, Any]:
    """Parameters of ``submitit.SlurmExecutor`` for a job, called ``name`` in the queue.

    ``signal_delay`` is the time in seconds between the warning and the time limit, reduced to at
    most a third of the limit. Raises ``WorkflowError`` for an unknown resource ``slurm_...``.
    """
    given = _given(job, name)
    extra = extra_options(str(given.get("slurm_extra", "")), name)
    runtime, nodes = runtime_of(job), _number(given, "nodes", 1, name)
    cpus = _number(extra, "cpus_per_task", cpus_of(job), name)
    wanted: dict[str, Any] = {
        "job_name": name,
        "time": runtime,
        "cpus_per_task": cpus,
        "ntasks_per_node": _tasks_per_node(given, nodes, name),
        "signal_delay_s": _before_limit(signal_delay, runtime),
        "stderr_to_stdout": True,
        "wckey": None,
        # One Snakemake per job, on its first node. srun does not pass on the environment if
        # SBATCH_EXPORT is NONE, nor, from SLURM 22.05 on, the CPUs of a task.
        "srun_args": ["--export=ALL", "--nodes=1", "--ntasks=1", f"--cpus-per-task={cpus}"],
        "setup": setup_of(job) or None,
    }
    for key, (parameter, convert) in RENAMED_RESOURCES.items():
        if key in given:
            wanted[parameter] = values.read(name, key, given[key], convert)
    for key in SUBMITIT_RESOURCES.keys() & given.keys():
        convert = SUBMITIT_RESOURCES[key]
        wanted[key.removeprefix("slurm_")] = values.read(name, key, given[key], convert)
    wanted = without_overruled(wanted | _gpus(given, name), extra)
    if "gres" in wanted and "gres" in extra:  # of something else, beside GPUs
        extra["gres"] = f"{wanted['gres']},{extra['gres']}"
    return wanted | {"additional_parameters": {"requeue": True, **extra}}


def of_local(job: Any, gpus: tuple[int, ...], signal_delay: int) -> dict[str, Any]:
    """Parameters of ``submitit.LocalExecutor`` for a job with the GPUs of indices ``gpus``."""
    runtime = _number(job.resources, "runtime", 60, job.name)
    return {
        "timeout_min": runtime,
        "gpus_per_node": len(gpus),
        "visible_gpus": gpus,
        "signal_delay_s": _before_limit(signal_delay, runtime),
        "stderr_to_stdout": True,
    }


def setup_of(job: Any) -> list[str]:
    """Shell lines to run before a job, which end it where one of them fails."""
    lines = str(job.resources.get("slurm_setup") or "").splitlines()
    return [SETUP_GUARD, *lines, "trap - ERR"] if lines else []


def runtime_of(job: Any) -> int:
    """The time limit that a job requests, in minutes."""
    extra = extra_options(str(job.resources.get("slurm_extra") or ""), job.name)
    limit = minutes_of(str(extra.get("time", "")))
    return limit or _number(job.resources, "runtime", 60, job.name)


def memory_of(job: Any) -> str:
    """The memory that a job requests, and how it requests more."""
    given = _given(job, job.name)
    asked = [key for key in ("mem_mb", "mem_mb_per_cpu", *sorted(MEMORY_RESOURCES)) if key in given]
    extra = extra_options(str(given.get("slurm_extra", "")), job.name)
    options = {f"--{key.replace('_', '-')}": extra[key] for key in sorted(MEMORY & extra.keys())}
    found = options or {key: given[key] for key in asked}
    if not found:
        return "it requested none in particular; set mem_mb"
    return " and ".join(f"it requested {key}={value}; raise {key}" for key, value in found.items())


def cpus_of(job: Any) -> int:
    """The number of CPUs that a job requests."""
    return _number(job.resources, "cpus_per_task", job.threads or 1, job.name)


def gpus_of(job: Any) -> int:
    """The number of GPUs that a job requests, per node."""
    value = job.resources.get("gpu") or 0
    return int(values.read(job.name, "gpu", value, values.gpus)[1])


def _number(given: Mapping[str, Any], key: str, default: int, name: str) -> int:
    return int(values.read(name, key, given.get(key) or default, values.whole))


def _given(job: Any, name: str) -> dict[str, Any]:
    """The resources of a job, without those that others take precedence over."""
    given = {key: value for key, value in job.resources.items() if value not in (None, "")}
    _check(given, name)
    return {
        key: value
        for key, value in given.items()
        if not OVERRIDDEN_BY.get(key, set()) & given.keys()
    }


def _before_limit(signal_delay: int, runtime: int) -> int:
    return min(signal_delay, 20 * runtime)


def _tasks_per_node(given: Mapping[str, Any], nodes: int, name: str) -> int:
    tasks = _number(given, "tasks", nodes, name)
    if tasks % nodes:
        raise WorkflowError(f"{name}: tasks={tasks} cannot be shared evenly by nodes={nodes}.")
    return tasks // nodes


def _gpus(given: Mapping[str, Any], name: str) -> dict[str, Any]:
    model, count = values.read(name, "gpu", given.get("gpu") or 0, values.gpus)
    models = {model, given.get("gpu_model") or ""} - {""}
    if len(models) > 1:
        raise WorkflowError(f"{name}: gpu is {given['gpu']!r}, and gpu_model another type.")
    if not count:
        return {}
    return {"gres": f"gpu:{models.pop()}:{count}"} if models else {"gpus_per_node": count}


def _check(given: Mapping[str, Any], name: str) -> None:
    allowed = sorted(SUBMITIT_RESOURCES.keys() | PLUGIN_RESOURCES)
    for key in sorted(key for key in given if key.startswith("slurm_") and key not in allowed):
        near = difflib.get_close_matches(key, allowed, 1)
        hint = f" Did you mean {near[0]!r}?" if near else ""
        raise WorkflowError(
            f"{name}: the resource {key!r} is unknown to submitit.{hint} Allowed: "
            f"{', '.join(allowed)}; anything else goes into slurm_extra."
        )
