"""Locks: held by what lives, free of what has ended or was killed, left to other hosts."""

import fcntl
import os
import signal
import socket
import subprocess
import sys

import pytest

from benchmark.runtime import locks

HERE = socket.gethostname()

HOLD = """
import sys
from pathlib import Path
from benchmark.runtime import locks

with locks.held(sys.argv[2:], Path(sys.argv[1])):
    print("held", flush=True)
    sys.stdin.read()
"""


@pytest.fixture
def holder(tmp_path):
    """Another process that holds the lock of a thing."""
    command = [sys.executable, "-c", HOLD, tmp_path, "results/a"]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    with subprocess.Popen(command, **pipes, text=True) as process:
        assert process.stdout.readline() == "held\n"
        yield process
        process.kill()


@pytest.fixture
def no_locks(monkeypatch):
    """A disk without locks."""

    def refuse(*_):
        raise OSError("No locks available")

    monkeypatch.setattr(fcntl, "flock", refuse)


def dead():
    process = subprocess.Popen([sys.executable, "-c", ""])
    process.wait()
    return process.pid


def refused(folder, *things):
    with pytest.raises(locks.LockedError) as error, locks.held(things, folder):
        raise AssertionError("both hold it")
    return str(error.value)


def left(folder, owner):
    """A lock that is left behind, with the owner that it names."""
    path = folder / "a"
    path.write_text(f"{owner}\n")
    return path


@pytest.mark.slow
def test_what_lives_keeps_its_lock_and_is_named(holder, tmp_path):
    told = refused(tmp_path, "results/a")
    assert told.startswith(f"results/a: process {holder.pid} on {HERE}, this host, makes it")
    with locks.held(["results/b"], tmp_path) as killed:
        assert killed == []
    refused(tmp_path, "results/b", "results/a")
    with locks.held(["results/b"], tmp_path):  # free again after the refusal
        pass


@pytest.mark.slow
def test_a_kill_frees_the_lock_and_an_end_leaves_no_owner(holder, tmp_path):
    holder.send_signal(signal.SIGKILL)
    holder.wait()
    for expected in (["results/a"], []):
        with locks.held(["results/a"], tmp_path) as killed:
            assert killed == expected


def test_a_failure_inside_frees_the_lock(tmp_path):
    with pytest.raises(RuntimeError, match="inside"), locks.held(["a"], tmp_path):
        raise RuntimeError("inside")
    with locks.held(["a"], tmp_path) as killed:
        assert killed == []


def test_an_owner_on_another_host_may_live_and_the_file_to_remove_is_named(tmp_path):
    path = left(tmp_path, f"elsewhere {os.getpid()}")
    assert "on elsewhere makes it, or was killed there" in refused(tmp_path, "a")
    assert refused(tmp_path, "a").endswith(f"remove {path}.")
    path.unlink()
    with locks.held(["a"], tmp_path):
        pass


@pytest.mark.parametrize("owner", ["", "not an owner at all", "host", "host one"])
def test_what_names_no_owner_holds_nobody(owner, tmp_path):
    left(tmp_path, owner)
    with locks.held(["a"], tmp_path) as killed:
        assert killed == []


def test_without_locks_of_the_disk_the_process_that_is_named_decides(no_locks, tmp_path):
    left(tmp_path, f"{HERE} {os.getpid()}")
    assert f"process {os.getpid()} on {HERE}" in refused(tmp_path, "a")
    left(tmp_path, f"elsewhere {os.getpid()}")
    refused(tmp_path, "a")
    left(tmp_path, f"{HERE} {dead()}")
    with locks.held(["a"], tmp_path) as killed:
        assert killed == ["a"]
        refused(tmp_path, "a")
