"""The facts of the classes of a suite, which a child process asks them for.

Importing a method imports torch, which takes seconds; no Snakemake process does it. One child
(``python -m benchmark.jobs.describe``) imports all classes that are not yet known and says what
they are and what is wrong with the arguments that a config gives them. Its answers are kept in
``.snakemake``, under the digest of the source that they depend on.
"""

import hashlib
import json
import os
import subprocess
import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict

from benchmark import parts, source
from benchmark.files import atomic
from benchmark.names import module_of

FOLDER = Path(".snakemake/benchmark/classes")
CHILD = "benchmark.jobs.describe"

Kind = Literal[
    "flow", "closed form", "density", "data set", "network", "measurement", "something else"
]


class Facts(BaseModel):
    """The kind of a class, and those of its attributes that the suite uses.

    ``requires``, ``accepts``, ``trained``, ``is_target`` and ``diagnostics`` (whether it records
    some) are those of a method, ``takes`` is that of a network, ``event``, ``levels``, ``picture``
    and ``density`` are those of a data set, ``needs``, ``writes``, ``curve``, ``of_files``
    and ``light`` those of a measurement.
    """

    model_config = ConfigDict(frozen=True)

    kind: Kind
    requires: tuple[str, ...] = ()
    accepts: tuple[str, ...] = ()
    trained: bool = True
    is_target: bool = False
    diagnostics: bool = False
    takes: tuple[str, ...] = ()
    event: tuple[int, ...] | None = None
    levels: int | None = None
    picture: tuple[int, ...] | None = None
    density: str | None = None
    needs: tuple[str, ...] = ()
    writes: tuple[str, ...] = ()
    curve: bool = False
    of_files: bool = False
    light: bool = False

    @property
    def part(self) -> str:
        """The part of a suite that it can be."""
        return "method" if self.kind in ("flow", "closed form", "density") else self.kind


class Problem(BaseModel):
    """An error in an argument: where, the value that was found, and the kind of error.

    Of an argument that is missing, ``message`` says who needs it.
    """

    model_config = ConfigDict(frozen=True)

    where: tuple[str | int, ...]
    kind: str
    message: str
    value: Any = None
    allowed: tuple[str, ...] = ()
    """Names that are allowed where one is unknown."""


class Answer(BaseModel):
    """The child's answer about a class: its facts, or why there are none; problems of arguments."""

    facts: Facts | None = None
    error: str | None = None
    problems: tuple[Problem, ...] = ()


@dataclass(frozen=True)
class Question:
    """A class, and arguments that a config gives it."""

    name: str
    arguments: Mapping[str, Any]

    def key(self) -> str:
        """Identifies everything that the answer depends on."""
        asked = sorted({self.name, *parts.named(self.arguments)})
        sources = [source.digest(module_of(name), CHILD) for name in asked]
        content = json.dumps([self.name, self.arguments, asked, sources, sys.version])
        return hashlib.sha256(content.encode()).hexdigest()[:32]


def ask(questions: Sequence[Question], path: Iterable[str] = ()) -> list[Answer]:
    """The answers to ``questions``; ``path`` are folders in which to look for modules first."""
    keys = [question.key() for question in questions]
    known = {key: answer for key in keys if (answer := _stored(key)) is not None}
    new = {k: q for k, q in zip(keys, questions, strict=True) if k not in known}
    if new:
        answers = _asked(list(new.values()), path)
        for key, answer in zip(new, answers, strict=True):
            known[key] = answer
            if answer.error is None:  # a package that is missing may be there tomorrow
                _store(key, answer)
    return [known[key] for key in keys]


def _asked(questions: Sequence[Question], path: Iterable[str]) -> list[Answer]:
    content = json.dumps([[question.name, question.arguments] for question in questions])
    first = [str(source.ROOT), *map(str, path)]
    inherited = os.environ.get("PYTHONPATH")
    environment = os.environ | {"PYTHONPATH": os.pathsep.join([*first, inherited or ""]).strip(":")}
    child = subprocess.run(
        [sys.executable, "-m", CHILD],
        input=content, capture_output=True, text=True, env=environment,
    )  # fmt: skip
    if child.returncode:
        raise RuntimeError(f"{CHILD} failed:\n{child.stderr}")
    return [Answer.model_validate(answer) for answer in json.loads(child.stdout)]


def _stored(key: str) -> Answer | None:
    try:
        return Answer.model_validate_json((FOLDER / f"{key}.json").read_text())
    except (FileNotFoundError, ValueError):
        return None


def _store(key: str, answer: Answer) -> None:
    with atomic(FOLDER / f"{key}.json") as temporary:
        temporary.write_text(answer.model_dump_json())
