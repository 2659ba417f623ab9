"""Methods of one's own in one workflow, as the pages give them: a class, an optional method, a
program with a rule, and a flow between two data sets."""

import os
import shutil
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from checkout import ROOT, TOY, Checkout, edited
from pages import block, parsed

from benchmark.data.description import describe
from benchmark.files import read_json

TABLES = Path("results/toy/tables")
METHODS = {"oracle": TOY["suites"]["toy"]["methods"]["oracle"]}
DATA = TOY["suites"]["toy"]["datasets"]


CLAIMS = """
for name, rows in (("points", data.parent / "audit/points.npy"), ("samples", run / "samples.npy")):
    np.save(run / f"{name}_log_prob.npy", fit.score_samples(np.load(rows)))
"""
MEASUREMENTS = {
    "energy": {"class": "benchmark.measure.discrepancy.EnergyDistance"},
    "mmd": {"class": "benchmark.measure.discrepancy.MaximumMeanDiscrepancy"},
    "told_apart": {"class": "benchmark.measure.classifier_test.ClassifierTest"},
    "curve": {
        "class": "benchmark.measure.sample_curve.SampleCurve",
        "arguments": {"tolerances": [1.0e-3, 1.0e-1], "samples": 50},
    },
    "ess": {
        "class": "benchmark.measure.effective_sample_size.EffectiveSampleSize",
        "arguments": {"samples": 50},
    },
    "audit": {
        "class": "benchmark.measure.audit.Audit",
        "label": "Audit of log-densities",
        "datasets": ["eight_gaussians"],
    },
}


def audited(rule: str) -> str:
    """The rule of a program that gives its log-densities to the audit."""
    rule = rule.replace("data=DATA,", 'data=DATA,\n        points=f"{AUDIT}/points.npy",')
    claims = [f'{name}_log_prob=f"{{RUN}}/{name}_log_prob.npy",' for name in ("points", "samples")]
    return rule.replace("output:", "\n        ".join(["output:", *claims]))


def write(folder: Path) -> dict:
    """The files of the pages, and the config that names them."""
    kde = folder / "checkout/mymethods"
    own = folder / "research/mymethods"
    for place in (kde, own):
        place.mkdir(parents=True)
    (kde / "kde.smk").write_text(audited(block("benchmark/README.md", "rule fit_kde:")))
    (kde / "kde.py").write_text(block("benchmark/README.md", "KernelDensity(") + CLAIMS)
    (kde / "kde.sh").write_text(block("benchmark/README.md", 'exec "$PYTHON"'))
    (own / "straight.py").write_text(block("README.md", "class Straight"))
    shutil.copy2(ROOT / "tests/between.py", own.parent)
    straight = parsed("README.md", "straight:")["straight"]
    spline = parsed("benchmark/baselines/README.md", "spline_flow:")["spline_flow"]
    between = {**METHODS["oracle"], "class": "between.Between", "datasets": ["both"]}
    moons = {
        "class": "benchmark.data.synthetic.TwoMoons",
        "arguments": {"train": 100, "validation": 10, "test": 50},
    }
    methods = {
        **METHODS,
        "kde": {**parsed("benchmark/README.md", "label: Kernel density")["kde"]},
        "straight": {**straight, "train": {**straight["train"], "steps": 10}},
        "spline_flow": {**spline, "train": {**spline["train"], "steps": 10}},
        "between": {**between, "label": "Between", "seeds": [0, 1]},
    }
    methods["between"]["train"] = TOY["suites"]["toy"]["methods"]["interpolant"]["train"]
    for name, seeds in {"kde": [0, 1], "straight": [0], "spline_flow": [0]}.items():
        methods[name] |= {"datasets": ["eight_gaussians"], "seeds": seeds}
    datasets = {
        "eight_gaussians": DATA["eight_gaussians"],
        "both": {**DATA["eight_gaussians"], "label": "Both", "base": moons},
    }
    config = edited(datasets=datasets, methods=methods, measurements=MEASUREMENTS)
    return {**config, "python_path": [str(own.parent)]}


