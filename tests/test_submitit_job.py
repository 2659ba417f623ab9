"""The process on the node, which passes on requests to stop."""

import contextlib
import json
import os
import pickle
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from counting import PATIENCE, hear_interrupts, until
from snakemake_executor_plugin_submitit import job
from snakemake_executor_plugin_submitit.job import SnakemakeJob, Watched

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
"""The work of submitit on the node, with a handler that stands for its own."""

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
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, preexec_fn=hear_interrupts,
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
        """The signals that the command received, and their times."""
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
    one = pickle.loads(pickle.dumps(SnakemakeJob("command", Path("/folder"), 7)))
    one.warned = one.terminated = True
    again = pickle.loads(pickle.dumps(one.checkpoint())).function
    assert vars(again) == vars(SnakemakeJob("command", Path("/folder"), 7))


def test_a_requeue_is_tried_again_in_an_outage(monkeypatch):
    monkeypatch.setattr(job, "REPEAT_SECONDS", 0.0)
    failures = [subprocess.CalledProcessError(1, ["scontrol"])] * 100

    def requeue(number, frame):
        if failures:
            raise failures.pop()

    job._requeue(requeue)
    assert not failures


def test_starts_that_save_nothing_are_counted_and_told_after_three(tmp_path, monkeypatch):
    monkeypatch.setenv("SUBMITIT_EXECUTOR", "local")
    monkeypatch.setenv("SUBMITIT_LOCAL_JOB_ID", "7")
    monkeypatch.setenv("SUBMITIT_FOLDER", str(tmp_path))
    work, idle = tmp_path / "work", tmp_path / "7_idle"
    work.mkdir()
    watched = Watched((str(work), str(tmp_path / "not there")), (str(work / "train.log"),))
    one = SnakemakeJob(f"echo line >> {work}/train.log", tmp_path, watched=watched)
    told = []
    for saves in (False, True, False, False, False):
        one.command = f"date +%N >> {work}/{'saved' if saves else 'train.log'}"
        one.found = one.watched.files()
        assert one._run() == 0
        one = pickle.loads(pickle.dumps(one.checkpoint())).function
        told.append((one.idle, idle.exists()))
    assert told == [(1, False), (0, False), (1, False), (2, False), (3, True)]
