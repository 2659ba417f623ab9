import os
import re
import shlex
import shutil
import sys
from contextlib import contextmanager
from pathlib import Path

from snakemake.jobs import Job
from snakemake.logging import logger
from snakemake.persistence import PersistenceBase

from benchmark.data import catalogue
from benchmark.files import write_json
from benchmark.jobs import fork_server
from benchmark.jobs.report import GAPS as GAPS_VARIABLE
from benchmark.jobs.tasks import DOWNLOADS, Tasks
from benchmark.records.run import (
    DRAWINGS,
    Run,
    audit_folder,
    data_folder,
    features_folder,
    suite_folder,
)
from benchmark.report import outputs as report_outputs
from benchmark.report import reproduction
from benchmark.runtime import locks
from benchmark.runtime.progress import Remaining
from benchmark.suite import target
from benchmark.suite.load import load
from snakemake_executor_plugin_submitit.machine import usable_cpus

# A target like reproduce_tabular chooses the suite. Snakemake tells its targets only after it has
# read this file; its jobs, which read it again for one file, get the suite like any --config.
ASKED = target.asked(sys.argv[1:]) if workflow.is_main_process else []
if ASKED:
    config["suite"] = target.suite_of(ASKED, config)
    workflow.config_settings.config_args = [
        *(workflow.config_settings.config_args or []),
        f"suite={config['suite']}",
    ]
SUITE = load(config)
target.check(SUITE, ASKED)
TASKS = Tasks(SUITE, config)
REPRODUCE = target.targets(SUITE)
# Whether to report what is there, with gaps (see onerror in the Snakefile).
GAPS = GAPS_VARIABLE in os.environ
OUTPUTS = (report_outputs.outputs_with_gaps if GAPS else report_outputs.outputs)(SUITE)

# The one way from a rule to a function. What a rule passes as `depends` makes its result out of date;
# its `command`, which asks for output, threads or resources, does not.
JOB = "{params.command}"
# Jobs run in the environment of this process, unless Snakemake was asked to make one for them.
PYTHON = "python" if workflow.deployment_settings.deployment_method else sys.executable
ENVIRONMENT = str(Path(workflow.basedir).parent / "environment.yml")

FOLDER = suite_folder(SUITE.name)
DATA = str(data_folder(SUITE.name, "{dataset}"))
PREPARED = f"{FOLDER}/{{dataset}}/prepared/{{key}}"
DEQUANTISED = f"{FOLDER}/{{dataset}}/dequantised/test{{number}}.npy"
FEATURES = str(features_folder(SUITE.name, "{dataset}"))
AUDIT = str(audit_folder(SUITE.name, "{dataset}"))
METHOD = str(FOLDER / "{dataset}" / "{method}")
RUN = str(Run(SUITE.name, "{dataset}", "{method}", "{seed}").folder)
OWN_METHODS = "|".join(re.escape(name) for name in SUITE.methods if SUITE.is_ours(name))
INCEPTION = f"{DOWNLOADS}/{catalogue.source('inception').files[0].path}"
NOT_REPRODUCED = 3
LOCKS = Path(".snakemake/benchmark/locks")


wildcard_constraints:
    dataset="|".join(SUITE.datasets),
    method="|".join(map(re.escape, SUITE.methods)),
    seed=r"\d+",
    key="[0-9a-f]{16}",
    number=r"\d+",


def command(job, machine=None) -> str:
    """The shell command of a job, which replaces the shell, so that signals reach it."""
    words = (PYTHON, "-m", "benchmark.jobs", TASKS.text(job, machine))
    return "exec " + " ".join(map(shlex.quote, words))


def run_of(wildcards) -> Run:
    return Run(SUITE.name, wildcards.dataset, wildcards.method, int(wildcards.seed))


def gpus_of(wildcards) -> int | str | None:
    """GPUs of a job that works with a fitted method: those of every job, none for a closed form."""
    asked = workflow.resource_settings.default_resources
    closed = not SUITE.is_trained(run_of(wildcards))
    return 0 if closed else asked.get("gpu").raw if asked else None


def first_run_of(wildcards) -> Run:
    """The first seed of a method on a data set: that with which learning rates are searched."""
    runs = [run for run in SUITE.first_runs if run.dataset == wildcards.dataset]
    return next(run for run in runs if run.method == wildcards.method)


def dequantised(number: int = 0) -> str:
    """The test rows of a pass of the evaluation, an input of rules of other programs."""
    return DEQUANTISED.replace("{number}", str(number))


def searches(run: Run) -> list[str]:
    """The file with the learning rate of a run, if that is searched."""
    return [str(run.search)] if SUITE.is_searched(run) else []


def variants(method: str) -> str:
    """Names of a method and of its variants on a grid, as a wildcard constraint."""
    return f"{re.escape(method)}(-[^/]+)?"


def trains(method: str) -> bool:
    """Whether a method, or one of its variants, is a class."""
    own = [name for name in SUITE.methods if name.partition("-")[0] == method]
    return any(SUITE.is_ours(name) for name in own)


def inherited(method: str) -> str:
    """A file that trains a method as the template does: `use rule` takes no expression as a name."""
    path = Path(".snakemake/benchmark/rules", f"{method}.smk").absolute()
    head = f"use rule train as train_{method} with"
    text = f"""{head}:
    wildcard_constraints:
        method=variants("{method}"),
"""
    if not path.exists() or path.read_text() != text:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return str(path)


