"""The real workflow on a toy suite, in a copy of the checkout: whole, rerun, broken and killed."""

import os
import re
import shutil
import signal
import time

import numpy as np
import pandas as pd
import psutil
import pytest
import torch
from checkout import TOY, Checkout, edited

import benchmark
from benchmark.files import read_json
from benchmark.runtime import locks

RUNS = 8
SETS = ("eight_gaussians", "digits")
UMASK = 0o027


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """A checkout in which the toy suite has run: without a home, by a strict umask, its results
    behind a link. Tests that change a file put it back."""
    checkout = Checkout(tmp_path_factory.mktemp("finished"))
    (checkout.folder / "results").symlink_to(tmp_path_factory.mktemp("disk"))
    home = {"HOME": str(checkout.folder / "config.yaml"), "XDG_CACHE_HOME": ""}
    found = checkout.make(umask=UMASK, environment=home)
    assert found.returncode == 0, found.stdout
    checkout.log = found.stdout
    return checkout


@pytest.fixture
def changed(finished):
    """Puts the config back after a test."""
    yield finished
    finished.configure(TOY)


def test_everything_is_made(finished):
    results = finished.folder / "results/toy"
    for name in ("nll", "cost", "significance"):
        for suffix in ("csv", "md", "tex"):
            assert (results / f"tables/{name}.{suffix}").stat().st_size
    figures = {path.stem for path in (results / "figures").glob("*.png")}
    samples = {"samples_eight_gaussians", "samples_digits"}
    paths = {"path_eight_gaussians"}
    assert figures == {"density", "learning_curves", "diagnostics", "nll_time", *samples, *paths}
    assert {path.stem for path in (results / "figures").glob("*.gif")} == paths
    cards = {path.name for path in (results / "data").glob("*.*") if path.suffix != ".log"}
    assert cards == {f"{name}{end}" for name in SETS for end in (".md", ".png")}
    frame = pd.read_csv(results / "metrics.csv")
    assert len(frame[frame.metric == "nll"]) == RUNS
    assert frame[frame.metric == "nll"].value.notna().all()
    assert (frame["provenance.source"].str.len() == 16).all()


def test_every_file_follows_the_umask(finished):
    places = ("results/toy", ".snakemake/benchmark")
    paths = [path for place in places for path in (finished.folder / place).rglob("*")]
    assert any(path.name == "model.safetensors" for path in paths)
    for path in paths:
        expected = (0o777 if path.is_dir() else 0o666) & ~UMASK
        assert path.stat().st_mode & 0o777 == expected, path


def test_a_lock_stays_with_what_lives_whatever_ends_beside_it(tmp_path):
    checkout, config = Checkout(tmp_path / """it's a "$HOME" folder"""), edited()
    config["suites"]["other"] = config["suites"]["toy"]
    checkout.configure(config)
    rows = "results/{}/eight_gaussians/data"
    toy = (rows.format("toy"), "--cores", "1")
    other = (rows.format("other"), "--cores", "1", "--config", "suite=other", "--rerun-incomplete")
    folder = checkout.folder / ".snakemake/benchmark/locks"
    with locks.held(["results/toy"], folder):
        process = checkout.start("--cores", "1", *other[3:])
        while not list(folder.glob("*other")) or not (folder / "results%2Fother").read_text():
            time.sleep(0.05)
            assert process.poll() is None, (checkout.folder / "output").read_text()
        process.kill()
        process.wait()
        before = {path: path.read_text() for path in folder.iterdir()}
        assert checkout.snakemake("--dry-run").returncode == 0
        assert {path: path.read_text() for path in folder.iterdir()} == before
        found = checkout.snakemake(*toy)
        assert found.returncode == 1 and f"results/toy: process {os.getpid()} on" in found.stdout
        found = checkout.snakemake(*other)
        assert found.returncode == 0, found.stdout
        assert "The last run was killed" in found.stdout
    assert checkout.snakemake(*toy).returncode == 0
    assert not any(path.read_text() for path in folder.iterdir())


def test_tables_and_figures_are_announced(finished):
    assert (
        "Tables, figures, data cards: results/toy/tables, results/toy/figures, results/toy/data."
        in finished.log
    )


def test_progress_and_the_number_of_runs_are_told(finished):
    assert finished.log.startswith("suite toy: 8 runs on 2 data sets (eight_gaussians, digits)")
    assert re.search(r"\d+ of \d+ jobs, \d+:\d\d so far, about \d+:\d\d left", finished.log)


