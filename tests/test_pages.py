"""The blocks of the pages: parts of a config are valid, and tests run all code."""

import pytest
import yaml
from pages import PAGES, blocks, parsed
from suites import ROOT, put, refused

from benchmark.suite.load import load

DATA = "class: benchmark.data."
RUN = {
    "README.md": ("benchmark.load(", "class Straight", "straight:"),
    "benchmark/README.md": (
        *(
            "class Shallow",
            "class Spread",
            "label: Kernel density",
            "rule fit_kde:",
            "KernelDensity(",
        ),
        DATA,
    ),
    "benchmark/baselines/README.md": ("ot_cfm:",),
    "benchmark/data/README.md": (DATA, "flow.in_units()"),
    "workflow/README.md": (
        *("ema: [0.99, 0.999]", "sliced_wasserstein:", "python_path:", "use rule", DATA),
        *("audit: {class", "module flows:", "results_from:"),
    ),
    "workflow/YOUR_BASELINE.md": ("class Mixture",),
    "workflow/plugin/README.md": ("executor: submitit", "signal.signal("),
    "slurm/README.md": ("default-resources:", "train_interpolant:", "runtime: 25,"),
}
"""Page -> words of the blocks of code that tests run."""


@pytest.mark.parametrize("page", PAGES)
def test_every_block_of_code_is_run_by_a_test(page):
    code = [text for language, text in blocks(page) if language in ("python", "yaml", "snakemake")]
    missed = [text for text in code if not any(words in text for words in RUN.get(page, ()))]
    assert not missed and len(code) >= len(RUN.get(page, ()))


@pytest.fixture
def suite(toy, monkeypatch):
    """The sections of the toy suite; what runs on vectors only runs on digits."""
    monkeypatch.chdir(ROOT)
    for method in ("gaussian", "oracle", "ffjord"):
        del toy["suites"]["toy"]["methods"][method]
    return toy["suites"]["toy"]


def test_the_data_sets_of_the_pages_are_valid(toy, suite):
    texts = [text for page in PAGES for _, text in blocks(page) if DATA in text]
    entries = {name: entry for text in texts for name, entry in yaml.safe_load(text).items()}
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
    suite["methods"] = parsed("workflow/README.md", "ema: [0.99, 0.999]")
    loaded = load(toy)
    assert list(loaded.methods) == ["interpolant-ema=0.99", "interpolant-ema=0.999"]
    digits = next(run for run in loaded.runs if run.dataset == "digits")
    fit = loaded.hyperparameters(digits)
    assert (fit.model["network"]["width"], fit.train.steps, fit.train.ema) == (256, 2000, 0.99)


def test_the_measurement_of_the_page_is_valid(toy, suite):
    pytest.importorskip("ot")
    suite |= parsed("workflow/README.md", "sliced_wasserstein:")
    suite["datasets"]["checkerboard"] = suite["datasets"].pop("digits")
    loaded = load(toy)
    assert all("sliced_wasserstein" in loaded.measurements_of(run) for run in loaded.runs)


def test_the_audit_of_the_page_is_valid(toy, suite):
    suite |= parsed("workflow/README.md", "audit: {class")
    loaded = load(toy)
    audited = {run.dataset for run in loaded.runs if "audit" in loaded.measurements_of(run)}
    assert audited == {"eight_gaussians", "digits"}


def test_the_program_in_another_language_of_the_page_is_valid(toy, suite, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    suite["methods"] |= parsed("benchmark/README.md", "label: Kernel density")
    refused(toy, "methods.kde.rules is 'mymethods/kde.smk'; no such file")
    (tmp_path / "mymethods").mkdir()
    (tmp_path / "mymethods/kde.smk").touch()
    assert not load(toy).is_ours("kde")


def test_a_class_lies_in_a_folder_that_the_config_names_as_on_the_page(toy, suite, tmp_path):
    method = parsed("README.md", "straight:")
    assert parsed("workflow/README.md", "python_path:") == {"python_path": ["/home/me/research"]}
    text = "from benchmark.baselines.ot_cfm import OTCFM\n\n\nclass Straight(OTCFM):\n    pass\n"
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
