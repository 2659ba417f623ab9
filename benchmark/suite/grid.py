"""Grids of methods, and what differs on a data set.

A list in ``model`` or ``train``, at any depth, is a grid: one variant of the method for each value,
named after it if there are several. (For an argument that is itself a list, write a list of lists;
in ``per_dataset``, where nothing is a grid, the list.)
"""

import itertools
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from benchmark.suite.models import MethodEntry

SECTIONS = ("model", "train")

Axis = tuple[str, ...]
"""The keys that lead to a list, from ``model`` or ``train``."""


def merged(section: Mapping[str, Any], differs: Mapping[str, Any]) -> dict[str, Any]:
    """A section with what differs, key by key; a part that names its class is taken whole."""
    both = {**section, **differs}
    for key in section.keys() & differs.keys():
        own, other = section[key], differs[key]
        if isinstance(own, Mapping) and isinstance(other, Mapping) and "class" not in other:
            both[key] = merged(own, other)
    return both


def axes(method: MethodEntry) -> dict[Axis, list[Any]]:
    """The lists of a method and where they stand."""
    sections = {name: getattr(method, name) or {} for name in SECTIONS}
    return dict(_axes(sections, ()))


def _axes(section: Mapping[str, Any], where: Axis) -> Iterator[tuple[Axis, list[Any]]]:
    for key, value in section.items():
        if isinstance(value, list):
            yield (*where, key), value
        elif isinstance(value, Mapping):
            yield from _axes(value, (*where, key))


def expanded(methods: Mapping[str, MethodEntry]) -> dict[str, MethodEntry]:
    """The variants of all methods, by name."""
    return {name: variant for entry in methods.items() for name, variant in _variants(*entry)}


def _variants(name: str, method: MethodEntry) -> Iterator[tuple[str, MethodEntry]]:
    grid = {axis: values for axis, values in axes(method).items() if values}
    several = [axis for axis, values in grid.items() if len(values) > 1]
    for point in itertools.product(*grid.values()):
        chosen = dict(zip(grid, point, strict=True))
        words = [f"{_named(axis, several)}={_in_name(chosen[axis])}" for axis in several]
        sections = {
            part: _put(getattr(method, part), chosen, (part,))
            for part in SECTIONS
            if getattr(method, part) is not None
        }
        label = " ".join([method.label, *words])
        yield "-".join([name, *words]), method.model_copy(update={"label": label, **sections})


def _put(section: Mapping[str, Any], chosen: Mapping[Axis, Any], where: Axis) -> dict[str, Any]:
    """A section with the chosen value instead of each list."""
    return {
        key: chosen[*where, key]
        if (*where, key) in chosen
        else _put(value, chosen, (*where, key))
        if isinstance(value, Mapping)
        else value
        for key, value in section.items()
    }


def _named(axis: Axis, axes: Sequence[Axis]) -> str:
    """The last key of an axis, or all of them where another one ends alike."""
    alike = [other for other in axes if other[-1] == axis[-1]]
    return axis[-1] if len(alike) == 1 else ".".join(axis)


def _in_name(value: Any) -> str:
    if isinstance(value, Mapping):
        return ",".join(f"{key}={_in_name(part)}" for key, part in sorted(value.items()))
    return ",".join(map(str, value)) if isinstance(value, list) else str(value)


def entry_of(variant: str, entries: Iterable[str]) -> str:
    """The one among the methods of a suite, as they are written there, that a variant is of."""
    return max((n for n in entries if f"{variant}-".startswith(f"{n}-")), key=len)


def empty(method: MethodEntry, where: str) -> list[str]:
    """The keys of the grids that have no value."""
    return [f"{where}.{'.'.join(axis)}" for axis, values in axes(method).items() if not values]


def problems(method: MethodEntry, where: str) -> Iterator[str]:
    """Grids without a value, and those that a data set would replace."""
    for key in empty(method, where):
        yield f"{key}: found an empty list; a grid needs at least one value."
    for axis, values in axes(method).items():
        key = ".".join(axis)
        differences = method.per_dataset if isinstance(method.per_dataset, Mapping) else {}
        for dataset, differs in differences.items():
            if len(values) > 1 and _reaches(differs.model_dump(), axis):
                yield (
                    f"{where}.{key}: a grid, but per_dataset.{dataset}.{key} would replace all of "
                    f"its values. Remove one of the two."
                )


def _reaches(section: Any, axis: Axis) -> bool:
    for key in axis:
        if not isinstance(section, Mapping) or key not in section:
            return False
        section = section[key]
    return True
