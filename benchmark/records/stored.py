"""Files that other programs write and read: a type, a schema version, and errors in words."""

import json
from collections.abc import Collection
from pathlib import Path
from typing import Any, ClassVar, TypeVar

import pydantic
from pydantic import BaseModel, ConfigDict, Field

from benchmark.files import write_json
from benchmark.names import nearest

Kind = TypeVar("Kind", bound="StoredFile")

SHOWN = 60
"""Characters of a value that an error message shows."""


class StoredFile(BaseModel):
    """The content of a JSON file; a file without the key ``schema`` is read as version 1."""

    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True)
    current: ClassVar[int] = 1
    """The version that this class reads and writes."""

    version: int = Field(default=1, alias="schema")

    @classmethod
    def load(cls: type[Kind], path: str | Path) -> Kind:
        """The content of ``path``. Raises ``ValueError`` in words for anything else."""
        text = Path(path).read_text()
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


def _check_version(path: str | Path, text: str, current: int) -> None:
    try:
        content = json.loads(text)
    except json.JSONDecodeError as error:
        raise ValueError(f"{path}: is not JSON ({error}).") from None
    version = content.get("schema", current) if isinstance(content, dict) else current
    if version != current:
        raise ValueError(
            f"{path}: is of schema {version}; this version of the benchmark reads {current}. "
            f"Update the benchmark, or make the file again."
        )


def _problem(details: Any, known: Collection[str]) -> str:
    """One error of pydantic in words: key, what was found, what is allowed."""
    key = ".".join(map(str, details["loc"]))
    if details["type"] == "missing":
        return f"{key} is missing"
    if details["type"] == "extra_forbidden":
        return f"{key} is unknown; {_nearest(key, known)}"
    shown = json.dumps(details["input"], default=str)
    shown = shown if len(shown) <= SHOWN else f"{shown[:SHOWN]}..."
    allowed = details["msg"].replace("Input should be", "allowed is")
    return f"{key + ' is' if key else 'found'} {shown}; {allowed.removeprefix('Value error, ')}"


def _nearest(key: str, known: Collection[str]) -> str:
    close = nearest(key, known)
    return f"did you mean {close}?" if close else f"allowed are {', '.join(known)}"
