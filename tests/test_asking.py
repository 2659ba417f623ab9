"""The child process that is asked about classes: how often, and that nobody else imports torch."""

import copy
import subprocess
import sys

import pytest
from suites import ROOT, TOY

from benchmark import source
from benchmark.suite import classes
from benchmark.suite.classes import Question, ask
from benchmark.suite.load import load

MODULE = """
print("what imports print is no answer")

from benchmark.data.digits import Digits

class Mine(Digits):
    levels = 17
"""


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """The folder of a module of one's own, from which Snakemake would run."""
    (tmp_path / "asked_of.py").write_text(MODULE)
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    source.clear()
    yield tmp_path
    source.clear()


def test_a_class_is_asked_in_a_child_and_again_only_after_an_edit_of_its_source(
    folder, monkeypatch
):
    questions = [Question("asked_of.Mine", {"test": 5}), Question("asked_of.Other", {})]
    first = ask(questions, [str(folder)])
    assert "asked_of" not in sys.modules
    assert first[0].facts.levels == 17
    assert [problem.where for problem in first[0].problems] == [("validation",)]
    assert "'Other' is unknown; allowed: Mine" in first[1].error

    asked = []

    def answers(questions, path):
        asked.extend(question.name for question in questions)
        return [first[0] for _ in questions]

    monkeypatch.setattr(classes, "_asked", answers)
    assert ask(questions[:1], [str(folder)]) == first[:1] and not asked
    (folder / "asked_of.py").write_text(MODULE + "# a comment\n")
    source.clear()
    assert ask(questions[:1], [str(folder)]) == first[:1] and not asked
    ask([Question("asked_of.Mine", {"test": 6})], [str(folder)])
    (folder / "asked_of.py").write_text(MODULE.replace("17", "18"))
    source.clear()
    ask(questions[:1], [str(folder)])
    assert asked == ["asked_of.Mine", "asked_of.Mine"]


def test_an_answer_that_is_an_error_is_asked_for_again(folder, monkeypatch):
    asked = []

    def answers(questions, path):
        asked.extend(questions)
        return [classes.Answer(error="not installed") for _ in questions]

    monkeypatch.setattr(classes, "_asked", answers)
    for _ in range(2):
        assert ask([Question("asked_of.Mine", {})])[0].error == "not installed"
    assert len(asked) == 2


def test_a_child_that_fails_is_told(folder, monkeypatch):
    monkeypatch.setattr(classes, "CHILD", "benchmark.jobs.no_such")
    with pytest.raises(RuntimeError, match="benchmark.jobs.no_such failed:\n.*No module named"):
        ask([Question("asked_of.Mine", {})])


LOADING = """
import sys
import yaml
from benchmark.suite.load import load

suite = load(yaml.safe_load(open(sys.argv[1])))
from benchmark.report.outputs import outputs
assert outputs(suite)
print(len(suite.runs), "torch" in sys.modules, "sklearn" in sys.modules)
"""


def test_the_process_that_loads_a_suite_imports_no_torch(tmp_path):
    command = [sys.executable, "-c", LOADING, str(ROOT / "tests/toy.yaml")]
    done = subprocess.run(
        command, cwd=tmp_path, env={"PYTHONPATH": str(ROOT)}, capture_output=True, text=True
    )
    assert done.stdout == "8 False False\n", done.stderr


def test_classes_of_the_suite_are_asked_in_one_child(tmp_path, monkeypatch):
    children = []
    monkeypatch.chdir(tmp_path)

    def asked(questions, path):
        children.append({question.name for question in questions})
        return [classes.Answer(error="not asked") for _ in questions]

    monkeypatch.setattr(classes, "_asked", asked)
    with pytest.raises(ValueError, match="not asked"):
        load(copy.deepcopy(TOY))
    assert len(children) == 1
    assert {"benchmark.networks.mlp.MLP", "benchmark.data.digits.Digits"} < children[0]