def test_truth_is_the_reference_of_kl(finished):
    frame = pd.read_csv(finished.folder / "results/toy/metrics.csv")
    kl = frame[(frame.metric == "kl")].set_index("method").value
    assert kl["oracle"] == 0
    assert (kl.drop("oracle") > 0).all()
    assert "digits" not in set(frame[frame.metric == "kl"].dataset)


def test_the_best_is_tested_against_the_others(finished):
    (found,) = pd.read_csv(finished.folder / "results/toy/tables/significance.csv").to_dict(
        "records"
    )
    run = finished.folder / "results/toy/eight_gaussians"
    nll = {
        name: -np.load(run / name / "seed0/log_prob.npy").mean()
        for name in ("interpolant", "ffjord")
    }
    frame = pd.read_csv(finished.folder / "results/toy/metrics.csv")
    means = frame[frame.metric == "nll"].groupby(["dataset", "method"]).value.mean()
    best, other = sorted(nll, key=lambda name: means["eight_gaussians", name])
    assert found["n"] == 1 and found["In words"] == "n too small to tell"
    shown = float(found["Difference of the mean NLL"].removesuffix(" nats"))
    assert shown == pytest.approx(nll[other] - nll[best], rel=0.06)


def test_a_finished_run_loads_in_two_lines_and_repeats_its_log_density(finished, monkeypatch):
    monkeypatch.chdir(finished.folder)
    torch.set_default_dtype(torch.float32)  # as for a user
    flow = benchmark.load("results/toy/eight_gaussians/interpolant/seed0")
    test = np.load("results/toy/eight_gaussians/data/test.npy")
    stored = np.load("results/toy/eight_gaussians/interpolant/seed0/log_prob.npy")
    # The solver's steps depend on the batch, and the batch was split in chunks of 40.
    found = flow.log_prob(torch.from_numpy(test[:40]))
    np.testing.assert_array_equal(found.numpy(), stored[:40])
    assert flow.sample(7).shape == (7, 2)


def test_a_second_run_has_nothing_to_do(finished):
    found = finished.make()
    assert found.returncode == 0
    assert "Nothing to be done" in found.stdout


def test_a_misspelt_key_stops_before_any_job(changed):
    changed.configure(edited(methods__ffjord__train__stpes=1))
    found = changed.snakemake("--dry-run")
    assert found.returncode != 0
    assert "key 'stpes' is unknown" in found.stdout
    assert "Did you mean 'steps'?" in found.stdout


def test_a_run_that_diverges_is_a_named_gap_and_the_rest_is_made(tmp_path):
    checkout = Checkout(tmp_path)
    checkout.configure(
        edited(
            datasets={"eight_gaussians": TOY["suites"]["toy"]["datasets"]["eight_gaussians"]},
            methods__interpolant__train__lr=1e30,
            methods__interpolant__seeds=[0],
        )
    )
    found = checkout.make()
    assert found.returncode != 0
    results = checkout.folder / "results/toy"
    table = (results / "tables/nll.md").read_text()
    assert "FloatingPointError" in table
    frame = pd.read_csv(results / "metrics.csv")
    nll = frame[frame.metric == "nll"].set_index("method")
    assert np.isnan(nll.value["interpolant"])
    assert "FloatingPointError" in nll.reason["interpolant"]
    assert nll.value[["ffjord", "gaussian", "oracle"]].notna().all()
    assert (results / "figures/density.png").exists()
    assert (results / "figures/path_eight_gaussians.gif").exists()

    checkout.configure(
        edited(
            datasets={"eight_gaussians": TOY["suites"]["toy"]["datasets"]["eight_gaussians"]},
            methods__interpolant__seeds=[0],
        )
    )
    assert checkout.make().returncode == 0
    assert "FloatingPointError" not in (results / "tables/nll.md").read_text()
    assert checkout.nll().notna().all()


def test_a_run_that_was_stopped_twice_goes_on_to_the_same_numbers(finished, tmp_path):
    checkout = Checkout(tmp_path)

    def fitted():
        return list(checkout.folder.glob("results/toy/*/*/*/model.json"))

    for how in (signal.SIGINT, signal.SIGKILL):
        before = len(fitted())
        process = checkout.start("--cores", "2", "--quiet", "rules", "--rerun-incomplete")
        while len(fitted()) == before:
            time.sleep(0.1)
            assert process.poll() is None, (checkout.folder / "output").read_text()
        jobs = psutil.Process(process.pid).children(recursive=True)
        # Ctrl-C reaches all of them, a kill only Snakemake.
        (os.killpg if how == signal.SIGINT else os.kill)(process.pid, how)
        process.wait()
        assert not psutil.wait_procs(jobs, timeout=60)[1]  # none trains on beside the next
        assert not (checkout.folder / "results/toy/metrics.csv").exists()
    found = checkout.make()
    assert found.returncode == 0, found.stdout
    pd.testing.assert_series_equal(checkout.nll(), finished.nll(), check_exact=True)
    assert not list(checkout.folder.rglob("*.checkpoint"))


