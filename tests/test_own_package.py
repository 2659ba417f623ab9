"""Parts of a package that lies outside of the checkout: a method with a rule file, a network, a
data set and a measurement, with no file of the checkout touched; an edit of each reruns its own."""

import hashlib
import shutil

import pandas as pd
import pytest
from checkout import TOY, Checkout, edited
from pages import block

from benchmark.files import read_json

PACKAGE = {
    "__init__.py": "",
    "scale.py": "FACTOR = 1.0\n",
    "method.py": '''
"""Flow matching along straight lines, times a factor of the package."""

import torch

from benchmark.densities import StandardNormal
from benchmark.flow import Flow
from benchmark.networks.network import Network
from benchmark.shapes import per_sample

from .scale import FACTOR


class Straight(Flow):
    def __init__(self, network, base):
        super().__init__()
        self.network, self.base = network, base

    @classmethod
    def build(cls, event: tuple[int, ...], *, network: Network):
        return cls(network, StandardNormal(torch.Size(event)))

    def velocity(self, t, x):
        return self.network(t, x)

    def loss(self, x1):
        t, x0 = torch.rand(len(x1)).to(x1), self.base.sample(len(x1))
        x = per_sample(1 - t, x0) * x0 + per_sample(t, x1) * x1
        return FACTOR * (self.velocity(t, x) - (x1 - x0)).square().flatten(1).sum(dim=1).mean()
''',
    "networks.py": block("benchmark/README.md", "class Shallow"),
    "data.py": """
import numpy as np

from benchmark.data.dataset import Dataset, Splits

SIDE = 1


class Ring(Dataset):
    event = (SIDE + 1,)

    @staticmethod
    def prepare(n: int, *, seed: int = 0):
        angle = np.random.default_rng(seed).uniform(0, 2 * np.pi, (3, n))
        rows = np.stack([np.cos(angle), np.sin(angle)], axis=2).astype(np.float32)
        return Splits(*rows)
""",
    "spread.py": block("benchmark/README.md", "class Spread"),
}
"""Network and measurement are those of the pages."""

RULES = block("workflow/README.md", "use rule train as train_straight")
THREADS = 2
"""Of the training: the cores that there are, of the four that the rule of the page asks for."""

MEASUREMENTS = {
    "spread": {"class": "mymethods.spread.Spread", "label": "Spread of samples"},
    "sliced": {"class": "benchmark.measure.sliced_wasserstein.SlicedWasserstein"},
}


def write(folder):
    for name, text in PACKAGE.items():
        path = folder / "mymethods" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    (folder / "rules.smk").write_text(RULES)


def suite(**changes):
    toy = TOY["suites"]["toy"]
    ring = {"label": "Ring", "class": "mymethods.data.Ring", "arguments": {"n": 60}}
    straight = {
        **toy["methods"]["interpolant"],
        **{"label": "Straight", "class": "mymethods.method.Straight", "seeds": [0]},
        "rules": "../research/rules.smk",
        "model": {"network": {"class": "mymethods.networks.Shallow", "width": 4}},
    }
    methods = {"straight": straight, "gaussian": toy["methods"]["gaussian"]}
    datasets = {"ring": ring, "eight_gaussians": toy["datasets"]["eight_gaussians"]}
    config = edited(datasets=datasets, methods=methods, **changes)
    return {**config, "python_path": ["../research"]}


def hashes(folder):
    files = [path for part in ("benchmark", "workflow") for path in (folder / part).rglob("*.*")]
    kept = [path for path in files if "__pycache__" not in path.parts and path.is_file()]
    return {path: hashlib.sha256(path.read_bytes()).hexdigest() for path in kept}


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    folder = tmp_path_factory.mktemp("own")
    checkout = Checkout(folder / "checkout")
    write(folder / "research")
    before = hashes(checkout.folder)
    checkout.configure(suite())
    found = checkout.make()
    assert found.returncode == 0, found.stdout
    assert hashes(checkout.folder) == before
    checkout.configure(suite(measurements=MEASUREMENTS))
    checkout.added = checkout.planned()
    found = checkout.make()
    assert found.returncode == 0, found.stdout
    assert hashes(checkout.folder) == before
    return checkout


