"""The part of the config that each result of a suite depends on, and the terms of comparison."""

import copy

import pytest
from suites import put, refused, with_images

from benchmark.records.run import Run
from benchmark.suite.load import load

NETWORK = {"class": "benchmark.networks.concatsquash.ConcatSquashMLP", "width": 16, "depth": 2}
INTERPOLANT = Run("toy", "digits", "interpolant", 0)
CLASSIFIER = {"width": 8, "epochs": 1, "seed": 0}
FEATURES = {"classifier": CLASSIFIER, "samples": 10, "tolerances": [0.1]}
SLICED = {"class": "benchmark.measure.sliced_wasserstein.SlicedWasserstein"}


def edited(config, path, value):
    changed = copy.deepcopy(config)
    put(changed["suites"]["toy"], path, value)
    return load(changed)


# Fits and evaluations

UNRELATED = {
    "methods/interpolant/label": "Ours",
    "methods/interpolant/colour": "#123456",
    "methods/ffjord/train/lr": 0.5,
    "datasets/digits/label": "Handwritten",
    "datasets/eight_gaussians/arguments/test": 61,
    "datasets/digits/features": FEATURES,
    "evaluation/grid": 9,
    "evaluation/frames": 9,
    "evaluation/frame_grid": 9,
    "measurements": {"sliced": SLICED},
    "seeds": [0, 1, 2],
}
FIT = {
    "methods/interpolant/train/lr": 0.5,
    "methods/interpolant/model/network/width": 17,
    "methods/interpolant/model/network": NETWORK,
    "methods/interpolant/per_dataset": {"digits": {"train": {"steps": 7}}},
    "datasets/digits/arguments/test": 21,
    "datasets/digits/held_out": {"test": 5},
    "validation/rtol": 0.5,
    "threads": 2,
}


@pytest.mark.parametrize("path", UNRELATED)
def test_a_run_does_not_depend_on(toy, path):
    before, after = load(toy), edited(toy, path, UNRELATED[path])
    assert after.train_hash(INTERPOLANT) == before.train_hash(INTERPOLANT)
    assert after.evaluate_hash(INTERPOLANT) == before.evaluate_hash(INTERPOLANT)
    for name in ("nll", "cost"):
        hashes = [suite.measurement_hash(INTERPOLANT, name) for suite in (before, after)]
        assert hashes[0] == hashes[1]


@pytest.mark.parametrize("path", FIT)
def test_a_fit_depends_on(toy, path):
    after = edited(toy, path, FIT[path])
    before = load(toy)
    assert after.train_hash(INTERPOLANT) != before.train_hash(INTERPOLANT)
    assert after.evaluate_hash(INTERPOLANT) != before.evaluate_hash(INTERPOLANT)


@pytest.mark.parametrize(
    ("path", "value"),
    [("evaluation/rtol", 0.5), ("evaluation/samples", 51), ("evaluation/passes", 2)],
)
def test_an_evaluation_depends_on_its_settings_and_a_fit_does_not(toy, path, value):
    before, after = load(toy), edited(toy, path, value)
    assert after.train_hash(INTERPOLANT) == before.train_hash(INTERPOLANT)
    assert after.evaluate_hash(INTERPOLANT) != before.evaluate_hash(INTERPOLANT)
    for name in ("nll", "cost"):
        hashes = [suite.measurement_hash(INTERPOLANT, name) for suite in (before, after)]
        assert hashes[0] != hashes[1]


def test_a_key_that_says_what_is_usual_changes_nothing(toy):
    before = load(toy)
    for path, value in {
        "threads": 1,
        "evaluation/passes": 1,
        "methods/interpolant/train/accumulate": 1,
        "datasets/digits/held_out": None,
    }.items():
        assert edited(toy, path, value).evaluate_hash(INTERPOLANT) == before.evaluate_hash(
            INTERPOLANT
        ), path


# Measurements


def test_every_run_has_nll_and_cost_and_images_have_distances(toy):
    suite = edited(toy, "datasets/digits/features", FEATURES)
    assert {run: suite.measurements_of(run) for run in suite.runs} == {
        run: ["nll", "cost", *(["distances"] if run.dataset == "digits" else [])]
        for run in suite.runs
    }


def test_a_further_measurement_is_made_where_it_can_be_and_where_it_is_wanted(toy):
    config = with_images(toy)
    config["suites"]["toy"]["datasets"]["digits"]["label"] = "Digits"
    config["suites"]["toy"]["methods"]["gaussian"]["datasets"] = ["digits", "eight_gaussians"]
    put(config["suites"]["toy"], "measurements", {"sliced": SLICED})
    suite = load(config)
    measured = {run.dataset for run in suite.runs if suite.is_measured(run, "sliced")}
    assert measured == {"eight_gaussians", "digits"}  # it needs vectors
    put(config["suites"]["toy"], "measurements/sliced/datasets", ["digits"])
    suite = load(config)
    assert {run.dataset for run in suite.runs if suite.is_measured(run, "sliced")} == {"digits"}


def test_a_measurement_is_called_by_its_label_or_its_name(toy):
    measurements = {"sliced_one": SLICED, "other": {**SLICED, "label": "Sliced W2"}}
    suite = edited(toy, "measurements", measurements)
    assert suite.measurement_label("sliced_one") == "sliced one"
    assert suite.measurement_label("other") == "Sliced W2"


