"""Sections of a config with a stand-in for what is wrong, so that all the rest can be checked.

A misspelt key is read as the one that it is nearest to; another one that is unknown is left out. A
value that is wrong, and a key that is missing, have a stand-in, or else the default. What is wrong
only because of that is not told.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from pydantic import BaseModel, ValidationError

from benchmark.suite.classes import Problem
from benchmark.suite.words import UNKNOWN_KEY, WRONG_NAME, nearest_key, of_error, of_model, place_of

Kind = TypeVar("Kind", bound=BaseModel)
Place = tuple[str, ...]
"""The keys that lead to a value."""

CLASS = {"class": "", "model": {}, "train": {}}
"""Stand-ins of the keys that a method has together."""
STAND_INS: dict[str, Any] = {
    **{"mirrors": [], "device": "cpu"},
    **{"label": "?", "colour": "#000000", "rules": "", "source": "mnist", "file": "", "as": ""},
    **dict.fromkeys(("atol", "rtol", "share", "seconds", "tolerance"), 1.0),
    **dict.fromkeys(("chunk", "tight_rows", "samples", "grid", "frames", "frame_grid"), 4),
    **dict.fromkeys(("steps", "width", "epochs", "seed"), 1),
    **{"factors": [1.0, 2.0], "tolerances": [1.0], "inception": "clean", "classifier": {}},
    **CLASS,
}
"""Stand-ins of keys that are needed, or by which other keys of their section are checked."""
SECTIONS: dict[str, Any] = {
    **{"seeds": [0], "validation": {}, "evaluation": {}},
    **{"datasets": {"_": {}}, "methods": {"_": {}}},
}
"""Stand-ins of keys of a suite; what is missing in them has a stand-in in turn."""
ENTRIES = (["datasets"], ["methods"], ["measurements"])


@dataclass(frozen=True)
class Mended(Generic[Kind]):
    """A section as far as it could be made, the content it was made of, and what was wrong.

    ``told`` are the keys of which a problem is told, and whose values are stand-ins.
    """

    made: Kind | None
    content: Any
    problems: list[str]
    told: list[Place]


@dataclass(frozen=True)
class _Wrong:
    """A problem and where it is; ``meant`` is another name for its key, if that is what is wrong.

    The keys lead into no list, which is mended as a whole.
    """

    problem: Problem
    place: Place
    meant: str | None

    @property
    def is_in_name(self) -> bool:
        return self.problem.kind == UNKNOWN_KEY or self.problem.where[-1:] == (WRONG_NAME,)

    @property
    def is_in_class(self) -> bool:
        """Whether a method lacks keys that it needs beside others."""
        return self.place[:-1] == ("methods",) and self.problem.kind == "value_error"


def mended(model: type[Kind], given: Any, prefix: str = "") -> Mended[Kind]:
    """``given`` as a ``model``, as far as it can be; ``prefix`` is that of its keys in messages."""
    problems: list[str] = []
    told: list[Place] = []
    content = given
    while wrong := _wrong(model, content):
        new = [_as_given(each, given) for each in wrong if not is_told(each.place, told)]
        problems += of_model(new, model, prefix)
        before = (content, len(told))
        for each in wrong:
            content, places = _mend(content, each)
            told += [place for place in places if place not in told]
        if (content, len(told)) == before:
            return Mended(None, content, problems, told)
    return Mended(model.model_validate(content), content, problems, told)


def is_told(place: Place, told: Iterable[Place]) -> bool:
    """Whether a problem is told of a key, or of one that leads to it."""
    return any(place[: len(other)] == other for other in told)


# What is wrong


def _wrong(model: type[BaseModel], content: Any) -> list[_Wrong]:
    """The unknown keys of a section; if there are none, its wrong names; else all that is wrong."""
    try:
        model.model_validate(content)
    except ValidationError as error:
        every = [_located(problem, model, content) for problem in of_error(error)]
        unknown = [each for each in every if each.problem.kind == UNKNOWN_KEY]
        named = [each for each in every if each.is_in_name]
        return unknown or named or [each for each in every if not _is_around(each.place, every)]
    return []


def _is_around(place: Place, every: Iterable[_Wrong]) -> bool:
    """Whether a problem is told inside: then another alternative of a union does not fit either."""
    return any(is_told(each.place, [place]) for each in every if each.place != place)


def _located(problem: Problem, model: type[BaseModel], content: Any) -> _Wrong:
    place: Place = ()
    for key in place_of(problem, model):
        if isinstance(_at(content, place), Mapping):
            place = (*place, key)
    if problem.kind == UNKNOWN_KEY:
        return _Wrong(problem, place, nearest_key(problem, model))
    is_name = problem.where[-1:] == (WRONG_NAME,)
    return _Wrong(problem, place, re.sub("[^A-Za-z0-9_]", "_", place[-1]) if is_name else None)


def _as_given(wrong: _Wrong, given: Any) -> Problem:
    """A problem of a section as it stands in the config, without the stand-ins in it."""
    value = _at(given, wrong.place)
    if isinstance(wrong.problem.value, Mapping) and isinstance(value, Mapping):
        return wrong.problem.model_copy(update={"value": value})
    return wrong.problem


# What stands there instead


def _mend(content: Any, wrong: _Wrong) -> tuple[Any, list[Place]]:
    """The content without what is wrong, and the places of stand-ins."""
    place, value = wrong.place, _at(content, wrong.place)
    if not place:
        return content, []
    if wrong.is_in_name:
        new = {} if wrong.meant is None else {wrong.meant: value}
        return _put(content, place, new), [] if wrong.problem.kind == UNKNOWN_KEY else [place]
    if wrong.is_in_class:
        absent = {key: part for key, part in CLASS.items() if value.get(key) is None}
        places = [(*place, key) for key in absent]
        return _put(content, place, {place[-1]: {**value, **absent}}), places
    return _put(content, place, _stand_in(place)), [place]


def _stand_in(place: Place) -> dict[str, Any]:
    """A key with its stand-in, or nothing."""
    *parents, key = place
    if parents in ENTRIES:
        return {key: {}}
    known = SECTIONS if not parents and key in SECTIONS else STAND_INS
    return {key: known[key]} if key in known else {}


def _put(content: Any, place: Place, new: Mapping[str, Any]) -> Any:
    """The content with ``new`` keys instead of that at ``place``; those that are there stay."""
    if not isinstance(content, Mapping):
        return content
    key, *rest = place
    if not rest:
        return {**new, **{k: value for k, value in content.items() if str(k) != key}}
    parts = content.items()
    return {k: _put(part, tuple(rest), new) if str(k) == key else part for k, part in parts}


def _at(content: Any, place: Place) -> Any:
    """The value at a place; ``None`` where there is nothing."""
    for key in place:
        parts = content if isinstance(content, Mapping) else {}
        content = next((part for k, part in parts.items() if str(k) == key), None)
    return content
