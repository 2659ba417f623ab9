"""Prepared data: what is written is read, what is wrong is refused, units of likelihoods."""

import math
from dataclasses import replace

import numpy as np
import pytest

from benchmark.data import dataset
from benchmark.data.dataset import Dataset, Splits
from benchmark.data.description import Description, describe
from benchmark.files import read_json, write_json


class Pixels(Dataset):
    event = (1, 2, 2)
    levels = 4
    picture = (1, 2, 2)

    @staticmethod
    def prepare():
        raise NotImplementedError


class Points(Dataset):
    event = (3,)
    density = "somewhere.density"

    @staticmethod
    def prepare():
        raise NotImplementedError


class Anything(Points):
    event = None


def pixels(seed=0, n=(5, 3, 2)):
    draw = np.random.default_rng(seed)
    return Splits(*(draw.integers(0, 4, (k, 1, 2, 2), dtype=np.uint8) for k in n))


def points(seed=0, n=(5, 3, 2)):
    draw = np.random.default_rng(seed)
    return Splits(*(draw.normal(size=(k, 3)).astype(np.float32) for k in n))


def described(folder, kind, splits, truth=None):
    dataset.write(folder, kind, splits, {} if truth is None else {"test": truth})
    return describe(folder)


@pytest.mark.parametrize(("kind", "splits"), [(Pixels, pixels()), (Points, points())])
def test_what_is_written_is_read(tmp_path, kind, splits):
    folder = tmp_path / "new" / "data"
    found = described(folder, kind, splits, np.array([1.5, -np.inf]))
    assert (found.event, found.levels, found.picture) == (kind.event, kind.levels, kind.picture)
    assert found.density == kind.density
    assert found.rows == {"train": 5, "validation": 3, "test": 2}
    for name in ("train", "validation", "test"):
        rows = dataset.rows(folder, name)
        assert rows.dtype == getattr(splits, name).dtype
        assert np.array_equal(rows, getattr(splits, name))
    assert dataset.true_log_prob(folder, "test").tolist() == [1.5, -math.inf]


def test_the_digest_of_the_code_that_made_the_rows_is_stated_and_not_in_their_hash(tmp_path):
    without = described(tmp_path / "data", Points, points())
    made = {"source": "d16e57", "packages": ({"package": "mine", "version": "1.0"},)}
    dataset.write(tmp_path / "data", Points, points(), {}, made=made)
    found = describe(tmp_path / "data")
    assert (without.source, found.source) == (None, "d16e57") and found.hash == without.hash
    assert found.packages == made["packages"]
    stored = read_json(tmp_path / "data" / "data.json")
    del stored["source"], stored["packages"]  # as folders of earlier versions have it
    write_json(tmp_path / "data" / "data.json", stored)
    assert describe(tmp_path / "data") == without


def test_rows_of_the_base_lie_beside_those_of_the_data(tmp_path):
    base = points(seed=7, n=(4, 1, 6))
    dataset.write(tmp_path / "data", Points, points(), {}, base)
    found = describe(tmp_path / "data")
    assert found.base == 4 and found.rows == {"train": 5, "validation": 3, "test": 2}
    assert np.array_equal(dataset.rows(tmp_path / "data", "base"), base.train)
    assert np.array_equal(dataset.rows(tmp_path / "data", "base_test"), base.test)
    assert described(tmp_path / "other", Points, points()).base is None


def test_hash_covers_the_rows_of_the_base(tmp_path):
    hashes = {described(tmp_path / "data", Points, points()).hash}
    for part in ("none", "train", "test"):
        base = points(seed=7)
        if part != "none":
            getattr(base, part)[0, 0] += 1
        dataset.write(tmp_path / "data", Points, points(), {}, base)
        hashes.add(describe(tmp_path / "data").hash)
    assert len(hashes) == 4


def test_rows_of_the_base_are_checked_too(tmp_path):
    base = changed(points(), "train", lambda x: x * np.nan)
    with pytest.raises(ValueError, match="base has values that are not finite"):
        dataset.write(tmp_path / "data", Points, points(), {}, base)


def test_an_unknown_truth_is_none_even_where_one_was(tmp_path):
    dataset.write(tmp_path / "data", Points, points(), {"test": np.zeros(2)})
    dataset.write(tmp_path / "data", Points, points(), {})
    assert dataset.true_log_prob(tmp_path / "data", "test") is None


def changed(splits, split, change):
    return Splits(**{**vars(splits), split: change(getattr(splits, split))})


