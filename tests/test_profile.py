"""The profile of a cluster as slurm/README.md changes it: Snakemake reads it, its rules exist."""

import re
from dataclasses import dataclass

import pytest
import yaml
from checkout import Checkout
from pages import parsed
from snakemake_executor_plugin_submitit import parameters

PAGE = "slurm/README.md"


@dataclass
class Job:
    """The part of one of Snakemake's jobs that the parameters read."""

    resources: dict
    threads: int = 1
    name: str = "rule"


@pytest.fixture(scope="module")
def jobs(tmp_path_factory):
    """Rule -> a job of a dry run with the profile."""
    checkout = Checkout(tmp_path_factory.mktemp("profile"))
    path = checkout.folder / "slurm/profile.yaml"
    profile, several = yaml.safe_load(path.read_text()), parsed(PAGE, "train_interpolant:")
    profile |= parsed(PAGE, "default-resources:")
    profile["set-resources"] |= several["set-resources"]
    path.write_text(yaml.safe_dump(profile))
    planned = checkout.snakemake("--profile", "slurm", "--dry-run")
    assert planned.returncode == 0, planned.stdout
    rules = r"^rule (\w+):$.*?^    resources: (.*?)$"
    named = re.findall(rules, planned.stdout, re.MULTILINE | re.DOTALL)
    return {rule: Job(dict(re.findall(r"(\w+)=(.*?)(?:, |$)", text))) for rule, text in named}


SETUP = [parameters.SETUP_GUARD, "module load cuda/12.8", "trap - ERR"]
EXPECTED = {
    "train_ffjord": {"gres": "gpu:h100:1", "time": 600, "qos": "long", "partition": "gpu"},
    "train_gaussian": {"time": 120, "mem": "16000M", "partition": "cpu"},
    "evaluate": {"gres": "gpu:a100:1", "time": 30, "account": "mylab"},
    "train_interpolant": {"gres": "gpu:a100:4", "nodes": 2, "setup": SETUP},
}


@pytest.mark.parametrize("rule", EXPECTED)
def test_a_job_asks_for_what_the_page_says(jobs, rule):
    asked = parameters.of_slurm(jobs[rule], rule, 120)
    assert {key: asked.get(key) for key in EXPECTED[rule]} == EXPECTED[rule]
    assert ("gres" in asked) == (rule != "train_gaussian")
    extra = {"reservation": "mylab"} if rule == "evaluate" else {}
    assert asked["additional_parameters"] == {"requeue": True, **extra}


def test_the_profile_sets_resources_of_rules_that_exist(jobs):
    assert EXPECTED.keys() == {
        *parsed(PAGE, "default-resources:")["set-resources"],
        *parsed(PAGE, "train_interpolant:")["set-resources"],
    }
