"""A process that has imported torch and forks for each job of this machine.

Starting Python and importing torch takes seconds, and most jobs of a small suite compute for less.
Snakemake's process starts one server (``start``). The command of a job hands its task over
(``hand_over``), and a fork does it with the folder, environment, umask, signals and standard
streams of that command, which passes signals on and ends as the fork does. Where there is no server
(jobs of a cluster, rules with an environment of their own, not Linux) the command does the task
itself. A command that is killed takes its fork with it.
"""

import contextlib
import json
import os
import select
import signal
import socket
import struct
import subprocess
import sys
from importlib import import_module
from typing import NoReturn

from benchmark.runtime.parent import end_with_parent

ADDRESS = "BENCHMARK_FORK_SERVER"
"""Environment variable with the name of the server's socket, which lies in no folder."""

JOBS = ("draw", "evaluate", "launch", "measure", "prepare", "reference", "report", "train")
IMPORTED = (*(f"benchmark.jobs.{job}" for job in JOBS), "matplotlib.pyplot", "pandas", "seaborn")
"""Modules that are imported before any task is taken: what most jobs would import."""

NO_THREADS = {
    **dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1"),
    "JE_ARROW_MALLOC_CONF": "background_thread:false",
}
"""Environment in which imports start no threads, which a fork would lack."""

PASSED_ON = (signal.SIGHUP, signal.SIGINT, signal.SIGTERM, signal.SIGUSR1, signal.SIGUSR2)

running: list[subprocess.Popen] = []
"""The server that this process has started: it ends with this process."""


def start() -> None:
    """Start a server for this process and those below it, unless there is one.

    Tasks wait until it has imported what it needs.
    """
    if sys.platform != "linux" or ADDRESS in os.environ:
        return
    name = f"benchmark-{os.urandom(16).hex()}"
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(f"\0{name}")
        listener.listen(1024)
        server = subprocess.Popen(
            [sys.executable, "-m", "benchmark.jobs", "serve", str(listener.fileno())],
            stdin=subprocess.PIPE,  # closed when this process ends, however it ends
            env={**os.environ, **NO_THREADS},
            pass_fds=[listener.fileno()],
            start_new_session=True,  # a Ctrl-C is for the commands, which pass it on
        )
    running.append(server)
    os.environ[ADDRESS] = name


def hand_over(text: str) -> int | None:
    """The exit status of a fork that has done a task, as in ``subprocess``: -n for signal n.

    ``None`` if no server has taken the task. Raises ``ChildProcessError`` if what watches the fork
    is killed: the fork then stops, too.
    """
    name = os.environ.get(ADDRESS)
    if name is None:
        return None
    ignored = [number for number in PASSED_ON if signal.getsignal(number) == signal.SIG_IGN]
    umask = os.umask(0)
    os.umask(umask)
    task = json.dumps([text, os.getcwd(), dict(os.environ), umask, ignored]).encode()
    with socket.socket(socket.AF_UNIX) as server:
        try:
            server.connect(f"\0{name}")
            _refuse_other_users(server)
            socket.send_fds(server, [struct.pack("!Q", len(task))], [0, 1, 2])
            server.sendall(task)
            for number in PASSED_ON:  # also one that is ignored: the fork may listen
                signal.signal(number, lambda number, _: _pass_on(server, number))
            taken = server.recv(1)
        except OSError:
            taken = b""
        if not taken:
            return None
        if len(status := server.recv(4)) < 4:
            raise ChildProcessError("This job lost its fork: call the same command again.")
        return int(struct.unpack("!i", status)[0])


def _pass_on(server: socket.socket, number: int) -> None:
    with contextlib.suppress(OSError):  # the fork has ended
        server.send(bytes([number]))


def _refuse_other_users(peer: socket.socket) -> None:
    size = struct.calcsize("3i")
    _, user, _ = struct.unpack("3i", peer.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, size))
    if user != os.getuid():
        raise PermissionError(f"Another user, {user}, is at the other end.")


def serve(listener: socket.socket) -> str:
    """Fork for every task; returns its text, in the fork that is to do it."""
    for module in IMPORTED:
        import_module(module)
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # nobody waits for the keepers
    while listener.fileno() in select.select([listener.fileno(), sys.stdin.fileno()], [], [])[0]:
        command, _ = listener.accept()
        if not os.fork():
            listener.close()
            return _kept(command)
        command.close()
    raise SystemExit  # the process that started this one has ended


def _kept(command: socket.socket) -> str:
    """The text of the task of a command, in a fork of this process, which keeps it."""
    _refuse_other_users(command)
    head, streams, _, _ = socket.recv_fds(command, 8, 3)
    with command.makefile("rb") as file:
        text, folder, environment, umask, ignored = json.loads(
            file.read(struct.unpack("!Q", head)[0])
        )
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    fork = os.fork()
    if fork:
        _keep(command, fork)
    command.close()
    end_with_parent()
    for number, stream in enumerate(streams):
        os.dup2(stream, number)
        os.close(stream)
    for number in ignored:
        signal.signal(number, signal.SIG_IGN)
    os.chdir(folder)
    os.umask(umask)
    os.environ.clear()
    os.environ.update(environment)
    return str(text)


def _keep(command: socket.socket, fork: int) -> NoReturn:
    """Send signals of the command to its fork, and in the end the fork's status to the command."""
    end = os.pidfd_open(fork)
    command.send(b".")
    while end not in select.select([command.fileno(), end], [], [])[0]:
        number = b""
        with contextlib.suppress(OSError):  # the command has been killed
            number = command.recv(1)
        os.kill(fork, number[0] if number else signal.SIGKILL)
    status = os.waitstatus_to_exitcode(os.waitpid(fork, 0)[1])
    with contextlib.suppress(OSError):
        command.send(struct.pack("!i", status))
    os._exit(0)
