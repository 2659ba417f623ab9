"""The keys results_from and sha256: what comes from an archive, and all that is refused before."""

from pathlib import Path

import numpy as np
import pytest
from finished import config, mine
from pages import parsed
from suites import ROOT, SHIPPED, refused

from benchmark.archives import index
from benchmark.archives.contents import Contents, Finished, read
from benchmark.archives.index import ArchivedRows, ArchivedRun
from benchmark.jobs import fetch
from benchmark.jobs.tasks import Tasks
from benchmark.records.run import Run
from benchmark.report import outputs, runs
from benchmark.report.gaps import gap, measurement_gap
from benchmark.report.labels import clock_label, styles_by_clock, styles_of
from benchmark.suite.load import load
from benchmark.suite.words import ConfigError

PATH = "toy.crate.zip"
ROWS = ArchivedRows(label="E", hash="h", rows={"test": 2}, unit="nats", licence="any")
DIGEST = 64 * "a"
ADDRESS = "https://host/toy.crate.zip"


def listed(suite, path=PATH, **changes):
    """Write an archive of all runs of a suite, as far as a config can tell."""
    made = {}
    for run in suite.runs:
        files = {"training.csv": b"step"} if suite.is_trained(run) else {"density.npz": b"d"}
        about = {
            "dataset": run.dataset,
            "method": run.method,
            "seed": run.seed,
            "measurements": ("nll", "cost"),
            "files": tuple(files),
            "fit": suite.train_hash(run),
            "evaluation": suite.evaluate_hash(run),
            "protocol": {"atol": 1e-3, "rtol": 1e-3},
            **changes,
        }
        run = ArchivedRun(**about)
        made[run.name] = Finished(run, np.zeros(2, np.float32), (), files)
    Contents("toy", {"eight_gaussians": ROWS}, made, {}).write(path)


@pytest.fixture
def suite(asked_here, tmp_path, monkeypatch):
    """The toy suite, whose archive lies in this folder."""
    monkeypatch.chdir(tmp_path)
    suite = load(config())
    listed(suite)
    return suite


def bare(name="ffjord", **more):
    """An entry without a class: whatever the archive has."""
    looks = {"label": "FFJORD", "colour": "#d55e00", "seeds": [0]}
    return {name: {**looks, "results_from": PATH, **more}}


def test_a_suite_takes_every_method_that_its_archive_has(suite):
    found = load(config("compared", PATH, mine=mine()))
    assert set(found.archives) == {"interpolant", "ffjord", "oracle"}
    assert [name for name in found.methods if found.is_ours(name)] == ["mine"]
    assert [run.method for run in runs.trained(found)] == ["interpolant", "interpolant", "ffjord"]
    drawn = {run.method for run in runs.with_density(found)}
    assert drawn == {"oracle", "mine"}  # of the others the archive has no density
    assert {run.method for run in runs.drawn(found)["density"]} == {"mine"}
    files = [file for output in outputs.outputs(found) for file in output.inputs]
    assert Run("compared", "eight_gaussians", "ffjord", 0).samples not in files


def test_an_entry_takes_its_method_alone(suite):
    content = config("compared", **bare())
    assert set(load(content).archives) == {"ffjord"}


def test_the_entry_of_the_page_is_valid(suite, tmp_path):
    entries = parsed("workflow/README.md", "results_from:")
    for number, entry in enumerate(entries.values()):
        entry.pop("sha256", None)
        entry |= {"results_from": PATH, "colour": f"#00000{number}", "seeds": [0]}
    content = config("compared", **entries)
    assert set(load(content).archives) == set(entries)


def test_what_is_taken_depends_on_the_archive(suite):
    content = config("compared", PATH)
    run = Run("compared", "eight_gaussians", "ffjord", 0)

    def depends():
        return Tasks(load(content), content).take(run).depends

    before = depends()
    assert depends() == before
    listed(suite, protocol={"atol": 1e-3, "rtol": 1e-3, "solver": "other"})
    assert depends() != before


