"""Digests of the source of a suite's jobs, and results that are kept after an edit of it."""

import pytest
from suites import put, with_images

from benchmark import source
from benchmark.records.run import suite_folder
from benchmark.suite.load import load
from benchmark.suite.sources import Kept, Sources

JOB = "benchmark.jobs.train"


@pytest.fixture
def mine(tmp_path, monkeypatch):
    """A module of one's own in the folder in which Snakemake runs."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    file = tmp_path / "kept_source.py"
    file.write_text("rate = 1\n")
    source.clear()
    yield file
    source.clear()


def digest(suite="toy"):
    source.clear()
    return Sources(suite).of(JOB, ["kept_source.Mine"])


def keep(then, now, suite="toy"):
    kept = Kept(source=then, commit="abc123", what=["results of then"])
    Sources(suite).keep({now: kept})


def test_a_digest_is_of_the_job_and_of_its_classes(mine):
    before = digest()
    assert before == source.digest(JOB, "kept_source")
    assert before != Sources("toy").of("benchmark.jobs.evaluate", ["kept_source.Mine"])
    mine.write_text("rate = 2\n")
    assert digest() != before


def test_what_is_kept_counts_as_made_with_the_source_of_today(mine):
    then = digest()
    mine.write_text("rate = float(1)\n")
    now = digest()
    keep(then, now)
    assert digest() == then
    assert Sources("toy").now(JOB, ["kept_source.Mine"]) == now
    assert digest("other") == now  # another suite keeps its own
    mine.write_text("rate = 2\n")
    assert digest() not in (then, now)


def test_what_is_kept_twice_counts_as_the_first(mine):
    first = digest()
    mine.write_text("rate = float(1)\n")
    keep(first, digest())
    mine.write_text("rate = 1.0\n")
    source.clear()
    keep(first, Sources("toy").now(JOB, ["kept_source.Mine"]))
    assert digest() == first
    mine.write_text("rate = float(1)\n")
    assert digest() == first


def test_what_is_kept_is_added_to_what_was(mine):
    sources = Sources("toy")
    sources.keep({"a": Kept(source="b", commit=None, what=["c"])})
    sources.keep({"d": Kept(source="e", commit="f", what=[])})
    assert set(sources.kept) == set(Sources("toy").kept) == {"a", "d"}
    assert (suite_folder("toy") / "kept.json").is_file()


def test_a_suite_says_what_was_kept_by_commit(toy, mine):
    assert load(toy).kept == {}
    Sources("toy").keep({n: Kept(source=n, commit="abc", what=[f"fit {n}"]) for n in ("1", "2")})
    assert load(toy).kept == {"abc": ["fit 1", "fit 2"]}


# What the results of a suite depend on


def test_each_result_depends_on_its_own_classes(toy, mine):
    text = "from benchmark.baselines.interpolant import InterpolantFlow\n\n\nclass Mine("
    mine.write_text(f"{text}InterpolantFlow):\n    speed = 1\n")
    put(toy["suites"]["toy"], "methods/interpolant/class", "kept_source.Mine")
    classifier = {"width": 8, "epochs": 1, "seed": 0}
    features = {"classifier": classifier, "samples": 10, "tolerances": [0.1]}
    put(toy["suites"]["toy"], "datasets/digits/features", features)
    before = digests(load(toy))
    mine.write_text(f"{text}InterpolantFlow):\n    speed = 2\n")
    source.clear()
    suite = load(toy)
    after = digests(suite)
    changed = {key for key in before if after[key] != before[key]}
    # NLL and cost only read files, which change with the fit; distances draw samples.
    fits = [run for run in suite.runs if run.method == "interpolant"]
    drawn = {(run, "distances") for run in fits if run.dataset == "digits"}
    assert changed == {(run, job) for run in fits for job in ("train", "evaluate")} | drawn
    fit = fits[0]
    assert suite.expected(fit).train_source == after[fit, "train"]
    assert suite.expected(fit).evaluate_source == after[fit, "evaluate"]
    for name in suite.measurements_of(fit):
        assert suite.expected_measurement(fit, name)[1] == after[fit, name]


def digests(suite):
    """Of each fit, evaluation and measurement by its run, and of the rows of each data set."""
    fits = {
        (run, job): suite.source(run, job) for run in suite.runs for job in ("train", "evaluate")
    }
    taken = {
        (run, name): suite.measurement_source(run, name)
        for run in suite.runs
        for name in suite.measurements_of(run)
    }
    rows = {(name, "prepare"): suite.prepare_source(name) for name in suite.datasets}
    return {**fits, **taken, **rows}


def test_rows_depend_on_the_class_of_the_data_and_on_that_of_the_base(toy, mine):
    config, file = with_images(toy), mine.with_name("kept_data.py")
    datasets = config["suites"]["toy"]["datasets"]
    text = "from benchmark.data.mnist import MNIST\n\n\nclass Mine(MNIST):\n    "
    file.write_text(f"{text}levels = 256\n")
    base = {key: value for key, value in datasets["mnist"].items() if key != "label"}
    datasets["mnist"]["base"] = {**base, "class": "kept_data.Mine"}
    source.clear()
    before = digests(load(config))
    file.write_text(f"{text}levels = 2**8\n")
    source.clear()
    after = digests(load(config))
    assert {key for key in before if after[key] != before[key]} == {("mnist", "prepare")}


def test_rows_depend_on_the_density_that_is_known(toy, mine):
    file, density = mine.with_name("kept_rows.py"), mine.with_name("kept_density.py")
    text = "from benchmark.data.synthetic import EightGaussians\n\n\nclass Mine(EightGaussians):\n"
    file.write_text(f"{text}    density = 'kept_density.normal'\n")
    density.write_text("variance = 1\n")
    source.clear()
    put(toy["suites"]["toy"], "datasets/eight_gaussians/class", "kept_rows.Mine")
    before = digests(load(toy))
    density.write_text("variance = 2\n")
    source.clear()
    after = digests(load(toy))
    changed = {key for key in before if after[key] != before[key]}
    assert changed == {("eight_gaussians", "prepare")}
