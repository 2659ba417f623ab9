"""The executor without a SLURM: its parameters, its job, local processes, a fake SLURM."""

import contextlib
import dataclasses
import json
import os
import pickle
import re
import shlex
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import fake_slurm
import psutil
import pytest
import submitit
from counting import PATIENCE, SNAKEFILE, Workflow, until, went_on
from snakemake_executor_plugin_submitit import Executor, ExecutorSettings, LeftoverJob, parameters
from snakemake_executor_plugin_submitit.job import SnakemakeJob
from snakemake_executor_plugin_submitit.machine import Machine, Share, this_machine
from snakemake_executor_plugin_submitit.slurm import JobStatus
from snakemake_interface_common.exceptions import WorkflowError

from benchmark.source import ROOT

README = (ROOT / "workflow/plugin/README.md").read_text()


def table(title: str) -> list[list[str]]:
    """The cells of the table of a section of the README, without its head."""
    section = README.partition(f"\n## {title}\n")[2].partition("\n## ")[0]
    rows = re.findall(r"^\|(.*)\|$", section, re.MULTILINE)
    return [[cell.strip() for cell in row.split("|")] for row in rows[2:]]


# --- parameters -----------------------------------------------------------------------------------


@dataclasses.dataclass
class Job:
    """What the parameters read of one of Snakemake's jobs."""

    resources: dict
    threads: int = 1


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
    known = parameters.SUBMITIT_RESOURCES | parameters.PLUGIN_RESOURCES
    known |= parameters.RENAMED_RESOURCES.keys()
    assert listed_resources().keys() == known | {
        "threads",
        "cpus_per_task",
        "gpu",
        "gpu_model",
        "tasks",
    }
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
        ({"gpu": 2, "gres": "gpu:1"}, ["--gres=gpu:1"]),
        ({"gpu": 2, "slurm_gres": "gpu:1"}, ["--gres=gpu:1"]),
        ({"gpu": 2, "slurm_gpus_per_node": 1}, ["--gpus-per-node=1"]),
        ({"gpu": 2, "slurm_gpus_per_task": 1}, ["--gpus-per-task=1"]),
    ],
)
def test_gpus_are_asked_for_in_one_way(submission, resources, left):
    asked = options(submission(resources))
    assert [one for one in asked if re.match("--(gpus|gres)", one)] == left


def test_cpus_are_those_of_the_task_also_for_srun(submission):
    for text in (submission({}, threads=5), submission({"cpus_per_task": 5}, threads=2)):
        assert "--cpus-per-task=5" in options(text)
        assert re.search(r"^srun .*--cpus-per-task=5 ", text, re.MULTILINE)


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


def test_the_set_up_stands_before_the_command_line_by_line(submission):
    lines = submission({"slurm_setup": "module load cuda\nexport A='1 2'\n"}).splitlines()
    first = lines.index("module load cuda")
    assert lines[first + 1] == "export A='1 2'"
    assert [number for number, line in enumerate(lines) if line.startswith("srun")][0] > first


def test_parameters_of_a_local_process(tmp_path):
    found = parameters.of_local(Job({"runtime": 2}), (2, 3), 120)
    executor = submitit.LocalExecutor(tmp_path)
    executor.update_parameters(**found)
    assert executor.parameters["timeout_min"] == 2
    assert executor.parameters["signal_delay_s"] == 40
    assert executor.parameters["visible_gpus"] == (2, 3)
    assert executor.parameters["gpus_per_node"] == 2


# --- the executor ---------------------------------------------------------------------------------


def test_a_machine_is_shared_out():
    machine = Machine(4, (0, 7))
    assert machine.share(3, 1, []) == Share(3, (0,))
    assert machine.share(1, 1, [Share(3, (0,))]) == Share(1, (7,))
    assert machine.share(2, 0, [Share(3, (0,))]) is None
    assert machine.share(1, 2, [Share(3, (0,))]) is None
    assert machine.share(99, 99, []) == Share(4, (0, 7))
    assert machine.share(99, 0, [Share(1, ())]) is None
    assert Machine(4, ()).share(1, 1, []) == Share(1, ())


