"""A suite: its runs, the grids of its methods, what differs on a data set, and its files."""

import copy
import re

import pytest
import yaml
from suites import ROOT, SHIPPED, TOY, UNET, put, with_images

from benchmark.records.run import Run
from benchmark.suite.load import load
from benchmark.suite.words import ConfigError

MLP = "benchmark.networks.mlp.MLP"


@pytest.fixture
def interpolant(toy):
    """The entry of the interpolant in the toy config."""
    return toy["suites"]["toy"]["methods"]["interpolant"]


def made_with(suite, method, dataset="digits"):
    return suite.hyperparameters(Run("toy", dataset, method, 0))


def variants(suite, method="interpolant"):
    return [name for name in suite.methods if name.startswith(method)]


# Runs


def test_runs_are_datasets_by_methods_by_seeds_less_what_a_method_leaves_out(toy):
    suite = load(toy)
    assert suite.runs == (
        Run("toy", "eight_gaussians", "interpolant", 0),
        Run("toy", "eight_gaussians", "interpolant", 1),
        Run("toy", "eight_gaussians", "ffjord", 0),
        Run("toy", "eight_gaussians", "gaussian", 0),
        Run("toy", "eight_gaussians", "oracle", 0),
        Run("toy", "digits", "interpolant", 0),
        Run("toy", "digits", "interpolant", 1),
        Run("toy", "digits", "gaussian", 0),
    )
    assert str(suite).startswith("suite toy: 8 runs on 2 data sets (eight_gaussians, digits)")
    assert "interpolant 4, ffjord 1, gaussian 2, oracle 1" in str(suite)


def test_the_first_runs_have_the_first_seed_of_each_method_on_each_data_set(toy):
    toy["suites"]["toy"]["methods"]["ffjord"]["seeds"] = [5, 3]
    first = load(toy).first_runs
    assert [(run.dataset, run.method, run.seed) for run in first] == [
        *(("eight_gaussians", "interpolant", 0), ("eight_gaussians", "ffjord", 5)),
        *(("eight_gaussians", "gaussian", 0), ("eight_gaussians", "oracle", 0)),
        *(("digits", "interpolant", 0), ("digits", "gaussian", 0)),
    ]


@pytest.mark.parametrize("name", SHIPPED["suites"])
def test_every_suite_that_is_shipped_is_valid(name, asked_here, monkeypatch):
    monkeypatch.chdir(ROOT)
    suite = load({**SHIPPED, "suite": name})
    assert suite.name == name and suite.runs


def test_the_suite_of_the_first_command_is_quick(asked_here):
    suite = load(SHIPPED)
    assert suite.name == "quick"
    assert {run.seed for run in suite.runs if run.method == "interpolant"} == {0, 1, 2}


# What differs on a data set


def test_arguments_that_differ_on_a_data_set_replace_the_others_only_there(toy, interpolant):
    changes = {"model": {"network": {"width": 99}}, "train": {"steps": 7}}
    interpolant["per_dataset"] = {"digits": changes}
    suite = load(toy)
    usual, digits = (
        made_with(suite, "interpolant", name) for name in ("eight_gaussians", "digits")
    )
    assert (usual.model["network"]["width"], usual.train.steps) == (16, 20)
    assert (digits.model["network"]["width"], digits.train.steps) == (99, 7)
    assert digits.model["network"] == {**usual.model["network"], "width": 99}
    assert {**digits.model, "network": None} == {**usual.model, "network": None}
    assert digits.train == usual.train.model_copy(update={"steps": 7})


def test_another_network_on_a_data_set_brings_all_of_its_arguments(toy):
    ffjord = toy["suites"]["toy"]["methods"]["ffjord"]
    ffjord["datasets"] = ["eight_gaussians", "digits"]
    network = {"class": MLP, "width": 4, "depth": 1, "time_frequencies": 0, "space_frequencies": 0}
    ffjord["per_dataset"] = {"digits": {"model": {"network": network}}}
    assert made_with(load(toy), "ffjord").model["network"] == network
    del network["time_frequencies"]
    message = r"ffjord.per_dataset.digits.model.network.time_frequencies is missing; .*MLP needs"
    with pytest.raises(ConfigError, match=message):
        load(toy)


