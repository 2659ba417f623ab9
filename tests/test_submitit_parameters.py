"""The parameters of a job for submitit, and the options of sbatch that come of them."""

import dataclasses
import re
import shlex
import subprocess

import fake_slurm
import pytest
import submitit
from snakemake_executor_plugin_submitit import ExecutorSettings, parameters
from snakemake_executor_plugin_submitit.extra import minutes_of
from snakemake_interface_common.exceptions import WorkflowError

from benchmark.source import ROOT

README = (ROOT / "workflow/plugin/README.md").read_text()


def table(title: str) -> list[list[str]]:
    """The cells of the table of a section of the README, without its head."""
    section = README.partition(f"\n## {title}\n")[2].partition("\n## ")[0]
    rows = re.findall(r"^\|(.*)\|$", section, re.MULTILINE)
    return [[cell.strip() for cell in row.split("|")] for row in rows[2:]]


@dataclasses.dataclass
class Job:
    """The part of one of Snakemake's jobs that the parameters read."""

    resources: dict
    threads: int = 1
    name: str = "rule"


EXAMPLES = {
    "runtime": (7, "--time=7"),
    "mem_mb": (123, "--mem=123M"),
    "mem_mb_per_cpu": (123, "--mem-per-cpu=123M"),
    "cpus_per_task": (3, "--cpus-per-task=3"),
    "gpu": (2, "--gpus-per-node=2"),
    "gres": ("gpu:a100:1,tmp:9G", "--gres=gpu:a100:1,tmp:9G"),
    "nodes": (2, "--nodes=2"),
    "tasks": (2, "--ntasks-per-node=2"),
    "qos": ("low", "--qos=low"),
    "constraint": ("a100|h100", "--constraint=a100|h100"),
    "slurm_partition": ("gpu", "--partition=gpu"),
    "slurm_account": ("mine", "--account=mine"),
    "slurm_extra": ("--nice=5", "--nice=5"),
    "slurm_comment": ("project 7", "--comment=project 7"),
    "slurm_constraint": ("rome&ib", "--constraint=rome&ib"),
    "slurm_cpus_per_gpu": (4, "--cpus-per-gpu=4"),
    "slurm_dependency": ("afterok:1", "--dependency=afterok:1"),
    "slurm_exclude": ("node[1-3]", "--exclude=node[1-3]"),
    "slurm_gpus_per_node": (2, "--gpus-per-node=2"),
    "slurm_gpus_per_task": (1, "--gpus-per-task=1"),
    "slurm_gres": ("gpu:1", "--gres=gpu:1"),
    "slurm_mail_type": ("FAIL", "--mail-type=FAIL"),
    "slurm_mail_user": ("me@here", "--mail-user=me@here"),
    "slurm_mem": ("3G", "--mem=3G"),
    "slurm_mem_per_cpu": ("3G", "--mem-per-cpu=3G"),
    "slurm_mem_per_gpu": ("3G", "--mem-per-gpu=3G"),
    "slurm_nodelist": ("node7", "--nodelist=node7"),
    "slurm_qos": ("low", "--qos=low"),
    "slurm_wckey": ("key", "--wckey=key"),
}
"""A value of each resource that becomes one option of sbatch, and the option."""

OTHERS = {"threads", "gpu_model", "slurm_setup", "slurm_array_parallelism"}
"""Resources with tests of their own."""


@pytest.fixture
def submission(tmp_path, monkeypatch):
    """The submission file that submitit makes for a job, of ``tasks`` jobs where it is an array."""
    monkeypatch.setenv("PATH", fake_slurm.install(tmp_path / "slurm")["PATH"])

    def text(resources, threads=1, delay=120, tasks=None):
        executor = submitit.SlurmExecutor(tmp_path)
        wanted = parameters.of_slurm(Job(resources, threads), "rule", delay)
        executor.update_parameters(**wanted)
        if tasks is not None:
            executor.parameters["map_count"] = tasks
        return executor._make_submission_file_text("command", "")

    return text


def options(text: str) -> list[str]:
    """The options for sbatch in a submission file."""
    return shlex.split(" ".join(re.findall("^#SBATCH (.*)$", text, re.MULTILINE)))


