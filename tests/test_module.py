"""The workflow as a module of another one, by the block of the page: its rules under names of their
own, its config a section of the other's, and a failed run as a named gap."""

import pytest
import yaml
from checkout import TOY, Checkout, edited
from pages import block

from benchmark.files import read_json

TOY_METHODS = TOY["suites"]["toy"]["methods"]
RECORDS = "eight_gaussians/gaussian/seed0/measurements/nll.json"
PRIORITY = 7
RULES = f"""
rule fit_broken:
    input:
        DATA,
    output:
        [RUN + end for end in ("/log_prob.npy", "/likelihood.json", "/samples.npy", "/cost.json")],
    wildcard_constraints:
        method="broken",
    shell:
        "exit 1"


use rule train as train_gaussian with:
    wildcard_constraints:
        method=variants("gaussian"),
    priority: {PRIORITY}
"""


def config() -> dict:
    broken = {"label": "Broken", "colour": "#112233", "rules": "rules.smk"}
    gaussian = {**TOY_METHODS["gaussian"], "rules": "rules.smk"}
    sets = {"eight_gaussians": TOY["suites"]["toy"]["datasets"]["eight_gaussians"]}
    methods = {"gaussian": gaussian, "broken": {**broken, "seeds": [0]}}
    toy = edited(datasets=sets, methods=methods)
    return {"samples": ["a", "b"], "flows": toy}


class Paper(Checkout):
    """A folder with a workflow of its own, beside a checkout that it uses as a module."""

    def command(self, *arguments: str) -> dict:
        return {**super().command(*arguments), "cwd": self.folder.parent / "paper"}


@pytest.fixture(scope="module")
def paper(tmp_path_factory):
    folder = tmp_path_factory.mktemp("module")
    paper = Paper(folder / "checkout")
    (folder / "checkout/config.yaml").unlink()  # the paper's is the only one
    (folder / "paper").mkdir()
    text = block("workflow/README.md", "module flows:")
    here = {
        "/home/me/flows": str(folder / "checkout"),
        "mymethods/tables/nll.tex": f"toy/{RECORDS}",
    }
    for old, new in here.items():
        assert text.count(old) == 1
        text = text.replace(old, new)
    (folder / "paper/Snakefile").write_text(text)
    (folder / "paper/rules.smk").write_text(RULES)
    (folder / "paper/config.yaml").write_text(yaml.safe_dump(config(), sort_keys=False))
    return paper


def test_rules_of_another_workflow_take_its_results(paper):
    planned = paper.planned()
    assert planned["flows_train_gaussian"] == planned["paper"] == 1
    assert not any(name in planned for name in ("train_gaussian", "flows_fit_broken"))
    found = paper.snakemake("--cores", "1")
    assert found.returncode == 0, found.stdout
    assert f"priority: {PRIORITY}" in found.stdout.partition("rule flows_train_gaussian:")[2]
    (nll, *_) = read_json(paper.folder.parent / "paper/paper/nll.tex")["records"]
    assert (nll["method"], nll["metric"]) == ("gaussian", "nll") and nll["value"] > 0
    assert paper.planned() == {}


def test_a_run_that_fails_is_a_named_gap_there_too(paper):
    found = paper.snakemake("--cores", "1", "flows_all")
    assert found.returncode == 1 and "results/toy/tables names them" in found.stdout
    table = (paper.folder.parent / "paper/results/toy/tables/nll.md").read_text()
    assert "Gaussian" in table and "Broken" in table
    assert not (paper.folder / "results").exists()