@pytest.mark.parametrize(("visible", "gpus"), [("", ()), ("7,0,5", (7, 0, 5)), (None, (0, 1))])
def test_gpus_are_those_that_snakemake_may_use(visible, gpus, tmp_path, monkeypatch):
    (tmp_path / "nvidia-smi").write_text("#!/bin/sh\necho GPU 0: A\necho GPU 1: B\n")
    (tmp_path / "nvidia-smi").chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=os.pathsep)
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    if visible is not None:
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", visible)
    assert this_machine() == Machine(os.cpu_count(), gpus)


def test_gpus_without_indices_are_refused_in_words(monkeypatch):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "GPU-8f3a")
    with pytest.raises(WorkflowError, match="'GPU-8f3a'; local jobs need GPUs by their indices"):
        this_machine()


def test_what_slurm_still_has_is_known_by_its_place_in_the_array(tmp_path, monkeypatch):
    submissions = {"single": ["a"], "array": ["b", "c"], "failed": ["d"], "failed long ago": ["e"]}
    for token, keys in submissions.items():
        (tmp_path / token).mkdir()
        jobs = [[key, f"{key} is made from"] for key in keys]
        (tmp_path / token / "jobs.json").write_text(json.dumps(jobs))
        if token in ("array", "failed long ago"):
            os.utime(tmp_path / token, (0, 0))
    queue = {
        "1": JobStatus("COMPLETING", "None", "single"),
        "2_0": JobStatus("COMPLETED", "None", "array"),
        "2_1": JobStatus("PENDING", "Priority", "array"),
        "3": JobStatus("RUNNING", "None", "of another folder"),
    }
    monkeypatch.setattr(Executor, "_queue", lambda _: queue)
    executor = object.__new__(Executor)
    executor.root, executor.settings = tmp_path, ExecutorSettings()
    assert executor._leftover_jobs() == {
        "a": LeftoverJob("1", tmp_path / "single", "a is made from", ending=True),
        "c": LeftoverJob("2_1", tmp_path / "array", "c is made from", ending=False),
    }
    assert {path.name for path in tmp_path.iterdir()} == {"single", "array", "failed"}


# --- the job on the node --------------------------------------------------------------------------

NODE = """
import signal, sys
from pathlib import Path
from snakemake_executor_plugin_submitit import job

def requeue(number, frame):
    sys.exit("requeued")

signal.signal(signal.SIGUSR2, requeue)
command, folder, parent = sys.argv[1:]
job.SnakemakeJob(command, Path(folder), int(parent) or None)()
print("result")
"""
"""What submitit does on the node, with a handler that stands for its own."""

LISTEN = """
import json, signal, sys, time
from pathlib import Path

told = []
for number in (signal.SIGUSR2, signal.SIGTERM):
    signal.signal(number, lambda number, frame: told.append((number, time.time())))
Path("listens").write_text("yes")
while len(told) < int(sys.argv[1]):
    time.sleep(0.01)
Path("told").write_text(json.dumps(told))
sys.exit(7)
"""
"""Ends badly once it was told a number of times to stop."""


class Node:
    """A process that runs a ``SnakemakeJob``."""

    def __init__(self, folder: Path):
        self.folder, self.process = folder / """it's a "folder" """, None
        self.folder.mkdir()
        (self.folder / "listen.py").write_text(LISTEN)

    def start(self, command, parent=0, **environment):
        arguments = [sys.executable, "-c", NODE, command, self.folder, str(parent)]
        self.process = subprocess.Popen(
            arguments, env={**os.environ, **environment}, text=True, start_new_session=True,
            stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        )  # fmt: skip
        return self

    def signal(self, number):
        """Send a signal once the command runs."""
        self.until_there("listens")
        self.process.send_signal(number)

    def until_there(self, name):
        path = self.folder / name
        until(lambda: path.exists() and path.stat().st_size, 20, lambda: f"no {name}")

    def told(self):
        """What the command was told: signals and their times."""
        return json.loads((self.folder / "told").read_text())

    def end(self):
        """Exit status, output and errors."""
        out, errors = self.process.communicate(timeout=20 * PATIENCE)
        return self.process.returncode, out, errors


@pytest.fixture
def node(tmp_path):
    node = Node(tmp_path)
    yield node
    with contextlib.suppress(ProcessLookupError):
        os.killpg(node.process.pid, signal.SIGKILL)


def test_a_command_that_ends_well_has_a_result_and_runs_in_its_folder(node):
    status, out, _ = node.start("pwd").end()
    assert (status, out) == (0, f"{node.folder}\nresult\n")


