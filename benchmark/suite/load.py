"""The suite that a config names, checked before any job starts."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml
from pydantic import TypeAdapter, ValidationError

from benchmark import source
from benchmark.suite import checks, grid
from benchmark.suite.models import Config, Difference, MethodEntry, SuiteSection
from benchmark.suite.suite import Suite, runs_of
from benchmark.suite.words import ConfigError, of_model, unknown


def load(content: Mapping[str, Any], file: str = "config.yaml") -> Suite:
    """The suite that ``content``, a config, names.

    Raises ``ConfigError`` with every problem found, each with file, key, what was found and what
    is allowed.
    """
    config = _config(content, file)
    source.look_in(config.python_path)
    file, key, given = resolve(config.suites, config.suite, file)
    section, problems = _section(given, file, key)
    methods = _read_differences(section, file, key)
    for name, method in methods.items():
        problems += grid.problems(method, f"{key}methods.{name}")
    section = section.model_copy(update={"methods": grid.expanded(methods)})
    checked = checks.Checked(config.suite, section, key, tuple(config.python_path), given)
    problems += checked.problems()
    _refuse(file, dict.fromkeys(problems))
    return Suite(
        name=config.suite,
        section=section,
        facts=checked.facts,
        runs=tuple(runs_of(config.suite, section)),
        python_path=tuple(config.python_path),
    )


def datasets(content: Mapping[str, Any], name: str, file: str = "config.yaml") -> list[str]:
    """Names of the data sets of a suite of ``content``, before anything of it is checked."""
    _, _, suite = resolve(content["suites"], name, file)
    known = suite.get("datasets")
    return list(known) if isinstance(known, dict) else []


def _refuse(file: str, problems: Iterable[str]) -> None:
    if said := list(problems):
        raise ConfigError(file, said)


def _config(content: Mapping[str, Any], file: str) -> Config:
    try:
        config = Config.model_validate(content)
    except ValidationError as error:
        raise ConfigError(file, of_model(error, Config)) from None
    if config.suite not in config.suites:
        raise ConfigError(file, [unknown("suite", config.suite, config.suites)])
    folders = [Path(folder) for folder in config.python_path]
    absent = [f"python_path: there is no folder {f}" for f in folders if not f.is_dir()]
    _refuse(file, absent)
    return config


def resolve(suites: Mapping[str, Any], name: str, file: str) -> tuple[str, str, dict[str, Any]]:
    """File, key prefix and content of a suite, which may lie in a file of its own."""
    suite = suites[name]
    if isinstance(suite, dict):
        return file, f"suites.{name}.", suite
    return suite, "", _content(suite, file, f"suites.{name}")


def _content(path: str, file: str, key: str) -> dict[str, Any]:
    """What the YAML file ``path`` holds, which ``key`` of ``file`` names."""
    if not Path(path).is_file():
        _refuse(file, [f"{key} is {path!r}; no such file. Name a YAML file or write it here."])
    try:
        content = yaml.safe_load(Path(path).read_text())
    except yaml.YAMLError as error:
        raise ConfigError(path, [f"is no YAML: {error}"]) from error
    if not isinstance(content, dict):
        _refuse(path, [f"found no mapping; allowed is what {key} of {file} may hold."])
    return content


def _section(given: Mapping[str, Any], file: str, key: str) -> tuple[SuiteSection, list[str]]:
    """The section with nothing, or a stand-in, for what is wrong; and the problems of that.

    Raises ``ConfigError`` where nothing can be made of it.
    """
    problems: list[str] = []
    while True:
        try:
            return SuiteSection.model_validate(given), problems
        except ValidationError as error:
            problems += of_model(error, SuiteSection, key)
            given = _without(given, [line["loc"] for line in error.errors()])
        if not (given.get("datasets") and given.get("methods")):
            raise ConfigError(file, problems)


ENTRIES = ("datasets", "methods", "measurements")
STAND_INS = {
    "seeds": [0],
    "validation": {"atol": 1.0, "rtol": 1.0},
    "evaluation": {
        **{"atol": 1.0, "rtol": 1.0, "chunk": 1, "tight_rows": 1},
        **{"samples": 1, "grid": 2, "frames": 2, "frame_grid": 2},
    },
}
"""In place of what is wrong, so that the rest of a suite can be checked."""


def _without(given: Mapping[str, Any], places: Sequence[tuple[Any, ...]]) -> dict[str, Any]:
    """A section without the keys and the entries in which there are errors."""
    bad = {place[:2] if place[0] in ENTRIES and len(place) > 1 else place[:1] for place in places}
    left = {key: value for key, value in given.items() if (key,) not in bad}
    for part in ENTRIES:
        if isinstance(entries := left.get(part), dict):
            left[part] = {k: v for k, v in entries.items() if (part, str(k)) not in bad}
    return {**{key: STAND_INS[key] for key in STAND_INS if (key,) in bad}, **left}


def _read_differences(section: SuiteSection, file: str, key: str) -> dict[str, MethodEntry]:
    """The methods, ``per_dataset`` read for the data sets of the suite where it is a file."""
    read = {}
    for name, method in section.methods.items():
        read[name] = method
        if isinstance(method.per_dataset, str):
            where = f"{key}methods.{name}.per_dataset"
            differences = _differences(method.per_dataset, file, where)
            chosen = {n: differences[n] for n in section.datasets if n in differences}
            read[name] = method.model_copy(update={"per_dataset": chosen})
    return read


def _differences(path: str, file: str, where: str) -> dict[str, Difference]:
    content = _content(path, file, where)
    adapter = TypeAdapter(dict[str, Difference])
    try:
        return adapter.validate_python(content)
    except ValidationError as error:
        raise ConfigError(path, _file_problems(error)) from None


def _file_problems(error: ValidationError) -> Iterator[str]:
    for line in error.errors():
        name = str(line["loc"][0])
        if line["type"] == "extra_forbidden":
            known = list(Difference.model_fields)
            yield unknown(f"{name}: key", line["loc"][-1], known)
        else:
            yield f"{name}: found {line['input']!r}; allowed is a mapping of model and train."
