"""What rules say of jobs: tasks as text, typed arguments, and the command that does them."""

import inspect

import pytest
import yaml
from jobs_done import FULL, arguments, changed, jobs

from benchmark import names, parts
from benchmark.data.description import describe
from benchmark.files import read_json
from benchmark.jobs import __main__ as command
from benchmark.jobs import task
from benchmark.jobs.task import Machine, Task
from benchmark.jobs.tasks import Tasks
from benchmark.records.run import DRAWINGS, Run, data_folder
from benchmark.runtime.log import failure_of
from benchmark.suite.load import load


@pytest.fixture(scope="module")
def suite():
    return load(FULL)


# --- as text --------------------------------------------------------------------------------------

HARD = {
    "noise": {0: 0.1, 12: 1e-05},
    "texts": ["1.0", "null", "it's", 'a "b"', "a: b # c", "é", "", "- x"],
    "values": [True, None, 1.0, 1, 1e300, [], {}],
    "twice": [shared := {"a": [1]}, shared],
}


@pytest.mark.parametrize(
    "given",
    [
        Task("train.train", "a/train.log", HARD, Machine(2, "auto", 4, None, 2), ("mine", "b")),
        Task("train.train", "a/train.log", {}, Machine()),
        Task("measure.light", "a/nll.log", HARD),
    ],
    ids=["all", "a machine of defaults", "no machine"],
)
def test_a_task_is_read_as_it_was_written_in_one_line(given):
    text = given.text()
    assert task.read(text) == given and text.count("\n") == 1 and text.endswith("\n")


def test_texts_of_several_lines_are_read_as_they_were():
    lines = Task("train.train", "a.log", {"text": "a\n\n  b: c\nd "})
    assert task.read(lines.text()) == lines


@pytest.mark.parametrize("text", ["{name: train.train}", "{log: a, arguments: {}}", "[]"])
def test_what_is_no_task_is_refused(text):
    with pytest.raises(ValueError):
        task.read(text)


# --- typed arguments ------------------------------------------------------------------------------

EVERY_RUN = {"train", "evaluate", *DRAWINGS, "nll", "cost", "sliced"}


def test_every_job_has_the_arguments_of_its_function(suite):
    searched = changed(suite, search={"factors": [0.1, 1.0], "share": 0.1})
    made = jobs(searched)
    kinds = {"prepare", "publish", "classifier", "reference", "search", "report", "distances"}
    assert {key[0] for key in made} == EVERY_RUN | kinds
    for job in made.values():
        read = task.read(Tasks(searched, FULL).text(job)).arguments
        function = names.load(f"benchmark.jobs.{job.name}")
        converted = parts.convert(function, read)
        assert set(parts.parameters(function)) - {"device"} == set(converted)
        for name, parameter in parts.parameters(function).items():
            if inspect.isclass(parameter.annotation) and name in converted:
                assert isinstance(converted[name], parameter.annotation)


def test_a_fit_is_read_with_its_types(suite):
    run = Run("toy", "eight_gaussians", "ffjord", 0)
    fit = arguments(Tasks(suite, FULL).train(run))["fit"]
    assert fit.run == run and fit.hyperparameters == suite.hyperparameters(run)
    assert (fit.validation.atol, fit.validation.probes) == (1e-2, None)
    assert fit.config == suite.train_hash(run)


def test_a_machine_is_what_a_rule_has_asked_for(suite):
    tasks = Tasks(suite, {**FULL, "device": "auto"})
    assert tasks.machine(4, {}) == Machine(4, "auto", None, None, 1)
    asked = {"gpu": 2, "processes": 3, "nodes": 5}
    assert tasks.machine(4, asked) == Machine(4, "auto", 2, 3, 5)
    assert tasks.machine(4, {"gpu": "a100:2"}) == Machine(4, "auto", 2)
    limits = {"mem_mb": 16000, "runtime": "<TBD>"}
    assert tasks.machine(4, limits) == Machine(4, "auto", memory=16000)
    with pytest.raises(ValueError, match="The resource gpu is 'a100'; a number .* a100:2"):
        tasks.machine(4, {"gpu": "a100"})


# --- the command ----------------------------------------------------------------------------------


def test_the_command_does_a_job_and_prints_to_its_log(suite, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    tasks = Tasks(suite, FULL)
    prepared = suite.prepared_file("eight_gaussians")
    prepared.parent.mkdir(parents=True)
    prepare = tasks.prepare("eight_gaussians", str(prepared))
    command.main(tasks.text(prepare))
    folder = data_folder("toy", "eight_gaussians")
    assert not folder.exists() and (tmp_path / prepare.log).exists()
    publish = tasks.publish("eight_gaussians")
    command.main(tasks.text(publish))
    assert describe(folder).rows == {"train": 500, "validation": 20, "test": 60}
    stated = read_json(prepared)
    assert stated == read_json(folder / "data.json")
    assert stated["source"] == suite.prepare_source("eight_gaussians")


def test_a_job_that_fails_leaves_its_reason_beside_its_log(suite, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    tasks = Tasks(suite, FULL)
    publish = tasks.publish("eight_gaussians")
    (tmp_path / publish.log).parent.mkdir(parents=True)
    with pytest.raises(FileNotFoundError):
        command.main(tasks.text(publish))
    assert read_json(failure_of(publish.log))["reason"].startswith("FileNotFoundError")
    assert "Traceback" in (tmp_path / publish.log).read_text()


def test_config_values_that_are_read_from_a_file_go_through_a_task(suite):
    given = yaml.safe_load("{arguments: {noise: {0: 0.1}, columns: null, split: [0.7, 0.3]}}")
    written = task.read(Task("prepare.prepare", "x.log", given).text())
    assert written.arguments == given and list(written.arguments["arguments"]["noise"]) == [0]
