"""The suite that a config names, checked before any job starts."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from benchmark import source
from benchmark.suite import grid, yaml_file
from benchmark.suite.archived import Archives
from benchmark.suite.checks import Checks, alike
from benchmark.suite.mending import Kind, mended
from benchmark.suite.models import Config, Difference, MethodEntry, SuiteSection
from benchmark.suite.named import Named
from benchmark.suite.suite import Suite, runs_of
from benchmark.suite.words import ConfigError, about_name, in_file, is_at, unknown

BESIDE = ("archives", "bench", "downloads", "example")
"""Folders of results that are of no suite."""


def load(content: Mapping[str, Any], file: str = "config.yaml") -> Suite:
    """The suite that ``content``, a config, names.

    Raises ``ConfigError`` with every problem of the config, of the suite and of their files, each
    with file, key, what was found and what is allowed.
    """
    told = _Told()
    config = _config(content, file, told)
    path = tuple(folder for folder in config.python_path if Path(folder).is_dir())
    source.look_in(path)
    file, key, given = _resolved(config, file, told)
    written = _section(given, file, key, told)
    section = written.model_copy(update={"methods": grid.expanded(written.methods)})
    named = Named(section, tuple(written.methods), key, path, told.is_told("python_path"))
    told.add(file, Checks(section, named, key, frozenset(told.keys)).problems())
    told.refuse()
    suite = Suite(config.suite, section, named.facts, tuple(runs_of(config.suite, section)), path)
    archives = Archives(suite, key)
    told.add(file, archives.problems)
    told.refuse()
    return replace(suite, archives=archives.found)


def datasets(content: Mapping[str, Any], name: str, file: str = "config.yaml") -> list[str]:
    """Names of the data sets of a suite of ``content``, before anything of it is checked."""
    _, _, suite = resolve(content["suites"], name, file)
    known = suite.get("datasets")
    return list(known) if isinstance(known, dict) else []


def resolve(suites: Mapping[str, Any], name: str, file: str) -> tuple[str, str, dict[str, Any]]:
    """File, key prefix and content of a suite, which may lie in a file of its own."""
    suite = suites[name]
    if isinstance(suite, dict):
        return file, f"suites.{name}.", suite
    return suite, "", _content(suite, file, f"suites.{name}")


@dataclass
class _Told:
    """The problems that are told, each a line, and the keys of which they are."""

    lines: list[str] = field(default_factory=list)
    keys: set[str] = field(default_factory=set)

    def add(self, file: str, problems: Iterable[str], keys: Iterable[str] = ()) -> None:
        """Tell problems of a file."""
        self.lines += in_file(file, problems)
        self.keys |= set(keys)

    def is_told(self, key: str) -> bool:
        """Whether a problem of a key is told."""
        return any(is_at(told, key) for told in self.keys)

    def refuse(self) -> None:
        """Raises ``ConfigError`` if there are problems."""
        if self.lines:
            raise ConfigError(self.lines)

    def read(self, model: type[Kind], given: Any, file: str, key: str, at: str = "") -> Kind | None:
        """A section as far as it can be read; its keys begin with ``key``, and here with ``at``."""
        section = mended(model, given, key)
        keys = (f"{at or key}{'.'.join(place)}" for place in section.told)
        self.add(file, section.problems, keys)
        return section.made


def _config(content: Mapping[str, Any], file: str, told: _Told) -> Config:
    """The config; raises ``ConfigError`` where it names no suite."""
    config = told.read(Config, content, file, "")
    if config is not None and config.suite not in config.suites:
        is_wrong = told.is_told(f"suites.{config.suite}")
        told.add(file, [] if is_wrong else [unknown("suite", config.suite, config.suites)])
    if config is None or config.suite not in config.suites:
        raise ConfigError(told.lines)
    told.add(file, alike("suites", config.suites))
    if config.suite in BESIDE:
        told.add(file, [f"suites.{config.suite}: a folder of results is called so; rename it."])
    absent = [folder for folder in config.python_path if not Path(folder).is_dir()]
    words = [f"python_path: there is no folder {folder}" for folder in absent]
    told.add(file, words, ["python_path"] if absent else [])
    return config


def _resolved(config: Config, file: str, told: _Told) -> tuple[str, str, dict[str, Any]]:
    try:
        return resolve(config.suites, config.suite, file)
    except ConfigError as error:
        raise ConfigError([*told.lines, *error.lines]) from None


def _content(path: str, file: str, key: str) -> dict[Any, Any]:
    """The content of the YAML file ``path``, which ``key`` of ``file`` names."""
    if not Path(path).is_file():
        words = f"{key} is {path!r}; no such file. Name a YAML file or write it here."
        raise ConfigError(in_file(file, [words]))
    return yaml_file.read(path, f"what {key} of {file} may hold")


def _section(given: Mapping[str, Any], file: str, key: str, told: _Told) -> SuiteSection:
    """The suite as it is written, ``per_dataset`` read where it is a file."""
    section = told.read(SuiteSection, given, file, key)
    if section is None:
        raise ConfigError(told.lines)
    methods = {}
    for name, method in section.methods.items():
        where = f"{key}methods.{name}"
        methods[name] = _with_differences(method, section, file, where, told)
        told.add(file, grid.problems(methods[name], where), grid.empty(methods[name], where))
    return section.model_copy(update={"methods": methods})


def _with_differences(
    method: MethodEntry, section: SuiteSection, file: str, where: str, told: _Told
) -> MethodEntry:
    """A method with what differs on the data sets of the suite."""
    if not isinstance(method.per_dataset, str):
        return method
    path, key = method.per_dataset, f"{where}.per_dataset"
    try:
        content = _content(path, file, key)
    except ConfigError as error:
        told.lines += error.lines
        told.keys.add(key)
        content = {}
    wrong = [about_name(key, name) for name in content if type(name) not in (str, int)]
    told.add(path, wrong)
    read = {
        str(name): told.read(Difference, entry, path, f"{name}.", f"{key}.{name}.")
        for name, entry in content.items()
    }
    chosen = {name: read[name] for name in section.datasets if read.get(name) is not None}
    return method.model_copy(update={"per_dataset": chosen})
