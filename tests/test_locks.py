import os
import socket
import subprocess
import sys

from benchmark.runtime import locks


def dead_process() -> int:
    process = subprocess.Popen([sys.executable, "-c", ""])
    process.wait()
    return process.pid


def locked(folder, owner):
    (folder / "locks").mkdir()
    (folder / "locks" / "0.input.lock").touch()
    (folder / locks.OWNER).write_text(owner)
    return folder / "locks" / "0.input.lock"


def test_the_lock_of_a_dead_process_is_removed_and_the_folder_claimed(tmp_path):
    lock = locked(tmp_path, f"{socket.gethostname()} {dead_process()}\n")
    assert locks.release_stale(tmp_path)
    assert not lock.exists()
    assert (tmp_path / locks.OWNER).read_text().split() == [socket.gethostname(), str(os.getpid())]


def test_the_lock_of_a_living_process_stays(tmp_path):
    owner = f"{socket.gethostname()} {os.getpid()}\n"
    lock = locked(tmp_path, owner)
    assert not locks.release_stale(tmp_path)
    assert lock.exists()
    assert (tmp_path / locks.OWNER).read_text() == owner


def test_the_lock_of_another_host_stays(tmp_path):
    lock = locked(tmp_path, f"elsewhere {dead_process()}\n")
    assert not locks.release_stale(tmp_path)
    assert lock.exists()


def test_a_lock_of_nobody_known_stays(tmp_path):
    lock = locked(tmp_path, "not an owner at all\n")
    assert not locks.release_stale(tmp_path)
    assert lock.exists()


def test_a_new_folder_is_claimed(tmp_path):
    assert not locks.release_stale(tmp_path / "new")
    assert (tmp_path / "new" / locks.OWNER).exists()