def path_of_make(folder: Path) -> str:
    """The PATH under make: no environment is active, and `python` is another one, or none."""
    folder.mkdir()
    for name in ("python", "python3"):
        (folder / name).write_text("#!/bin/sh\necho another python >&2\nexit 1\n")
        (folder / name).chmod(0o755)
    own = Path(sys.executable).parent
    others = [place for place in os.environ["PATH"].split(os.pathsep) if Path(place) != own]
    return os.pathsep.join([str(folder), *others])


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    folder = tmp_path_factory.mktemp("methods")
    config = write(folder)
    checkout = Checkout(folder / "checkout")
    checkout.configure(config)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PATH", path_of_make(folder / "bin"))
        found = checkout.make()
    assert found.returncode == 0, found.stdout
    assert checkout.planned() == {}
    return checkout


def test_a_method_of_another_program_takes_part_by_a_rule(finished):
    measured = finished.run("eight_gaussians", "kde") / "measurements/nll.json"
    nll, kl, *_ = read_json(measured)["records"]
    assert (nll["metric"], kl["metric"]) == ("nll", "kl")
    assert kl["value"] > 0
    assert "Kernel density" in (finished.folder / TABLES / "nll.md").read_text()
    cost = read_json(finished.run("eight_gaussians", "kde") / "measurements/cost.json")["records"]
    assert cost[0]["metric"] == "training_seconds" and cost[0]["value"] > 0


def test_samples_and_log_densities_of_any_program_are_measured(finished):
    results = finished.folder / "results/toy"
    frame = pd.read_parquet(results / "metrics.parquet").query("dataset == 'eight_gaussians'")
    value = frame.groupby(["metric", "method"]).value.mean()
    for metric in ("energy_distance", "mmd_squared", "classifier_test"):
        assert value[metric].notna().all() and value[f"{metric}_floor"].notna().all()
        assert {"kde", "straight", "oracle"} <= set(value[metric].index)
    mass = frame[frame.metric == "audit_mass"].dropna(subset="value")
    assert {"kde", "oracle", "spline_flow"} <= set(mass.method)
    assert ((mass.value - 1).abs() < 5 * mass.standard_error + 0.01).all()
    assert value["ess", "oracle"] == pytest.approx(1) and np.isnan(value["ess", "kde"])
    assert (results / "figures/nfe_curve.png").exists()
    curve = pd.read_csv(finished.run("eight_gaussians", "straight") / "measurements/curve.csv")
    assert list(curve) == ["tolerance", "nfe", "distance"] and len(curve) == 2
    nll = (results / "tables/nll.md").read_text()
    assert "audit, mass: nothing wrong found" in nll and "Kernel density" in nll


def test_a_program_gets_the_seed_and_is_run_again_after_an_edit(finished):
    runs = [finished.run("eight_gaussians", "kde", seed) for seed in (0, 1)]
    first, second = (np.load(run / "samples.npy") for run in runs)
    assert first.shape == second.shape and not np.any(first == second)
    densities = [np.load(run / "log_prob.npy") for run in runs]
    np.testing.assert_array_equal(*densities)
    program = finished.folder / "mymethods/kde.py"
    text = program.read_text()
    program.write_text(f"{text}\n# edited")
    assert finished.planned()["fit_kde"] == 2


def test_the_method_that_the_readme_adds_runs(finished):
    assert finished.nll().loc["eight_gaussians", "straight"].notna().all()
    made = read_json(finished.run("eight_gaussians", "straight") / "model.json")["provenance"]
    package = {"package": "mymethods", "version": None, "commit": None, "dirty": None}
    assert package in made["packages"]


def test_a_density_that_is_no_flow_has_no_path(finished):
    run = finished.run("eight_gaussians", "spline_flow")
    assert finished.nll().loc["eight_gaussians", "spline_flow"].notna().all()
    assert (run / "density.npz").exists() and not (run / "path.npz").exists()
    assert "Spline flow" in (finished.folder / TABLES / "nll.md").read_text()


def test_two_densities_known_by_samples_are_connected_without_a_likelihood(finished):
    results = finished.folder / "results/toy"
    frame = pd.read_csv(results / "metrics.csv")
    frame = frame[frame.dataset == "both"]
    missing = frame[frame.metric == "nll"]
    assert set(missing.reason) == {"the base is known by samples only"} and len(missing) == 2
    assert frame[frame.metric == "samples_per_second"].value.notna().all()
    assert "the base is known by samples only" in (finished.folder / TABLES / "nll.md").read_text()
    figures = {path.stem for path in (results / "figures").glob("*both*.png")}
    assert figures == {"samples_both"}
    assert np.load(results / "both/between/seed0/samples_base.npz")["samples"].shape == (60, 2)
    assert not (results / "both/between/seed1/samples_base.npz").exists()
    assert describe(results / "both/data").base == 100
