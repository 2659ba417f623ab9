"""The real workflow on a toy suite, in a copy of the checkout: whole, rerun, broken and killed."""

import math
import os
import re
import shutil
import signal
import sys
import time
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from checkout import TOY, Checkout, edited
from pages import block, parsed

import benchmark
from benchmark.data.description import describe
from benchmark.data.fetch import MIRRORS
from benchmark.files import read_json

RUNS = 8

BETWEEN = '''
"""Moves the mean of the base, known by its rows, to that of the data."""

import torch
from torch import nn

from benchmark.densities import Density
from benchmark.flow import Flow
from benchmark.shapes import PositiveInt


class Rows(Density):
    def __init__(self, rows):
        super().__init__()
        self.register_buffer("rows", rows)

    def sample(self, n):
        return self.rows[torch.randint(len(self.rows), (n,))]

    def log_prob(self, x):
        raise TypeError("not known")


class Between(Flow):
    accepts = ("base",)

    def __init__(self, rows, event):
        super().__init__()
        self.base, self.speed = Rows(torch.zeros(rows, *event)), nn.Parameter(torch.zeros(event))

    @classmethod
    def build(cls, event: tuple[int, ...], base_rows: PositiveInt):
        return cls(base_rows, event)

    def initialise(self, rows, base=None):
        self.base.rows.copy_(base.all())
        self.speed.data.copy_(rows.all().mean(dim=0) - self.base.rows.mean(dim=0))

    def likelihood_gap(self):
        return "the base is known by samples only"

    def velocity(self, t, x):
        return self.speed.expand_as(x)

    def loss(self, x1):
        return 0 * self.speed.sum()
'''


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """A checkout in which the toy suite has run. Tests that change a file put it back."""
    checkout = Checkout(tmp_path_factory.mktemp("finished"))
    found = checkout.make()
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
    frame = pd.read_csv(results / "metrics.csv")
    assert len(frame[frame.metric == "nll"]) == RUNS
    assert frame[frame.metric == "nll"].value.notna().all()
    assert (frame["provenance.source"].str.len() == 16).all()


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


def test_images_are_compared_by_their_features(tmp_path):
    checkout = Checkout(tmp_path)
    features = {"classifier": {"width": 8, "epochs": 1, "seed": 0}, "samples": 40}
    features["tolerances"] = [1e-2, 1e-1]
    digits = {**TOY["suites"]["toy"]["datasets"]["digits"], "features": features}
    methods = {name: TOY["suites"]["toy"]["methods"][name] for name in ("interpolant", "gaussian")}
    checkout.configure(edited(datasets={"digits": digits}, methods=methods, evaluation__passes=2))
    found = checkout.make()
    assert found.returncode == 0, found.stdout
    results = checkout.folder / "results/toy"
    table = pd.read_csv(results / "tables/distances.csv", index_col="Method")
    assert list(table) == ["Digits FD_DIGITS_CNN", "Digits KD_DIGITS_CNN", "Digits NFE"]
    assert list(table.index) == ["Interpolant", "Gaussian", "Test images (floor)"]
    assert "(n=2)" in table.iloc[0, 0] and "(n=1)" in table.iloc[1, 0]
    notes = (results / "tables/distances.md").read_text()
    assert "FID" not in notes and "floor of 20 test images" in notes
    for name in ("distances", "nearest_digits", "path_digits"):
        assert (results / f"figures/{name}.pdf").stat().st_size > 0
    assert (results / "figures/path_digits.gif").exists()
    assert checkout.planned() == {}
    metrics = pd.read_csv(results / "metrics.csv").set_index("metric")
    assert metrics.loc["nll", "protocol.dequantisation"].eq("uniform, seed 0, 2 passes").all()
    drawn = metrics.loc["fd_digits_cnn"]
    assert "dopri5" in set(drawn["protocol.solver"]) and drawn["protocol.divergence"].isna().all()

    # A failure here costs the distances of one run, and not its likelihood.
    library = checkout.folder / "benchmark/measure/distances.py"
    broken = (
        '        if subject.run.method == "gaussian":\n            raise RuntimeError("no samples")'
    )
    line = "        extractor = extractor_of(self.features, subject)"
    assert library.read_text().count(line) == 1
    library.write_text(library.read_text().replace(line, f"{broken}\n{line}"))
    assert checkout.make().returncode != 0
    table = pd.read_csv(results / "tables/distances.csv", index_col="Method")
    assert table.iloc[1, 0] == "— [a]" and "(n=2)" in table.iloc[0, 0]
    notes = (results / "tables/distances.md").read_text()
    assert "[a] Gaussian on Digits, seed 0: RuntimeError: no samples." in notes
    assert "—" not in (results / "tables/nll.csv").read_text()


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
        os.killpg(process.pid, how)
        process.wait()
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