def test_a_measurement_that_an_archive_lacks_is_a_gap_of_that(suite):
    found = load(config("compared", PATH))
    run = Run("compared", "eight_gaussians", "ffjord", 0)
    assert measurement_gap(found, run, "mass") == "mass: not in its archive"


def test_clocks_of_an_archive_are_marked_in_figures(suite):
    found = load(config("compared", PATH, mine=mine()))
    marked = styles_by_clock(styles_of(found), found.archives)
    assert [style.label for style in marked.values()] == [
        *("Interpolant†", "FFJORD†", "Oracle†", "Mine")
    ]
    assert "†" in clock_label(found.archives) and "†" not in clock_label(())


# What does not fit


def told(content, message):
    with pytest.raises(ConfigError, match=message) as caught:
        load(content)
    return str(caught.value).splitlines()


def test_other_hyperparameters_are_refused(suite):
    content = config("compared", PATH)
    content["suites"]["compared"]["methods"]["ffjord"]["train"]["lr"] = 0.5
    lines = told(content, "has ffjord on eight_gaussians trained with another config. The entry")
    assert len(lines) == 1
    assert lines[0].startswith("config.yaml: suites.compared.results_from: toy.crate.zip has ffj")


def test_another_evaluation_is_refused_for_each_method(suite):
    content = config("compared", PATH)
    content["suites"]["compared"]["evaluation"]["atol"] = 1e-4
    lines = told(content, "has ffjord on eight_gaussians evaluated with another config")
    assert len(lines) == 3


def test_a_method_without_a_class_has_to_be_measured_in_the_same_way(suite):
    content = config("compared", **bare())
    del content["suites"]["compared"]["methods"]["interpolant"]
    content["suites"]["compared"]["evaluation"]["rtol"] = 1e-4
    told(
        content,
        r"methods.ffjord.results_from: toy.crate.zip has ffjord on eight_gaussians measured with "
        r"rtol 0.001; the evaluation here has 0.0001. Write 0.001 there, or train",
    )


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (bare("fjord", label="F"), r"has no method fjord; it has ffjord, interpolant, oracle\."),
        (bare(seeds=[0, 3]), r"has no run of ffjord on eight_gaussians with seed 3; .* to 0\."),
    ],
)
def test_what_an_archive_lacks_is_told_with_what_it_has(suite, change, message):
    told(config("compared", **change), message)


def test_a_data_set_that_an_archive_lacks_is_told(suite):
    content = config("compared", **bare())
    section = content["suites"]["compared"]
    section["datasets"]["more"] = {**section["datasets"]["eight_gaussians"], "label": "More"}
    told(content, "has no run of ffjord on more; set its 'datasets' to eight_gaussians.")


@pytest.mark.parametrize("where", ["suite", "entry"])
def test_a_file_that_is_not_there_is_told(suite, where):
    content = config("compared", "none.zip") if where == "suite" else config(**bare())
    if where == "entry":
        content["suites"]["toy"]["methods"]["ffjord"]["results_from"] = "none.zip"
    told(content, r"results_from is 'none.zip'; no such file\. Paths start in the folder")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"PK no zip", "is no archive of finished runs, or is damaged .*; make one with `make"),
        (None, "is no archive of finished runs, or is damaged .*no item named 'archive.json'"),
    ],
)
def test_a_file_that_is_no_archive_is_told(suite, tmp_path, content, message):
    if content is None:
        index.zipfile.ZipFile(PATH, "w").close()
    else:
        (tmp_path / PATH).write_bytes(content)
    told(config("compared", PATH), message)


def test_an_archive_of_a_later_form_is_refused(suite, monkeypatch):
    monkeypatch.setattr(index.Index, "current", 2)
    told(config("compared", PATH), "archive.json: is of schema 1; this version .* reads 2")