def test_classes_are_those_of_the_method_and_of_its_arguments(toy):
    suite = load(toy)
    kind = "benchmark.baselines.interpolant.InterpolantFlow"
    assert made_with(suite, "interpolant").classes == [kind, MLP]
    assert made_with(suite, "gaussian").classes == ["benchmark.baselines.gaussian.Gaussian"]


# Grids


def test_a_list_is_a_grid_of_variants(toy, interpolant):
    interpolant["train"]["lr"] = [0.001, 0.01]
    interpolant["model"]["network"]["width"] = [8, 16]
    interpolant["rules"] = str(ROOT / "workflow/rules/train.smk")
    suite = load(toy)
    assert len(variants(suite)) == 4
    variant = suite.methods["interpolant-width=8-lr=0.01"]
    assert variant.label == "Interpolant width=8 lr=0.01"
    assert variant.colour == interpolant["colour"]
    assert variant.rules == interpolant["rules"]
    fit = made_with(suite, "interpolant-width=8-lr=0.01")
    assert (fit.model["network"]["width"], fit.train.lr) == (8, 0.01)


def test_lists_whose_keys_end_alike_are_told_apart_by_all_of_them(toy, interpolant):
    interpolant["model"]["path"] = {"kind": ["linear", "trigonometric"]}
    interpolant["model"]["draws"] = {"alpha": 1.0}
    train = interpolant["train"]
    train["schedule"] = {"kind": ["step"], "every": 5, "factor": [0.5, 0.1]}
    train["early_stopping"] = {"patience": 3, "drops": 1, "factor": [0.5, 1.0]}
    first = "interpolant-kind=linear-train.schedule.factor=0.5-train.early_stopping.factor=0.5"
    assert variants(load(toy))[0] == first


def test_a_variant_is_named_after_its_method_and_has_a_grid_of_its_own(toy, interpolant):
    methods = toy["suites"]["toy"]["methods"]
    methods["interpolant-wide_one"] = {**copy.deepcopy(interpolant), "label": "Wide"}
    methods["interpolant-wide_one"]["model"]["network"]["width"] = [32, 64]
    suite = load(toy)
    names = variants(suite)
    assert names == ["interpolant", *(f"interpolant-wide_one-width={k}" for k in (32, 64))]
    fits = [made_with(suite, name, "eight_gaussians") for name in names]
    assert [fit.model["network"]["width"] for fit in fits] == [16, 32, 64]


def test_a_mapping_is_a_value_of_a_grid(toy, interpolant):
    steps = {"kind": "step", "every": 5, "factor": 0.5}
    interpolant["train"]["schedule"] = ["cosine", dict(reversed(steps.items()))]
    stopping = {"patience": 3, "drops": 0, "factor": 1.0}
    interpolant["train"]["early_stopping"] = [None, stopping]
    suite = load(toy)
    assert len(variants(suite)) == 4
    name = "interpolant-schedule=every=5,factor=0.5,kind=step-early_stopping=None"
    assert name in variants(suite)
    train = made_with(suite, name).train
    assert train.schedule.model_dump() == steps and train.early_stopping is None


def test_a_list_of_one_value_sets_nothing_apart_and_may_be_replaced_on_a_data_set(toy, interpolant):
    interpolant["model"]["network"]["width"] = [8]
    interpolant["per_dataset"] = {"digits": {"model": {"network": {"width": 99}}}}
    suite = load(toy)
    fits = [made_with(suite, "interpolant", name) for name in ("eight_gaussians", "digits")]
    assert [fit.model["network"]["width"] for fit in fits] == [8, 99]
    assert suite.methods["interpolant"].label == "Interpolant"


