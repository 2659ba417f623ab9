"""Archives of finished runs: what they hold, bit by bit, and what is taken from one and refused."""

import json
import shutil
import zipfile
from hashlib import sha256
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from conftest import ask_here
from finished import CURVE, config, do, finish, loaded, mine, prepare_rows
from rocrate.rocrate import ROCrate

from benchmark.archives import contents, index
from benchmark.data import dataset
from benchmark.data.synthetic import EightGaussians
from benchmark.jobs import archive, take
from benchmark.records import records
from benchmark.records.run import Run
from benchmark.report import collected
from benchmark.report.gaps import gap, gaps
from benchmark.report.labels import labels_of, styles_of
from benchmark.report.tables import cost, nll
from benchmark.suite.load import load

FFJORD = Run("toy", "eight_gaussians", "ffjord", 0)


@pytest.fixture(scope="module")
def clones(tmp_path_factory, answers):
    """Two folders: one in which the toy suite is finished, with its archive, and another with a
    method of its own beside those of the archive."""
    folder = tmp_path_factory.mktemp("clones")
    with pytest.MonkeyPatch.context() as patch:
        ask_here(patch, answers)
        (folder / "one").mkdir()
        patch.chdir(folder / "one")
        suite, tasks = loaded(config())
        prepare_rows(suite, tasks)
        finish(suite, tasks)
        archive.packed(suite, samples=20).write("toy.crate.zip")
        (folder / "other").mkdir()
        shutil.copy("toy.crate.zip", folder / "other")
        patch.chdir(folder / "other")
        suite, tasks = loaded(compared())
        prepare_rows(suite, tasks)
        finish(suite, tasks)
    return folder


def compared():
    return config("compared", "toy.crate.zip", mine=mine())


@pytest.fixture
def clone(asked_here, clones, monkeypatch):
    """The finished suite, which a test leaves as it is."""
    monkeypatch.chdir(clones / "one")
    return load(config())


@pytest.fixture
def other(asked_here, clones, tmp_path, monkeypatch):
    """The suite that takes methods from the archive, in a folder of the test's own."""
    shutil.copytree(clones / "other", tmp_path / "other")
    monkeypatch.chdir(tmp_path / "other")
    return loaded(compared())


def repacked(path, **members):
    """The archive at ``path`` with some members changed, each a function, and honest hashes."""
    with zipfile.ZipFile(path) as old:
        content = {name: old.read(name) for name in old.namelist()}
    for name, change in members.items():
        file = {"index": index.INDEX, "records": contents.RECORDS}[name]
        content[file] = json.dumps(change(json.loads(content[file]))).encode()
    described = json.loads(content[index.METADATA])
    for entity in described["@graph"]:
        if "sha256" in entity:
            entity["sha256"] = sha256(content[entity["@id"]]).hexdigest()
    content[index.METADATA] = json.dumps(described).encode()
    with zipfile.ZipFile(path, "w") as new:
        for name, data in content.items():
            new.writestr(name, data)


def test_an_archive_is_an_ro_crate_that_states_the_hash_of_each_member(clone, tmp_path):
    with zipfile.ZipFile("toy.crate.zip") as packed:
        names = packed.namelist()
        packed.extractall(tmp_path / "unpacked")
    crate = ROCrate(tmp_path / "unpacked")
    stated = {entity.id: entity["sha256"] for entity in crate.data_entities if entity.get("sha256")}
    assert sorted([*stated, index.METADATA]) == names == sorted(names)
    for name, digest in stated.items():
        assert sha256((tmp_path / "unpacked" / name).read_bytes()).hexdigest() == digest
    assert str(crate.root_dataset["datePublished"]).startswith("2026-01-02T12:03")  # the last run's
    (data,) = (crate.get("#eight_gaussians"),)
    assert data["identifier"] == index.read("toy.crate.zip").datasets["eight_gaussians"].hash


def test_what_is_packed_is_what_was_measured(clone):
    found = contents.read("toy.crate.zip")
    assert set(found.runs) == {
        f"eight_gaussians/{name}" for name in
        ("interpolant/seed0", "interpolant/seed1", "ffjord/seed0", "oracle/seed0")
    }  # fmt: skip
    run = found.runs["eight_gaussians/ffjord/seed0"]
    np.testing.assert_allclose(run.log_prob, np.load(FFJORD.log_prob), rtol=1e-7)
    assert [record.model_dump() for record in run.records] == [
        record for name in ("nll", "cost") for record in records.read(FFJORD.measurement(name))
    ]
    kept = [line for line in CURVE.splitlines() if not line.endswith(",")]
    assert run.files["training.csv"].decode().splitlines() == kept
    assert not any("/tmp" in name or str(Path.cwd()) in name for name in found.shared)


