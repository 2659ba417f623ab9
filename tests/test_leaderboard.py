"""The metrics in the form that leaderboards read."""

import pytest
import yaml
from reported import finish, prepare, suite

from benchmark.archives.index import Archive
from benchmark.data.description import describe
from benchmark.jobs import leaderboard
from benchmark.records.run import data_folder
from benchmark.report import collected

ELSEWHERE = {"ffjord": Archive("a.crate.zip")}


@pytest.fixture
def cards(tmp_path, monkeypatch):
    """Data set and method -> the content of its file; one run of OT-Flow has no results."""
    monkeypatch.chdir(tmp_path)
    made = suite("plane")
    prepare("plane")
    for run in made.runs[:-1]:
        if (run.method, run.seed) != ("ot_flow", 1):
            finish(made, run)
    made.archives = ELSEWHERE
    frame = collected.collect(made, made.runs)
    return {pair: card for *pair, card in leaderboard.cards(made, frame) for pair in [tuple(pair)]}


def metrics(card):
    (named,) = card["model-index"]
    (result,) = named["results"]
    return {metric["type"]: metric for metric in result["metrics"]}


def test_a_file_says_what_model_hubs_ask_for(cards):
    (named,) = cards["plane", "ffjord"]["model-index"]
    (result,) = named["results"]
    assert named["name"] == "FFJORD"
    assert result["task"] == {"type": "density-estimation", "name": "Density estimation"}
    revision = describe(data_folder("toy", "plane")).hash
    data = {"type": "plane", "name": "Plane", "split": "test", "revision": revision}
    assert result["dataset"] == data
    assert yaml.safe_load(yaml.safe_dump(cards["plane", "ffjord"])) == cards["plane", "ffjord"]


def test_a_metric_is_the_mean_over_refits_with_its_protocol(cards):
    nll = metrics(cards["plane", "ffjord"])["nll"]
    assert nll["name"] == "NLL" and nll["value"] == pytest.approx(8.05)  # of 8.0 and 8.1
    args = nll["args"]
    assert args["sd"] == pytest.approx(0.1 / 2**0.5)
    assert (args["unit"], args["refits"], args["of"]) == ("nats", 2, 2)
    assert args["better"] == "lower" and "atol 1e-05" in args["protocol"]


def test_a_spread_of_one_refit_and_a_missing_one_are_left_out(cards):
    args = metrics(cards["plane", "ot_flow"])["nll"]["args"]
    assert (args["refits"], args["of"]) == (1, 2) and "sd" not in args


def test_clocks_of_an_archive_are_marked(cards):
    ours, theirs = (metrics(cards["plane", name]) for name in ("ot_flow", "ffjord"))
    assert theirs["training_seconds"]["args"]["clock"] == "another machine"
    assert "clock" not in theirs["nll"]["args"]
    assert "clock" not in ours["training_seconds"]["args"]


def test_what_has_no_value_is_told_with_its_reason(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    made = suite("plane", methods=("ffjord",), seeds=1)
    prepare("plane")
    frame = collected.collect(made, made.runs)
    ((_, _, card),) = leaderboard.cards(made, frame)
    assert metrics(card) == {} and card["missing"]["nll"] == "was not run"
