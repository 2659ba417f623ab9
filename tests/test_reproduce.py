"""The targets that reproduce, in a copy of the checkout: what they run, print and exit with."""

import copy

import pytest
from checkout import TOY, Checkout

from benchmark.files import read_json

GAUSSIAN = "benchmark/baselines/gaussian.py"
FIT = "    def initialise("


def paper(tolerance=1000.0, **changes):
    """The config of the toy with another suite: a fitted Gaussian under a published name."""
    content = copy.deepcopy(TOY)
    toy = TOY["suites"]["toy"]
    published = {
        "eight": ("eight_gaussians", {"as": "power", "tolerance": tolerance}),
        "digits": ("digits", {"as": "cifar10", "tolerance": tolerance}),
    }
    content["suites"]["paper"] = {
        **toy,
        "seeds": [0],
        "datasets": {
            name: {**toy["datasets"][base], "published": said}
            for name, (base, said) in published.items()
        },
        "methods": {"interpolant": {**toy["methods"]["gaussian"], "label": "Ours"}},
        **changes,
    }
    return content


@pytest.fixture(scope="module")
def checkout(tmp_path_factory):
    checkout = Checkout(tmp_path_factory.mktemp("paper"))
    checkout.configure(paper())
    return checkout


def reproduce(checkout, target, *options):
    return checkout.snakemake(target, "--cores", "1", "--quiet", "rules", *options)


def row(checkout):
    (row,) = [
        row
        for row in read_json(checkout.folder / "results/paper/tables/reproduction_eight.json")
        if row["method"] == "interpolant"
    ]
    return row


def test_a_dry_run_changes_nothing(checkout):
    found = reproduce(checkout, "reproduce_paper", "--dry-run")
    assert found.returncode == 0 and "reproduce_paper" in found.stdout
    assert not (checkout.folder / "results").exists()


def test_a_run_that_fails_is_not_reproduced_until_it_succeeds(checkout):
    source = checkout.folder / GAUSSIAN
    whole = source.read_text()
    assert FIT in whole
    broken = whole.replace(
        FIT, "    def initialise(*_):\n        raise RuntimeError('broken')\n\n    def _was(", 1
    )
    source.write_text(broken)
    for _ in range(2):  # asked again, it is tried again
        found = reproduce(checkout, "reproduce_paper_eight")
        assert found.returncode == 3, found.stdout
        assert "Not reproduced: 0 of 1" in found.stdout.splitlines()[-1]
        assert row(checkout)["verdict"] == "missing"
        assert row(checkout)["reason"] == "RuntimeError: broken"
    source.write_text(whole)
    found = reproduce(checkout, "reproduce_paper_eight")
    assert found.returncode == 0, found.stdout
    assert "Reproduced: 1 of 1 published numbers are within tolerance." in found.stdout
    assert row(checkout)["verdict"] == "within" and row(checkout)["n"] == 1
    # The suite that the config names, and the other data set, are left alone.
    results = checkout.folder / "results"
    assert sorted(path.name for path in results.iterdir() if path.is_dir()) == ["paper"]
    assert not (results / "paper/digits").exists()
    assert "InterFlow" in (results / "paper/tables/reproduction_eight.md").read_text()


def test_out_of_tolerance_is_not_reproduced_however_often_it_is_asked(checkout):
    model = checkout.folder / "results/paper/eight/interpolant/seed0/model.safetensors"
    trained = model.stat().st_mtime_ns
    checkout.configure(paper(tolerance=0.001))
    for jobs in (2, 1):
        found = reproduce(checkout, "reproduce_paper_eight")
        assert found.returncode == 3, found.stdout
        assert f"{jobs} of {jobs} jobs" in found.stdout
        assert "Not reproduced: 0 of 1" in found.stdout
        assert row(checkout)["verdict"] == "worse"
    assert model.stat().st_mtime_ns == trained
    checkout.configure(paper())
    assert reproduce(checkout, "reproduce_paper_eight").returncode == 0


def test_jobs_that_read_the_workflow_anew_are_of_the_same_suite(checkout):
    nodes = ("--profile", "slurm", "--submitit-cluster", "local")
    soon = ("--seconds-between-status-checks", "1", "--latency-wait", "5", "--retries", "0")
    found = checkout.snakemake("reproduce_paper_digits", *nodes, *soon)
    assert found.returncode == 0, found.stdout
    assert "Reproduced: 1 of 1 published numbers are within tolerance." in found.stdout


def test_nothing_to_compare_is_an_error_before_any_job(checkout):
    found = reproduce(checkout, "reproduce_toy")
    assert found.returncode == 1
    assert "reproduce_toy: nothing to compare" in found.stdout


def test_a_target_is_a_rule_of_the_suite_that_the_config_names(checkout):
    found = checkout.snakemake("--list-rules", "--config", "suite=paper")
    targets = {line for line in found.stdout.splitlines() if line.startswith("reproduce_")}
    assert targets == {f"reproduce_paper{name}" for name in ("", "_eight", "_digits")}
    found = checkout.snakemake("--lint", "--config", "suite=paper")
    assert found.returncode == 0, found.stdout
