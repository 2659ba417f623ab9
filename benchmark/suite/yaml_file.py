"""A YAML file of a user, in which nothing is taken for something else without a word.

YAML 1.1 reads ``010`` as 8, ``1:30`` as 90 and ``2024-01-01`` as a date, and of a key that stands
twice the last; all of these are refused, with the line.
"""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml
from yaml import MappingNode, Node, ScalarNode, SequenceNode

from benchmark.suite.words import ConfigError, in_file

LOADER: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
"""YAML in C where it is installed."""
TAG = "tag:yaml.org,2002:"
OCTAL = re.compile(r"[-+]?0[0-7_]+")


def read(path: str, allowed: str) -> dict[Any, Any]:
    """The mapping in a file, which ``allowed`` says in words.

    Raises ``ConfigError`` with all that is wrong with the file.
    """
    text = _text(path)
    try:
        node = yaml.compose(text, Loader=LOADER)
        problems = [] if node is None else list(dict.fromkeys(_Read().problems(node)))
        content: Any = None if problems else yaml.load(text, Loader=LOADER)
    except yaml.YAMLError as error:
        raise ConfigError(in_file(path, [f"is no YAML: {_syntax(error, text)}"])) from None
    if not problems and not isinstance(content, dict):
        found = "nothing" if content is None else "no mapping"
        problems = [f"found {found}; allowed is {allowed}."]
    if problems:
        raise ConfigError(in_file(path, problems))
    return content


class _Read:
    """The nodes of a file that were read, and those that lead to the present one."""

    def __init__(self) -> None:
        self.seen: set[int] = set()
        self.above: list[Node] = []

    def problems(self, node: Node) -> Iterator[str]:
        """What is wrong with a node and with what stands in it."""
        if any(other is node for other in self.above):
            yield f"{_line(node)}: what is named by & stands in itself; write it out."
        if id(node) in self.seen:
            return
        self.seen.add(id(node))
        if isinstance(node, ScalarNode):
            yield from _taken_for_another(node)
        self.above.append(node)
        if isinstance(node, MappingNode):
            yield from _repeated(node)
        for part in _parts(node):
            yield from self.problems(part)
        self.above.pop()


def _parts(node: Node) -> list[Node]:
    if isinstance(node, MappingNode):
        return [part for pair in node.value for part in pair]
    return node.value if isinstance(node, SequenceNode) else []


def _repeated(node: MappingNode) -> Iterator[str]:
    first: dict[tuple[str, str], Node] = {}
    for key, _ in node.value:
        if isinstance(key, ScalarNode):
            other = first.setdefault((key.tag, key.value), key)
            if other is not key:
                yield (
                    f"{_line(key)}: the key {key.value!r} stands in its section twice, first in "
                    f"{_line(other)}. Remove one of the two."
                )


def _taken_for_another(node: ScalarNode) -> Iterator[str]:
    """That YAML reads a word as something else than it looks like."""
    where, text, kind = _line(node), node.value, node.tag.removeprefix(TAG)
    if kind == "timestamp":
        yield f"{where}: YAML reads {text} as a date; write it in quotes."
    elif kind in ("int", "float") and (":" in text or kind == "int" and OCTAL.fullmatch(text)):
        number = yaml.safe_load(text)
        yield f"{where}: YAML reads {text} as {number}; write {number}, or a name in quotes."
    elif kind == "float" and text.lower().endswith((".inf", ".nan")):
        yield f"{where}: found {text}; allowed is a finite number."


def _line(node: Node) -> str:
    return f"line {node.start_mark.line + 1}"


def _syntax(error: yaml.YAMLError, text: str) -> str:
    """An error of YAML in one line."""
    if not isinstance(error, yaml.MarkedYAMLError) or error.problem_mark is None:
        return " ".join(str(error).split())
    mark = error.problem_mark
    said = ", ".join(filter(None, [error.context, error.problem]))
    found = [*text.split("\n"), ""][mark.line][mark.column : mark.column + 1]
    hint = next((words for known, words in HINTS.items() if known in f"{said} {found}"), "")
    return f"line {mark.line + 1}, column {mark.column + 1}: {said}. {hint}".rstrip()


HINTS = {
    "\t": "Indent by blanks, not by tabs.",
    "mapping values": "A text with a colon in it stands in quotes.",
    "another document": "A file holds one; remove the line ---.",
    "scanning an alias": "A text that begins with * stands in quotes.",
    "undefined alias": "A text that begins with * stands in quotes.",
    "constructor for the tag": "A text that begins with ! stands in quotes.",
    "cannot start any token": "A text that begins with such a character stands in quotes.",
}
"""Words in an error of YAML -> what may be meant."""


def _text(path: str) -> str:
    content = Path(path).read_bytes()
    if content.startswith((b"\xff\xfe", b"\xfe\xff")):
        raise ConfigError(in_file(path, ["is encoded as UTF-16; save it as UTF-8."]))
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        words = f"line {line} has a byte that is no UTF-8 ({content[error.start]:#04x})"
        raise ConfigError(in_file(path, [f"{words}; save the file as UTF-8."])) from None
