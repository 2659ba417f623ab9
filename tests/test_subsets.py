"""Real subsets: counts, standardisation, the same rows at every call."""

import numpy as np
import pytest

from benchmark.data import dataset
from benchmark.data.catalogue import source
from benchmark.data.description import describe
from benchmark.data.fetch import fetch
from benchmark.data.prepare import prepare

SETS = {
    "miniboone_8k": ("Miniboone8k", 43, (1523, 3284, 3648)),
    "power_10k": ("Power10k", 6, (8068, 896, 995)),
    "gas_30k": ("Gas30k", 8, (10000, 10000, 10000)),
    "hepmass_10k": ("Hepmass10k", 22, (4506, 500, 4924)),
}


@pytest.fixture(scope="session")
def prepared(mirror, tmp_path_factory):
    """Folders of the prepared sets, by name."""
    folder = tmp_path_factory.mktemp("subsets")
    for name, (kind, *_) in SETS.items():
        for file in source(name).files:
            fetch(file, folder / file.path, mirror)
        entry = {"class": f"benchmark.data.subsets.{kind}", "source": name, "arguments": {}}
        for place in (folder / name, folder / f"{name}-again"):
            prepare(entry, folder, place)
    return folder


@pytest.fixture(params=SETS)
def name(request):
    return request.param


def test_counts_and_hash(prepared, name):
    _, columns, counts = SETS[name]
    found = describe(prepared / name)
    assert found.event == (columns,) and tuple(found.rows.values()) == counts
    assert found.unit == "nats" and found.hash == describe(prepared / f"{name}-again").hash


def test_columns_of_power_have_their_names(prepared):
    assert describe(prepared / "miniboone_8k").columns is None
    names = describe(prepared / "power_10k").columns
    with np.load(prepared / "tables" / "power_10k.npz") as table:
        raw = table["rows"]
    # The time alone has no noise: its column has as many values as the raw one.
    values = len(np.unique(raw[:, -1]))
    train = dataset.rows(prepared / "power_10k", "train")
    assert [len(np.unique(column)) for column in train.T].index(values) == names.index("time")


def test_rows_are_standardised_but_for_their_draw(prepared, name):
    for split in ("train", "validation", "test"):
        rows = dataset.rows(prepared / name, split)
        # Within six standard errors of a sample, doubled for skewed columns.
        assert np.abs(rows.mean(axis=0)).max() < 12 / np.sqrt(len(rows))
        assert np.abs(np.median(rows, axis=0)).max() < 1.5


def test_miniboone_is_standardised_by_the_published_numbers(prepared):
    with np.load(prepared / "tables" / "miniboone_8k.npz") as table:
        for ours, theirs in (("train", "train"), ("validation", "val"), ("test", "test")):
            back = dataset.rows(prepared / "miniboone_8k", ours) * table["sd"] + table["mean"]
            np.testing.assert_allclose(back, table[theirs], rtol=1e-11, atol=1e-11)


def test_gas_is_standardised_by_all_rows(prepared):
    splits = ("train", "validation", "test")
    rows = np.concatenate([dataset.rows(prepared / "gas_30k", name) for name in splits])
    np.testing.assert_allclose(rows.mean(axis=0), 0, atol=1e-12)
    np.testing.assert_allclose((rows**2).sum(axis=0), len(rows) - 1, rtol=1e-12)
    with np.load(prepared / "tables" / "gas_30k.npz") as table:
        raw = np.concatenate([table[name] for name in ("train", "val", "test")])
    for column in range(8):
        line = np.polyfit(raw[:, column], rows[:, column], 1)
        np.testing.assert_allclose(np.polyval(line, raw[:, column]), rows[:, column], atol=1e-9)
