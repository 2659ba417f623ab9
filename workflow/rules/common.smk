import os
import re
import shutil
import sys
from dataclasses import astuple
from pathlib import Path

from snakemake.logging import logger

from benchmark.suite import config as benchmark_config
from benchmark.report import report
from benchmark.suite import target
from benchmark.data import fetch
from benchmark.names import module_of
from benchmark.runtime.progress import Remaining
from benchmark.records.records import FLOOR
from benchmark.records.run import Run, data_folder, suite_folder
from benchmark.source import files_of

SCHEMA = "workflow/schemas/config.schema.yaml"
# A target like reproduce_tabular chooses the suite. Snakemake tells its targets only after it has
# read this file; its jobs, which read it again for one file, get the suite like any --config.
ASKED = target.asked(sys.argv[1:]) if workflow.is_main_process else []
if ASKED:
    config["suite"] = target.suite_of(ASKED, config)
    workflow.config_settings.config_args = [
        *(workflow.config_settings.config_args or []),
        f"suite={config['suite']}",
    ]
SUITE = benchmark_config.load(config, SCHEMA)
target.check(SUITE, ASKED)
FOLDER = suite_folder(SUITE.name)
DATA = str(data_folder(SUITE.name, "{dataset}"))
METHOD = str(FOLDER / "{dataset}" / "{method}")
RUN = str(Run(SUITE.name, "{dataset}", "{method}", "{seed}").folder)
OURS = "|".join(re.escape(name) for name in SUITE.methods if SUITE.is_ours(name))
DOWNLOADS = "results/downloads"
INCEPTION = f"{DOWNLOADS}/{fetch.source('inception').files[0].path}"
FEATURES = str(FOLDER / "{dataset}" / "features")
REPRODUCE = target.targets(SUITE)
NOT_REPRODUCED = 3
# Whether to report what is there, with gaps (see onerror in the Snakefile).
GAPS = "BENCHMARK_GAPS" in os.environ


wildcard_constraints:
    dataset="|".join(SUITE.datasets),
    method="|".join(map(re.escape, SUITE.methods)),
    seed=r"\d+",


def run_of(wildcards) -> Run:
    return Run(SUITE.name, wildcards.dataset, wildcards.method, int(wildcards.seed))


def first_run_of(wildcards) -> Run:
    """The first seed of a method on a data set: that with which learning rates are searched."""
    known = report.first_runs(SUITE)
    found = [run for run in known if run.dataset == wildcards.dataset]
    return next(run for run in found if run.method == wildcards.method)


def searches(run: Run) -> list[str]:
    """The file with the learning rate of a run, if that is searched."""
    return [str(run.folder.parent / "search.json")] if SUITE.is_searched(run) else []


def runs(*names: str, of=SUITE.runs) -> list[str]:
    """Files of runs; of the whole ones only, where gaps are reported."""
    whole = [run for run in of if not GAPS or report.gap(SUITE, run) is None]
    files = [run.folder / name for run in whole for name in names]
    return [str(file) for file in files if not GAPS or file.exists()]


def variants(method: str) -> str:
    """Names of a method and of its variants on a grid, as a wildcard constraint."""
    return f"{method}(-[^/]+)?"


def prepared(dataset: str) -> bool:
    """Whether there is, or has to be, a prepared folder."""
    return not GAPS or (data_folder(SUITE.name, dataset) / "data.json").exists()


def made_from(dataset: str) -> list[dict]:
    """The entry of a data set and, where it has one, that of its base."""
    entry = SUITE.datasets[dataset]
    return [entry, entry["base"]] if "base" in entry else [entry]


def shares_gpu(workflow) -> bool:
    """Whether jobs of this machine may find themselves on one GPU."""
    local = workflow.executor_plugin.common_settings.local_exec
    gpu = config["device"] != "cpu" and shutil.which("nvidia-smi") is not None
    free = "gpu" not in workflow.global_resources
    # Without cores, as on a cluster, Snakemake refuses to say how many there are.
    return local and gpu and free and workflow.cores > 1


def paths(folders: bool) -> str:
    """Names of what can be fetched, files or folders, as a wildcard constraint."""
    found = fetch.remote_files().values()
    return "|".join(
        re.escape(x.path) for x in found if (x.pattern is not None) == folders
    )


def own_files(dataset: str) -> list[str]:
    """Files of the user's own that a data set is made from."""
    return [entry["file"] for entry in made_from(dataset) if "file" in entry]


def raw_files(dataset: str) -> list[str]:
    """Files that have to be fetched before a data set can be prepared."""
    sources = [entry["source"] for entry in made_from(dataset) if "source" in entry]
    return [
        f"{DOWNLOADS}/{file.path}"
        for source in dict.fromkeys(sources)
        for file in fetch.source(source).files
    ]


def takes_inception(dataset: str) -> bool:
    """Whether it is Inception's features that are compared."""
    return "inception" in SUITE.quality(dataset)


def extractor_of(wildcards) -> list[str]:
    """The files of the network whose features are compared."""
    if takes_inception(wildcards.dataset):
        return [INCEPTION]
    return [
        f"{FEATURES}/classifier.{suffix}".format(dataset=wildcards.dataset)
        for suffix in ("safetensors", "json")
    ]


def quality_settings(wildcards, *keys: str) -> dict:
    """Of what is said of the features of a data set, that on which a rule depends."""
    given = SUITE.quality(wildcards.dataset)
    return {key: value for key, value in given.items() if key in keys}


def conclude() -> None:
    """Prints what comes of the targets that reproduce, and ends with code 3 if one does not."""
    names = {job.rule.name for job in workflow.dag.jobs}
    tables = [found.table for name, found in REPRODUCE.items() if name in names]
    if not report.tell_reproduced(SUITE, tables):
        sys.exit(NOT_REPRODUCED)
