"""What rules say of jobs: tasks as text, typed arguments, and what results depend on."""

import copy
import functools
import inspect

import pytest
import yaml
from jobs_done import TOY, arguments

from benchmark import names, parts, source
from benchmark.data.description import describe
from benchmark.files import read_json
from benchmark.jobs import __main__ as command
from benchmark.jobs import task
from benchmark.jobs.task import Machine, Task
from benchmark.jobs.tasks import Tasks
from benchmark.records.run import Run, data_folder
from benchmark.report.outputs import outputs
from benchmark.runtime.log import failure_of
from benchmark.suite.load import load
from benchmark.suite.models import SuiteSection
from benchmark.suite.sources import Kept, Sources
from benchmark.suite.suite import Suite, runs_of

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


# --- a suite with every kind of job ---------------------------------------------------------------

FEATURES = {"samples": 100, "tolerances": [1e-2]}
FULL = copy.deepcopy(TOY)
SECTION = FULL["suites"]["toy"]
SECTION["datasets"]["digits"]["features"] = {
    "classifier": {"width": 16, "epochs": 3, "seed": 0},
    **FEATURES,
}
SECTION["measurements"] = {
    "sliced": {
        "class": "benchmark.measure.sliced_wasserstein.SlicedWasserstein",
        "label": "Sliced",
        "arguments": {"projections": 8},
    }
}
DRAWINGS = ("density", "path", "backward")
EVERY_RUN = {"train", "evaluate", *DRAWINGS, "nll", "cost", "sliced"}


@pytest.fixture(scope="module", autouse=True)
def unedited():
    """Nothing of the source is edited during a test: each digest is computed once."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(source, "digest", functools.cache(source.digest))
        yield


@pytest.fixture(scope="module")
def suite():
    return load(FULL)


@pytest.fixture(scope="module")
def made(suite):
    """All jobs of the suite."""
    return jobs(suite)


def changed(suite, **changes):
    """The suite with some values (paths, slashes written as __) changed; ``...`` for none."""
    content = copy.deepcopy(SECTION)
    for path, value in changes.items():
        *folders, last = path.split("__")
        section = content
        for folder in folders:
            section = section.setdefault(folder, {})
        if value is ...:
            section.pop(last)
        else:
            section[last] = value
    section = SuiteSection.model_validate(content)
    return Suite("toy", section, suite.facts, tuple(runs_of("toy", section)))


def jobs(suite, **config):
    """All jobs of a suite: (name, data set, method, seed) -> job."""
    tasks = Tasks(suite, {**FULL, **config})
    made = {}
    for name in suite.datasets:
        made["prepare", name] = tasks.prepare(name, str(suite.prepared_file(name)))
        made["publish", name] = tasks.publish(name)
    for name in suite.images:
        made["classifier", name] = tasks.classifier(name)
        made["reference", name] = tasks.reference(name)
    for run in suite.runs:
        key = run.dataset, run.method, run.seed
        for job in ("train", "evaluate"):
            made[job, *key] = getattr(tasks, job)(run)
        for job in DRAWINGS:
            made[job, *key] = tasks.draw(job, run)
        for job in suite.measurements_of(run):
            made[job, *key] = tasks.measure(job, run)
        if suite.is_searched(run):
            made["search", *key] = tasks.search(run)
    for output in outputs(suite):
        made["report", output.name] = tasks.report(output)
    return made


def differing(old, new):
    """The jobs whose results are out of date, of those that both have."""
    return {key for key in old.keys() & new.keys() if old[key].depends != new[key].depends}


def measured(keys):
    """Without tables and figures."""
    return {key for key in keys if key[0] != "report"}


def those(made, *kinds, **chosen):
    """Some of the jobs: of these kinds, and of this data set, method and seed."""
    places = {"dataset": 1, "method": 2, "seed": 3}
    asked = {places[name]: value for name, value in chosen.items()}
    return {
        key
        for key in made
        if key[0] in kinds and all(key[n : n + 1] == (value,) for n, value in asked.items())
    }


MADE = ("train", "evaluate")
CHANGES = {
    "a label of a method": ({"methods__ffjord__label": "F"}, {}),
    "a colour": ({"methods__ffjord__colour": "#000001"}, {}),
    "a label of a data set": ({"datasets__digits__label": "D"}, {}),
    "a label of a measurement": ({"measurements__sliced__label": "S"}, {}),
    "a further seed": ({"seeds": [0, 1, 2]}, {}),
    "defaults in writing": (
        {
            "threads": 1,
            "evaluation__passes": 1,
            "methods__ffjord__train__accumulate": 1,
            "methods__ffjord__per_dataset": {},
        },
        {},
    ),
    "a learning rate": (
        {"methods__ffjord__train__lr": 0.5},
        {MADE: {"method": "ffjord"}},
    ),
    "a network": (
        {"methods__interpolant__model__network__width": 8},
        {MADE: {"method": "interpolant"}},
    ),
    "a method on one data set": (
        {"methods__interpolant__per_dataset": {"digits": {"train": {"lr": 0.5}}}},
        {MADE: {"method": "interpolant", "dataset": "digits"}},
    ),
    "validation": ({"validation__atol": 0.5}, {MADE: {}}),
    "threads": ({"threads": 2}, {MADE: {}}),
    "samples": ({"evaluation__samples": 60}, {("evaluate",): {}}),
    "rows at a tight tolerance": ({"evaluation__tight_rows": 11}, {("evaluate",): {}}),
    "tolerance": ({"evaluation__atol": 0.5}, {("evaluate", *DRAWINGS): {}}),
    "chunk": (
        {"evaluation__chunk": 41},
        {("evaluate", *DRAWINGS): {}, ("distances", "reference"): {"dataset": "digits"}},
    ),
    "grid of densities": ({"evaluation__grid": 9}, {("density",): {}}),
    "frames of a path": ({"evaluation__frames": 4}, {("path",): {}}),
    "grid of frames": ({"evaluation__frame_grid": 9}, {("path",): {}}),
    "rows of a data set": (
        {"datasets__digits__arguments__test": 21},
        {("prepare", "reference", *MADE): {"dataset": "digits"}},
    ),
    "held-out rows": (
        {"datasets__digits__held_out": {"test": 5}},
        {("prepare", "reference", *MADE): {"dataset": "digits"}},
    ),
    "a budget": ({"datasets__digits__budget": {"steps": 7}}, {MADE: {"dataset": "digits"}}),
    "images to compare": (
        {"datasets__digits__features__samples": 50},
        {("distances", "reference"): {"dataset": "digits"}},
    ),
    "tolerances of images": (
        {"datasets__digits__features__tolerances": [1e-2, 1e-1]},
        {("distances",): {"dataset": "digits"}},
    ),
    "the classifier": (
        {"datasets__digits__features__classifier__epochs": 4},
        {("distances", "classifier", "reference"): {"dataset": "digits"}},
    ),
    "arguments of a measurement": (
        {"measurements__sliced__arguments__projections": 9},
        {("sliced",): {}},
    ),
    "a further measurement": (
        {"measurements__again": {"class": "benchmark.measure.nll.NLL"}},
        {},
    ),
}
"""What is edited in a suite, and the jobs whose results are then out of date.