def test_the_same_results_give_the_same_bytes(clone, tmp_path):
    written, again = Path("toy.crate.zip").read_bytes(), tmp_path / "again.crate.zip"
    archive.packed(clone, samples=20).write(again)
    assert again.read_bytes() == written
    contents.read("toy.crate.zip").write(again)
    assert again.read_bytes() == written


def test_no_path_of_this_machine_is_in_an_archive(clone):
    written = archive._without_folders({"a": [{"rules": "/home/me/rules.smk"}], "b": "x/y"})
    assert written == {"a": [{"rules": "rules.smk"}], "b": "x/y"}
    with zipfile.ZipFile("toy.crate.zip") as packed:
        assert not any(str(Path.cwd()).encode() in packed.read(name) for name in packed.namelist())


def test_finished_methods_stand_beside_ones_own(other, clones):
    suite, _ = other
    assert gaps(suite) == {}
    frame = collected.collect(suite, suite.runs)
    values = frame[frame.metric == "nll"].set_index(["method", "seed"]).value
    then = records.read(clones / "one" / FFJORD.measurement("nll"))
    assert values["ffjord", 0] == next(r["value"] for r in then if r["metric"] == "nll")
    compared = collected.comparisons(suite, frame)["eight_gaussians"]
    assert {(c.best, c.other) for c in compared} == {("ffjord", "interpolant")} or {
        (c.best, c.other) for c in compared
    } == {("interpolant", "ffjord")}
    table = nll.table(frame, styles_of(suite), labels_of(suite), {})
    taken = [note for note in table.notes if note.startswith("Not made here, but taken from")]
    assert len(taken) == 1 and "Interpolant, FFJORD, Oracle" in taken[0]
    assert taken[0].endswith("of another machine: Interpolant, FFJORD, Oracle.")
    digest = sha256(Path("toy.crate.zip").read_bytes()).hexdigest()
    assert f"toy.crate.zip (SHA-256 {digest[:16]})" in taken[0]


def test_clocks_of_an_archive_are_marked(other):
    suite, _ = other
    frame = collected.collect(suite, suite.runs)
    table = cost.table(frame, styles_of(suite), labels_of(suite), suite.archives)
    names = {cells[1].text for cells in table.rows}
    marked = {f"{name} (another machine)" for name in ("Interpolant", "FFJORD", "Oracle")}
    assert names == {*marked, "Mine"}


def test_a_run_of_an_archive_has_the_files_that_figures_need(other):
    suite, _ = other
    run = Run("compared", "eight_gaussians", "interpolant", 1)
    curve = pd.read_csv(run.history)
    assert list(curve.step) == [0, 10]
    assert len(np.load(run.samples)) == 20
    assert Run("compared", "eight_gaussians", "oracle", 0).density.exists()


def test_what_comes_from_an_archive_is_not_packed_again(other):
    suite, _ = other
    assert {run.about.method for run in archive.packed(suite).runs.values()} == {"mine"}


# Refusals


def take_ffjord(tasks):
    do(take.take, tasks.take(Run("compared", "eight_gaussians", "ffjord", 0)))


def write_rows(folder, split=None):
    """The prepared rows again, one of a split moved by one bit."""
    rows = {name: np.load(folder / f"{name}.npy") for name in ("train", "validation", "test")}
    if split is not None:
        rows[split][7, 1] = np.nextafter(rows[split][7, 1], np.float32(9), dtype=np.float32)
    truth = {"test": np.load(folder / "true_log_prob_test.npy")}
    dataset.write(folder, EightGaussians, dataset.Splits(**rows), truth)


@pytest.mark.parametrize("split", ["test", "train"])
def test_an_archive_is_refused_where_one_row_differs(other, split):
    _, tasks = other
    folder = Run("compared", "eight_gaussians", "ffjord", 0).data
    write_rows(folder)
    take_ffjord(tasks)  # of the same rows it is taken
    write_rows(folder, split)
    with pytest.raises(ValueError, match="eight_gaussians was measured on other rows, of the hash"):
        take_ffjord(tasks)


def changed(content, **values):
    for record in content["records"]:
        if (record["method"], record["metric"]) == ("ffjord", "nll"):
            record.update(values)
    return content


def test_records_that_are_not_those_of_the_log_densities_are_refused(other):
    _, tasks = other
    repacked("toy.crate.zip", records=lambda content: changed(content, value=2.9))
    with pytest.raises(ValueError, match=r"records on eight_gaussians is 2\.9, that of its log-de"):
        take_ffjord(tasks)