@pytest.mark.filterwarnings("ignore:.cpus_per_gpu. requires")
@pytest.mark.parametrize("resource", EXAMPLES)
def test_a_resource_is_an_option_of_sbatch(submission, resource):
    value, option = EXAMPLES[resource]
    name = option.partition("=")[0] + "="
    found = [one for one in options(submission({resource: value})) if one.startswith(name)]
    assert found == [option]


def listed_resources() -> dict[str, str]:
    """The resources that the README lists, and what it says of their option of sbatch."""
    listed = {}
    for names, _, said in table("Resources"):
        found = re.findall(r"`(\w+)`", names)
        prefix = found.pop(0) if found[0] == "slurm_" else ""
        listed |= {prefix + name: said for name in found}
    return listed


def test_the_readme_lists_the_resources_that_there_are():
    known = parameters.SUBMITIT_RESOURCES.keys() | parameters.PLUGIN_RESOURCES
    known |= parameters.RENAMED_RESOURCES.keys() | parameters.OTHER_RESOURCES
    assert listed_resources().keys() == known | {"threads"}
    assert listed_resources().keys() == EXAMPLES.keys() | OTHERS


@pytest.mark.parametrize("resource", EXAMPLES)
def test_the_readme_names_the_option_of_a_resource(resource):
    said, option = listed_resources()[resource], EXAMPLES[resource][1].partition("=")[0]
    if said.startswith("the same"):
        assert option in ("--" + resource.removeprefix("slurm_").replace("_", "-"), "--nice")
    else:
        assert option in re.findall(r"--[a-z-]+", said)


def test_the_readme_lists_the_settings_and_their_defaults():
    listed = {name.strip("`"): default.strip("`") for name, default, _ in table("Settings")}
    fields = dataclasses.fields(ExecutorSettings)
    ours = {"--submitit-" + one.name.replace("_", "-"): str(one.default) for one in fields}
    assert {name: default for name, default in listed.items() if "submitit" in name} == ours


def test_what_is_always_asked_for(submission):
    text = submission({})
    asked = options(text)
    assert {"--job-name=rule", "--time=60", "--cpus-per-task=1", "--requeue"} <= set(asked)
    assert not [one for one in asked if re.match("--(wckey|mem|gpus|gres|error)", one)]
    (command,) = (line for line in text.splitlines() if line.startswith("srun"))
    assert {"--export=ALL", "--nodes=1", "--ntasks=1"} <= set(shlex.split(command))


@pytest.mark.parametrize(
    ("resources", "left"),
    [
        ({"mem_mb": 1, "mem_mb_per_cpu": 2}, "--mem-per-cpu=2M"),
        ({"mem_mb": 1, "slurm_mem_per_cpu": "2G"}, "--mem-per-cpu=2G"),
        ({"mem_mb": 1, "slurm_mem_per_gpu": "2G"}, "--mem-per-gpu=2G"),
        ({"mem_mb": 1, "slurm_mem": "2G"}, "--mem=2G"),
    ],
)
def test_memory_is_asked_for_in_one_way(submission, resources, left):
    assert [one for one in options(submission(resources)) if one.startswith("--mem")] == [left]


@pytest.mark.parametrize(
    ("resources", "left"),
    [
        ({"gpu": 0}, []),
        ({"gpu": 0, "gpu_model": "a100"}, []),
        ({"gpu": 2, "gpu_model": "a100"}, ["--gres=gpu:a100:2"]),
        ({"gpu": "a100:2"}, ["--gres=gpu:a100:2"]),
        ({"gpu": "a100:2", "gpu_model": "a100"}, ["--gres=gpu:a100:2"]),
        ({"gpu": "a100:0"}, []),
        ({"gpu": 2, "gres": "gpu:1"}, ["--gres=gpu:1"]),
        ({"gpu": 2, "slurm_gres": "gpu:1"}, ["--gres=gpu:1"]),
        ({"gpu": 2, "slurm_gpus_per_node": 1}, ["--gpus-per-node=1"]),
        ({"gpu": 2, "slurm_gpus_per_node": "a100:1"}, ["--gpus-per-node=a100:1"]),
        ({"gpu": 2, "slurm_gpus_per_task": 1}, ["--gpus-per-task=1"]),
        ({"slurm_gpus_per_task": "a100:1,h100:2"}, ["--gpus-per-task=a100:1,h100:2"]),
    ],
)
def test_gpus_are_asked_for_in_one_way(submission, resources, left):
    asked = options(submission(resources))
    assert [one for one in asked if re.match("--(gpus|gres)", one)] == left


