"""Files that other programs write and read: a type, a schema version, and errors in words."""

import json
from collections.abc import Collection
from pathlib import Path
from typing import Annotated, Any, ClassVar, TypeVar

import pydantic
from annotated_types import Ge, Le
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StringConstraints

from benchmark.files import write_json
from benchmark.names import nearest

Kind = TypeVar("Kind", bound="StoredFile")


def _finite(given: dict[str, Any]) -> dict[str, Any]:
    try:
        json.dumps(given, allow_nan=False)
    except ValueError:
        raise ValueError("allowed is no NaN, and no infinite number") from None
    return given


Stated = Annotated[dict[str, Any], AfterValidator(_finite)]
"""What a program says of its numbers: texts, numbers, truth values, and lists and mappings."""
Reason = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1)]
Amount = Annotated[float, Ge(0), Le(1e18)]
"""A number of seconds, bytes, evaluations: none is negative, none endless."""
Number = Annotated[int, Ge(0), Le(10**18)]

SHOWN = 60
"""Characters of a value that an error message shows."""


class StoredFile(BaseModel):
    """The content of a JSON file; a file without the key ``schema`` is read as version 1."""

    model_config = ConfigDict(
        extra="forbid", frozen=True, populate_by_name=True, allow_inf_nan=False
    )
    current: ClassVar[int] = 1
    """The version that this class reads and writes."""

    version: int = Field(default=1, alias="schema")

    @classmethod
    def load(cls: type[Kind], path: str | Path) -> Kind:
        """The content of ``path``. Raises ``ValueError`` in words for anything else."""
        return cls.of_text(_text(Path(path)), path)

    @classmethod
    def of_text(cls: type[Kind], text: str, path: str | Path) -> Kind:
        """The content of a text, which lies at ``path``; see ``load``."""
        _check_version(path, text, cls.current)
        try:
            return cls.model_validate_json(text, strict=True)
        except pydantic.ValidationError as error:
            known = [field.alias or name for name, field in cls.model_fields.items()]
            problems = [_problem(details, known) for details in error.errors()]
            raise ValueError(f"{path}: {'; '.join(problems)}") from None

    def save(self, path: str | Path) -> None:
        """Write ``path``, whole or absent. Raises ``ValueError`` for NaN, which JSON lacks."""
        write_json(path, self.model_dump(by_alias=True))


def _text(path: Path) -> str:
    """The text of a file, with or without the mark by which some programs begin UTF-8."""
    content = path.read_bytes()
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        byte = f"{content[error.start]:#04x}"
        raise ValueError(
            f"{path}: byte {error.start + 1} is no UTF-8 ({byte}); save it as UTF-8."
        ) from None
    if not text.strip():
        raise ValueError(f"{path}: is empty; allowed is a JSON object.")
    return text


def _check_version(path: str | Path, text: str, current: int) -> None:
    try:
        content = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise ValueError(f"{path}: is not JSON ({error}).") from None
    version = content.get("schema", current) if isinstance(content, dict) else current
    if version != current:
        raise ValueError(
            f"{path}: is of schema {_shown(version)}; this version of the benchmark reads "
            f"{current}. Update the benchmark, or make the file again."
        )


def _problem(details: Any, known: Collection[str]) -> str:
    """One error of pydantic in words: key, what was found, what is allowed."""
    key = ".".join(map(str, details["loc"]))
    if details["type"] == "missing":
        return f"{key} is missing"
    if details["type"] == "extra_forbidden":
        return f"{key} is unknown; {_nearest(key, known)}"
    if details["type"] == "json_invalid":
        return f"is not JSON ({details['msg']})"
    allowed = details["msg"].replace("Input should be", "allowed is")
    allowed = ALLOWED.get(details["type"], allowed.removeprefix("Value error, "))
    return f"{key + ' is' if key else 'found'} {_shown(details['input'])}; {allowed}"


ALLOWED = {
    "string_too_short": "allowed is a text that says something",
    "model_type": 'allowed is an object, {"key": value, ...}',
    "dict_type": 'allowed is an object, {"key": value, ...}',
}
"""Kinds of pydantic's errors -> what is allowed."""


def _shown(value: Any) -> str:
    text = json.dumps(value, default=str)
    return text if len(text) <= SHOWN else f"{text[:SHOWN]}..."


def _nearest(key: str, known: Collection[str]) -> str:
    close = nearest(key, known)
    return f"did you mean {close}?" if close else f"allowed are {', '.join(known)}"