def test_jobs_that_would_share_a_gpu_are_told(tmp_path, monkeypatch):
    checkout = Checkout(tmp_path)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=os.pathsep)
    (tmp_path / "nvidia-smi").write_text("#!/bin/sh\n")
    (tmp_path / "nvidia-smi").chmod(0o755)

    def told(*options):
        data = checkout.folder / "results/toy/eight_gaussians/data"
        shutil.rmtree(data, ignore_errors=True)
        found = checkout.snakemake(str(data.relative_to(checkout.folder)), *options)
        assert found.returncode == 0, found.stdout
        return "Jobs share the GPU of this machine" in found.stdout

    assert not told("--cores", "2")  # the toy suite is for the CPU
    assert told("--cores", "2", "--config", "device=auto")
    assert not told("--cores", "1", "--config", "device=auto")
    one = ("--default-resources", "gpu=1", "--resources", "gpu=1")
    assert not told("--cores", "2", "--config", "device=auto", *one)


def test_a_method_of_another_program_takes_part_by_a_rule(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(Path(sys.executable).parent), prepend=os.pathsep)
    checkout = Checkout(tmp_path)
    (checkout.folder / "my").mkdir()
    (checkout.folder / "my/kde.smk").write_text(block("benchmark/README.md", "rule kde:"))
    (checkout.folder / "my/kde.py").write_text(block("benchmark/README.md", "KernelDensity("))
    entry = parsed("benchmark/README.md", "label: Kernel density")["kde"]
    methods = TOY["suites"]["toy"]["methods"]
    checkout.configure(
        edited(
            datasets={"eight_gaussians": TOY["suites"]["toy"]["datasets"]["eight_gaussians"]},
            methods={
                "oracle": methods["oracle"],
                "kde": {**entry, "seeds": [0]},
            },
        )
    )
    found = checkout.make()
    assert found.returncode == 0, found.stdout
    kl = read_json(checkout.folder / "results/toy/eight_gaussians/kde/seed0/measurements/nll.json")[
        "records"
    ][1]
    assert kl["metric"] == "kl"
    assert kl["value"] > 0
    assert "Kernel density" in (checkout.folder / "results/toy/tables/nll.md").read_text()


def test_two_densities_known_by_samples_are_connected_without_a_likelihood(tmp_path):
    checkout = Checkout(tmp_path)
    (tmp_path / "own").mkdir()
    (tmp_path / "own/between.py").write_text(BETWEEN)
    toy = TOY["suites"]["toy"]
    moons = {
        "class": "benchmark.data.synthetic.TwoMoons",
        "arguments": {"train": 100, "validation": 10, "test": 50},
    }
    config = edited(
        datasets={"both": {**toy["datasets"]["eight_gaussians"], "base": moons}},
        methods={
            "between": {
                **toy["methods"]["interpolant"],
                "class": "between.Between",
                "model": {},
            }
        },
    )
    checkout.configure({**config, "python_path": ["own"]})
    found = checkout.make()
    assert found.returncode == 0, found.stdout
    results = checkout.folder / "results/toy"
    frame = pd.read_csv(results / "metrics.csv")
    missing = frame[frame.metric == "nll"]
    assert set(missing.reason) == {"the base is known by samples only"} and len(missing) == 2
    assert frame[frame.metric == "samples_per_second"].value.notna().all()
    assert "the base is known by samples only" in (results / "tables/nll.md").read_text()
    figures = {path.stem for path in (results / "figures").glob("*.png")}
    assert figures == {"samples_both", "learning_curves", "nll_time"}
    assert np.load(results / "both/between/seed0/samples_base.npy").shape == (60, 2)
    assert not (results / "both/between/seed1/samples_base.npy").exists()
    assert describe(results / "both/data").base == 100
    assert checkout.planned() == {}


def test_the_method_that_the_readme_adds_runs(tmp_path):
    checkout = Checkout(tmp_path / "checkout")
    source = block("README.md", "class StraightFlow")
    entry = parsed("README.md", "straight:")
    (tmp_path / "research/mymethods").mkdir(parents=True)
    (tmp_path / "research/mymethods/straight.py").write_text(source)
    entry["straight"]["train"]["steps"] = 10
    entry["straight"]["seeds"] = [0]
    digits = TOY["suites"]["toy"]["datasets"]["digits"]
    config = edited(datasets={"digits": digits}, methods=entry)
    checkout.configure({**config, "python_path": [str(tmp_path / "research")]})
    found = checkout.make()
    assert found.returncode == 0, found.stdout
    assert checkout.nll().notna().all()
    package = read_json(checkout.run("digits", "straight") / "model.json")["provenance"]["package"]
    assert package == {"package": "mymethods", "version": None, "commit": None, "dirty": None}