REFUSED = {
    "no row": (Points, changed(points(), "validation", lambda x: x[:0]), "validation has shape"),
    "misshapen": (Points, changed(points(), "test", lambda x: x[:, :2]), r"test has.*\(2, 2\)"),
    "NaN": (Points, changed(points(), "train", lambda x: x * np.nan), "train has values.*finite"),
    "no coordinate": (Anything, Splits(*[np.zeros(3)] * 3), r"train has.*\(3,\).*\(d,\)"),
    "text": (Anything, Splits(*[np.array([["a"]])] * 3), "train is <U1; allowed are numbers"),
    "object": (Anything, Splits(*[np.array([[None]])] * 3), "train is object; allowed are"),
    "infinite": (
        Points,
        changed(points(), "test", lambda x: x * np.inf),
        "test has values",
    ),
    "level": (Pixels, changed(pixels(), "train", lambda x: x + 4), "train is uint8.*below 4"),
    "signed": (Pixels, changed(pixels(), "test", lambda x: x.astype(int)), "test is int64.*unsig"),
}


@pytest.mark.parametrize(("kind", "splits", "message"), REFUSED.values(), ids=REFUSED.keys())
def test_bad_rows_are_refused_in_words(tmp_path, kind, splits, message):
    with pytest.raises(ValueError, match=rf"{kind.__name__}.prepare: {message}"):
        dataset.write(tmp_path / "data", kind, splits, {})
    assert not list(tmp_path.iterdir())


# --- labels ---------------------------------------------------------------------------------------


def labelled(**more):
    labels = {"train": np.array([3, 1, 4, 1, 5]), "validation": np.array([9, 2, 6])}
    return replace(pixels(), labels={**labels, "test": np.array([0, 5], np.uint8), **more})


def test_labels_are_kept_where_rows_have_them(tmp_path):
    dataset.write(tmp_path / "data", Pixels, labelled(), {})
    for name, known in labelled().labels.items():
        found = dataset.labels(tmp_path / "data", name)
        assert found.dtype == known.dtype and np.array_equal(found, known)
    dataset.write(tmp_path / "data", Pixels, pixels(), {})
    assert [dataset.labels(tmp_path / "data", name) for name in pixels().rows] == [None] * 3


def test_hash_is_that_of_the_rows_with_or_without_labels(tmp_path):
    found = {described(tmp_path / "data", Pixels, splits).hash for splits in (pixels(), labelled())}
    assert len(found) == 1


def test_columns_have_their_names_where_they_are_known(tmp_path):
    assert described(tmp_path / "data", Points, points()).columns is None
    named = replace(points(), columns=("mass", "charge", "spin"))
    assert described(tmp_path / "data", Points, named).columns == ("mass", "charge", "spin")
    assert named.some({"test": 1}).columns == named.columns
    few = replace(points(), columns=("mass", "charge"))
    with pytest.raises(ValueError, match=r"names 2 columns \(mass, charge\); rows .* \(3,\)"):
        dataset.write(tmp_path / "data", Points, few, {})


@pytest.mark.parametrize(
    ("bad", "said"),
    [
        (np.arange(4), r"int64 of shape \(4,\), at least 0; allowed .* each of 5 rows"),
        (np.zeros((5, 1), int), r"int64 of shape \(5, 1\)"),
        (np.zeros(5), r"float64 of shape \(5,\); allowed"),
        (np.arange(5) - 1, r"int64 of shape \(5,\), at least -1; allowed are whole numbers from 0"),
    ],
)
def test_bad_labels_are_refused_in_words(tmp_path, bad, said):
    with pytest.raises(ValueError, match=rf"Pixels.prepare: the labels of train are {said}"):
        dataset.write(tmp_path / "data", Pixels, labelled(train=bad), {})
    assert not list(tmp_path.iterdir())


def test_labels_go_with_the_rows_that_are_kept():
    rows = np.arange(1000.0)[:, None]
    labels = {name: rows[:, 0].astype(int) for name in ("train", "validation", "test")}
    found = Splits(rows, rows, rows, labels=labels).some({"validation": 100, "test": 10})
    for name, kept in found.rows.items():
        assert np.array_equal(kept[:, 0], found.labels[name])


