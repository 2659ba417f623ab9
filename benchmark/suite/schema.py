"""The JSON schemas of config.yaml and of the file of a suite, by which editors complete and check.

``python -m benchmark.suite.schema`` writes them. They are those of the types in ``models``; in
``model`` and ``train`` a list is a grid, and ``per_dataset`` holds only what differs.
"""

import json
from pathlib import Path
from typing import Any

from benchmark.files import atomic
from benchmark.source import ROOT
from benchmark.suite.models import Config, SuiteSection
from benchmark.training.settings import Training

FOLDER = ROOT / "workflow" / "schemas"
DIALECT = "https://json-schema.org/draft/2020-12/schema"


def schemas() -> dict[str, dict[str, Any]]:
    """The schemas by the names of their files."""
    suite = _suite()
    definitions = suite.pop("$defs")
    config = Config.model_json_schema(by_alias=True)
    either = {"anyOf": [{"$ref": "#/$defs/SuiteSection"}, {"type": "string"}]}
    _close(config["properties"]["suites"], either)
    everything = {**config.get("$defs", {}), **definitions, "SuiteSection": suite}
    return {
        "config.schema.json": {"$schema": DIALECT, **config, "$defs": everything},
        "suite.schema.json": {"$schema": DIALECT, **suite, "$defs": definitions},
    }


def write() -> None:
    """Write the schemas."""
    for name, schema in schemas().items():
        with atomic(FOLDER / name) as temporary:
            temporary.write_text(json.dumps(schema, indent=1) + "\n")


def read(path: str | Path) -> dict[str, Any]:
    """A schema that was written."""
    return json.loads(Path(path).read_text())


def _suite() -> dict[str, Any]:
    suite = SuiteSection.model_json_schema(by_alias=True)
    training = Training.model_json_schema(by_alias=True)
    definitions = {**suite["$defs"], **training.pop("$defs", {})}
    partial = {**training, "properties": training["properties"]}
    partial.pop("required", None)
    grid = {**partial, "properties": {k: _grid(v) for k, v in training["properties"].items()}}
    definitions |= {"TrainingGrid": grid, "TrainingDifference": partial}
    method, difference = definitions["MethodEntry"], definitions["Difference"]
    method["properties"]["train"] = {"$ref": "#/$defs/TrainingGrid"}
    difference["properties"]["train"] = {"$ref": "#/$defs/TrainingDifference"}
    for part in ("datasets", "measurements"):
        (entry,) = suite["properties"][part]["patternProperties"].values()
        _close(suite["properties"][part], entry)
    return {**suite, "$defs": definitions}


def _close(mapping: dict[str, Any], entry: dict[str, Any]) -> None:
    """Allow in a mapping of names an ``entry`` under each name, and no other key."""
    (names,) = mapping["patternProperties"]
    mapping |= {"patternProperties": {names: entry}, "additionalProperties": False}


def _grid(schema: dict[str, Any]) -> dict[str, Any]:
    """A value, or a list of values: a grid."""
    about = ("description", "default")
    value = {key: part for key, part in schema.items() if key not in about}
    described = {str(key): schema[key] for key in about if key in schema}
    return {"anyOf": [value, {"type": "array", "items": value, "minItems": 1}], **described}


if __name__ == "__main__":
    write()
