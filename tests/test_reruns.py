"""Reruns after an edit: exactly what depends on it, and nothing without a cause."""

import os
import shutil
import subprocess
import sys

import pandas as pd
import pytest
from checkout import ROOT, TOY, Checkout, edited

from benchmark.files import read_json

MADE_OF_RUN = {"measure_nll", "measure_cost"}
TABLES = {"metrics", "nll_table", "cost_table", "significance_table"}
FIGURES = {
    *("samples_figure_eight_gaussians", "samples_figure_digits", "density_figure"),
    *("path_figure_eight_gaussians", "learning_curves_figure", "diagnostics_figure"),
    "nll_time_figure",
}


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """A checkout in which the toy suite has run."""
    checkout = Checkout(tmp_path_factory.mktemp("finished"))
    found = checkout.make()
    assert found.returncode == 0, found.stdout
    return checkout


@pytest.fixture
def changed(finished):
    """Puts config and library back after a test."""
    yield finished
    finished.configure(TOY)
    (finished.folder / "results/toy/kept.json").unlink(missing_ok=True)
    for path in (ROOT / "benchmark").rglob("*.py"):
        copied = finished.folder / path.relative_to(ROOT)
        if copied.read_bytes() != path.read_bytes():
            shutil.copy2(path, copied)


def edit(checkout, module, old, new):
    path = checkout.folder / "benchmark" / module
    text = path.read_text()
    assert text.count(old) == 1, f"{module} has {text.count(old)} times {old!r}"
    path.write_text(text.replace(old, new))


def times(checkout):
    """When everything was last changed, but for what Snakemake and we remember."""
    folder = checkout.folder
    return {
        path: path.stat().st_mtime_ns
        for path in folder.rglob("*")
        if not {".snakemake", "__pycache__"} & set(path.relative_to(folder).parts)
    }


def test_a_second_run_has_nothing_to_do(finished):
    assert finished.planned() == {}


def test_comments_docstrings_and_times_rerun_nothing(changed):
    for path in (changed.folder / "benchmark").rglob("*.py"):
        path.write_text(f'{path.read_text()}\n\n# a comment\n"""A text."""\n')
    edit(changed, "runtime/checkpoint.py", '"""The state of unfinished work', '"""The new state of')
    for path in (changed.folder / "workflow").rglob("*.smk"):
        os.utime(path)
    os.utime(changed.folder / "config.yaml")
    assert changed.planned() == {}


def test_a_moved_folder_and_copied_results_rerun_nothing(finished, tmp_path):
    moved = Checkout(tmp_path / "moved")
    for folder in ("results", ".snakemake"):
        shutil.copytree(finished.folder / folder, moved.folder / folder)
    assert moved.planned() == {}
    clone = Checkout(tmp_path / "clone")  # without what Snakemake remembers, and without times
    shutil.copytree(finished.folder / "results", clone.folder / "results")
    for path in clone.folder.glob("results/toy/*/data/*"):
        os.utime(path)  # the last of all
    before = times(clone)
    assert clone.planned() == {}
    assert times(clone) == before  # a dry run changes nothing
    found = clone.snakemake("--cores", "1", "--forcerun", "nll_table", "--quiet", "rules")
    assert found.returncode == 0, found.stdout
    assert "missing" not in (clone.folder / "results/toy/tables/nll.md").read_text()


ONE_METHOD = {"train_ffjord", "evaluate", "density", "path", *MADE_OF_RUN}
ALL_TRAININGS = {f"train_{name}" for name in ("interpolant", "ffjord", "gaussian", "oracle")}
ALL = {*ALL_TRAININGS, "evaluate", "density", "path", *MADE_OF_RUN}

EDITS = {
    "a method": (
        *("baselines/ffjord.py", "MAX_STEPS = 1000", "MAX_STEPS = 1001"),
        ONE_METHOD | TABLES | FIGURES - {"samples_figure_digits", "diagnostics_figure"},
    ),
    "the likelihood": (
        *("likelihood.py", "MIN_NODES = 8", "MIN_NODES = 9"),
        ALL | TABLES | FIGURES,
    ),
    "a data set": (
        *("data/digits.py", "default_rng(0)", "default_rng(1)"),
        {
            *("prepare", "publish", "train_interpolant", "train_gaussian", "evaluate"),
            *MADE_OF_RUN,
            "data_card_digits",
        }
        | TABLES
        | (FIGURES - {"samples_figure_eight_gaussians", "density_figure"})
        - {"path_figure_eight_gaussians"},
    ),
    "the training loop": (
        *("training/descent.py", "if k else 0.0", "if k else 0"),
        ALL | TABLES | FIGURES,
    ),
    "a measurement": (
        *("measure/nll.py", 'HEADINGS = {"nll": "NLL"', 'HEADINGS = {"nll": "nll"'),
        {"measure_nll"} | TABLES | FIGURES,
    ),
    "a figure": (
        *("report/figures/learning_curves.py", "linewidth=1", "linewidth=2"),
        {"learning_curves_figure"},
    ),
    "a description of a key": (
        *("suite/models.py", "CPU threads of a training", "Threads of a training"),
        set(),
    ),
    "a check of a config": (
        *("suite/checks.py", "BYTE = 256", "BYTE = 257"),
        set(),
    ),
    "the executor": (
        *("runtime/progress.py", "every: float = 10.0", "every: float = 11.0"),
        set(),
    ),
}


