"""An entry that is added to a YAML file, of which every other line stays as it is."""

import textwrap
from collections.abc import Sequence
from typing import Any

import yaml
from yaml import CollectionNode, MappingNode, Node


def added(text: str, keys: Sequence[str], entry: str) -> str:
    """``text`` with an ``entry``, ``name: ...``, first in the mapping at ``keys``.

    The last of these may be absent. Raises ``ValueError`` where no lines can be added: the
    mapping is written in braces or by an alias, or it has an entry of this name.
    """
    where, (*above, section) = ".".join(keys), keys
    text = text if text.endswith("\n") else f"{text}\n"
    parent = _at(yaml.compose(text), above)
    there = _at(parent, [section])
    block = there or parent
    if not isinstance(block, MappingNode) or block.flow_style:
        raise ValueError(f"{where} is no block of lines to which one can be added")
    lines = textwrap.dedent(entry)
    if there is None:
        lines = f"{section}:\n{textwrap.indent(lines, '  ')}"
    every = text.splitlines(keepends=True)
    first = block.value[0][0].start_mark
    line = _end(block) if there is None else first.line
    every.insert(line, textwrap.indent(lines, " " * first.column))
    after = "".join(every)
    if _content(after) != _with(yaml.safe_load(text), keys, yaml.safe_load(entry)):
        raise ValueError(f"{where} is written in a way to which no lines can be added")
    return after


def _content(text: str) -> Any:
    """The content of a text, nothing if it is no YAML."""
    try:
        return yaml.safe_load(text)
    except yaml.YAMLError:
        return None


def _end(node: Node) -> int:
    """The line after the last one of a node."""
    while isinstance(node, CollectionNode) and not node.flow_style:
        last = node.value[-1]
        node = last[1] if isinstance(node, MappingNode) else last
    return node.end_mark.line + 1


def _at(node: Node | None, keys: Sequence[str]) -> Node | None:
    """The node to which ``keys`` lead."""
    for key in keys:
        items = node.value if isinstance(node, MappingNode) else []
        node = next((value for name, value in items if name.value == key), None)
    return node


def _with(content: dict[str, Any], keys: Sequence[str], entry: dict[str, Any]) -> dict[str, Any]:
    """``content`` with the entry at ``keys``; raises ``ValueError`` for a name that it has."""
    if keys:
        first, *rest = keys
        return {**content, first: _with(content.get(first, {}), rest, entry)}
    if taken := sorted(set(content) & set(entry)):
        raise ValueError(f"the suite has an entry {taken[0]!r}: choose another name")
    return {**content, **entry}
