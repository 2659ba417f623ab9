"""Problems of a config in words: where, what was found, what is allowed, the nearest name."""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from pydantic import BaseModel, ValidationError

from benchmark.names import did_you_mean, nearest
from benchmark.suite.classes import Problem

UNKNOWN_KEY = "extra_forbidden"
"""The kind of the problem of a key that is unknown."""
WRONG_NAME = "[key]"
"""The last step to the problem of a name in a mapping."""


class ConfigError(ValueError):
    """Something in config files that is not allowed: a line of the message for each problem."""

    def __init__(self, lines: Iterable[str]) -> None:
        self.lines = list(dict.fromkeys(lines))
        super().__init__("\n".join(self.lines))


def in_file(file: str, problems: Iterable[str]) -> list[str]:
    """Problems of a file as lines of a message."""
    return [f"{file}: {problem}" for problem in problems]


def is_at(words: str, place: str) -> bool:
    """Whether a problem in words, or a key, is of the key ``place`` or of what stands there."""
    return f"{words} ".startswith((f"{place} ", f"{place}.", f"{place}:"))


def unknown(what: str, name: Any, allowed: Iterable[Any]) -> str:
    """That a name is not among what is allowed, with the nearest that is."""
    names = sorted(map(str, allowed))
    said = f"{what} {name!r} is unknown; allowed: {', '.join(names) or 'none'}."
    return f"{said}{did_you_mean(str(name), names)}"


def of_error(error: ValidationError) -> list[Problem]:
    """The problems that a pydantic model has found."""
    return [
        Problem(
            where=tuple(line["loc"]),
            kind=line["type"],
            message=line["msg"],
            value=None if line["type"] == "missing" else line["input"],
            allowed=choices(line),
        )
        for line in error.errors()
    ]


def of_model(problems: Sequence[Problem], model: type[BaseModel], prefix: str = "") -> list[str]:
    """Problems of a section, which is a pydantic ``model``, with the meaning of its fields."""
    return list(dict.fromkeys(_in_words(_main(problems), prefix, model)))


def of_arguments(problems: Sequence[Problem], prefix: str) -> list[str]:
    """Problems of the arguments of a class; a misspelt one is not missing as well."""
    meant = {_meant(problem) for problem in problems if problem.kind == UNKNOWN_KEY}
    problems = [p for p in problems if p.kind != "missing" or p.where not in meant]
    absent = [problem for problem in problems if problem.kind == "missing"]
    words = [
        f"{prefix}{'.'.join(map(str, problem.where))} is missing; {problem.message}."
        for problem in absent
    ]
    others = [problem for problem in problems if problem not in absent]
    return list(dict.fromkeys([*words, *_in_words(_main(others), prefix, None)]))


def choices(line: Any) -> tuple[str, ...]:
    """The names that a line of a pydantic error allows, where it lists all of them."""
    names = {"literal_error": "expected", "union_tag_invalid": "expected_tags"}
    if line["type"] not in names:
        return ()
    return tuple(re.findall("'([^']*)'", line["ctx"][names[line["type"]]]))


def _main(problems: Sequence[Problem]) -> list[Problem]:
    """Without what only says that the other alternatives of a union do not fit either."""
    kept = []
    for problem in problems:
        beside = [p for p in problems if p is not problem and p.where[:1] == problem.where[:1]]
        mapping = isinstance(problem.value, Mapping | list)
        chosen = any(other.kind == "literal_error" for other in beside)
        idle = problem.kind == "none_required" or (
            mapping if problem.kind == "literal_error" else _is_mapping_wanted(problem) and chosen
        )
        if not (idle and beside):
            kept.append(problem)
    return kept


def _is_mapping_wanted(problem: Problem) -> bool:
    return problem.kind in ("dataclass_type", "model_type", "model_attributes_type", "dict_type")


def _in_words(
    problems: Iterable[Problem], prefix: str, model: type[BaseModel] | None
) -> Iterator[str]:
    """A sentence for each place; alternatives of one place are joined."""
    places: dict[tuple[str, ...], list[tuple[Problem, list]]] = {}
    for problem in problems:
        steps, fields = _steps(problem, model)
        if problem.kind in ("missing", UNKNOWN_KEY):
            yield _about_key(problem, prefix, steps, fields)
        else:
            places.setdefault(tuple(steps), []).append((problem, fields))
    for place, alternatives in places.items():
        yield _about_value(prefix + ".".join(place), alternatives)


def _about_key(problem: Problem, prefix: str, steps: list[str], fields: list) -> str:
    parent = (prefix + ".".join(steps[:-1])).rstrip(".") or "(top level)"
    known, meaning = fields[-1]
    if problem.kind == "missing":
        return f"{parent}: the key {steps[-1]!r} is missing{f' ({meaning})' if meaning else ''}."
    return unknown(f"{parent}: key", steps[-1], problem.allowed or known)


def _about_value(where: str, alternatives: Sequence[tuple[Problem, list]]) -> str:
    problem, fields = alternatives[0]
    if problem.kind == "invalid_key":
        return about_name(where.rpartition(".")[0], problem.value)
    if problem.where[-1:] == (WRONG_NAME,) and not isinstance(problem.value, str):
        return about_name(where.rpartition(".")[0], problem.value)
    meaning = fields[-1][1] if fields else ""
    said = f" ({meaning})" if meaning else ""
    names = [name for other, _ in alternatives for name in other.allowed]
    if names and isinstance(problem.value, str):
        hint = did_you_mean(problem.value, names)
        return f"{where} is {problem.value!r}; allowed: {', '.join(names)}{said}.{hint}"
    rest = " or ".join(dict.fromkeys(_allowed(other) for other, _ in alternatives))
    return f"{where.rstrip('.')} is {problem.value!r}; allowed is {rest}{said}.{_hint(problem)}"


