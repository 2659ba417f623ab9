"""The one command of all rules: ``python -m benchmark.jobs '<task>'``."""

import sys

from benchmark import names, parts
from benchmark.jobs import task
from benchmark.runtime.log import logged
from benchmark.source import look_in


def main(text: str) -> None:
    """Do the task that ``text`` describes; what it prints is in its log."""
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
    main(sys.argv[1])
