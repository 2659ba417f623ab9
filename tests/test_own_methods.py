"""Methods of one's own in the workflow: by a rule, as in the README, between two data sets."""

import re
import shutil

import numpy as np
import pandas as pd
import yaml
from checkout import ROOT, TOY, Checkout, edited

from benchmark.data.description import describe
from benchmark.files import read_json

FOREIGN = """
rule kde:
    input:
        data=DATA,
    output:
        log_prob=f"{RUN}/log_prob.npy",
        likelihood=f"{RUN}/likelihood.json",
        samples=f"{RUN}/samples.npy",
        cost=f"{RUN}/cost.json",
    wildcard_constraints:
        method="kde",
    log:
        f"{RUN}/kde.log",
    shell:
        "{sys.executable} kde.py {input.data} $(dirname {output.log_prob}) > {log} 2>&1"
"""

KDE = """
import json, sys
from pathlib import Path
import numpy as np
from sklearn.neighbors import KernelDensity

data, run = map(Path, sys.argv[1:])
fit = KernelDensity(bandwidth=0.3).fit(np.load(data / "train.npy"))
np.save(run / "log_prob.npy", fit.score_samples(np.load(data / "test.npy")))
np.save(run / "samples.npy", fit.sample(50, random_state=0))
protocol = {"solver": "none (kernel density)"}
solve = {"nfe": None, "tight_log_prob": None, "protocol": protocol, "provenance": {}}
(run / "likelihood.json").write_text(json.dumps(solve))
(run / "cost.json").write_text("[]")
"""


def test_a_method_of_another_program_takes_part_by_a_rule(tmp_path):
    checkout = Checkout(tmp_path)
    (checkout.folder / "kde.smk").write_text(FOREIGN)
    (checkout.folder / "kde.py").write_text(KDE)
    methods = TOY["suites"]["toy"]["methods"]
    checkout.configure(
        edited(
            datasets={"eight_gaussians": TOY["suites"]["toy"]["datasets"]["eight_gaussians"]},
            methods={
                "oracle": methods["oracle"],
                "kde": {
                    **{"label": "Kernel density", "colour": "#123456", "seeds": [0]},
                    "rules": "kde.smk",
                },
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
    shutil.copy2(ROOT / "tests/between.py", tmp_path / "own")
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
    blocks = re.findall(r"```(\w*)\n(.*?)```", (ROOT / "README.md").read_text(), re.DOTALL)
    source = next(text for kind, text in blocks if kind == "python" and "StraightFlow" in text)
    entry = yaml.safe_load(
        next(text for kind, text in blocks if "StraightFlow" in text and kind == "yaml")
    )
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
    made = read_json(checkout.run("digits", "straight") / "model.json")["provenance"]
    package = {"package": "mymethods", "version": None, "commit": None, "dirty": None}
    assert package in made["packages"]