def test_cpus_are_those_of_the_task_also_for_srun(submission):
    for text in (submission({}, threads=5), submission({"cpus_per_task": 5}, threads=2)):
        assert "--cpus-per-task=5" in options(text)
        assert re.search(r"^srun .*--cpus-per-task=5 ", text, re.MULTILINE)


@pytest.mark.parametrize(
    ("resources", "words"),
    [
        ({"gpu": "a100"}, "gpu is 'a100'; a number is needed, or a type and a number, such as a"),
        ({"gpu": "a100:1", "gpu_model": "h100"}, "gpu is 'a100:1', and gpu_model another type"),
        ({"gpu": "a100:1,h100:1"}, "gpu is 'a100:1,h100:1'; a number is needed, or a type"),
        ({"slurm_gpus_per_node": "all"}, "slurm_gpus_per_node is 'all'; a number is needed, or t"),
        ({"slurm_cpus_per_gpu": "a100:4"}, "slurm_cpus_per_gpu is 'a100:4'; a whole number"),
        ({"mem_mb": "4G"}, "mem_mb is '4G'; a whole number of MiB .*`slurm_mem: 4G`"),
        ({"mem_mb_per_cpu": "4G"}, "mem_mb_per_cpu is '4G'; a whole number of MiB"),
        ({"runtime": "1-00:00:00"}, "runtime is '1-00:00:00'; a whole number is needed"),
        ({"nodes": "two"}, "nodes is 'two'; a whole number"),
        ({"tasks": -1}, "tasks is -1; a whole number"),
        ({"cpus_per_task": "4c"}, "cpus_per_task is '4c'; a whole number"),
    ],
)
def test_what_is_no_number_is_refused_in_words(submission, resources, words):
    with pytest.raises(WorkflowError, match=f"rule: (the resource )?{words}"):
        submission(resources)


@pytest.mark.parametrize(("minutes", "seconds"), [(1, 20), (3, 60), (6, 120), (600, 120)])
def test_the_warning_comes_at_most_a_third_of_the_limit_before_it(submission, minutes, seconds):
    assert f"--signal=USR2@{seconds}" in options(submission({"runtime": minutes}))


def test_tasks_are_shared_by_the_nodes(submission):
    asked = options(submission({"nodes": 2, "tasks": 6}))
    assert {"--nodes=2", "--ntasks-per-node=3"} <= set(asked)
    with pytest.raises(WorkflowError, match="tasks=3 cannot be shared evenly by nodes=2"):
        submission({"nodes": 2, "tasks": 3})


def test_an_array_runs_so_many_at_once(submission):
    assert "--array=0-299%256" in options(submission({}, tasks=300))
    assert "--array=0-299%7" in options(submission({"slurm_array_parallelism": 7}, tasks=300))


def test_a_misspelt_resource_names_the_nearest(submission):
    with pytest.raises(WorkflowError, match="'slurm_partitoin'.*Did you mean 'slurm_partition'"):
        submission({"slurm_partitoin": "gpu"})


def test_extra_options_come_as_they_are(submission):
    asked = options(submission({"slurm_extra": "--exclusive --reservation='to day' --nice=5"}))
    assert {"--exclusive", "--reservation=to day", "--nice=5"} <= set(asked)


@pytest.mark.parametrize(
    ("extra", "asked", "not_asked"),
    [
        ("--job-name=lab_me", "--job-name=lab_me", "--job-name=rule"),
        ("--job_name=lab_me", "--job-name=lab_me", "--job-name=rule"),
        ("--cpus-per-task=4", "--cpus-per-task=4", "--cpus-per-task=2"),
        ("--ntasks-per-node=3", "--ntasks-per-node=3", "--ntasks-per-node=1"),
        ("--ntasks=3", "--ntasks=3", "--ntasks-per-node=1"),
        ("--gpus-per-node=a100:1", "--gpus-per-node=a100:1", "--gpus-per-node=2"),
        ("--gres=gpu:a100:1", "--gres=gpu:a100:1", "--gpus-per-node=2"),
        ("--gres=tmp:9G", "--gpus-per-node=2", "--gres=gpu"),
        ("--mem-per-cpu=2G", "--mem-per-cpu=2G", "--mem=1M"),
        ("--time=1:30", "--time=1:30", "--time=60"),
        ("--comment='project 7'", "--comment=project 7", "--comment=rule"),
    ],
)
def test_an_extra_option_counts_more_than_a_resource(submission, extra, asked, not_asked):
    found = options(submission({"gpu": 2, "mem_mb": 1, "slurm_extra": extra}, threads=2))
    assert asked in found and not_asked not in found
    names = [option.partition("=")[0] for option in found]
    assert len(names) == len(set(names))


