"""The five published sets: raw files that spring every trap, published counts, real rows."""

import h5py
import numpy as np
import pandas as pd
import pytest
from test_frame import OLD

from benchmark.data import dataset
from benchmark.data.description import describe
from benchmark.data.papamakarios import (
    BSDS300,
    GAS,
    HEPMASS,
    MINIBOONE,
    POWER,
    gas,
    hepmass,
    miniboone,
    power,
)
from benchmark.data.prepare import prepare


def parts(splits):
    return splits.train, splits.validation, splits.test


def together(splits):
    return np.concatenate(parts(splits))


def counts(splits):
    return tuple(map(len, parts(splits)))


# --- POWER ----------------------------------------------------------------------------------------


def minutes(n=107):
    """Rows of 8 columns, none of which is another one scaled and shifted."""
    return np.arange(float(n))[:, None] ** (1 + np.arange(8) / 4)


def test_power_is_shuffled_before_the_noise_of_the_same_stream_is_drawn():
    n = 107
    found = power(minutes(n))
    draw = np.random.RandomState(42)
    order = np.arange(n)
    draw.shuffle(order)
    voltage, active, meters = draw.rand(n), draw.rand(n), draw.rand(n, 3)
    raw = np.empty((n, 6))
    for i, row in enumerate(order):
        values = minutes(n)[row]
        raw[i, 0] = values[0] + 0.001 * active[i]
        raw[i, 1] = values[2] + 0.01 * voltage[i]  # 1, reactive power, is left out
        raw[i, 2:5] = values[4:7] + meters[i]  # so is 3, intensity
        raw[i, 5] = values[7]  # the time has no noise
    known = raw[: n - 10]
    deviation = np.sqrt(((known - known.mean(axis=0)) ** 2).mean(axis=0))
    assert counts(found) == (88, 9, 10)
    np.testing.assert_allclose(
        together(found), (raw - known.mean(axis=0)) / deviation, rtol=0, atol=1e-12
    )


# --- GAS ------------------------------------------------------------------------------------------


def exposures(n=110):
    """A, B and B, C are correlated, A, C not enough; D, E are, but negatively."""
    draw = np.random.default_rng(0)
    a, b, c = np.linalg.qr(draw.normal(size=(n, 3)) - draw.normal(size=(n, 3)).mean(axis=0))[0].T
    a, b, c = (x - x.mean() for x in (a, b, c))
    middle = a + 0.18 * b
    sensors = {"A": a, "B": middle, "C": a + 0.36 * b, "D": 3 + 5 * c, "E": 0.1 * a - 2 * c}
    others = {"Time": np.arange(n) / 100, "Meth": a, "Eth": c}
    return pd.DataFrame({**others, **sensors})


def test_gas_leaves_out_the_first_correlated_sensor_until_there_is_none():
    table = exposures()
    near = table[["A", "B", "C", "D", "E"]].corr()
    assert near.loc["A", "B"] > 0.98 < near.loc["B", "C"] and near.loc["A", "C"] < 0.97
    assert near.loc["D", "E"] < -0.98
    kept = table[["C", "D", "E"]].to_numpy()
    assert gas(table).columns == ("C", "D", "E")
    found = together(gas(table))
    # Correlations between what is left tell which sensors they are.
    np.testing.assert_allclose(np.corrcoef(found.T), np.corrcoef(kept.T), rtol=0, atol=1e-12)


def test_gas_is_standardised_by_all_rows_as_a_sample_and_stays_in_order():
    table = exposures()
    found = gas(table)
    assert counts(found) == (90, 9, 11)
    rows = together(found)
    np.testing.assert_allclose(rows.sum(axis=0), 0, atol=1e-10)
    np.testing.assert_allclose((rows**2).sum(axis=0), len(rows) - 1, rtol=1e-12)
    line = np.polyfit(table["D"], rows[:, 1], 1)
    np.testing.assert_allclose(np.polyval(line, table["D"]), rows[:, 1], atol=1e-12)
    assert "A" in table  # what was given is left as it was


# --- HEPMASS --------------------------------------------------------------------------------------


