"""The suite of the examples at toy budgets, end to end: one workflow, and the tables that it makes.

The environment of the programs is made by its own rule, by pip without a network: what it installs
are stand-ins that lead to the packages of the suite.
"""

import copy
import re
import sysconfig
import zipfile
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import yaml
from checkout import ROOT, Checkout
from scipy import stats
from scipy.special import logsumexp
from sklearn.mixture import GaussianMixture

from benchmark.files import read_json

EXAMPLES = Path("workflow/examples")
SUITE = yaml.safe_load((ROOT / EXAMPLES / "suite.yaml").read_text())
RESULTS = Path("results/examples")
SAMPLES = 50
OTHERS = ("interpolant", "spline_flow")
"""Methods of the library, whose own tests run them."""
DATA = "eight_gaussians/data"
METHODS = [name for name in SUITE["methods"] if name not in OTHERS]
LATENT = ("latent_interpolant", "latent_interpolant-sde")


def toy() -> dict:
    """The suite with few rows, steps and samples, on one data set, with one seed."""
    suite = copy.deepcopy(SUITE) | {"seeds": [0]}
    entry = suite["datasets"]["eight_gaussians"]
    entry["arguments"] = {"train": 1000, "validation": 20, "test": 60}
    suite["datasets"] = {"eight_gaussians": entry}
    suite["evaluation"] |= {"samples": SAMPLES, "tight_rows": 10, "grid": 8, "frames": 3}
    suite["evaluation"] |= {"frame_grid": 6, "atol": 1e-3, "rtol": 1e-3}
    for name in OTHERS:
        del suite["methods"][name]
    for method in suite["methods"].values():
        if method.get("train", {}).get("steps"):
            method["train"] |= {"steps": 40, "validations": 1}
        if "network" in method.get("model", {}):
            method["model"]["network"] |= {"width": 16}
    suite["methods"]["rectified_flow"]["model"] |= {"first": 20, "pairs": 500}
    shipped = yaml.safe_load((ROOT / "config.yaml").read_text())
    return {**shipped, "device": "cpu", "suite": "examples", "suites": {"examples": suite}}


def stand_in(folder: Path, requirement: str) -> None:
    """A wheel that satisfies a requirement, with a link to the packages of this environment."""
    name, version = requirement.replace("-", "_").split("==")
    info = f"{name}-{version}.dist-info"
    content = {
        f"{name}.pth": sysconfig.get_path("purelib"),
        f"{info}/METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n",
        f"{info}/WHEEL": "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
        f"{info}/RECORD": "",
    }
    with zipfile.ZipFile(folder / f"{name}-{version}-py3-none-any.whl", "w") as wheel:
        for path, text in content.items():
            wheel.writestr(path, text)


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    folder = tmp_path_factory.mktemp("examples")
    checkout, wheels = Checkout(folder / "checkout"), folder / "wheels"
    wheels.mkdir()
    for requirement in (ROOT / EXAMPLES / "programs/requirements.txt").read_text().split():
        stand_in(wheels, requirement)
    checkout.configure(toy())
    without_network = {"PIP_NO_INDEX": "1", "PIP_FIND_LINKS": str(wheels)}
    found = checkout.make(environment=without_network)
    assert found.returncode == 0, found.stdout
    assert checkout.planned() == {}
    return checkout.folder / RESULTS


@pytest.fixture(scope="module")
def frame(finished):
    """The records, by method and metric."""
    return pd.read_csv(finished / "metrics.csv").set_index(["method", "metric"])


def rows(finished, split):
    return np.load(finished / DATA / f"{split}.npy").astype(float)


def run(finished, method):
    return finished / "eight_gaussians" / method / "seed0"


def test_every_method_has_a_number_or_its_reason(frame):
    nll = frame.xs("nll", level="metric")
    assert set(nll.index) == set(METHODS)
    assert nll.value.drop("mean_flow").notna().all()
    assert nll.reason["mean_flow"].startswith("samples are those of a map of few steps")
    distance = frame.xs("sliced_wasserstein", level="metric")
    assert distance.value["mean_flow"] > 0
    assert frame.value["mean_flow", "nfe_sampling"] == 1


def test_samples_are_as_many_for_programs_as_for_classes(finished):
    shapes = {np.load(run(finished, name) / "samples.npy").shape for name in METHODS}
    assert shapes == {(SAMPLES, 2)}


def test_ode_and_sde_have_one_likelihood(frame):
    ode, sde = (frame.value[name, "nll"] for name in LATENT)
    assert ode == sde
    assert frame.value[LATENT[1], "nfe_sampling"] == 400


def test_the_reflow_is_on_the_clock_and_its_straightness_in_the_records(frame):
    assert frame.value["rectified_flow", "straightness"] > 0
    assert frame.value["rectified_flow", "training_seconds"] > 0


def test_awk_and_the_library_fit_the_same_gaussian(finished, frame):
    one, other = (
        np.load(run(finished, name) / "log_prob.npy") for name in ("gaussian_awk", "gaussian")
    )
    np.testing.assert_allclose(one, other, rtol=1e-9)
    train = rows(finished, "train")
    gaussian = stats.multivariate_normal(train.mean(axis=0), np.cov(train.T, bias=True))
    np.testing.assert_allclose(one, gaussian.logpdf(rows(finished, "test")), rtol=1e-9)
    assert frame.control["gaussian_awk", "nll"]


def test_the_kernel_density_is_that_of_scipy(finished):
    train, test = rows(finished, "train"), rows(finished, "test")
    width = chosen(finished, "kernel_density")["bandwidth"]
    terms = stats.norm.logpdf(test[:, None], train, width).sum(axis=2)
    assert_written(finished, "kernel_density", logsumexp(terms, axis=1) - np.log(len(train)))


def test_the_mixture_is_that_of_scipy(finished):
    size = chosen(finished, "mixture")["n_components"]
    fit = GaussianMixture(size, random_state=0).fit(np.load(finished / DATA / "train.npy"))
    parts = [
        stats.multivariate_normal(mean, covariance).logpdf(rows(finished, "test"))
        for mean, covariance in zip(fit.means_, fit.covariances_, strict=True)
    ]
    assert_written(finished, "mixture", logsumexp(np.array(parts).T + np.log(fit.weights_), axis=1))


def chosen(finished, method):
    return read_json(run(finished, method) / "likelihood.json")["protocol"]


def assert_written(finished, method, log_prob):
    np.testing.assert_allclose(np.load(run(finished, method) / "log_prob.npy"), log_prob, rtol=1e-5)


def test_the_page_names_all_examples():
    text = (ROOT / EXAMPLES / "README.md").read_text()
    files = {
        path.name
        for path in (ROOT / EXAMPLES).rglob("*.*")
        if path.name not in ("README.md", "__init__.py") and path.is_file()
    }
    named = set(re.findall(r"`(?:[\w/]+/)?([\w]+\.\w+)`", text))
    assert {name for name in files if not name.endswith(".pyc")} <= named
