"""The published results: whole, and with a status that is explained."""

import csv

from benchmark import published
from benchmark.published import FILE, LABELS, UPPER_BOUNDS, Published


def rows():
    return list(csv.DictReader(FILE.open(newline="")))


def test_every_nll_is_found_once():
    listed = [(row["dataset"], row["method"]) for row in rows() if row["metric"] == "nll"]
    found = [(name, method) for name, methods in published.nll().items() for method in methods]
    assert sorted(found) == sorted(listed)


def test_numbers_are_those_of_the_file():
    expected = Published(-12.35, "nats", "secondary", "InterFlow Table 2 left")
    assert published.nll()["gas"]["interpolant"] == expected
    assert published.nll()["cifar10"]["score_sde"].value == 2.99  # not its FID
    assert set(published.nll()["power"]) >= {"interpolant", "ffjord", "ot_flow", "nsf", "made"}


def test_every_status_is_explained():
    text = (FILE.parent / "README.md").read_text()
    assert all(f"| `{status}` |" in text for status in {row["status"] for row in rows()})


def test_every_method_has_a_label():
    methods = {row["method"] for row in rows() if row["metric"] == "nll"}
    assert set(LABELS) == methods >= set(UPPER_BOUNDS)
