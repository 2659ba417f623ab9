"""The server that forks for jobs: what a fork has of its command, and how they end together."""

import os
import signal
import socket
import subprocess
import sys

import psutil
import pytest

from benchmark.jobs import fork_server

pytestmark = [
    pytest.mark.slow,  # processes
    pytest.mark.skipif(sys.platform != "linux", reason="the server is started on Linux only"),
]

SERVER = """
import socket, sys
from benchmark.jobs import fork_server
fork_server.IMPORTED = ()
exec(fork_server.serve(socket.socket(fileno=int(sys.argv[1]))))
"""
"""A server whose tasks are Python."""

COMMAND = """
import os, signal, sys
from benchmark.jobs import fork_server
if "deaf" in sys.argv:
    signal.signal(signal.SIGINT, signal.SIG_IGN)
print("status", fork_server.hand_over(sys.argv[1]))
"""

HEARS = """
import os, signal
signal.signal(signal.SIGUSR2, lambda number, _: print("heard", flush=True))
print(os.getpid(), flush=True)
while True:
    signal.pause()
"""


@pytest.fixture(scope="module")
def server():
    """Environment of commands that have a server."""
    name = f"test-{os.urandom(8).hex()}"
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(f"\0{name}")
        listener.listen()
        process = subprocess.Popen(
            [sys.executable, "-c", SERVER, str(listener.fileno())],
            stdin=subprocess.PIPE,
            pass_fds=[listener.fileno()],
        )
    yield {**os.environ, fork_server.ADDRESS: name}
    process.stdin.close()
    assert process.wait() == 0


def command(server, task, *more, **options):
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, "text": True}
    return subprocess.Popen(
        [sys.executable, "-c", COMMAND, task, *more], **pipes, env=server, **options
    )


def said(server, task, *more, **options):
    return command(server, task, *more, **options).communicate()[0].splitlines()


def test_a_fork_has_folder_environment_and_umask_of_its_command(server, tmp_path):
    task = "import os; print(os.getcwd(), os.environb[b'MINE'], oct(os.umask(0)))"
    environment = {**server, "MINE": "no UTF-8: \udcff"}
    lines = said(environment, task, cwd=tmp_path, umask=0o027)
    assert lines == [f"{tmp_path} b'no UTF-8: \\xff' 0o27", "status 0"]


@pytest.mark.parametrize(
    "task, status",
    [
        ("import sys; sys.exit(3)", 3),
        ("import os; os.kill(os.getpid(), 9)", -signal.SIGKILL),
        ("import atexit; atexit.register(print, 'the end')", 0),
    ],
)
def test_a_command_ends_as_its_fork_does(server, task, status):
    lines = said(server, task)
    assert lines[-1] == f"status {status}"
    assert ("the end" in lines) == ("atexit" in task)


def test_a_failure_is_told_where_the_command_tells(server):
    lines = said(server, "1 / 0")
    assert "ZeroDivisionError: division by zero" in lines and lines[-1] == "status 1"


def test_signals_reach_the_fork_and_one_that_the_command_ignores_does_not_stop_it(server):
    with command(server, HEARS) as process:
        process.stdout.readline()
        for _ in range(2):
            process.send_signal(signal.SIGUSR2)
            assert process.stdout.readline() == "heard\n"
        process.send_signal(signal.SIGTERM)
        assert process.stdout.readline() == f"status {-signal.SIGTERM}\n"
    with command(server, HEARS, "deaf") as process:
        process.stdout.readline()
        process.send_signal(signal.SIGINT)  # as under nohup
        process.send_signal(signal.SIGUSR2)
        assert process.stdout.readline() == "heard\n"
        process.kill()


def test_a_killed_command_takes_its_fork_with_it(server):
    with command(server, HEARS) as process:
        fork = psutil.Process(int(process.stdout.readline()))
        process.kill()
        psutil.wait_procs([fork], timeout=60)
        assert not fork.is_running()


def test_a_fork_that_nobody_watches_any_more_stops_and_its_command_says_so(server):
    with command(server, HEARS) as process:
        fork = psutil.Process(int(process.stdout.readline()))
        fork.parent().kill()
        assert "ChildProcessError: This job lost its fork" in process.stdout.read()
        psutil.wait_procs([fork], timeout=60)
        assert not fork.is_running()


def test_without_a_server_nothing_is_handed_over(server):
    gone = {**server, fork_server.ADDRESS: "nobody"}
    assert said(gone, "print('done')") == ["status None"]
    without = {name: value for name, value in server.items() if name != fork_server.ADDRESS}
    assert said(without, "print('done')") == ["status None"]


def test_nothing_that_is_imported_starts_a_thread():
    count = (
        "import os; from importlib import import_module; from benchmark.jobs import fork_server\n"
        "for name in fork_server.IMPORTED: import_module(name)\n"
        "print(len(os.listdir('/proc/self/task')))"
    )
    environment = {**os.environ, **fork_server.NO_THREADS}
    output = subprocess.run([sys.executable, "-c", count], env=environment, capture_output=True)
    assert output.stdout == b"1\n", output.stderr
