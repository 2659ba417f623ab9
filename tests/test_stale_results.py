"""What makes the results of jobs out of date: edits of what they depend on, and nothing else."""

import functools

import pytest
from jobs_done import FULL, changed, jobs

from benchmark import source
from benchmark.records.run import DRAWINGS
from benchmark.suite.load import load
from benchmark.suite.sources import Kept, Sources


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


def differing(old, new):
    """The jobs whose results are out of date, of those that both have."""
    return {key for key in old.keys() & new.keys() if depends(old[key]) != depends(new[key])}


def depends(job):
    """What Snakemake goes by; the log of prepared rows is named after what they depend on."""
    return job.depends, job.log


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
    cards = {key for key in reports if key[1].startswith("data/")}
    assert cards
    for change, shown in (
        ({"methods__ffjord__colour": "#000001"}, figures),
        ({"datasets__digits__label": "D"}, reports - cards | {("report", "data/digits")}),
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
