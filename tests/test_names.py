"""Names that YAML reads as something else than text."""

import pytest
import yaml
from snakemake.cli import parse_config

from benchmark.suite.load import load
from benchmark.suite.models import Config
from benchmark.suite.words import ConfigError

TOP = {"mirrors": [], "device": "cpu"}


def problems(config):
    with pytest.raises(ConfigError) as caught:
        load(config)
    return caught.value.lines


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("on", "YAML reads a name, on, yes or true, as a truth value: write it in quotes."),
        ("No", "YAML reads a name, off, no or false, as a truth value: write it in quotes."),
        ("12", "YAML reads the name 12 as a number: write it in quotes, '12'."),
    ],
)
@pytest.mark.parametrize("part", ["datasets", "methods"])
def test_names_that_yaml_reads_as_something_else_are_to_be_quoted(toy, part, name, said):
    entries = toy["suites"]["toy"][part]
    first = next(iter(entries.values()))
    entries[yaml.safe_load(name)] = {**first, "label": "Another"}
    assert f"config.yaml: suites.toy.{part}: {said}" in problems(toy)
    del entries[yaml.safe_load(name)]
    entries[name] = {**first, "label": "Another"}
    assert name in getattr(load(toy), part)


@pytest.mark.parametrize(
    ("name", "given"),
    [("2024", 2024), ("010", 10), ("1e3", 1000.0), ("True", True), ("on", "on"), ("nan_", "nan_")],
)
def test_a_suite_named_like_something_else_is_asked_for_on_the_command_line(name, given):
    # What Snakemake makes of --config suite=<name>.
    assert parse_config([f"suite={name}"]) == {"suite": given}
    content = {**TOP, "suites": {name: {}, "other": {}}, "suite": given}
    assert Config.model_validate(content).suite == name


def test_a_number_that_may_be_two_suites_is_asked_for(toy):
    content = {**toy, "suites": {"010": {}, "10": {}}, "suite": 10}
    assert "config.yaml: suite is 10; allowed is text (name of the suite" in problems(content)[0]


def test_names_that_differ_in_case_only_and_names_of_folders_are_refused(toy):
    suite = toy["suites"]["toy"]
    suite["methods"]["FFJORD"] = {**suite["methods"]["ffjord"], "label": "Another"}
    suite["datasets"]["figures"] = {**suite["datasets"]["digits"], "label": "Another"}
    suite["methods"]["data"] = {**suite["methods"]["gaussian"], "label": "One more"}
    told = problems({**toy, "suites": {"Toy": suite, "toy": suite}})
    for words in (
        "suites: Toy and toy differ in case only; rename one of them.",
        "suites.toy.methods: ffjord and FFJORD differ in case only; rename one of them.",
        "suites.toy.datasets.figures: a folder of results is called so; rename it.",
        "suites.toy.methods.data: a folder of results is called so; rename it.",
    ):
        assert f"config.yaml: {words}" in told
    told = problems({**toy, "suites": {"downloads": suite}, "suite": "downloads"})
    assert "config.yaml: suites.downloads: a folder of results is called so; rename it." in told


def test_names_in_a_file_of_differences_are_to_be_quoted_too(toy, tmp_path):
    (tmp_path / "mine.yaml").write_text("on: {}\n~: {}\n")
    toy["suites"]["toy"]["methods"]["ffjord"]["per_dataset"] = str(tmp_path / "mine.yaml")
    said = "YAML reads a name, on, yes or true, as a truth value: write it in quotes."
    first, second = problems(toy)
    assert first == f"{tmp_path}/mine.yaml: suites.toy.methods.ffjord.per_dataset: {said}"
    assert "YAML reads a name, null, ~ or nothing, as no text" in second


@pytest.mark.parametrize(
    ("key", "value", "said"),
    [
        (True, 1, "(top level): YAML reads a name, on, yes or true, as a truth value"),
        ("suite", True, "suite is True; allowed is text (name of the suite to run). YAML reads on"),
        ("suite", 1.5, "suite is 1.5; allowed is text (name of the suite to run). Write a text"),
        ("suite", None, "suite is None; allowed is text (name of the suite to run). YAML reads no"),
        ("mirrors", [2024], "mirrors.0 is 2024; allowed is text"),
        ("suites", {"a/b": {}, "..": {}}, "a/b is 'a/b'; allowed is a name of letters, digits"),
    ],
)
def test_what_yaml_reads_as_no_text_is_told(toy, key, value, said):
    assert said in problems({**toy, key: value})[0]