def about_name(section: str, name: Any) -> str:
    """That YAML does not read a name as text."""
    where = section or "(top level)"
    if isinstance(name, bool):
        words = "on, yes or true" if name else "off, no or false"
        return f"{where}: YAML reads a name, {words}, as a truth value: write it in quotes."
    if name is None:
        return f"{where}: YAML reads a name, null, ~ or nothing, as no text: write it in quotes."
    return f"{where}: YAML reads the name {name} as a number: write it in quotes, '{name}'."


def _allowed(problem: Problem) -> str:
    """The words that follow "allowed is"."""
    for kinds, words in PLAIN.items():
        if problem.kind in kinds:
            return words
    text = problem.message.removeprefix("Value error, ").removeprefix("Assertion failed, ")
    for long, short in SHORTER.items():
        text = text.replace(long, short)
    return text.removeprefix("allowed is ")


PLAIN = {
    ("int_type", "int_parsing", "int_from_float"): "a whole number",
    ("float_type", "float_parsing"): "a number",
    ("bool_type", "bool_parsing"): "true or false",
    ("string_type",): "text",
    ("list_type", "tuple_type"): "a list",
    ("dataclass_type", "model_type", "model_attributes_type", "dict_type"): "a mapping",
}
"""Kinds of pydantic's errors -> what is allowed."""

SHORTER = {
    "Input should be greater than or equal to": "at least",
    "Input should be greater than": "a number above",
    "Input should be less than or equal to": "at most",
    "Input should be less than": "a number below",
    "Input should be ": "",
    "String should match pattern '^[A-Za-z0-9_]+$'": "a name of letters, digits and _",
    "String should match pattern '^#[0-9a-fA-F]{6}$'": "a colour, #rrggbb",
    "String should match pattern": "text that matches",
    "List should have at least": "a list of at least",
    "Dictionary should have at least": "a mapping of at least",
    " after validation": "",
}


def place_of(problem: Problem, model: type[BaseModel]) -> tuple[str, ...]:
    """The keys of the config that lead to a problem of a section, which is a ``model``."""
    return tuple(_steps(problem, model)[0])


def nearest_key(problem: Problem, model: type[BaseModel]) -> str | None:
    """The key that an unknown one may be meant to be."""
    steps, fields = _steps(problem, model)
    return nearest(steps[-1], fields[-1][0])


def _meant(problem: Problem) -> tuple[str | int, ...]:
    """Where the argument stands that an unknown one may be meant to be."""
    *section, name = problem.where
    return (*section, nearest(str(name), problem.allowed) or "")


def _steps(
    problem: Problem, model: type[BaseModel] | None
) -> tuple[list[str], list[tuple[tuple[str, ...], str]]]:
    """The keys of the config that lead to a problem, without the tags of unions.

    And for each of them the keys of the section that it stands in, and what it means.
    """
    steps: list[str] = []
    fields: list[tuple[tuple[str, ...], str]] = []
    section: Any = model
    for step in problem.where:
        known = _fields(section)
        if model is not None and isinstance(step, str) and _is_tag(step, section):
            section = _member(section, step)
            continue
        steps.append(str(step))
        field = known.get(str(step))
        fields.append((tuple(known), (field.description or "") if field else ""))
        section = field.annotation if field else _values(section)
    return steps, fields


def _fields(section: Any) -> dict[str, Any]:
    if isinstance(section, type) and issubclass(section, BaseModel):
        return {field.alias or name: field for name, field in section.model_fields.items()}
    members = [_fields(member) for member in getattr(section, "__args__", ())]
    return next((known for known in members if known), {}) if not _is_mapping(section) else {}


def _is_mapping(section: Any) -> bool:
    return getattr(section, "__origin__", None) is dict


def _values(section: Any) -> Any:
    """The type of the values of a mapping, or of the items of a list."""
    arguments = getattr(section, "__args__", ())
    return arguments[-1] if arguments else None


def _member(section: Any, tag: str) -> Any:
    members, kind = getattr(section, "__args__", ()), tag.partition("[")[0]
    named = [member for member in members if getattr(member, "__name__", "") == kind]
    return named[0] if named else section


def _is_tag(step: str, section: Any) -> bool:
    """Whether a step names an alternative of a union, or that a name is wrong, and no key."""
    if _is_mapping(section) or step in _fields(section):
        return step == WRONG_NAME
    return step in _TAGS or "[" in step or (step[:1].isupper() and step.isidentifier())


_TAGS = ("int", "float", "bool", "str", "dict", "list", "function-plain", "function-wrap")


def _hint(problem: Problem) -> str:
    if problem.kind == "string_type" and isinstance(problem.value, bool):
        return " YAML reads on, yes, off and no as truth values: write a text in quotes."
    if problem.kind == "string_type" and problem.value is None:
        return " YAML reads nothing there (a # begins a comment): write a text in quotes."
    if problem.kind == "string_type" and isinstance(problem.value, int | float):
        return f" Write a text in quotes: '{problem.value}'."
    value, number = problem.value, problem.kind.startswith(("int", "float", "bool"))
    if isinstance(value, str) and number:
        try:
            return f" YAML reads it as text: write {float(value)!r}."
        except ValueError:
            return ""
    if isinstance(value, float) and value.is_integer() and problem.kind.startswith("int"):
        return f" Write {int(value)}."
    return ""