def test_a_member_that_was_edited_is_refused(other):
    _, tasks = other
    with zipfile.ZipFile("toy.crate.zip") as old:
        content = {name: old.read(name) for name in old.namelist()}
    content[contents.RECORDS] = content[contents.RECORDS].replace(b"ffjord", b"ffj0rd", 1)
    with zipfile.ZipFile("toy.crate.zip", "w") as new:
        for name, data in content.items():
            new.writestr(name, data)
    with pytest.raises(ValueError, match=r"records.json has the SHA-256 .*; .* It is damaged or"):
        take_ffjord(tasks)


def test_records_of_another_form_are_refused_in_words(other):
    _, tasks = other
    repacked("toy.crate.zip", records=lambda content: changed(content, value="low"))
    with pytest.raises(ValueError, match=r'records.json: .*value is "low"; allowed is a valid num'):
        take_ffjord(tasks)


def test_a_checksum_that_the_config_does_not_ask_for_is_refused(other):
    entry = {"label": "FFJORD", "colour": "#d55e00", "seeds": [0]}
    asked = {**entry, "results_from": "toy.crate.zip", "sha256": 64 * "0"}
    _, tasks = loaded(config("compared", ffjord=asked))
    with pytest.raises(ValueError, match="found the SHA-256 .*; the config asks for 0000"):
        take_ffjord(tasks)


def test_a_run_that_could_not_be_taken_is_a_gap_of_its_own(other):
    suite, _ = other
    Run("compared", "eight_gaussians", "ffjord", 0).log_prob.unlink()
    run = Run("compared", "eight_gaussians", "ffjord", 0)
    (run.folder / "take.failure.json").write_text(json.dumps({"reason": "other rows"}))
    assert gap(suite, run) == "other rows"
    assert list(gaps(suite)) == [run]


# Merged


def test_archives_of_one_suite_are_merged(clone, tmp_path, monkeypatch):
    whole = contents.read("toy.crate.zip")
    monkeypatch.chdir(tmp_path)
    parts = []
    for number, name in enumerate(("ffjord", "interpolant")):
        own = {key: run for key, run in whole.runs.items() if run.about.method == name}
        part = contents.Contents("toy", whole.datasets, own, {f"config/{number}.json": b"{}"})
        part.write(f"{number}.crate.zip")
        parts.append(f"{number}.crate.zip")
    archive.merge(Path("both.crate.zip"), parts)
    archive.merge(Path("turned.crate.zip"), parts[::-1])
    assert Path("both.crate.zip").read_bytes() == Path("turned.crate.zip").read_bytes()
    both = contents.read("both.crate.zip")
    methods = [run.about.method for run in both.runs.values()]
    assert sorted(methods) == ["ffjord", "interpolant", "interpolant"]
    assert set(both.shared) == {"config/0.json", "config/1.json"}
    assert both.runs["eight_gaussians/ffjord/seed0"].is_same(
        whole.runs["eight_gaussians/ffjord/seed0"]
    )


def test_a_conflict_of_archives_is_told_by_run(clone, clones, tmp_path, monkeypatch):
    shutil.copytree(clones / "one", tmp_path / "again")
    monkeypatch.chdir(tmp_path / "again")
    suite, tasks = loaded(config())
    finish(suite, tasks, shift=0.1)
    archive.packed(suite, samples=20).write("shifted.crate.zip")
    with pytest.raises(ValueError) as caught:
        archive.merge(Path("both.crate.zip"), ["toy.crate.zip", "shifted.crate.zip"])
    lines = str(caught.value).splitlines()
    differing = [line.partition(":")[0] for line in lines[1:]]
    assert differing == [  # the oracle's are the same
        f"eight_gaussians/{name}" for name in
        ("ffjord/seed0", "interpolant/seed0", "interpolant/seed1")
    ]  # fmt: skip
    assert not Path("both.crate.zip").exists()


def test_archives_of_other_suites_or_rows_are_not_merged(clone):
    first = contents.read("toy.crate.zip")
    with pytest.raises(ValueError, match="found the suites toy and other"):
        contents.merged(first, contents.Contents("other", {}, {}, {}))
    rows = {name: r.model_copy(update={"hash": "x"}) for name, r in first.datasets.items()}
    with pytest.raises(ValueError, match="eight_gaussians: its rows differ, with the hashes"):
        contents.merged(first, contents.Contents("toy", rows, {}, {}))