@pytest.fixture
def changed(finished):
    yield finished
    write(finished.folder.parent / "research")
    shutil.rmtree(finished.folder.parent / "research/mymethods/__pycache__", ignore_errors=True)


def edit(checkout, module, old, new):
    path = checkout.folder.parent / "research/mymethods" / module
    text = path.read_text()
    assert text.count(old) == 1
    path.write_text(text.replace(old, new))


def test_all_of_them_are_in_the_tables(finished):
    tables = finished.folder / "results/toy/tables"
    nll = pd.read_csv(tables / "nll.csv", index_col="Method")
    assert list(nll.index) == ["Straight", "Gaussian"]
    assert list(nll) == [
        "Ring NLL [nats]",
        "Eight Gaussians NLL [nats]",
        "Eight Gaussians KL [nats]",
    ]
    spread = pd.read_csv(tables / "spread.csv", index_col="Method")
    assert spread.shape == (2, 2) and spread.notna().all().all()
    assert "Spread of samples" in (tables / "spread.md").read_text()
    run = finished.run("ring", "straight")
    fit = read_json(run / "model.json")["provenance"]["packages"]
    rows = read_json(run.parent.parent / "data/data.json")["packages"]
    assert [p["package"] for p in fit] == [p["package"] for p in rows] == ["mymethods"]


def test_the_rule_file_gives_threads_to_its_method_only(finished):
    files = [finished.run("ring", name) / "model.json" for name in ("straight", "gaussian")]
    threads = [read_json(file)["provenance"]["threads"] for file in files]
    assert threads == [THREADS, 1]


def test_a_measurement_that_is_added_runs_its_own_jobs_only(finished):
    assert finished.added["measure_spread"] == finished.added["measure_sliced"] == 4
    own = {f"{job}_{name}" for job in ("measure", "measurement_table") for name in MEASUREMENTS}
    others = set(finished.added) - {*own, "metrics"}
    assert others <= {"nll_table", "cost_table", "significance_table", "nll_time_figure"}


MEASURED = {"measure_spread": 2, "measure_sliced": 2}
STRAIGHT = {"train_straight": 2, "evaluate": 2, "density": 2, "path": 2, **MEASURED}

EDITS = {
    "method": ("method.py", "FACTOR * (self", "2 * FACTOR * (self", STRAIGHT),
    "what it imports": ("scale.py", "1.0", "2.0", STRAIGHT),
    "network": ("networks.py", "nn.SiLU()", "nn.Tanh()", STRAIGHT),
    "data set": (
        *("data.py", "2 * np.pi", "np.pi"),
        {
            **{"prepare": 1, "publish": 1, "train_straight": 1, "train_gaussian": 1},
            **{"evaluate": 2, "density": 2, "path": 1, **MEASURED},
        },
    ),
    "measurement": ("spread.py", "samples.std()", "samples.var()", {"measure_spread": 4}),
}


@pytest.mark.parametrize("what", EDITS)
def test_an_edit_reruns_its_own(changed, what):
    module, old, new, jobs = EDITS[what]
    edit(changed, module, old, new)
    planned = changed.planned()
    usual = {"measure_nll", "measure_cost"}  # they follow the evaluation
    report = {name for name in planned if "table" in name or name.startswith("data_card_")}
    own = set(planned) - report - usual - {"metrics"} - {n for n in planned if "figure" in n}
    assert {name: planned[name] for name in own} == jobs
    assert usual <= set(planned) or "evaluate" not in jobs


def test_comments_and_docstrings_of_ones_own_rerun_nothing(changed):
    for path in (changed.folder.parent / "research/mymethods").glob("*.py"):
        path.write_text(path.read_text() + '\n# a comment\n"""A text."""\n')
    assert changed.planned() == {}