def test_some_held_out_rows_are_drawn_at_random_and_the_same_for_all():
    rows = np.arange(1000.0)[:, None]
    splits = Splits(rows, rows + 1000, rows + 2000)
    found = splits.some({"validation": 100, "test": 5000})
    assert found.train is splits.train
    np.testing.assert_array_equal(found.test, splits.test)
    drawn = found.validation[:, 0] - 1000
    assert len(set(drawn)) == 100 and 0 <= drawn.min() and drawn.max() < 1000
    assert 400 < drawn.mean() < 600 and not (np.diff(drawn) == 1).all()
    np.testing.assert_array_equal(splits.some({"validation": 100}).validation, found.validation)
    np.testing.assert_array_equal(splits.some({}).validation, splits.validation)


def test_the_last_rows_to_train_with_validate():
    rows, labels = np.arange(7.0)[:, None], np.arange(7) + 10
    found = Splits.published((rows, labels), (-rows, labels), validation=3)
    assert found.train[:, 0].tolist() == [0, 1, 2, 3] and found.validation[:, 0].tolist() == [
        4,
        5,
        6,
    ]
    assert found.labels["train"].tolist() == [10, 11, 12, 13]
    assert found.labels["validation"].tolist() == [14, 15, 16]
    assert np.array_equal(found.test, -rows) and np.array_equal(found.labels["test"], labels)


def test_hash_is_that_of_the_content(tmp_path):
    def hashed(splits, kind=Points):
        return described(tmp_path / "data", kind, splits).hash

    usual = hashed(points())
    assert hashed(points()) == usual
    one_value = points()
    one_value.test[0, 0] += 1
    order = changed(points(), "train", lambda x: x[::-1])
    kind = Splits(*(x.astype(np.float64) for x in points().rows.values()))
    swapped = Splits(**{**vars(points()), "validation": points().test, "test": points().validation})
    others = [hashed(other) for other in (one_value, order, kind, swapped, points(seed=1))]
    assert len({usual, *others}) == 6


# --- dequantisation and units ---------------------------------------------------------------------


def test_dequantised_rows_are_uniform_in_their_level():
    rows = np.arange(17, dtype=np.uint8).repeat(1000).reshape(-1, 1)
    found = dataset.dequantise(rows, 17, seed=0)
    assert found.dtype == np.float32 and found.min() >= 0 and found.max() < 1
    noise = 17 * found.astype(float) - rows
    # float32 keeps 17 x 6e-8 of the noise.
    assert noise.min() >= -1e-6 and noise.max() < 1 + 1e-6
    assert abs(noise.mean() - 0.5) < 4 * math.sqrt(1 / 12 / len(rows))
    assert abs(noise.var() - 1 / 12) < 4 * math.sqrt(1 / 180 / len(rows))


def test_rounding_down_brings_the_levels_back():
    rows = np.random.default_rng(0).integers(0, 256, (300, 3, 32, 32), dtype=np.uint8)
    found = dataset.dequantise(rows, 256, seed=0)
    back = np.floor(256 * found.astype(float))
    # float32 rounds noise closer to 1 than 2^-17 up to the next level, in half of the rows.
    missed = back != rows
    assert missed.mean() < 2**-16
    assert (256 * found.astype(float) == rows.astype(int) + 1)[missed].all()


def test_noise_is_that_of_the_seed():
    rows = np.zeros((50, 2), dtype=np.uint8)
    same = [dataset.dequantise(rows, 17, seed) for seed in (0, 0, 1)]
    assert np.array_equal(same[0], same[1]) and not np.array_equal(same[0], same[2])


def test_real_rows_are_as_they_are():
    rows = points().train
    assert np.array_equal(dataset.dequantise(rows, None, 0), rows)


def description(levels, event):
    return Description(event, levels, None, None, {"test": 1}, "hash")


@pytest.mark.parametrize(("levels", "bits"), [(256, 8.0), (2, 1.0), (17, math.log2(17))])
def test_uniform_data_cost_the_bits_of_their_levels(levels, bits):
    # The uniform density on the unit cube is 1: any number of dimensions costs log2 levels each.
    for event in [(64,), (3, 32, 32)]:
        found = description(levels, event)
        assert found.unit == "bits/dim"
        assert found.nll(np.zeros(5)) == pytest.approx(bits, abs=1e-12)


def test_bits_of_a_skewed_density():
    # A density of 2 on half the cube in each of 10 dimensions saves one bit for each.
    found = description(256, (10,)).nll(np.array([10 * math.log(2)]))
    assert found == pytest.approx(7.0, abs=1e-12)


def test_real_data_cost_nats():
    found = description(None, (64,))
    assert found.unit == "nats" and found.nll(np.array([-1.5, 2.0])).tolist() == [1.5, -2.0]
