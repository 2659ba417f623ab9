"""The child process that imports the classes of a suite and says what they are.

Reads questions as JSON, ``[[name, arguments], ...]``, and writes the answers of
``benchmark.suite.classes`` as JSON.
"""

import contextlib
import inspect
import json
import sys
from collections.abc import Mapping
from typing import Any

from benchmark import names
from benchmark.data.dataset import Dataset
from benchmark.flow import ClosedForm, Flow, Method
from benchmark.jobs.problems import problems
from benchmark.measure.measurement import Measurement
from benchmark.networks.network import Network
from benchmark.suite.classes import Answer, Facts, Kind
from benchmark.suite.words import unknown

KINDS: tuple[tuple[type, Kind], ...] = (
    (Flow, "flow"),
    (ClosedForm, "closed form"),
    (Method, "density"),
    (Dataset, "data set"),
    (Network, "network"),
    (Measurement, "measurement"),
)
"""From the special to the general."""
INTERFACES = (Method, Dataset, Network, Measurement)


def answer(name: str, arguments: Mapping[str, Any]) -> Answer:
    """The answer of the class called ``name``: its facts, and the problems of ``arguments``."""
    try:
        described = names.load(name)
    except ModuleNotFoundError as missing:
        return Answer(error=_not_installed(name, missing))
    except names.Unknown as missing:
        return Answer(error=unknown(f"class {missing.module}:", missing.missing, missing.classes))
    except Exception as failure:
        return Answer(error=f"{name} cannot be imported: {type(failure).__name__}: {failure}")
    facts = facts_of(described)
    if facts.kind == "something else":
        return Answer(error=f"{name} is neither a method, a data set, a network nor a measurement.")
    return Answer(facts=facts, problems=problems(described, arguments))


def facts_of(described: Any) -> Facts:
    """The facts of a class: those attributes that its interface declares, and no others."""
    kind = kind_of(described)
    if kind == "something else":
        return Facts(kind=kind)
    interface = next(base for base in INTERFACES if issubclass(described, base))
    declared = Facts.model_fields.keys() & inspect.get_annotations(interface).keys()
    attributes = {name: getattr(described, name, None) for name in declared}
    if issubclass(described, Method):
        attributes["diagnostics"] = described.diagnostics is not Method.diagnostics
    known = {name: value for name, value in attributes.items() if value is not None}
    return Facts.model_validate({**known, "kind": kind})


def kind_of(described: Any) -> Kind:
    """Which of the parts of a suite a class is."""
    if not isinstance(described, type):
        return "something else"
    return next((kind for base, kind in KINDS if issubclass(described, base)), "something else")


def _not_installed(name: str, missing: ModuleNotFoundError) -> str:
    package = (missing.name or "").partition(".")[0]
    return (
        f"{name} imports {package!r}, which is not installed. For the optional methods: "
        f"pip install --constraint constraints.txt --editable '.[extras]'"
    )


if __name__ == "__main__":
    with contextlib.redirect_stdout(sys.stderr):  # what imports print is no answer
        answers = [answer(name, arguments) for name, arguments in json.load(sys.stdin)]
    json.dump([given.model_dump(mode="json") for given in answers], sys.stdout)
