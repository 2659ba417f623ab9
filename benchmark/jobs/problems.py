"""Problems of the arguments that a config gives to a class."""

import dataclasses
import json
from collections.abc import Callable, Iterator, Mapping
from typing import Any, get_args, get_type_hints

import pydantic

from benchmark import names, parts
from benchmark.data.dataset import Dataset
from benchmark.flow import Method
from benchmark.suite.classes import Problem
from benchmark.suite.words import choices

SUPPLIED = ("event", "base_rows")
"""Arguments of ``build`` that come from the data set; a density that is required does too."""

EQUIVALENT_KINDS = {
    "unexpected_keyword_argument": "extra_forbidden",
    "union_tag_invalid": "literal_error",
    "union_tag_not_found": "missing",
}
"""Kinds of pydantic's errors that say the same as another one."""


def problems(described: type, arguments: Mapping[str, Any]) -> tuple[Problem, ...]:
    """All that is wrong with the ``arguments`` of a class."""
    try:
        parts.check(maker_of(described), arguments, supplied(described))
    except pydantic.ValidationError as error:
        return tuple(_problem(line, described, arguments) for line in error.errors())
    except ImportError as missing:
        return (Problem(where=(), kind="import", message=f"{missing}"),)
    return ()


def maker_of(described: type) -> Callable:
    """The function that takes the arguments of a class from the config."""
    if issubclass(described, Method):
        return described.build
    return described.prepare if issubclass(described, Dataset) else described


def supplied(described: type) -> tuple[str, ...]:
    """The arguments of ``maker_of(described)`` that no config holds."""
    requires = getattr(described, "requires", ()) if issubclass(described, Method) else ()
    return (*SUPPLIED, *requires)


@dataclasses.dataclass(frozen=True)
class _Place:
    """Keys of the config that lead to a problem; and, of the innermost ``part``, the section.

    ``inner`` are the keys from the arguments of that class on.
    """

    keys: tuple[str | int, ...]
    part: type
    inner: tuple[str | int, ...]
    section: Any

    @property
    def allowed(self) -> tuple[str, ...]:
        """Names of arguments, or of settings, that may stand in the section."""
        if self.inner:
            return tuple(_settings(self._hint, self.section))
        hidden = supplied(self.part)
        return tuple(name for name in parts.parameters(maker_of(self.part)) if name not in hidden)

    def need(self, name: str) -> str:
        """Who needs the key ``name`` of the section, and what it is, in words."""
        words = "" if self.inner else parts.in_words(maker_of(self.part), name)
        kind = f"{self.part.__module__}.{self.part.__qualname__}"
        return f"{kind} needs it{f' ({words})' if words else ''}"

    @property
    def _hint(self) -> Any:
        maker = maker_of(self.part)
        annotated = maker.__init__ if isinstance(maker, type) else maker  # type: ignore[misc]
        return get_type_hints(annotated, include_extras=True).get(str(self.inner[0]))


def _problem(line: Any, described: type, arguments: Mapping[str, Any]) -> Problem:
    kind, steps = EQUIVALENT_KINDS.get(line["type"], line["type"]), list(line["loc"])
    if line["type"].startswith("union_tag"):
        steps.append(line["ctx"]["discriminator"].strip("'"))
    if kind in ("missing", "extra_forbidden"):
        *steps, name = steps
        place = _place(steps, described, arguments)
        message = place.need(name) if kind == "missing" else ""
        where, allowed = (*place.keys, name), () if kind == "missing" else place.allowed
        return Problem(where=where, kind=kind, message=message, allowed=allowed)
    value = line["ctx"]["tag"] if line["type"] == "union_tag_invalid" else _plain(line["input"])
    where = _place(steps, described, arguments).keys
    return Problem(where=where, kind=kind, message=line["msg"], value=value, allowed=choices(line))


def _place(steps: list[str | int], described: type, arguments: Mapping[str, Any]) -> _Place:
    """The place to which ``steps`` lead, of which those that only name an alternative are none."""
    place = _Place((), described, (), arguments)
    for step in steps:
        if _holds(place.section, step):
            place = _next(place, step)
    return place


def _next(place: _Place, step: str | int) -> _Place:
    keys, section = (*place.keys, step), place.section[step]
    if not (isinstance(section, Mapping) and isinstance(section.get("class"), str)):
        return _Place(keys, place.part, (*place.inner, step), section)
    try:
        return _Place(keys, names.load(section["class"]), (), section)
    except (ImportError, ValueError):  # nothing below it can be checked
        return _Place(keys, place.part, (*place.inner, step), section)


def _holds(section: Any, step: str | int) -> bool:
    if isinstance(section, Mapping):
        return step in section
    return isinstance(section, list) and isinstance(step, int)


def _settings(hint: Any, section: Any) -> Iterator[str]:
    """Names of the settings in an annotation: of those of the kind that the section names."""
    every = list(_dataclasses(hint))
    kind = section.get("kind") if isinstance(section, Mapping) else section
    chosen = [each for each in every if kind in get_args(get_type_hints(each).get("kind"))]
    for each in chosen or every:
        yield from (setting.name for setting in dataclasses.fields(each))


def _dataclasses(hint: Any) -> Iterator[type]:
    if isinstance(hint, type) and dataclasses.is_dataclass(hint):
        yield hint
    for part in get_args(hint):
        yield from _dataclasses(part)


def _plain(value: Any) -> Any:
    try:
        return json.loads(json.dumps(value))
    except (TypeError, ValueError):
        return repr(value)