def collisions(n, first, repeats, draw):
    """Label, a continuous feature, three that repeat a value ``repeats`` times, an ordinary one."""
    rows = draw.normal(size=(n, 6))
    rows[:, 0] = first
    signal = np.flatnonzero(rows[:, 0] == 1)
    rows[signal[:repeats], 2] = -9.0  # the smallest value: a discrete feature
    rows[signal[: repeats - 1], 3] = -9.0  # the smallest value, but not too often
    rows[signal[: 3 * repeats], 4] = 0.5  # not the smallest value
    return rows


@pytest.fixture
def collided(tmp_path):
    draw = np.random.default_rng(0)
    train = collisions(130, [1, 1, 0, 1, 0] * 26, 6, draw)
    train[train[:, 0] == 0, 2:] = 50.0  # background must not count anywhere
    test = np.column_stack([collisions(50, [0, 1] * 25, 6, draw), np.full(50, 77.0)])
    names = ["# label", *(f"f{i}" for i in range(5))]
    pd.DataFrame(train, columns=names).to_csv(tmp_path / "1000_train.csv", index=False)
    pd.DataFrame(test, columns=[*names, "mass"]).to_csv(tmp_path / "1000_test.csv", index=False)
    return tmp_path, train, test


def read(folder):
    return (pd.read_csv(folder / f"1000_{part}.csv") for part in ("train", "test"))


def test_hepmass_keeps_the_signal_and_what_is_not_discrete(collided):
    folder, train, test = collided
    found = hepmass(*read(folder))
    features = [1, 3, 4, 5]
    assert found.columns == ("f0", "f2", "f3", "f4")
    known, others = train[train[:, 0] == 1][:, features], test[test[:, 0] == 1][:, features]
    assert (len(known), len(others)) == (78, 25)
    assert counts(found) == (71, 7, 25)
    mean = known.mean(axis=0)
    deviation = np.sqrt(((known - mean) ** 2).sum(axis=0) / (len(known) - 1))
    expected = (np.concatenate([known, others]) - mean) / deviation
    np.testing.assert_allclose(together(found), expected, rtol=0, atol=1e-12)


def test_hepmass_refuses_files_that_do_not_fit_together(collided):
    train, test = read(collided[0])
    with pytest.raises(ValueError, match="5 columns to train with and 4 to test with"):
        hepmass(train, test.iloc[:, :-1])


# --- MINIBOONE ------------------------------------------------------------------------------------


def test_miniboone_is_standardised_by_all_but_the_test_rows_in_order():
    raw = np.random.default_rng(0).normal(3, 5, size=(109, 43)).cumsum(axis=0)
    known = raw[:99]
    deviation = np.sqrt(((known - known.mean(axis=0)) ** 2).mean(axis=0))
    found = miniboone(raw)
    assert counts(found) == (90, 9, 10)
    expected = (raw - known.mean(axis=0)) / deviation
    np.testing.assert_allclose(together(found), expected, rtol=0, atol=1e-12)


@pytest.fixture
def real_miniboone(mirror, tmp_path):
    """``data.npy`` with the real validation and test rows, and 1,523 real ones to train with.

    The other rows to train with are made up, with the mean and the standard deviation that the
    missing ones must have.
    """
    with np.load(f"{mirror[0]}/tables/miniboone_8k.npz") as table:
        real = {name: table[name] for name in table.files}
    known, n = np.concatenate([real["train"], real["val"]]), 29_556 + 3_284
    missing = n - len(known)
    # Around the published mean, lest digits are lost.
    shifted = known - real["mean"]
    mean = -shifted.sum(axis=0) / missing
    square = (n * real["sd"] ** 2 - (shifted**2).sum(axis=0)) / missing
    draw = np.random.default_rng(0).normal(size=(missing, 43))
    draw = (draw - draw.mean(axis=0)) / draw.std(axis=0)
    made = real["mean"] + mean + np.sqrt(square - mean**2) * draw
    rows = np.concatenate([real["train"], made, real["val"], real["test"]])
    (tmp_path / "papamakarios").mkdir()
    np.save(tmp_path / "papamakarios" / "miniboone.npy", rows)
    return tmp_path, real