@pytest.mark.parametrize(
    ("entry", "message"),
    [
        ({"results_from": ADDRESS}, "results_from an address only with its sha256"),
        ({"sha256": DIGEST, "rules": "x"}, "sha256 only beside results_from"),
        ({}, "a class, or rules: .*, or results_from: an archive of finished runs"),
    ],
)
def test_an_entry_says_where_its_results_are_from(toy, entry, message):
    toy["suites"]["toy"]["methods"]["other"] = {"label": "O", "colour": "#000000", **entry}
    refused(toy, message)


def test_an_address_of_a_whole_suite_is_refused(suite):
    told(config("compared", ADDRESS), "allowed is a path: an address, with its sha256, stands in")


# By address


def test_an_address_is_fetched_before_its_runs_are_taken(suite, tmp_path, monkeypatch):
    content = config("compared", **bare(results_from=ADDRESS, sha256=DIGEST))
    found = load(content)
    archive, run = found.archives["ffjord"], Run("compared", "eight_gaussians", "ffjord", 0)
    assert archive.path == f"results/downloads/archives/{DIGEST}.crate.zip"
    assert archive.index is None
    tasks = Tasks(found, content)
    assert [file.name for file in tasks.taken(run)] == ["log_prob.npy", "nll.json", "cost.json"]
    failure = tmp_path / f"{archive.path}.failure.json"
    failure.parent.mkdir(parents=True)
    failure.write_text('{"reason": "no network"}')
    assert gap(found, run) == "its archive could not be fetched: no network"
    failure.unlink()
    (tmp_path / PATH).rename(tmp_path / archive.path)
    then = load(content)  # now it is known what there is
    assert then.archives["ffjord"].index is not None
    assert [file.name for file in Tasks(then, content).taken(run)][1] == "training.csv"


def test_an_address_is_looked_for_in_mirrors(tmp_path):
    content = b"an archive"
    digest = index.sha256(content).hexdigest()
    mirror = tmp_path / "mirror/archives"
    mirror.mkdir(parents=True)
    (mirror / f"{digest}.crate.zip").write_bytes(content)
    output = tmp_path / f"downloads/archives/{digest}.crate.zip"
    output.parent.mkdir(parents=True)
    fetch.fetch_archive("http://127.0.0.1:9/x.zip", digest, output, [str(tmp_path / "mirror")])
    assert output.read_bytes() == content


def test_what_is_not_fetched_with_its_checksum_is_refused(tmp_path):
    mirror = tmp_path / "archives"
    mirror.mkdir()
    (mirror / f"{DIGEST}.crate.zip").write_bytes(b"another")
    output = tmp_path / f"downloads/archives/{DIGEST}.crate.zip"
    output.parent.mkdir(parents=True)
    with pytest.raises(RuntimeError, match=f"expected sha256:{DIGEST}"):
        fetch.fetch_archive("http://127.0.0.1:9/x.zip", DIGEST, output, [str(tmp_path)])


# The archive that is shipped


def test_the_archive_of_quick_is_small_and_fits_its_suite(asked_here, monkeypatch):
    monkeypatch.chdir(ROOT)
    found = load({**SHIPPED, "suite": "quick_archived"})
    assert set(found.archives) == set(found.methods) == set(load(SHIPPED).methods)
    (path,) = {archive.path for archive in found.archives.values()}
    assert Path(path).stat().st_size <= 300_000


def test_the_archive_of_quick_has_the_numbers_of_the_readme(monkeypatch):
    monkeypatch.chdir(ROOT)
    packed = read(SHIPPED["suites"]["quick_archived"]["results_from"])
    page = (ROOT / "README.md").read_text()
    for dataset, told in (("checkerboard", "3.544"), ("eight_gaussians", "2.8611")):
        runs = [packed.runs[f"{dataset}/interpolant/seed{seed}"] for seed in range(3)]
        mean = -np.mean([run.log_prob.mean() for run in runs])
        assert f"{mean:.{len(told) - 2}f}" == told and f"**{told} ± " in page