def test_an_own_table_is_a_data_set_and_prepared_again_when_its_file_changes(tmp_path):
    checkout = Checkout(tmp_path)
    rows = np.random.default_rng(0).normal(size=(200, 3))
    pd.DataFrame(rows, columns=["mass", "charge", "spin"]).to_csv(tmp_path / "mine.csv")
    numbers = {"noise": {"mass": 0.1}, "shuffle": 0, "split": [0.8, 0.1, 0.1]}
    mine = {
        "label": "Mine",
        "class": "benchmark.data.table.Table",
        "file": "mine.csv",
        "arguments": {"columns": ["mass", "spin"], "standardise": "train", **numbers},
    }
    methods = {"gaussian": TOY["suites"]["toy"]["methods"]["gaussian"]}
    checkout.configure(edited(datasets={"mine": mine}, methods=methods))
    target = "results/toy/mine/gaussian/seed0/measurements/nll.json"
    found = checkout.snakemake(target, "--cores", "1")
    assert found.returncode == 0, found.stdout
    first = describe(tmp_path / "results/toy/mine/data")
    assert first.event == (2,) and first.rows == {"train": 160, "validation": 20, "test": 20}
    assert math.isfinite(read_json(tmp_path / target)["records"][0]["value"])
    assert "Nothing to be done" in checkout.snakemake(target, "--dry-run").stdout

    pd.DataFrame(-rows, columns=["mass", "charge", "spin"]).to_csv(tmp_path / "mine.csv")
    planned = checkout.snakemake(target, "--dry-run").stdout
    assert all(f"rule {name}:" in planned for name in ("prepare", "train_gaussian", "evaluate"))
    found = checkout.snakemake("results/toy/mine/data", "--cores", "1")
    assert found.returncode == 0, found.stdout
    assert describe(tmp_path / "results/toy/mine/data").hash != first.hash


def test_inception_is_among_what_is_fetched_before(tmp_path):
    checkout = Checkout(tmp_path)
    checkout.configure(
        {**TOY, "suite": "images", "suites": {"images": "workflow/suites/images.yaml"}}
    )
    planned = checkout.snakemake("prefetch", "--dry-run")
    assert "results/downloads/inception/inception-2015-12-05.pt" in planned.stdout
    assert "results/downloads/flowers-102/jpg" in planned.stdout


def test_a_folder_of_images_comes_from_a_mirror_through_the_rules(mirror, tmp_path, monkeypatch):
    monkeypatch.setenv(MIRRORS, ";".join(mirror))
    checkout = Checkout(tmp_path)
    recut = {
        "label": "BSDS300 (recut)",
        "class": "benchmark.data.patches.BSDS300Recut",
        "source": "bsds300_images",
        "arguments": {"train": 500, "validation": 20, "test": 30},
    }
    methods = {"gaussian": TOY["suites"]["toy"]["methods"]["gaussian"]}
    checkout.configure(edited(datasets={"recut": recut}, methods=methods))
    found = checkout.snakemake("results/toy/recut/data", "--cores", "1")
    assert found.returncode == 0, found.stdout
    described = describe(tmp_path / "results/toy/recut/data")
    assert described.rows == {"train": 500, "validation": 20, "test": 30}
    assert described.event == (63,)


def test_an_archive_that_is_out_of_reach_is_told(tmp_path, monkeypatch):
    monkeypatch.setenv(MIRRORS, str(tmp_path / "nowhere"))
    monkeypatch.setenv("HTTPS_PROXY", "http://127.0.0.1:9")
    checkout = Checkout(tmp_path)
    mine = {
        "label": "MINIBOONE",
        "class": "benchmark.data.papamakarios.MINIBOONE",
        "source": "miniboone",
        "arguments": {},
    }
    methods = {"gaussian": TOY["suites"]["toy"]["methods"]["gaussian"]}
    checkout.configure(edited(datasets={"miniboone": mine}, methods=methods))
    found = checkout.snakemake("prefetch", "--cores", "1")
    assert found.returncode != 0
    assert "No intact copy of papamakarios/miniboone.npy was found" in found.stdout
    assert "Download https://zenodo.org/records/1161203/files/data.tar.gz" in found.stdout


def test_mnist_comes_from_a_mirror_through_the_rules(mirror, tmp_path, monkeypatch):
    monkeypatch.setenv(MIRRORS, ";".join(mirror))
    checkout = Checkout(tmp_path)
    mnist = {
        "label": "MNIST",
        "class": "benchmark.data.mnist.MNIST",
        "source": "mnist",
        "arguments": {"validation": 5000},
    }
    methods = {"interpolant": TOY["suites"]["toy"]["methods"]["interpolant"]}
    checkout.configure(edited(datasets={"mnist": mnist}, methods=methods))
    found = checkout.snakemake("prefetch", "--cores", "1")
    assert found.returncode == 0, found.stdout
    monkeypatch.setenv(MIRRORS, str(tmp_path / "nowhere"))  # as on a node without a network
    found = checkout.snakemake("results/toy/mnist/data", "--cores", "1")
    assert found.returncode == 0, found.stdout
    described = describe(checkout.folder / "results/toy/mnist/data")
    assert described.rows == {"train": 55000, "validation": 5000, "test": 10000}

    image = checkout.folder / "results/downloads/mnist/t10k-images-idx3-ubyte"
    image.write_bytes(image.read_bytes()[:-1])
    for folder in ("data", "prepared"):
        shutil.rmtree(checkout.folder / "results/toy/mnist" / folder)
    found = checkout.snakemake("results/toy/mnist/data", "--cores", "1")
    assert found.returncode != 0
    (log,) = (checkout.folder / "results/toy/mnist/prepared").glob("*.log")
    assert "t10k-images-idx3-ubyte" in log.read_text()