def test_extra_cpus_and_time_count_for_srun_and_for_the_warning(submission):
    text = submission({"runtime": 600, "slurm_extra": "--cpus-per-task=4 --time=0-0:3"})
    assert re.search(r"^srun .*--cpus-per-task=4 ", text, re.MULTILINE)
    assert "--signal=USR2@60" in options(text)


def test_an_extra_gres_that_is_no_gpu_joins_that_of_the_gpus(submission):
    found = options(submission({"gpu": 2, "gpu_model": "a100", "slurm_extra": "--gres=tmp:9G"}))
    assert "--gres=gpu:a100:2,tmp:9G" in found


@pytest.mark.parametrize(
    ("text", "minutes"),
    [
        *(("7", 7), ("7:00", 7), ("7:01", 8), ("1:30:00", 90), ("2-0", 2880), ("1-2:3", 1563)),
        *(("1-0:0:1", 1441), ("UNLIMITED", None), ("", None)),
    ],
)
def test_time_limits_are_read_as_sbatch_does(text, minutes):
    assert minutes_of(text) == minutes


@pytest.mark.parametrize(
    ("extra", "words"),
    [
        ("--parsable", "'--parsable'; the executor reads the answer of sbatch"),
        ("--wait", "'--wait'; the executor waits for jobs itself"),
        ("--test-only", "'--test-only'; nothing would be submitted"),
        ("--test_only", "'--test_only'; nothing would be submitted"),
        ("--no-requeue", "'--no-requeue'; a job resumes by being requeued"),
        ("--quiet", "'--quiet'; the executor reads the answer"),
        ("--clusters=other", "'--clusters=other'; the executor watches one cluster"),
        ("--output=x", "'--output=x'; allowed are"),
        ("--open_mode=truncate", "'--open_mode=truncate'; allowed are"),
        ("-p gpu", "'-p'; allowed are --flag and --key=value"),
    ],
)
def test_an_option_with_which_the_executor_cannot_work_is_refused(submission, extra, words):
    with pytest.raises(WorkflowError, match=f"rule: slurm_extra has {words}"):
        submission({"slurm_extra": extra})


def test_the_set_up_stands_before_the_command_line_by_line(submission):
    lines = submission({"slurm_setup": "module load cuda\nexport A='1 2'\n"}).splitlines()
    first = lines.index("module load cuda")
    assert lines[first + 1] == "export A='1 2'"
    assert [number for number, line in enumerate(lines) if line.startswith("srun")][0] > first


@pytest.mark.slow
@pytest.mark.parametrize(
    ("setup", "status", "said"),
    [
        ("export A=1\nif false\nthen exit 9\nfi\nfalse || true", 5, "A=1"),
        (". ./site.sh", 5, "a line of the site failed"),
        ("set -u\nmodule() { return 3; }\nmodule load cuda/99", 3, "at: module load cuda/99 "),
        ("module-is-not-here load cuda", 127, "at: module-is-not-here load cuda"),
    ],
)
def test_a_job_ends_where_a_line_of_its_set_up_fails(submission, tmp_path, setup, status, said):
    (tmp_path / "site.sh").write_text("false\necho a line of the site failed\n")
    before, _, _ = submission({"slurm_setup": setup}).partition("# command")
    (tmp_path / "job").write_text(f"{before}\nfalse\necho A=$A\nexit 5\n")
    job = subprocess.run(["bash", "job"], capture_output=True, text=True, cwd=tmp_path)
    assert (job.returncode, "A=" in job.stdout) == (status, status == 5)
    assert said in job.stdout + job.stderr


def test_parameters_of_a_local_process(tmp_path):
    found = parameters.of_local(Job({"runtime": 2}), (2, 3), 120)
    executor = submitit.LocalExecutor(tmp_path)
    executor.update_parameters(**found)
    assert executor.parameters["timeout_min"] == 2
    assert executor.parameters["signal_delay_s"] == 40
    assert executor.parameters["visible_gpus"] == (2, 3)
    assert executor.parameters["gpus_per_node"] == 2
