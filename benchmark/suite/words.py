"""Problems of a config in words: where, what was found, what is allowed, the nearest name."""

import difflib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from pydantic import BaseModel, ValidationError

from benchmark.suite.classes import Problem


class ConfigError(ValueError):
    """Something in a config file that is not allowed; the message lists all of it."""

    def __init__(self, file: str, problems: Iterable[str]) -> None:
        super().__init__("\n".join(f"{file}: {problem}" for problem in problems))


def unknown(what: str, name: Any, allowed: Iterable[Any]) -> str:
    """That a name is not among what is allowed, with the nearest that is."""
    names = sorted(map(str, allowed))
    close = difflib.get_close_matches(str(name), names, n=1)
    hint = f" Did you mean {close[0]!r}?" if close else ""
    return f"{what} {name!r} is unknown; allowed: {', '.join(names) or 'none'}.{hint}"


def of_model(error: ValidationError, model: type[BaseModel], prefix: str = "") -> list[str]:
    """Every problem that a pydantic ``model`` has found, with the meaning of its fields."""
    problems = [
        Problem(
            where=tuple(line["loc"]),
            kind=line["type"],
            message=line["msg"],
            value=None if line["type"] == "missing" else line["input"],
        )
        for line in error.errors()
    ]
    return list(dict.fromkeys(_in_words(problem, prefix, model) for problem in _main(problems)))


def of_arguments(
    problems: Sequence[Problem], prefix: str, needs: Mapping[str, str], maker: str
) -> list[str]:
    """Problems of the arguments of a class; ``needs`` maps its arguments to their annotations."""
    words = []
    for problem in _main(problems):
        if problem.kind == "missing" and len(problem.where) == 1:
            name = str(problem.where[0])
            annotation = f" ({needs[name]})" if needs.get(name) else ""
            words.append(f"{prefix}{name} is missing; {maker} needs it{annotation}.")
        else:
            words.append(_in_words(problem, prefix, None))
    return list(dict.fromkeys(words))


def _main(problems: Sequence[Problem]) -> Iterator[Problem]:
    """Without what only says that the other alternatives of a union do not fit either."""
    for problem in problems:
        beside = [p for p in problems if p is not problem and p.where[:1] == problem.where[:1]]
        mapping = isinstance(problem.value, Mapping | list)
        idle = problem.kind == "literal_error" and mapping
        idle |= problem.kind in ("dataclass_type", "model_type", "model_attributes_type") and (
            any(other.kind == "literal_error" for other in beside) and not mapping
        )
        idle |= problem.kind == "none_required"
        if not (idle and beside):
            yield problem


def _in_words(problem: Problem, prefix: str, model: type[BaseModel] | None) -> str:
    steps, fields = _steps(problem, model)
    where = prefix + ".".join(steps)
    parent = (prefix + ".".join(steps[:-1])).rstrip(".") or "(top level)"
    meaning = fields[-1][1] if fields else ""
    said = f" ({meaning})" if meaning else ""
    if problem.kind == "missing":
        return f"{parent}: the key {steps[-1]!r} is missing{said}."
    if problem.kind == "extra_forbidden":
        return unknown(f"{parent}: key", steps[-1], problem.allowed or fields[-1][0])
    if problem.allowed and isinstance(problem.value, str):
        return unknown(f"{where}: value", problem.value, problem.allowed)
    text = problem.message.removeprefix("Value error, ").removeprefix("Assertion failed, ")
    text = text.replace("Input should be", "allowed is")
    return f"{where.rstrip('.')} is {problem.value!r}; {text}{said}.{_hint(problem)}"


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
        tag = isinstance(step, str) and _is_tag(step, known, problem)
        if tag:
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
    """What the values of a mapping, or the items of a list, are."""
    arguments = getattr(section, "__args__", ())
    return arguments[-1] if arguments else None


def _member(section: Any, tag: str) -> Any:
    members = getattr(section, "__args__", ())
    named = [member for member in members if getattr(member, "__name__", "") == tag]
    return named[0] if named else None


def _is_tag(step: str, known: Mapping[str, Any], problem: Problem) -> bool:
    """Whether a step names an alternative of a union, and no key."""
    if step in known:
        return False
    return step in _TAGS or "[" in step or (step[:1].isupper() and step.isidentifier())


_TAGS = ("int", "float", "bool", "str", "dict", "list", "function-plain", "function-wrap")


def _hint(problem: Problem) -> str:
    value, number = problem.value, problem.kind.startswith(("int", "float", "bool"))
    if isinstance(value, str) and number:
        try:
            return f" YAML reads it as text: write {float(value)!r}."
        except ValueError:
            return ""
    if isinstance(value, float) and value.is_integer() and problem.kind.startswith("int"):
        return f" Write {int(value)}."
    return ""