def test_a_training_that_was_stopped_goes_on_where_it_was(tmp_path):
    run = "results/toy/eight_gaussians/interpolant/seed0"
    arguments = f"{run}/model.safetensors", "--cores", "1", "--rerun-incomplete"
    whole, cut = Checkout(tmp_path / "whole"), Checkout(tmp_path / "cut")
    for checkout in (whole, cut):
        checkout.configure(edited(methods__interpolant__train__steps=1500))
    found = whole.snakemake(*arguments)
    assert found.returncode == 0, found.stdout
    assert "Tables and figures" not in found.stdout

    log = cut.folder / run / "train.log"
    process = cut.start(*arguments)
    while not (log.exists() and "/1500" in log.read_text()):
        time.sleep(0.05)
        assert process.poll() is None, (cut.folder / "output").read_text()
    time.sleep(0.5)
    os.killpg(process.pid, signal.SIGINT)
    assert process.wait() != 0
    assert "Stopped by SIGINT" in log.read_text()
    assert not (log.parent / "train.failure.json").exists()
    found = cut.snakemake(*arguments)
    assert found.returncode == 0, found.stdout
    assert re.search(
        r"Resuming after [\d,]+ steps .budget: 1,500 steps.; interruptions so far: 1",
        log.read_text(),
    )
    weights = [(checkout.folder / arguments[0]).read_bytes() for checkout in (whole, cut)]
    assert weights[0] == weights[1]


def test_methods_are_matched_by_their_budget_and_train_with_the_rate_they_have_found(tmp_path):
    config = edited(search={"factors": [0.1, 1, 1000], "share": 0.5})
    suite = config["suites"]["toy"]
    del suite["datasets"]["digits"]
    for name, method in list(suite["methods"].items()):
        method["train"].pop("steps")
        if name not in ("interpolant", "ffjord"):
            del suite["methods"][name]
    suite["datasets"]["eight_gaussians"]["budget"] = {"steps": 12}
    checkout = Checkout(tmp_path)
    checkout.configure(config)
    found = checkout.make()
    assert found.returncode == 0, found.stdout
    for method in suite["methods"]:
        folder = tmp_path / "results/toy/eight_gaussians" / method
        lr = read_json(folder / "search.json")["lr"]
        for model in folder.glob("seed*/model.json"):
            training = read_json(model)["training"]
            assert (training["lr"], training["steps"]) == (lr, 12)
    caption = (tmp_path / "results/toy/tables/nll.md").read_text().partition("\n")[0]
    assert "suite toy. One budget for every method: 12 steps on Eight Gaussians" in caption
    assert checkout.planned() == {}
    suite["search"]["share"] = 1
    checkout.configure(config)
    assert checkout.planned()["search"] == 2


def test_jobs_that_would_share_a_gpu_or_a_core_or_forget_slurm_are_told(tmp_path, monkeypatch):
    checkout = Checkout(tmp_path)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=os.pathsep)
    monkeypatch.delenv("SLURM_JOB_ID", raising=False)
    for name in ("nvidia-smi", "sbatch"):
        (tmp_path / name).write_text("#!/bin/sh\n")
        (tmp_path / name).chmod(0o755)

    def told(*options, words="Jobs share the GPU of this machine"):
        data = checkout.folder / "results/toy/eight_gaussians/data"
        shutil.rmtree(data, ignore_errors=True)
        found = checkout.snakemake(str(data.relative_to(checkout.folder)), *options)
        assert found.returncode == 0, found.stdout
        return words in found.stdout

    assert not told("--cores", "2")  # the toy suite is for the CPU
    assert told("--cores", "999", words="999 cores were asked for")
    assert told("--cores", "1", words="There is a SLURM here")
    assert told("--cores", "2", "--config", "device=auto")
    assert not told("--cores", "1", "--config", "device=auto")
    one = ("--default-resources", "gpu=1", "--resources", "gpu=1")
    assert not told("--cores", "2", "--config", "device=auto", *one)
