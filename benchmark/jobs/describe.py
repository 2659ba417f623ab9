"""The child process that imports the classes of a suite and says what they are.

Reads questions as JSON, ``[[name, arguments], ...]``, and writes the answers of
``benchmark.suite.classes`` as JSON.
"""

import contextlib
import json
import sys
from collections.abc import Callable, Mapping
from typing import Any

import pydantic

from benchmark import names, parts
from benchmark.data.dataset import Dataset
from benchmark.flow import ClosedForm, Flow, Method
from benchmark.measure.measurement import Measurement
from benchmark.networks.network import Network
from benchmark.suite.classes import Answer, Argument, Facts, Kind, Problem
from benchmark.suite.words import choices, unknown

KINDS: tuple[tuple[type, Kind], ...] = (
    (Flow, "flow"),
    (ClosedForm, "closed form"),
    (Method, "density"),
    (Dataset, "data set"),
    (Network, "network"),
    (Measurement, "measurement"),
)
"""From the special to the general."""

SUPPLIED = ("event", "base_rows")
"""Arguments of ``build`` that come from the data set; a density that is required does too."""


def answer(name: str, arguments: Mapping[str, Any]) -> Answer:
    """What the class called ``name`` says of itself, and of ``arguments``."""
    try:
        described = names.load(name)
    except ModuleNotFoundError as missing:
        return Answer(error=_not_installed(name, missing))
    except names.Unknown as missing:
        return Answer(error=unknown(f"class {missing.module}:", missing.missing, missing.classes))
    except Exception as failure:
        return Answer(error=f"{name} cannot be imported: {type(failure).__name__}: {failure}")
    facts = facts_of(described)
    if facts.kind == "something else":
        return Answer(error=f"{name} is neither a method, a data set, a network nor a measurement.")
    return Answer(facts=facts, problems=_problems(described, arguments))


def facts_of(described: Any) -> Facts:
    """The facts of a class."""
    kind = kind_of(described)
    if kind == "something else":
        return Facts(kind=kind)
    maker, hidden = maker_of(described), supplied(described)
    arguments = {
        name: Argument(words=parts.in_words(maker, name), required=p.default is p.empty)
        for name, p in parts.parameters(maker).items()
        if name not in hidden
    }
    attributes = {name: getattr(described, name, None) for name in Facts.model_fields}
    if isinstance(described, type) and issubclass(described, Method):
        attributes["diagnostics"] = described.diagnostics is not Method.diagnostics
    known = {name: value for name, value in attributes.items() if value is not None}
    return Facts.model_validate({**known, "kind": kind, "arguments": arguments})


def kind_of(described: Any) -> Kind:
    """Which of the parts of a suite a class is."""
    if not isinstance(described, type):
        return "something else"
    return next((kind for base, kind in KINDS if issubclass(described, base)), "something else")


def maker_of(described: type) -> Callable:
    """The function that takes the arguments of a class from the config."""
    if issubclass(described, Method):
        return described.build
    return described.prepare if issubclass(described, Dataset) else described


def supplied(described: type) -> tuple[str, ...]:
    """The arguments of ``maker_of(described)`` that no config holds."""
    requires = getattr(described, "requires", ()) if issubclass(described, Method) else ()
    return (*SUPPLIED, *requires)


def _problems(described: type, arguments: Mapping[str, Any]) -> tuple[Problem, ...]:
    try:
        parts.check(maker_of(described), arguments, supplied(described))
    except pydantic.ValidationError as error:
        return tuple(_problem(line, described, arguments) for line in error.errors())
    except ImportError as missing:
        return (Problem(where=(), kind="import", message=f"{missing}"),)
    return ()


def _problem(line: Any, described: type, arguments: Mapping[str, Any]) -> Problem:
    return Problem(
        where=_where(line["loc"], arguments),
        kind=line["type"],
        message=line["msg"],
        value=None if line["type"] == "missing" else _plain(line["input"]),
        allowed=_allowed(line, described, arguments),
    )


def _where(place: tuple[str | int, ...], arguments: Mapping[str, Any]) -> tuple[str | int, ...]:
    """Without the key ``kind`` of settings that the config writes as their kind alone."""
    section: Any = arguments
    for step in place[:-1]:
        section = section.get(step, section) if isinstance(section, Mapping) else section
    return place[:-1] if place[-1:] == ("kind",) and isinstance(section, str) else place


def _allowed(line: Any, described: type, arguments: Mapping[str, Any]) -> tuple[str, ...]:
    """The choices, or the names of the arguments, among which what was found is not."""
    if line["type"] != "extra_forbidden":
        return choices(line)
    section: Any = arguments
    for step in line["loc"][:-1]:
        section = section.get(step, {}) if isinstance(section, Mapping) else {}
    part = names.load(section["class"]) if "class" in section else described
    if len(line["loc"]) > 1 and part is described:
        return ()
    hidden = supplied(part)
    return tuple(name for name in parts.parameters(maker_of(part)) if name not in hidden)


def _plain(value: Any) -> Any:
    try:
        return json.loads(json.dumps(value))
    except (TypeError, ValueError):
        return repr(value)


def _not_installed(name: str, missing: ModuleNotFoundError) -> str:
    package = (missing.name or "").partition(".")[0]
    return (
        f"{name} imports {package!r}, which is not installed. For the optional methods: "
        f"pip install --constraint constraints.txt --editable '.[extras]'"
    )


if __name__ == "__main__":
    with contextlib.redirect_stdout(sys.stderr):  # what imports print is no answer
        answers = [answer(name, arguments) for name, arguments in json.load(sys.stdin)]
    json.dump([given.model_dump(mode="json") for given in answers], sys.stdout)
