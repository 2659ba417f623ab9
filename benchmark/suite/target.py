"""Targets of a command that reproduce published results: which suite they are of, and what.

``reproduce_<suite>`` is every data set of the suite that stands beside published results,
``reproduce_<suite>_<dataset>`` one of them.
"""

from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

from benchmark.suite.load import datasets
from benchmark.suite.published import has_published
from benchmark.suite.suite import Suite
from benchmark.suite.words import ConfigError, in_file, unknown

PREFIX = "reproduce_"
UNCHECKED = ("--no-hooks", "--until", "-U", "--omit-from", "-O")
"""Options of Snakemake with which a target is not reached, or no hook says what came of it."""


class Target(NamedTuple):
    """The name of the table of published and measured numbers, and the data sets in it."""

    table: str
    datasets: tuple[str, ...]


def asked(words: Sequence[str]) -> list[str]:
    """The targets among the words of a command; refuses options that would leave them unchecked."""
    names = [word for word in words if word.startswith(PREFIX)]
    refused = [word for word in words if word.partition("=")[0] in UNCHECKED]
    if names and refused:
        words = f"{names[0]} would end unchecked with {refused[0]}."
        raise ConfigError(in_file("command", [words]))
    return names


def suite_of(targets: Sequence[str], content: dict[str, Any]) -> str:
    """The suite of ``content``, a config, that the ``targets`` are of.

    Raises ``ConfigError`` where there is none, or more than one.
    """
    suites = {target: _suites(target, content) for target in targets}
    known = [f"{PREFIX}{name}" for name in content["suites"]]
    absent = [unknown("target", target, known) for target in targets if not suites[target]]
    named = sorted({name for names in suites.values() for name in names})
    if absent:
        raise ConfigError(in_file("command", absent))
    if len(named) > 1:
        many = f"found the suites {', '.join(named)}; allowed is one at a time."
        raise ConfigError(in_file("command", [f"{' '.join(targets)}: {many}"]))
    return named[0]


def targets(suite: Suite) -> dict[str, Target]:
    """The targets of a suite that has data sets beside published results."""
    if not suite.published:
        return {}
    stem, every = f"{PREFIX}{suite.name}", tuple(suite.published)
    return {
        stem: Target("reproduction", every),
        **{f"{stem}_{name}": Target(f"reproduction_{name}", (name,)) for name in every},
    }


def check(suite: Suite, asked: Iterable[str]) -> None:
    """Raises ``ConfigError`` for a target that would compare nothing."""
    known = targets(suite)
    problems = [
        f"{name}: nothing to compare: no data set of it has the key 'published'."
        if name not in known
        else f"{name}: nothing to compare: none of its methods has a published number on "
        f"{', '.join(known[name].datasets)}."
        for name in asked
        if name not in known or not _compares(suite, known[name])
    ]
    if problems:
        raise ConfigError(in_file("command", problems))


def _suites(target: str, content: dict[str, Any]) -> list[str]:
    named = target.removeprefix(PREFIX)
    return [
        name
        for name in content["suites"]
        if named == name
        or named.startswith(f"{name}_")
        and named.removeprefix(f"{name}_") in datasets(content, name)
    ]


def _compares(suite: Suite, target: Target) -> bool:
    return any(
        has_published(run.method, suite.published[run.dataset].as_)
        for run in suite.runs
        if run.dataset in target.datasets
    )
