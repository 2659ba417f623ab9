"""Targets that reproduce: the suite they name, whatever the config names, and what they compare."""

import copy

import pytest
import yaml

from benchmark.suite import target
from benchmark.suite.load import load
from benchmark.suite.target import Target
from benchmark.suite.words import ConfigError


@pytest.fixture
def content(toy):
    """A suite ``paper`` beside that which the config names."""
    paper = copy.deepcopy(toy["suites"]["toy"])
    paper["datasets"]["eight_gaussians"]["published"] = {"as": "power", "tolerance": 1}
    toy["suites"]["paper"] = paper
    return toy


def suite(content, name="paper"):
    return load({**content, "suite": name})


def test_targets_are_told_from_other_words():
    words = ["reproduce_paper", "--config", "suite=toy", "results/reproduce_x", "all", "-n"]
    assert target.asked(words) == ["reproduce_paper"]


@pytest.mark.parametrize("option", ["--no-hooks", "--until", "--omit-from=nll"])
def test_options_that_would_leave_a_target_unchecked_are_refused(option):
    assert target.asked(["all", option, "nll"]) == []
    with pytest.raises(ConfigError, match=f"reproduce_paper would end unchecked with {option}"):
        target.asked(["reproduce_paper", option, "nll"])


@pytest.mark.parametrize(
    "targets",
    [
        ["reproduce_paper"],
        ["reproduce_paper_digits"],
        ["reproduce_paper_eight_gaussians", "reproduce_paper"],
    ],
)
def test_a_target_names_a_suite(content, targets):
    assert target.suite_of(targets, content) == "paper"


def test_a_suite_in_a_file_is_named_as_well(content, tmp_path):
    file = tmp_path / "paper.yaml"
    file.write_text(yaml.safe_dump(content["suites"]["paper"]))
    content["suites"]["paper"] = str(file)
    assert target.suite_of(["reproduce_paper_digits"], content) == "paper"


def test_names_of_suites_may_begin_alike(content):
    content["suites"]["paper_digits2"] = content["suites"]["toy"]
    assert target.suite_of(["reproduce_paper_digits2"], content) == "paper_digits2"
    assert target.suite_of(["reproduce_paper_digits"], content) == "paper"


@pytest.mark.parametrize(
    ("targets", "message"),
    [
        (["reproduce_papre"], "target 'reproduce_papre' is unknown; .*mean 'reproduce_paper'"),
        (["reproduce_paper_power"], "target 'reproduce_paper_power' is unknown"),
        (["reproduce_paper", "reproduce_toy"], "found the suites paper, toy; allowed is one"),
    ],
)
def test_a_target_of_no_suite_or_of_two_is_refused(content, targets, message):
    with pytest.raises(ConfigError, match=message):
        target.suite_of(targets, content)


def test_there_are_targets_for_the_suite_and_for_each_data_set_beside_published_results(content):
    assert target.targets(suite(content)) == {
        "reproduce_paper": Target("reproduction", ("eight_gaussians",)),
        "reproduce_paper_eight_gaussians": Target(
            "reproduction_eight_gaussians", ("eight_gaussians",)
        ),
    }
    assert target.targets(suite(content, "toy")) == {}


def test_a_comparison_of_nothing_is_refused(content):
    target.check(suite(content), ["reproduce_paper", "reproduce_paper_eight_gaussians"])
    target.check(suite(content, "toy"), [])
    with pytest.raises(ConfigError, match="reproduce_toy: nothing to compare: no data set"):
        target.check(suite(content, "toy"), ["reproduce_toy"])
    with pytest.raises(ConfigError, match="reproduce_paper_digits: nothing to compare: no data"):
        target.check(suite(content), ["reproduce_paper", "reproduce_paper_digits"])
    methods = content["suites"]["paper"]["methods"]
    content["suites"]["paper"]["methods"] = {name: methods[name] for name in ("gaussian", "oracle")}
    with pytest.raises(ConfigError, match="none of its methods has a published number on eight"):
        target.check(suite(content), ["reproduce_paper"])