Snakemake runs what reads their files after them.
"""
CLOSED = ("gaussian", "oracle")


@pytest.mark.parametrize("name", CHANGES)
def test_a_job_runs_again_if_what_it_depends_on_changes(suite, made, name):
    changes, expected = CHANGES[name]
    again = set().union(*(those(made, *kinds, **of) for kinds, of in expected.items()))
    if name == "a budget":  # what is not trained has none
        again = {key for key in again if key[2] not in CLOSED}
    assert measured(differing(made, jobs(changed(suite, **changes)))) == again


def test_a_search_changes_what_is_trained(suite, made):
    search = {"factors": [0.1, 1.0], "share": 0.1}
    searched = jobs(changed(suite, search=search))
    trained = {key for key in those(made, *MADE) if key[2] not in CLOSED}
    assert measured(differing(made, searched)) == trained
    shorter = jobs(changed(suite, search={**search, "share": 0.2}))
    again = trained | {("search", *key[1:]) for key in trained}
    assert measured(differing(searched, shorter)) == again


def test_jobs_depend_neither_on_device_nor_on_mirrors(suite, made):
    assert differing(made, jobs(suite, device="auto", mirrors=["/elsewhere"])) == set()


def test_tables_and_figures_show_labels_and_figures_colours(suite, made):
    reports = {key for key in made if key[0] == "report" and key[1] != "metrics"}
    assert len(reports) > 5
    figures = {key for key in reports if key[1].startswith("figures/")}
    for change, shown in (
        ({"methods__ffjord__colour": "#000001"}, figures),
        ({"datasets__digits__label": "D"}, reports),
    ):
        assert differing(made, jobs(changed(suite, **change))) == shown


# --- the source -----------------------------------------------------------------------------------


def edited(monkeypatch, job=None, kind=None):
    """The source of a job, or of a class, is another from now on."""
    now = Sources.now

    def other(self, module, classes=()):
        classes = list(classes)
        edit = module == f"benchmark.jobs.{job}" or kind in classes
        return "0123456789abcdef" if edit else now(self, module, classes)

    monkeypatch.setattr(Sources, "now", other)


@pytest.mark.parametrize(
    ("job", "kinds"),
    [
        ("train", ("train",)),
        ("evaluate", ("evaluate",)),
        ("draw", DRAWINGS),
        ("measure", ("nll", "cost", "sliced", "distances")),
        ("prepare", ("prepare",)),
        ("reference", ("classifier", "reference")),
    ],
)
def test_results_depend_on_the_source_of_their_job(suite, made, monkeypatch, job, kinds):
    edited(monkeypatch, job=job)
    assert differing(made, jobs(changed(suite))) == those(made, *kinds)


def test_results_depend_on_the_source_of_their_classes(suite, made, monkeypatch):
    for kind, method in (
        ("benchmark.baselines.ffjord.FFJORD", "ffjord"),
        ("benchmark.networks.mlp.MLP", "interpolant"),
    ):
        with monkeypatch.context() as patch:
            edited(patch, kind=kind)
            after = jobs(changed(suite))
        # Measurements that are light read numbers, and import no method.
        heavy = those(made, *MADE, *DRAWINGS, "sliced", "distances", method=method)
        assert differing(made, after) == heavy


def test_results_that_are_kept_stay_as_they_are(suite, made, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    edited(monkeypatch, job="train")
    kept = changed(suite)
    run = kept.runs[0]
    key = "train", run.dataset, run.method, run.seed
    then = made[key].arguments["fit"]["source"]
    now = kept.source(run, "train")
    assert now != then
    kept.sources.keep({now: Kept(source=then, commit="abc", what=["x"])})
    assert jobs(kept)[key] == made[key]


# --- typed arguments ------------------------------------------------------------------------------


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
