"""The executor without a SLURM: its leftovers, local processes, a fake SLURM."""

import contextlib
import json
import os
import re
import shutil
import signal
import time

import psutil
import pytest
from counting import SNAKEFILE, Workflow, went_on
from fake_workflow import fake
from snakemake_executor_plugin_submitit.leftovers import LeftoverJob, leftover_jobs
from snakemake_executor_plugin_submitit.slurm import JobStatus

__all__ = ["fake"]  # the fixture


def test_what_slurm_still_has_is_known_by_its_place_in_the_array(tmp_path):
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
    assert leftover_jobs(tmp_path, lambda: queue) == {
        "a": LeftoverJob("1", tmp_path / "single", "a is made from", ending=True),
        "c": LeftoverJob("2_1", tmp_path / "array", "c is made from", ending=False),
    }
    assert {path.name for path in tmp_path.iterdir()} == {"single", "array", "failed"}


# --- local processes ------------------------------------------------------------------------------


class LocalWorkflow(Workflow):
    """On this machine."""

    def processes(self):
        """The processes in the folder."""
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


def test_a_job_that_saves_nothing_beside_its_outputs_is_told_after_three_starts(local):
    local.start("--submitit-cluster", "local", until=10_000)  # saves itself in a folder below
    for start in (1, 2, 3):
        local.counts()
        local.until(lambda start=start: len(local.starts()) == start, 60)
        assert "times in a row" not in local.told
        os.kill(local.node_process("a"), signal.SIGUSR2)
    local.says("count, job .* 3 times in a row before it saved anything .* raise runtime, 5 min")
    local.enough().done()
    assert local.told.count("times in a row") == 1


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


def test_an_array_in_which_one_job_fails(fake):
    (fake.folder / "state_b").write_text("a file where the count wants a folder")
    assert fake.start("--quiet", "rules", counts="a,b,c").wait() != 0
    assert fake.submitted() == ["1_0 to 1_2"]
    assert fake.made() == {"a", "c"}
    words = r"SLURM job 1_(\d): the job ended with exit status 1 \(state FAILED, exit code 1:0\)"
    found = re.search(words, fake.told)
    assert found and "FileExistsError" in fake.told, fake.told
    assert fake.told.count("SLURM job") == 1 and "Error in rule count of b.txt" in fake.told
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


def test_a_job_that_may_never_start_is_told_once(fake):
    (fake.slurm / "pending").write_text("PartitionTimeLimit")
    fake.start(counts="a,b")
    fake.until(lambda: len(fake.calls("squeue")) > 4)
    os.killpg(fake.process.pid, signal.SIGINT)
    assert fake.wait(30) != 0
    words = r"SLURM job 1_\d \(count\) is pending and may never start: it asks for more time .*\n"
    assert len(re.findall(words, fake.told)) == 1
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
    assert re.search(words, fake.told) and fake.told.count("SLURM job") == 1, fake.told
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