def test_a_command_that_fails_raises_its_exit_status(node):
    status, out, errors = node.start("exit 3").end()
    assert (status, out) == (1, "")
    assert "RuntimeError: the job ended with exit status 3" in errors


def test_python_is_the_submitting_one_where_the_path_is_reset(node):
    _, out, _ = node.start("python -c 'import sys; print(sys.prefix)'", PATH=os.defpath).end()
    assert out.startswith(f"{sys.prefix}\n")


def test_a_warned_command_is_told_each_second_until_it_ends_and_then_requeued_once(node):
    node.start("python listen.py 3").signal(signal.SIGUSR2)
    status, out, errors = node.end()
    numbers, times = zip(*node.told(), strict=True)
    assert numbers == (signal.SIGUSR2,) * 3
    assert all(0.9 < late - early < 2 for early, late in zip(times, times[1:], strict=False))
    assert (status, out) == (1, "")
    assert errors.endswith("requeued\n") and "RuntimeError" not in errors


def test_a_command_that_does_not_listen_is_not_disturbed_by_a_warning(node):
    node.start("echo yes > listens; sleep 1.5; python -c 'print(1)'").signal(signal.SIGUSR2)
    status, out, errors = node.end()
    assert (status, out) == (0, "1\nresult\n")
    assert errors.count("asked to stop") == 1


def test_sigterm_in_slurm_is_passed_on_and_leaves_no_result(node):
    node.start("python listen.py 1", SLURM_JOB_ID="1").signal(signal.SIGTERM)
    node.until_there("told")
    assert node.told()[0][0] == signal.SIGUSR2
    time.sleep(1)
    assert node.process.poll() is None  # waits for SLURM to kill it
    node.process.kill()
    assert "result" not in node.end()[1]


def test_sigterm_elsewhere_is_a_failure(node):
    node.start("python listen.py 1").signal(signal.SIGTERM)
    assert "exit status 7" in node.end()[2]


def test_a_job_ends_with_its_parent(node):
    parent = subprocess.Popen(["sleep", "60"])
    node.start("python listen.py 1; exit $?", parent=parent.pid)
    node.until_there("listens")
    assert node.process.poll() is None
    parent.kill()
    parent.wait()
    assert "exit status 7" in node.end()[2]
    assert node.told()[0][0] == signal.SIGTERM


def test_an_interrupted_job_ends_its_processes(node):
    node.start("python listen.py 1").signal(signal.SIGINT)
    status, out, _ = node.end()
    assert status != 0 and "result" not in out
    node.until_there("told")
    assert node.told()[0][0] == signal.SIGTERM


def test_what_is_requeued_is_the_same_command_not_warned():
    job = pickle.loads(pickle.dumps(SnakemakeJob("command", Path("/folder"), 7)))
    job.warned = job.terminated = True
    again = pickle.loads(pickle.dumps(job.checkpoint())).function
    assert vars(again) == vars(SnakemakeJob("command", Path("/folder"), 7))


# --- local processes ------------------------------------------------------------------------------


class LocalWorkflow(Workflow):
    """On this machine."""

    def processes(self):
        """What runs in the folder."""
        found = []
        for process in psutil.process_iter():
            with contextlib.suppress(psutil.Error):
                if process.cwd() == str(self.folder) and process.status() != "zombie":
                    found.append(process)
        return found

    def node_process(self, name):
        """The process that submitit started for a count."""
        (count,) = (one for one in self.processes() if f"state_{name}" in one.cmdline())
        return next(one.pid for one in count.parents() if "submitit.core._submit" in one.cmdline())


@pytest.fixture
def local(tmp_path):
    workflow = LocalWorkflow(tmp_path, {})
    yield workflow
    workflow.kill()
    for process in workflow.processes():
        process.kill()