@pytest.mark.parametrize("what", EDITS)
def test_an_edit_reruns_exactly_what_depends_on_it(changed, what):
    module, old, new, rules = EDITS[what]
    edit(changed, module, old, new)
    assert set(changed.planned()) == rules


def test_an_edited_method_reruns_its_own_runs_only(changed):
    edit(changed, "baselines/ffjord.py", "MAX_STEPS = 1000", "MAX_STEPS = 1001")
    planned = changed.planned()
    assert {name: planned[name] for name in ONE_METHOD} == dict.fromkeys(ONE_METHOD, 1)


def test_a_colour_reruns_figures_only(changed):
    changed.configure(edited(methods__ffjord__colour="#000001"))
    assert set(changed.planned()) == FIGURES


def test_the_order_of_keys_means_nothing(changed):
    settings = TOY["suites"]["toy"]["methods"]["ffjord"]["train"]
    changed.configure(edited(methods__ffjord__train=dict(reversed(settings.items()))))
    assert changed.planned() == {}


def test_a_default_that_is_written_down_means_nothing(changed):
    changed.configure(edited(methods__ffjord__train__accumulate=1))
    assert changed.planned() == {}


def test_a_learning_rate_reruns_its_method_only(changed):
    changed.configure(edited(methods__ffjord__train__lr=0.002))
    expected = ONE_METHOD | TABLES | FIGURES - {"samples_figure_digits", "diagnostics_figure"}
    assert set(changed.planned()) == expected


def test_a_tolerance_reruns_evaluation_but_no_training(changed):
    changed.configure(edited(evaluation__rtol=0.002))
    planned = changed.planned()
    assert planned["evaluate"] == 8
    assert not [rule for rule in planned if rule.startswith("train")]


def test_results_are_kept_after_an_edit_and_tables_say_so(changed):
    edit(changed, "training/descent.py", "if k else 0.0", "if k else 0")
    assert changed.planned()["train_ffjord"] == 1
    keep = [sys.executable, "-m", "benchmark.jobs.keep", "toy"]
    where = {key: changed.command()[key] for key in ("cwd", "env")}
    found = subprocess.run(keep, **where, capture_output=True, text=True)
    assert found.returncode == 0, found.stderr
    assert "results of suite toy" in found.stdout
    assert set(changed.planned()) <= TABLES
    found = changed.make()
    assert found.returncode == 0, found.stdout
    text = (changed.folder / "results/toy/tables/nll.md").read_text()
    assert "Kept after edits of the code" in text and "missing" not in text
    kept = read_json(changed.folder / "results/toy/kept.json")
    model = read_json(changed.run("digits", "gaussian") / "model.json")
    assert model["provenance"]["source"] in {entry["source"] for entry in kept.values()}


def test_a_failed_preparation_keeps_the_rows_and_an_undone_typo_retrains_nothing(tmp_path):
    checkout = Checkout(tmp_path)
    table = tmp_path / "mine.csv"
    rows = pd.DataFrame({"a": range(200), "b": [i * i % 7 for i in range(200)]}) + 0.5
    rows.to_csv(table, index=False)
    arguments = {"columns": None, "noise": {}, "shuffle": 0, "split": [0.8, 0.1, 0.1]}
    mine = {
        **{"label": "Mine", "class": "benchmark.data.table.Table", "file": "mine.csv"},
        "arguments": {**arguments, "standardise": "train"},
    }
    gaussian = TOY["suites"]["toy"]["methods"]["gaussian"]
    checkout.configure(edited(datasets={"mine": mine}, methods={"gaussian": gaussian}))
    target = "results/toy/mine/gaussian/seed0/measurements/nll.json"
    found = checkout.snakemake(target, "--cores", "1")
    assert found.returncode == 0, found.stdout
    before = (tmp_path / "results/toy/mine/data/data.json").read_text()
    good = table.read_text()
    table.write_text(good.replace("1.5,", "typo,", 1))
    found = checkout.snakemake(target, "--cores", "1")
    assert found.returncode != 0
    assert (tmp_path / "results/toy/mine/data/data.json").read_text() == before
    (failure,) = (tmp_path / "results/toy/mine/prepared").glob("*.failure.json")
    assert "typo" in read_json(failure)["reason"]
    table.write_text(good)
    found = checkout.snakemake(target, "--cores", "1")
    assert found.returncode == 0, found.stdout
    assert "Nothing to be done" in found.stdout
