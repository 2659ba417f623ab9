"""Mistakes of a profile, above all in its resources, told before the first job.

Snakemake takes any name for a resource. One that nobody reads, such as ``partition``, would do
nothing, and jobs would run where they should not.
"""

import difflib
import re
import shutil
from collections.abc import Iterable, Iterator, Mapping
from types import SimpleNamespace
from typing import Any

from snakemake_interface_common.exceptions import WorkflowError

from . import parameters
from .settings import CLUSTERS

SNAKEMAKES_RESOURCES = {"mem", "mem_mib", "disk", "disk_mb", "disk_mib", "tmpdir"}
"""Resources of which Snakemake itself knows the meaning."""

KNOWN_RESOURCES = {
    *SNAKEMAKES_RESOURCES,
    *parameters.RENAMED_RESOURCES,
    *parameters.SUBMITIT_RESOURCES,
    *parameters.PLUGIN_RESOURCES,
    *parameters.OTHER_RESOURCES,
}
TEXT_RESOURCES = {"qos", "constraint", "gres", "gpu_model"} | {
    name for name, convert in parameters.SUBMITIT_RESOURCES.items() if convert is str
}

SYNONYMS = {
    "cpus": "cpus_per_task",
    "gpu_type": "gpu_model",
    "mem_gb": "mem_mb",
    "memory": "mem_mb",
    "walltime": "runtime",
}
"""Names that are unlike those that are meant."""

FORMULA = r"\d+( *[-+*/%.] *\d+)+"
"""A text that Snakemake computes: the account ``2023-12`` becomes 2011."""


def check_cluster(cluster: str) -> None:
    """Raises ``WorkflowError`` if there is no such cluster, or no SLURM here."""
    if cluster not in CLUSTERS:
        raise WorkflowError(f"--submitit-cluster is {cluster!r}; allowed: {', '.join(CLUSTERS)}.")
    if cluster == "slurm" and not (shutil.which("sbatch") and shutil.which("srun")):
        raise WorkflowError(
            "There is no `sbatch` on the PATH: this machine does not submit to SLURM. Log in "
            "to one that does, or run on this machine: `snakemake --cores all` (without the "
            "profile), or with the profile, as local processes, `--submitit-cluster local`."
        )


def check(workflow: Any, jobs: Iterable[Any]) -> None:
    """Raises ``WorkflowError`` with all mistakes in the resources of a workflow, and of those of
    ``jobs`` that are submitted."""
    settings = workflow.resource_settings
    given = {"default-resources": settings.default_resources or {}} | {
        f"set-resources of {rule}": resources
        for rule, resources in settings.overwrite_resources.items()
    }
    known = KNOWN_RESOURCES | _of_workflow(workflow)
    mistakes = [f"{where}: {text}" for where, text in _in_profile(given, known)]
    if mistakes := mistakes or list(dict.fromkeys(_in_values(jobs))):
        raise WorkflowError("\n".join(mistakes))


def misspelt_rules(workflow: Any) -> Iterator[str]:
    """What a profile sets for a rule that is not there, but is called nearly like one."""
    settings, rules = workflow.resource_settings, {rule.name for rule in workflow.rules}
    for name in sorted({*settings.overwrite_resources, *settings.overwrite_threads} - rules):
        for near in difflib.get_close_matches(name, rules, 1, cutoff=0.8):
            yield f"The profile sets resources of {name}, and there is no such rule; {near}?"


def _of_workflow(workflow: Any) -> set[str]:
    """Resources that a workflow reads itself, or that are limited by ``--resources``."""
    written = [rule.ruleinfo.resources for rule in workflow.rules if rule.ruleinfo]
    own = {name for resources in written if resources for name in resources[1]}
    return own | {*workflow.global_resources, *workflow.resource_scopes}


def _in_profile(given: Mapping[str, Any], known: set[str]) -> Iterator[tuple[str, str]]:
    for where, resources in given.items():
        for name in resources:
            raw = str(getattr(resources[name], "raw", resources[name]))
            if name not in known:
                yield where, _unknown(name, known)
            elif name in TEXT_RESOURCES and re.fullmatch(FORMULA, raw):
                yield where, f"Snakemake computes {name}: {raw}; quote it twice: \"'{raw}'\"."


def _unknown(name: str, known: set[str]) -> str:
    near = [SYNONYMS[name]] if name in SYNONYMS else difflib.get_close_matches(name, known, 1)
    own = f"options of sbatch go into slurm_extra, and one of your own has --resources {name}=N."
    hint = f"did you mean {near[0]!r}?" if near else own
    return f"nobody reads the resource {name!r}; {hint}"


def _in_values(jobs: Iterable[Any]) -> Iterator[str]:
    for job in (job for job in jobs if not job.is_local):
        known = {key: value for key, value in job.resources.items() if str(value) != "<TBD>"}
        try:
            asked = SimpleNamespace(name=job.name, threads=job.threads, resources=known)
            parameters.of_slurm(asked, job.name, signal_delay=0)
        except WorkflowError as error:
            yield str(error)
