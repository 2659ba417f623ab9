"""Parts that a config names by their class: arguments, checked and converted by their annotations.

A config holds plain values (numbers, texts, lists, mappings). What they mean is said by the
signature of the function that takes them: ``build`` of a method, ``prepare`` of a data set, the
class itself of a network or a measurement. Dataclasses are written as mappings, a network as
``{class: package.module.Class, ...}``.
"""

import inspect
import json
from collections.abc import Callable, Collection, Mapping
from typing import Any, get_type_hints

import pydantic
from pydantic import ConfigDict, create_model


def named(arguments: Any) -> list[str]:
    """The classes that arguments name, at any depth."""
    return [str(part["class"]) for part in placed(arguments, "").values()]


def placed(arguments: Any, where: str) -> dict[str, Mapping[str, Any]]:
    """The sections among arguments that name a class, at any depth, by their keys."""
    named: dict[str, Mapping[str, Any]] = {}
    if isinstance(arguments, Mapping):
        if isinstance(arguments.get("class"), str):
            named[where] = arguments
        for key, value in arguments.items():
            named |= placed(value, f"{where}.{key}")
    elif isinstance(arguments, list):
        for place, value in enumerate(arguments):
            named |= placed(value, f"{where}.{place}")
    return named


def check(function: Callable, given: Mapping[str, Any], supplied: Collection[str] = ()) -> None:
    """Raises ``pydantic.ValidationError`` with all that is wrong with the arguments ``given``.

    ``supplied`` are the arguments that a config does not hold. Nothing is converted on the way:
    8.0 is no whole number, and "8" is no number.
    """
    model = _model(function, supplied, extra="forbid")
    model.model_validate_json(json.dumps(given), strict=True, context={})


def convert(
    function: Callable, given: Mapping[str, Any], event: tuple[int, ...] | None = None
) -> dict[str, Any]:
    """The arguments ``given`` as the annotations of ``function`` have them.

    Networks are made for rows of the shape ``event``. Raises ``pydantic.ValidationError``.
    """
    absent = [name for name in parameters(function) if name not in given]
    model = _model(function, absent, extra="allow")
    made = model.model_validate(given, context={"event": event})
    return {name: getattr(made, name) for name in given}


def parameters(function: Callable) -> dict[str, inspect.Parameter]:
    """The named parameters of ``function``, without those that only collect others."""
    collecting = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)
    every = inspect.signature(function).parameters.items()
    return {name: parameter for name, parameter in every if parameter.kind not in collecting}


def in_words(function: Callable, name: str) -> str:
    """The values allowed for an argument of ``function``; empty if its annotation does not say."""
    hint = get_type_hints(_annotated(function), include_extras=True).get(name, Any)
    try:
        return _said(pydantic.TypeAdapter(hint).json_schema())
    except pydantic.PydanticUserError:
        return ""


def _said(schema: Mapping[str, Any]) -> str:
    """A JSON schema in words."""
    if "anyOf" in schema:
        return " or ".join(filter(None, dict.fromkeys(map(_said, schema["anyOf"]))))
    if "enum" in schema or "const" in schema:
        return ", ".join(map(str, schema.get("enum", [schema.get("const")])))
    words = TYPES.get(schema.get("type", "object" if "$ref" in schema else ""), "")
    least, above = schema.get("minimum"), schema.get("exclusiveMinimum")
    bound = f" of at least {least}" if least is not None else ""
    return words + bound + (f" above {above}" if above is not None else "")


TYPES = {
    **{"integer": "a whole number", "number": "a number", "string": "text"},
    **{"boolean": "true or false", "array": "a list", "object": "a mapping", "null": "null"},
}
"""Types of JSON schemas in words."""


def _model(function: Callable, absent: Collection[str], extra: Any) -> type[pydantic.BaseModel]:
    hints = get_type_hints(_annotated(function), include_extras=True)
    fields: dict[str, Any] = {
        name: (hints.get(name, Any), ... if p.default is p.empty else p.default)
        for name, p in parameters(function).items()
        if name not in absent
    }
    config = ConfigDict(extra=extra, arbitrary_types_allowed=True, protected_namespaces=())
    return create_model(f"Arguments of {function.__qualname__}", __config__=config, **fields)


def _annotated(function: Callable) -> Callable:
    """The function that holds the annotations: of a class, its ``__init__``."""
    return function.__init__ if isinstance(function, type) else function  # type: ignore[misc]