def test_local_jobs_have_their_own_gpus_and_go_on_after_a_warning(local):
    setup = "if true\\nthen export GREETING=hello\\nfi"
    text = SNAKEFILE.replace("mem_mb=50", f"gpu=1, slurm_setup='{setup}'")
    text = text.replace("echo done", "echo $GREETING $CUDA_VISIBLE_DEVICES")
    local.folder.joinpath("Snakefile").write_text(text)
    local.environment["CUDA_VISIBLE_DEVICES"] = "3,5"
    local.start("--submitit-cluster", "local", counts="a,b", until=1000)
    local.counts("a")
    local.counts("b")
    os.kill(local.node_process("a"), signal.SIGUSR2)
    local.starts_again().enough().done()
    assert went_on(local.starts("a")) and len(local.starts("b")) == 1
    assert len(local.submitted()) == 2
    said = {(local.folder / f"{name}.txt").read_text() for name in "ab"}
    assert said == {"hello 3\n", "hello 5\n"}
    assert list((local.folder / ".snakemake/submitit").iterdir()) == []


def test_local_jobs_wait_for_their_cpus(local):
    text = SNAKEFILE.replace("mem_mb=50", "mem_mb=50, cpus_per_task=1000")
    text = text.replace("python count.py", "echo start >> order; python count.py")
    text = text.replace("echo done", "echo end >> order; echo done")
    local.folder.joinpath("Snakefile").write_text(text)
    local.start("--submitit-cluster", "local", counts="a,b,c").done()
    assert (local.folder / "order").read_text().split() == 3 * ["start", "end"]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGKILL])
def test_local_jobs_end_with_snakemake(local, number):
    local.start("--submitit-cluster", "local", counts="a,b", until=1000)
    local.counts("a")
    local.counts("b")
    os.kill(local.process.pid, number)
    assert local.wait(30) != 0
    local.until(lambda: not local.processes(), 5)
    assert (local.folder / "state_a/saved").exists(), local.logs()


def test_debug_runs_inside_of_snakemake(local):
    local.start("--submitit-cluster", "debug").done()
    assert local.made() == {"a"}


def test_a_wrong_cluster_names_the_right_ones(local):
    assert local.start("--submitit-cluster", "slrum").wait() != 0
    assert "--submitit-cluster is 'slrum'; allowed: slurm, local, debug." in local.told


# --- no SLURM -------------------------------------------------------------------------------------


def test_without_sbatch_it_says_what_to_do_and_runs_nothing(local, tmp_path):
    local.environment["PATH"] = str(tmp_path)
    assert local.start().wait() != 0
    assert "no `sbatch` on the PATH" in local.told
    assert "`snakemake --cores all`" in local.told
    assert "`--submitit-cluster local`" in local.told
    assert not local.made() and not (local.folder / "state_a").exists()


# --- a fake SLURM ---------------------------------------------------------------------------------


class FakeWorkflow(Workflow):
    """On a fake SLURM, in ``slurm``."""

    def __init__(self, folder: Path):
        self.slurm = folder / "a cluster"
        super().__init__(folder, fake_slurm.install(self.slurm))

    def job(self, name):
        return json.loads((self.slurm / f"{name}.json").read_text())

    def calls(self, command):
        """The times of the calls of a command, in seconds."""
        calls = [line.split() for line in fake_slurm.said(self.slurm / "calls").splitlines()]
        return [float(seconds) for name, seconds in calls if name == command]

    def alive(self):
        """The states of jobs that wait or run."""
        states = [self.job(path.stem)["state"] for path in self.slurm.glob("*.json")]
        return [state for state in states if state in ("PENDING", "RUNNING")]

    def kill_job(self, name):
        """The job and what keeps it, at once."""
        for number in ("keeper", "group"):
            if number in self.job(name):
                os.killpg(self.job(name)[number], signal.SIGKILL)


@pytest.fixture
def fake(tmp_path):
    workflow = FakeWorkflow(tmp_path)
    yield workflow
    workflow.kill()
    if workflow.alive():
        for path in workflow.slurm.glob("*.json"):
            workflow.kill_job(path.stem)


def test_an_array_in_which_one_job_fails(fake):
    (fake.folder / "state_b").write_text("a file where the count wants a folder")
    assert fake.start(counts="a,b,c").wait() != 0
    assert fake.submitted() == ["1_0 to 1_2"]
    assert fake.made() == {"a", "c"}
    words = r"SLURM job 1_(\d): the job ended with exit status 1 \(state FAILED, exit code 1:0\)"
    found = re.search(words, fake.told)
    assert found and "FileExistsError" in fake.told, fake.told
    (folder,) = (fake.folder / ".snakemake/submitit").iterdir()
    assert [log.name for log in folder.glob("*.out")] == [f"1_{found[1]}_0_log.out"]
    seconds = fake.calls("squeue")[-1] - fake.calls("sbatch")[0]
    assert len(fake.calls("squeue")) <= seconds + 1  # one for all jobs