def drawn(name: str):
    return lambda wildcards: TASKS.draw(name, run_of(wildcards)).depends


def drawing(name: str):
    return lambda wildcards, threads, resources: command(
        TASKS.draw(name, run_of(wildcards)), TASKS.machine(threads, resources)
    )


def facts_of(measurement: str):
    return SUITE.facts[SUITE.measurements[measurement].kind]


def is_light(measurement: str) -> bool:
    return facts_of(measurement).light


def written(measurement: str) -> tuple[str, ...]:
    """Suffixes of what a measurement writes beside its records."""
    return facts_of(measurement).writes


def measured_files(name: str):
    """The files of a run that a measurement reads."""
    return lambda wildcards: [
        str(getattr(run_of(wildcards), need)) for need in facts_of(name).needs
    ]


def measured(name: str):
    return lambda wildcards: TASKS.measure(name, run_of(wildcards)).depends


def measuring(name: str):
    if is_light(name):
        return lambda wildcards, output: command(TASKS.measure(name, run_of(wildcards)))
    return lambda wildcards, threads, resources: command(
        TASKS.measure(name, run_of(wildcards)), TASKS.machine(threads, resources)
    )


def reporting(made):
    return lambda wildcards, output: command(TASKS.report(made))


def runs_here(workflow) -> bool:
    """Whether jobs run on this machine."""
    return workflow.executor_plugin.common_settings.local_exec


def shares_gpu(workflow) -> bool:
    """Whether jobs of this machine may find themselves on one GPU."""
    gpu = config["device"] != "cpu" and shutil.which("nvidia-smi") is not None
    free = "gpu" not in workflow.global_resources
    # Without cores, as on a cluster, Snakemake refuses to say how many there are.
    return runs_here(workflow) and gpu and free and workflow.cores > 1


def crowds(workflow) -> bool:
    """Whether there are more cores for jobs than this process may use."""
    local = workflow.executor_plugin.common_settings.local_exec
    return local and workflow.cores > usable_cpus()


def forgets_slurm(workflow) -> bool:
    """Whether jobs run on a machine that could submit them, perhaps a login node."""
    local = workflow.executor_plugin.common_settings.local_exec
    return local and bool(shutil.which("sbatch")) and "SLURM_JOB_ID" not in os.environ


@contextmanager
def locked_by_us(persistence):
    """Takes the place of Snakemake's own lock, on the suite and on each file beyond it."""
    made = map(str, persistence.all_outputfiles())
    things = {FOLDER if Path(path).is_relative_to(FOLDER) else path for path in made}
    try:
        with locks.held(sorted(map(str, things)), LOCKS) as killed:
            if killed:
                print(
                    "The last run was killed; resuming where it stopped.",
                    file=sys.stderr,
                )
            yield
    except locks.LockedError as error:
        sys.exit(str(error))


async def time_made_here(job, of_snakemake=Job.output_mintime.fget):
    """The oldest time of a job's output; none of what was copied, whose times say nothing."""
    is_made_here = workflow.persistence.has_metadata(job)
    return await of_snakemake(job) if is_made_here else None


def paths(folders: bool) -> str:
    """Names of what can be fetched, files or folders, as a wildcard constraint."""
    files = catalogue.remote_files().values()
    return "|".join(
        re.escape(file.path) for file in files if (file.pattern is not None) == folders
    )


def made_from(dataset: str) -> list:
    """The entry of a data set and, where it has one, that of its base."""
    entry = SUITE.datasets[dataset]
    return [entry] if entry.base is None else [entry, entry.base]


def own_files(dataset: str) -> list[str]:
    """Files of the user's own that a data set is made from."""
    return [file for entry in made_from(dataset) for file in entry.files]


def raw_files(dataset: str) -> list[str]:
    """Files that have to be fetched before a data set can be prepared."""
    sources = [entry.source for entry in made_from(dataset) if entry.source is not None]
    return [
        f"{DOWNLOADS}/{file.path}"
        for source in dict.fromkeys(sources)
        for file in catalogue.source(source).files
    ]


def takes_inception(dataset: str) -> bool:
    """Whether it is Inception's features that are compared."""
    return "inception" in SUITE.features(dataset)


def extractor(dataset: str) -> list[str]:
    """The files of the network whose features are compared."""
    if takes_inception(dataset):
        return [INCEPTION]
    folder = features_folder(SUITE.name, dataset)
    return [str(folder / f"classifier.{suffix}") for suffix in ("safetensors", "json")]


def reports(workflow) -> bool:
    """Whether all tables and figures of the suite are among what was asked for."""
    names = {job.rule.name for job in workflow.dag.jobs}
    return all(output.rule in names for output in OUTPUTS if not output.on_request)


def conclude() -> None:
    """Prints what comes of the targets that reproduce, and ends with code 3 if one does not."""
    names = {job.rule.name for job in workflow.dag.jobs}
    tables = [goal.table for name, goal in REPRODUCE.items() if name in names]
    if not reproduction.print_reproduction(SUITE, tables):
        sys.exit(NOT_REPRODUCED)