def test_real_rows_of_miniboone_come_out_as_published(real_miniboone):
    folder, real = real_miniboone
    entry = {
        "class": "benchmark.data.papamakarios.MINIBOONE",
        "source": "miniboone",
        "arguments": {},
    }
    prepare(entry, folder, folder / "data")
    assert describe(folder / "data").rows == {
        "train": 29_556,
        "validation": 3_284,
        "test": 3_648,
    }
    for ours, theirs in (("validation", "val"), ("test", "test")):
        published = (real[theirs] - real["mean"]) / real["sd"]
        found = dataset.rows(folder / "data", ours)
        np.testing.assert_allclose(found, published, rtol=1e-12, atol=1e-12)


# --- BSDS300 --------------------------------------------------------------------------------------


@pytest.fixture
def patches(tmp_path):
    arrays = {
        name: np.random.default_rng(n).normal(size=(n, 63))
        for name, n in (("test", 4), ("train", 9), ("validation", 2))
    }
    with h5py.File(tmp_path / "BSDS300.hdf5", "w") as file:
        for name, array in arrays.items():
            file[name] = array
    return tmp_path, arrays


def test_bsds300_is_as_it_is(patches, monkeypatch):
    folder, arrays = patches
    monkeypatch.setattr(BSDS300, "rows", (9, 2, 4))
    found = BSDS300.prepare(folder)
    for name, rows in zip(("train", "validation", "test"), parts(found), strict=True):
        assert rows.dtype == arrays[name].dtype and np.array_equal(rows, arrays[name])


# --- counts ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("kind", "raw"), [(POWER, 2_049_280), (GAS, 1_052_065), (MINIBOONE, 36_488)]
)
def test_published_counts_are_those_of_the_rule(kind, raw):
    assert sum(kind.rows) == raw
    assert counts(miniboone(np.arange(raw, dtype=float)[:, None])) == kind.rows


def test_published_counts_of_hepmass_are_those_of_the_rule():
    signal = HEPMASS.rows[0] + HEPMASS.rows[1]
    train = pd.DataFrame({"label": 1, "f0": np.arange(float(signal))})
    test = pd.DataFrame({"label": 1, "f0": np.arange(float(HEPMASS.rows[2])), "mass": 1000})
    assert counts(hepmass(train, test)) == HEPMASS.rows


SMALL = {
    POWER: (88, 9, 10),
    GAS: (33, 3, 4),
    HEPMASS: (71, 7, 25),
    MINIBOONE: (90, 9, 10),
    BSDS300: (9, 2, 4),
}
"""Counts of what is prepared from ``raw``, and the columns of it."""


@pytest.fixture
def raw(collided, patches):
    """A folder with a raw file of every set, much too small."""
    folder, _ = patches
    np.save(folder / "power.npy", minutes())
    np.save(folder / "miniboone.npy", np.random.default_rng(0).normal(size=(109, 43)))
    (folder / "ethylene_CO.pickle").write_bytes(OLD.read_bytes())
    return folder


@pytest.mark.parametrize("kind", SMALL)
def test_other_counts_are_refused_with_both(kind, raw):
    found = r" x \d+, ".join(f"{count:,}" for count in SMALL[kind])
    published = rf" x {kind.event[0]}, ".join(f"{count:,}" for count in kind.rows)
    message = rf"{kind.__name__}: the prepared rows are {found} x .*; published are {published} x"
    with pytest.raises(ValueError, match=message):
        kind.prepare(raw)


def test_other_dimensions_are_refused_with_both(raw, monkeypatch):
    monkeypatch.setattr(HEPMASS, "rows", SMALL[HEPMASS])
    with pytest.raises(ValueError, match="are 71 x 4, 7 x 4, 25 x 4 .*published are 71 x 21, 7 x"):
        HEPMASS.prepare(raw)


@pytest.mark.parametrize("kind", SMALL)
def test_rows_are_the_same_at_every_call(kind, raw, monkeypatch):
    monkeypatch.setattr(kind, "counted", lambda splits: splits)
    assert np.array_equal(together(kind.prepare(raw)), together(kind.prepare(raw)))