def test_a_measurement_depends_on_its_arguments_and_nothing_else_does(toy):
    put(toy["suites"]["toy"], "measurements", {"sliced": {**SLICED, "arguments": {"seed": 0}}})
    before, after = load(toy), edited(toy, "measurements/sliced/arguments", {"seed": 1})
    assert after.evaluate_hash(INTERPOLANT) == before.evaluate_hash(INTERPOLANT)
    for name, same in (("nll", True), ("cost", True), ("sliced", False)):
        hashes = [suite.measurement_hash(INTERPOLANT, name) for suite in (before, after)]
        assert (hashes[0] == hashes[1]) == same
    assert after.measurement_arguments(INTERPOLANT, "sliced") == {"seed": 1}


def test_how_images_are_compared_retrains_nothing(toy):
    before = load(toy)
    few = edited(toy, "datasets/digits/features", FEATURES)
    many = edited(toy, "datasets/digits/features", {**FEATURES, "samples": 20})
    hashes = [suite.evaluate_hash(INTERPOLANT) for suite in (before, few, many)]
    assert len(set(hashes)) == 1
    distances = [suite.measurement_hash(INTERPOLANT, "distances") for suite in (few, many)]
    assert distances[0] != distances[1]


# Budgets and the search of learning rates


@pytest.fixture
def matched(toy):
    """The toy suite, its trainings with the budgets of the data sets."""
    suite = toy["suites"]["toy"]
    for method in suite["methods"].values():
        if method["train"]["steps"]:
            del method["train"]["steps"]
    put(suite, "datasets/digits/budget", {"steps": 7})
    put(suite, "datasets/eight_gaussians/budget", {"seconds": 1.5})
    return toy


def test_a_budget_of_a_data_set_is_that_of_all_that_is_trained_on_it(matched):
    suite = load(matched)
    budgets = {"digits": (7, None), "eight_gaussians": (None, 1.5)}
    for run in suite.runs:
        train, trained = suite.hyperparameters(run).train, run.method not in ("gaussian", "oracle")
        assert suite.is_trained(run) == trained
        expected = budgets[run.dataset] if trained else (0, None)
        assert (train.steps, train.seconds) == expected


def test_the_terms_of_a_suite_are_in_words(toy, matched):
    assert load(matched).comparison_terms == (
        "One budget for every method: 1.5 s of training on Eight Gaussians; 7 steps on Digits "
        "(1 thread)."
    )
    suite = matched["suites"]["toy"]
    put(suite, "datasets/digits/budget", {"seconds": 1.5})
    put(suite, "threads", 2)
    put(suite, "search", {"factors": [0.3, 1], "share": 0.25})
    assert load(matched).comparison_terms == (
        "One budget for every method: 1.5 s of training on Eight Gaussians, Digits (2 threads). "
        "Learning rates by the same search: 0.3, 1 times the method's own, each with 25% of the "
        "budget, chosen on validation rows."
    )


def test_budgets_of_their_own_have_no_terms(toy):
    assert load(toy).comparison_terms == ""


def test_no_method_has_a_budget_of_its_own_beside_that_of_all(matched):
    put(matched["suites"]["toy"], "methods/ffjord/train/steps", 5)
    refused(
        matched,
        r"methods.ffjord.train on eight_gaussians: has a budget of its own, \{'steps': 5\}, and "
        r"suites.toy.datasets.eight_gaussians has one for all methods, \{'seconds': 1.5\}. Remove",
    )


def test_every_training_has_one_budget(toy):
    train = toy["suites"]["toy"]["methods"]["ffjord"]["train"]
    train["seconds"] = 3
    refused(toy, r"ffjord.train on eight_gaussians: found .*; allowed is one of steps and seconds")
    del train["steps"], train["seconds"]
    refused(
        toy,
        r"ffjord.train on eight_gaussians: no budget. Write steps or seconds, or a budget for all "
        r"methods at suites.toy.datasets.eight_gaussians.budget",
    )


def test_a_closed_form_says_that_it_has_no_steps(matched):
    del matched["suites"]["toy"]["methods"]["gaussian"]["train"]["steps"]
    refused(matched, r"gaussian.train.steps is None; allowed is 0")


def test_a_search_is_of_what_is_trained_and_changes_its_hash_only(toy):
    plain = load(toy)
    suite = edited(toy, "search", {"factors": [0.3, 1], "share": 0.5})
    for run in suite.runs:
        trained = run.method not in ("gaussian", "oracle")
        assert suite.is_searched(run) == trained and not plain.is_searched(run)
        assert (suite.train_hash(run) != plain.train_hash(run)) == trained


def test_a_search_needs_a_likelihood(toy):
    suite = toy["suites"]["toy"]
    del suite["methods"]["ffjord"], suite["methods"]["gaussian"], suite["methods"]["oracle"]
    gaussians = suite["datasets"]["eight_gaussians"]
    gaussians["base"] = {key: gaussians[key] for key in ("class", "arguments")}
    put(suite, "search", {"factors": [0.3, 1], "share": 0.5})
    refused(toy, "search: chooses by the likelihood, which eight_gaussians has not")


def test_threads_are_one_unless_the_suite_says_otherwise(toy):
    plain, threaded = load(toy), edited(toy, "threads", 2)
    assert (plain.threads, threaded.threads) == (1, 2)
    run = plain.runs[0]
    assert threaded.train_hash(run) != plain.train_hash(run)