def test_what_sbatch_refuses_for_a_while_or_for_its_length_is_submitted_in_the_end(fake):
    (fake.slurm / "refuse").write_text("Unable to contact slurm controller")
    (fake.slurm / "limit").write_text("2")
    fake.start(counts="a,b,c")
    fake.says("SLURM does not accept count now .*Unable to contact slurm controller.*again in 2 s")
    (fake.slurm / "refuse").unlink()
    fake.done()
    assert fake.made() == set("abc")
    assert fake.submitted() == ["3", "4_0 to 4_1"]
    assert len(fake.calls("sbatch")) == 4  # refused, too long, and twice a half


def test_a_queue_that_is_silent_is_waited_for(fake):
    (fake.slurm / "silent").write_text("yes")
    fake.start(until=1000)
    fake.counts()
    fake.says("SLURM does not answer .*Unable to contact slurm controller")
    (fake.slurm / "silent").unlink()
    fake.says("SLURM answers again")
    fake.enough().done()
    assert len(fake.starts()) == 1
    assert fake.told.count("does not answer") == 1


def test_a_job_that_may_never_start_is_told_once_and_asked_for_ever_more_rarely(fake):
    (fake.slurm / "pending").write_text("PartitionTimeLimit")
    fake.start(counts="a,b")
    fake.until(lambda: len(fake.calls("squeue")) > 4)
    os.killpg(fake.process.pid, signal.SIGINT)
    assert fake.wait(30) != 0
    words = r"SLURM job 1_\d \(count\) is pending and may never start: it asks for more time .*\n"
    assert len(re.findall(words, fake.told)) == 1
    times = fake.calls("squeue")
    gaps = [late - early for early, late in zip(times, times[1:], strict=False)]
    assert gaps == sorted(gaps) and gaps[-1] > 2 * gaps[0]
    fake.until(lambda: not fake.alive(), 5)


def test_a_job_that_vanishes_has_failed_after_the_latency(fake):
    fake.start(until=1000)
    fake.counts()
    fake.kill_job("1")
    (fake.slurm / "1.json").unlink()
    lost = time.time()
    assert fake.wait(30) != 0
    assert time.time() - lost > 5
    words = r"SLURM job 1: it left no result \(SLURM does not know it any more .*Invalid job id"
    assert re.search(words, fake.told), fake.told
    asked = [seconds for seconds in fake.calls("squeue") if seconds > lost]
    assert len(asked) > 4  # not more rarely while there is doubt


def test_a_job_whose_files_were_removed_has_failed_when_it_ends(fake):
    fake.start(until=1000)
    fake.counts()
    shutil.rmtree(fake.folder / ".snakemake/submitit")
    assert fake.enough().wait(30) != 0
    words = r"SLURM job 1: it left no result \(state .*\n.*\n.*no log"
    assert re.search(words, fake.told), fake.told


@pytest.mark.parametrize("times", [1, 2])
def test_control_c_cancels_what_was_submitted(fake, times):
    fake.start(counts="a,b", until=1000)
    fake.counts("a")
    fake.counts("b")
    for _ in range(times):
        os.killpg(fake.process.pid, signal.SIGINT)
        time.sleep(0.3)
    assert fake.wait(30) != 0
    fake.until(lambda: not fake.alive(), 5)
    assert {fake.job(f"1_{task}")["state"] for task in (0, 1)} == {"CANCELLED"}
    fake.until((fake.folder / "state_a/saved").exists, 5)


def test_a_killed_snakemake_finds_its_jobs_again(fake):
    fake.start(counts="a,b", until=1000)
    fake.counts("a")
    fake.counts("b")
    fake.kill()
    fake.start("--unlock").wait()
    (fake.slurm / "silent").write_text("yes")
    fake.start("--rerun-incomplete", counts="a,b", until=1000)
    fake.says("SLURM does not answer")
    (fake.slurm / "silent").unlink()
    fake.says("SLURM still has this job as 1_")
    fake.enough().done()
    assert fake.told.count("SLURM still has this job as 1_") == 2
    assert len(fake.calls("sbatch")) == 1
    assert len(fake.starts("a")) == len(fake.starts("b")) == 1
