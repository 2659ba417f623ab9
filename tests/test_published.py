"""The published results: whole, and with a status that is explained."""

import csv

import pytest

from benchmark.suite import published
from benchmark.suite.published import FILE, LABELS, UPPER_BOUNDS, Published


def rows():
    return list(csv.DictReader(FILE.open(newline="")))


@pytest.mark.parametrize("metric", ["nll", "fid"])
def test_every_number_is_found_once(metric):
    listed = [(row["dataset"], row["method"]) for row in rows() if row["metric"] == metric]
    known = published.results(metric)
    assert sorted(listed) == sorted((name, method) for name in known for method in known[name])


def test_numbers_are_those_of_the_file():
    expected = Published(-12.35, "nats", "secondary", "InterFlow Table 2 left")
    assert published.results("nll")["gas"]["interpolant"] == expected
    assert published.results("nll")["cifar10"]["score_sde"].value == 2.99  # not its FID
    assert set(published.results("nll")["power"]) >= {
        "interpolant",
        "ffjord",
        "ot_flow",
        "nsf",
        "made",
    }


def test_every_status_is_explained():
    text = (FILE.parent / "README.md").read_text()
    assert all(f"| `{status}` |" in text for status in {row["status"] for row in rows()})
    assert set(published.MARKS) == set(published.STATUS) == {row["status"] for row in rows()}


def test_every_method_has_a_label():
    methods = {row["method"] for row in rows() if row["metric"] in ("nll", "fid")}
    assert set(LABELS) == methods >= set(UPPER_BOUNDS)
