"""Data in the workflow: images, tables of one's own, and downloads from mirrors or from nowhere."""

import math
import shutil

import numpy as np
import pandas as pd
from checkout import TOY, Checkout, edited

from benchmark.data import dataset
from benchmark.data.description import describe
from benchmark.data.fetch import MIRRORS
from benchmark.files import read_json


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
    found = checkout.snakemake("results/toy/digits/dequantised/test1.npy", "--cores", "1")
    assert found.returncode == 0, found.stdout
    noisy = np.load(results / "digits/dequantised/test1.npy")
    np.testing.assert_array_equal(noisy, dataset.pass_rows(results / "digits/data", 1))
    table = pd.read_csv(results / "tables/distances.csv", index_col="Method")
    shown = ["FD_DIGITS_CNN", "KD_DIGITS_CNN", "NFE", "Outside [%]"]
    assert list(table) == [f"Digits {heading}" for heading in shown]
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


def test_an_own_table_is_a_data_set_and_prepared_again_when_its_file_changes(tmp_path):
    checkout = Checkout(tmp_path)
    rows = np.random.default_rng(0).normal(size=(200, 3))
    pd.DataFrame(rows, columns=["mass", "charge", "spin"]).to_csv(
        tmp_path / "mine.csv", index=False
    )
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

    pd.DataFrame(-rows, columns=["mass", "charge", "spin"]).to_csv(
        tmp_path / "mine.csv", index=False
    )
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
