"""The one command of all rules: ``python -m benchmark.jobs '<task>'``.

``python -m benchmark.jobs serve <descriptor>`` is the server that forks for these commands.
"""

import os
import signal
import socket
import sys

from benchmark.jobs import fork_server
from benchmark.runtime.parent import end_with_parent


def main(text: str) -> None:
    """Have the task that ``text`` describes done by a fork, or do it; what it prints is in its log.

    Ends with the status of the fork.
    """
    status = fork_server.hand_over(text)
    if status is None:
        perform(text)
    elif status < 0:
        signal.signal(-status, signal.SIG_DFL)
        os.kill(os.getpid(), -status)
    else:
        sys.exit(status)


def perform(text: str) -> None:
    """Do a task in this process."""
    # Imported here: a command that hands its task over needs none of it.
    from benchmark import names, parts
    from benchmark.jobs import task
    from benchmark.runtime.log import logged
    from benchmark.source import look_in

    given = task.read(text)
    with logged(given.log):
        look_in(given.path)
        if given.machine is not None:
            from benchmark.jobs import launch  # which imports torch

            launch.perform(given)
        else:
            function = names.load(f"benchmark.jobs.{given.name}")
            function(**parts.convert(function, given.arguments))


if __name__ == "__main__":
    if sys.argv[1] == "serve":
        perform(fork_server.serve(socket.socket(fileno=int(sys.argv[2]))))
    else:
        end_with_parent()  # a killed Snakemake leaves no jobs beside those of the next
        main(sys.argv[1])