def test_an_argument_that_is_a_list_is_written_in_a_list(toy):
    config = with_images(toy)
    interpolant = config["suites"]["toy"]["methods"]["interpolant"]
    interpolant["model"]["network"]["attention"] = [[], [14, 7]]
    interpolant["per_dataset"] = {"mnist": {"model": {"network": {"multipliers": [2]}}}}
    suite = load(config)
    assert variants(suite) == ["interpolant-attention=", "interpolant-attention=14,7"]
    networks = [made_with(suite, name, "mnist").model["network"] for name in variants(suite)]
    assert [network["attention"] for network in networks] == [[], [14, 7]]
    assert [network["multipliers"] for network in networks] == [[2], [2]]


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ([1, 2], r"model.network.multipliers is 1; allowed is a list\."),
        (1, r"model.network.multipliers is 1; allowed is a list\."),
        ([[1, 0]], r"model.network.multipliers.1 is 0; allowed is at least 1\."),
        ([[1, True]], r"model.network.multipliers.1 is True; allowed is a whole number\."),
        ([[1, 2.0]], r"model.network.multipliers.1 is 2.0; allowed is a whole number\. Write 2\."),
    ],
)
def test_an_argument_that_is_not_the_list_it_has_to_be_is_named(toy, value, message):
    config = with_images(toy)
    put(config, "suites/toy/methods/interpolant/model/network", {**UNET, "multipliers": value})
    with pytest.raises(ConfigError, match=message):
        load(config)


# Files of their own


def test_what_differs_may_lie_in_a_file(toy, interpolant, tmp_path):
    differs = {"digits": {"model": {"network": {"width": 99}}, "train": {"steps": 7}}}
    interpolant["per_dataset"] = differs
    written_here = load(toy)
    file = tmp_path / "published.yaml"
    elsewhere = {"power": {"train": {"lr": 5.0}}}
    file.write_text(yaml.safe_dump({**elsewhere, **differs}))
    interpolant["per_dataset"] = str(file)
    suite = load(toy)
    for run in written_here.runs:
        assert suite.hyperparameters(run) == written_here.hyperparameters(run)
        assert suite.evaluate_hash(run) == written_here.evaluate_hash(run)
    assert made_with(suite, "interpolant").model["network"]["width"] == 99
    interpolant["train"]["steps"] = [3, 4]
    with pytest.raises(ConfigError, match=r"train.steps: a grid, but per_dataset.digits"):
        load(toy)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("- digits", "found no mapping; allowed is what .*methods.ffjord.per_dataset of config.ya"),
        ("{digits: ", "is no YAML: "),
        ("power: {trian: {lr: 1.0}}", "power: key 'trian' is unknown; .*Did you mean 'train'"),
        ("power: 5", "power is 5; allowed is a mapping"),
    ],
)
def test_a_wrong_file_of_what_differs_is_named(toy, tmp_path, content, message):
    file = tmp_path / "published.yaml"
    file.write_text(content)
    put(toy["suites"]["toy"], "methods/ffjord/per_dataset", str(file))
    with pytest.raises(ConfigError, match=f"^{re.escape(str(file))}: {message}"):
        load(toy)


def test_a_suite_may_lie_in_a_file_of_its_own(toy, tmp_path):
    file = tmp_path / "mine.yaml"
    file.write_text(yaml.safe_dump(toy["suites"]["toy"], sort_keys=False))
    toy["suites"]["toy"] = str(file)
    assert load(toy).runs == load(copy.deepcopy(TOY)).runs
    broken = yaml.safe_load(file.read_text())
    broken["seeds"] = [-1]
    file.write_text(yaml.safe_dump(broken))
    message = re.escape(f"{file}: seeds.0 is -1; allowed is at least 0")
    with pytest.raises(ConfigError, match=f"^{message}"):
        load(toy)


def test_an_unknown_suite_and_a_missing_file_are_named(toy):
    with pytest.raises(ConfigError, match=r"suite 'toi' is unknown; allowed: toy. Did you mean"):
        load({**toy, "suite": "toi"})
    with pytest.raises(ConfigError, match=r"suites.toy is 'nowhere.yaml'; no such file"):
        load({**toy, "suites": {"toy": "nowhere.yaml"}})
    with pytest.raises(ConfigError, match=r"key 'mirors' is unknown; .*Did you mean 'mirrors'"):
        load({**toy, "mirors": []})
    with pytest.raises(ConfigError, match=r"python_path: there is no folder nowhere"):
        load({**toy, "python_path": ["nowhere"]})
