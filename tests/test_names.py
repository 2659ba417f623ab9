"""Names that YAML reads as something else than text."""

import pytest
import yaml

from benchmark.suite.load import load
from benchmark.suite.words import ConfigError


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


def test_a_suite_named_like_a_number_can_be_asked_for_on_the_command_line(toy):
    toy["suites"]["12"] = toy["suites"]["toy"]
    assert load({**toy, "suite": 12}).name == "12"
