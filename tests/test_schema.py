"""The JSON schemas by which editors complete and check config.yaml and the files of suites."""

import copy
import json

import jsonschema
import pytest
import yaml
from suites import ROOT, SHIPPED, TOY, put

from benchmark.suite.schema import FOLDER, schemas, write

SUITES = sorted((ROOT / "workflow/suites").glob("*.yaml"))
CONFIG, SUITE = "config.schema.json", "suite.schema.json"


def problems(content, name=CONFIG):
    return [error.message for error in validator(name).iter_errors(content)]


def validator(name):
    return jsonschema.Draft202012Validator(json.loads((FOLDER / name).read_text()))


def test_the_schemas_are_current():
    written = {path.name: json.loads(path.read_text()) for path in FOLDER.glob("*.json")}
    assert written == schemas(), "python -m benchmark.suite.schema writes them"


def test_the_schemas_are_written_as_they_are_kept(tmp_path, monkeypatch):
    monkeypatch.setattr("benchmark.suite.schema.FOLDER", tmp_path)
    write()
    for name in (CONFIG, SUITE):
        assert (tmp_path / name).read_text() == (FOLDER / name).read_text()


@pytest.mark.parametrize("name", [CONFIG, SUITE])
def test_the_schemas_are_valid(name):
    jsonschema.Draft202012Validator.check_schema(json.loads((FOLDER / name).read_text()))


def test_they_accept_what_is_shipped():
    assert problems(SHIPPED) == problems(TOY) == []
    assert problems(SHIPPED["suites"]["quick"], SUITE) == []


@pytest.mark.parametrize("file", SUITES, ids=lambda path: path.stem)
def test_they_accept_every_suite(file):
    content = yaml.safe_load(file.read_text())
    assert problems(content, SUITE) == []
    assert problems({**SHIPPED, "suites": {"mine": content}}) == []


@pytest.mark.parametrize("path", [ROOT / "config.yaml", *SUITES], ids=lambda path: path.stem)
def test_the_first_line_names_the_schema(path):
    first, _, place = path.read_text().partition("\n")[0].partition("$schema=")
    assert first == "# yaml-language-server: "
    expected = CONFIG if path.name == "config.yaml" else SUITE
    assert (path.parent / place).resolve() == FOLDER / expected


ACCEPTED = {
    "methods/ffjord/train/lr": [0.1, 0.2],
    "methods/ffjord/train/schedule": {"kind": "step", "every": 5, "factor": 0.5},
    "methods/ffjord/train/early_stopping": [None, {"patience": 3, "drops": 0, "factor": 1.0}],
    "methods/ffjord/per_dataset": {"digits": {"train": {"lr": 0.1}}},
    "methods/gaussian/per_dataset": "elsewhere.yaml",
    "methods/mine": {"label": "Mine", "colour": "#123456", "rules": "mine.smk"},
    "measurements": {"mine": {"class": "my.package.Mine", "arguments": {"n": 5}}},
    "datasets/digits/budget": {"seconds": 5},
    "search": {"factors": [0.3, 1], "share": 0.5},
    "threads": 2,
}


@pytest.mark.parametrize("path", ACCEPTED)
def test_they_accept(path):
    assert problems(changed(path, ACCEPTED[path])) == []


REFUSED = {
    "methods/ffjord/train/stpes": 5,
    "methods/ffjord/train/lr": "1e-3",
    "methods/ffjord/train/batch_size": 0,
    "methods/ffjord/train/optimiser": "sgd",
    "methods/ffjord/per_dataset": {"digits": {"trian": {}}},
    "methods/ffjord/label": None,
    "methods/ffjord/colour": "red",
    "datasets/digits/features": {"inception": "dirty", "samples": 10, "tolerances": [0.1]},
    "datasets/digits/arguments": 5,
    "evaluation/atol": -1,
    "evaluation/chunks": 5,
    "seeds": [],
    "datasets/some digits": TOY["suites"]["toy"]["datasets"]["digits"],
    "measurements": {"mine": {"arguments": {}}},
    "search": {"factors": [1], "share": 0.5},
}


@pytest.mark.parametrize("path", REFUSED)
def test_they_refuse(path):
    config = changed(path, REFUSED[path])
    assert problems(config) != [] != problems(config["suites"]["toy"], SUITE)


def test_they_refuse_an_unknown_key_at_the_top():
    assert problems({**TOY, "mirors": []}) != []
    assert problems({**TOY, "suites": {"my suite": "mine.yaml"}}) != []
    assert problems({**TOY, "suites": {"mine": 5}}) != []


def test_every_key_says_what_it_means():
    for name in ("Evaluation", "Search", "DatasetEntry", "MethodEntry", "TrainingGrid"):
        keys = schemas()[SUITE]["$defs"][name]["properties"]
        assert all(key.get("description") for known, key in keys.items() if known != "train"), name


def changed(path, value):
    config = copy.deepcopy(TOY)
    put(config["suites"]["toy"], path, value)
    return config
