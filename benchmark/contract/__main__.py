"""``python -m benchmark.contract METHOD``: the contract of a class, or of a method of a suite.

Prints a sentence for each property. Exit code 0 if all are right, 1 if one is wrong, 2 for wrong
use.
"""

import argparse
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

import yaml

from benchmark.contract.asked import Asked, WrongUse, resolved
from benchmark.contract.contract import Contract
from benchmark.runtime.machine import configure_process
from benchmark.suite.words import ConfigError

WORDS = {True: "right", False: "WRONG", None: "-"}


def main(given: list[str]) -> int:
    """Check what the arguments of the command name; the exit code."""
    asked = parser().parse_args(given)
    try:
        arguments = yaml.safe_load(asked.arguments) or {}
        if not isinstance(arguments, dict):
            raise WrongUse(f"--arguments is {asked.arguments!r}; allowed is a mapping in YAML.")
        return check(resolved(asked.method, asked.suite, asked.config, arguments))
    except (WrongUse, ConfigError, yaml.YAMLError) as error:
        print(error, file=sys.stderr)
        return 2


def parser() -> argparse.ArgumentParser:
    """The arguments of the command."""
    made = argparse.ArgumentParser(prog="python -m benchmark.contract", description=__doc__)
    made.add_argument("method", help="package.module.Class, or the name of a method in a suite")
    made.add_argument("--suite", help="the suite of that name; default: that of the config")
    made.add_argument("--config", default="config.yaml", help="default: config.yaml")
    made.add_argument("--arguments", default="{}", help="of build, a mapping in YAML")
    return made


def check(asked: Asked) -> int:
    """Print what is found, each property as it is known; the exit code."""
    device = configure_process(1, "cpu", None)
    counts, start = Counter[bool | None](), time.monotonic()
    print(f"{asked.kind} with {dict(asked.arguments)}, on the {device}")
    with tempfile.TemporaryDirectory() as folder:
        for name, finding, where in Contract(asked, Path(folder)).findings():
            look = f" Look at {where}." if where else ""
            print(f"{WORDS[finding.right]:5}  {name}: {finding.said}.{look}", flush=True)
            counts[finding.right] += 1
    seconds = f"{time.monotonic() - start:.0f} s ({time.process_time():.0f} s of the CPU)"
    wrong, rest = counts[False], counts[None]
    print(f"{counts[True]} right, {wrong} wrong, {rest} do not apply, in {seconds}.")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
