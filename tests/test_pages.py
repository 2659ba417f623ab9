"""The blocks of the pages that are parts of a config: each is one that is accepted."""

import re

import pytest
import yaml
from suites import ROOT, put, refused

from benchmark.suite.load import load

PAGES = ("README.md", "benchmark/README.md", "benchmark/data/README.md", "workflow/README.md")


def blocks(page, *words):
    """The YAML blocks of a page in which all of these words are."""
    every = re.findall(r"```yaml\n(.*?)```", (ROOT / page).read_text(), re.DOTALL)
    chosen = [block for block in every if all(word in block for word in words)]
    return [yaml.safe_load(block) for block in chosen]


@pytest.fixture
def suite(toy, monkeypatch):
    """The sections of the toy suite; what runs on vectors only runs on digits."""
    monkeypatch.chdir(ROOT)
    for method in ("gaussian", "oracle", "ffjord"):
        del toy["suites"]["toy"]["methods"][method]
    return toy["suites"]["toy"]


def test_the_data_sets_of_the_pages_are_valid(toy, suite):
    found = [block for page in PAGES for block in blocks(page, "class: benchmark.data.")]
    entries = {name: entry for block in found for name, entry in block.items()}
    assert set(entries) == {
        *("mine", "miniboone", "bsds300_recut", "power", "mnist", "moons_to_checkerboard")
    }
    entries["mine"]["file"] = "README.md"
    suite["datasets"] |= entries
    loaded = load(toy)
    assert {run.dataset for run in loaded.runs} == {"eight_gaussians", "digits", *entries}
    assert loaded.has_base("moons_to_checkerboard") and loaded.images == ["mnist"]
    assert list(loaded.published) == ["power"]


def test_the_grid_of_the_page_is_valid(toy, suite):
    (block,) = blocks("workflow/README.md", "ema: [0.99, 0.999]")
    suite["methods"] = block
    loaded = load(toy)
    assert list(loaded.methods) == ["interpolant-ema=0.99", "interpolant-ema=0.999"]
    digits = next(run for run in loaded.runs if run.dataset == "digits")
    fit = loaded.hyperparameters(digits)
    assert (fit.model["network"]["width"], fit.train.steps, fit.train.ema) == (256, 2000, 0.99)


def test_the_measurement_of_the_page_is_valid(toy, suite):
    pytest.importorskip("ot")
    (block,) = blocks("workflow/README.md", "sliced_wasserstein:")
    suite |= block
    suite["datasets"]["checkerboard"] = suite["datasets"].pop("digits")
    loaded = load(toy)
    assert all("sliced_wasserstein" in loaded.measurements_of(run) for run in loaded.runs)


def test_the_program_in_another_language_of_the_page_is_valid(toy, suite, tmp_path, monkeypatch):
    (block,) = blocks("benchmark/README.md", "kde:")
    monkeypatch.chdir(tmp_path)
    suite["methods"] |= block
    refused(toy, "methods.kde.rules is 'my/kde.smk'; no such file")
    (tmp_path / "my").mkdir()
    (tmp_path / "my/kde.smk").touch()
    assert not load(toy).is_ours("kde")


def test_a_class_lies_in_a_folder_that_the_config_names_as_on_the_page(toy, suite, tmp_path):
    (block,) = blocks("workflow/README.md", "python_path:")
    (method,) = blocks("README.md", "class: mymethods.straight.StraightFlow")
    assert list(block) == ["python_path"] and block["python_path"] == ["/home/me/research"]
    text = (
        "from benchmark.baselines.ot_cfm import OTCFM\n\n\nclass StraightFlow(OTCFM):\n    pass\n"
    )
    (tmp_path / "mymethods").mkdir()
    (tmp_path / "mymethods/straight.py").write_text(text)
    suite["methods"] |= method
    refused(toy, "methods.straight.class: there is no module 'mymethods.straight'")
    loaded = load({**toy, "python_path": [str(tmp_path)]})
    assert loaded.is_flow("straight") and loaded.python_path == (str(tmp_path),)


def test_a_relative_folder_of_the_config_starts_where_snakemake_runs(toy, tmp_path, monkeypatch):
    (tmp_path / "research").mkdir()
    text = "from benchmark.data.digits import Digits\n\n\nclass Mine(Digits):\n    pass\n"
    (tmp_path / "research/near_data.py").write_text(text)
    monkeypatch.chdir(tmp_path)
    toy["python_path"] = ["research"]
    put(toy["suites"]["toy"], "datasets/digits/class", "near_data.Mine")
    assert load(toy).dataset_facts("digits").levels == 17
