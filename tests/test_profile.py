"""The profile of a cluster as slurm/README.md changes it: Snakemake reads it, its rules exist."""

import re
from dataclasses import dataclass

import pytest
import yaml
from checkout import Checkout
from pages import ROOT, parsed
from snakemake_executor_plugin_submitit import parameters

PAGE = "slurm/README.md"


@dataclass
class Job:
    """The part of one of Snakemake's jobs that the parameters read."""

    resources: dict
    threads: int = 1
    name: str = "rule"


CLOSED = ("gaussian", "oracle")
"""Methods of the toy suite that are not trained."""


@pytest.fixture(scope="module")
def planned(tmp_path_factory):
    """Rule, method and job of each job of a dry run with the profile."""
    checkout = Checkout(tmp_path_factory.mktemp("profile"))
    path = checkout.folder / "slurm/profile.yaml"
    profile, several = yaml.safe_load(path.read_text()), parsed(PAGE, "train_interpolant:")
    profile |= parsed(PAGE, "default-resources:")
    profile["set-resources"] |= several["set-resources"]
    partition = re.search(r"`evaluate: (\{slurm_partition: .*\})`", (ROOT / PAGE).read_text())[1]
    profile["set-resources"]["evaluate"] |= yaml.safe_load(partition)
    path.write_text(yaml.safe_dump(profile))
    planned = checkout.snakemake("--profile", "slurm", "--dry-run")
    assert planned.returncode == 0, planned.stdout
    found = []
    for text in re.split(r"^(?=rule |localrule |Job stats)", planned.stdout, flags=re.MULTILINE):
        if text.startswith("rule "):
            asked = re.search(r"^    resources: (.*)$", text, re.MULTILINE)[1]
            method = re.search(r"\bmethod=([^,\n]+)", text)
            job = Job(dict(re.findall(r"(\w+)=(.*?)(?:, |$)", asked)))
            found.append((text[5:].partition(":")[0], method and method[1], job))
    return found


@pytest.fixture(scope="module")
def jobs(planned):
    """Rule -> a job, of a trained method if there is one."""
    by_method = sorted(planned, key=lambda one: one[1] not in CLOSED)
    return {rule: job for rule, _, job in by_method}


def test_closed_forms_ask_for_no_gpu_and_go_where_the_page_says(planned):
    asked = {(rule, method in CLOSED): job.resources for rule, method, job in planned}
    rules = {rule for rule, closed in asked if closed and not rule.startswith("measure_")}
    assert rules == {"train_gaussian", "train_oracle", "evaluate", "density"}
    assert {asked[rule, True]["gpu"] for rule in rules} == {"0"}
    assert {asked[rule, False]["gpu"] for rule in ("evaluate", "density", "path")} == {"1"}
    assert {asked["evaluate", closed]["slurm_partition"] for closed in (True, False)} == {
        *("cpu", "gpu"),
    }
    assert asked["evaluate", True]["slurm_partition"] == "cpu"


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
