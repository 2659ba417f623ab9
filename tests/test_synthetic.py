"""Synthetic data sets: the same at every call, of the form they state, with base and truth."""

import math

import numpy as np
import pytest
import torch

from benchmark.data import dataset
from benchmark.data.description import describe
from benchmark.data.prepare import prepare
from benchmark.data.synthetic import Checkerboard, EightGaussians, ManyWell, TwoMoons
from tests.test_dataset import described


@pytest.mark.parametrize("kind", [Checkerboard, EightGaussians, ManyWell, TwoMoons])
def test_synthetic_rows_are_the_same_at_every_call(tmp_path, kind, single_precision):
    def hashed():
        return described(tmp_path / "data", kind, kind.prepare(50, 20, 30)).hash

    torch.manual_seed(1)
    state = torch.get_rng_state()
    first = hashed()
    assert torch.equal(torch.get_rng_state(), state)  # others' draws go on as if nothing had been
    torch.manual_seed(2)
    assert hashed() == first
    splits = kind.prepare(50, 20, 30)
    assert [len(x) for x in splits.rows.values()] == [50, 20, 30]
    assert len(np.unique(np.concatenate([*splits.rows.values()]), axis=0)) == 100


def test_two_moons_are_half_ellipses_with_noise_in_the_square():
    rows = TwoMoons.prepare(4000, 500, 500).train.astype(float)
    # Noiseless, the upper moon is the upper half of an ellipse around (-4/3, -4/3), the lower
    # one its half turn about the origin; both span [-4, 4] together.
    angle = np.linspace(0, np.pi, 2000)
    upper = np.stack([8 / 3 * np.cos(angle) - 4 / 3, 16 / 3 * np.sin(angle) - 4 / 3], axis=1)
    arcs = np.stack([upper, -upper])
    assert np.abs(arcs).max(axis=(0, 1)) == pytest.approx([4, 4], abs=1e-3)
    distance = np.sqrt(((rows[:, None, None] - arcs[None, :, ::10]) ** 2).sum(axis=3)).min(axis=2)
    nearest = distance.min(axis=1)
    # Across an arc the noise is one-dimensional: E d^2 = 0.2^2, less a little at its curves.
    spread = np.sqrt((nearest**2).mean())
    assert abs(spread - 0.2) < 0.02
    share = (distance[:, 0] < distance[:, 1]).mean()
    assert abs(share - 0.5) < 4 * 0.5 / math.sqrt(len(rows))
    # Training and test rows are of one distribution: the moons are shuffled before the split.
    first, last = rows[:500].mean(axis=0), rows[-500:].mean(axis=0)
    assert (np.abs(first - last) < 4 * rows.std(axis=0) * math.sqrt(2 / 500)).all()


def test_a_data_set_of_the_config_is_prepared_with_its_base(tmp_path):
    moons = {"class": "benchmark.data.synthetic.TwoMoons"}
    entry = {
        **{"class": "benchmark.data.synthetic.Checkerboard"},
        "arguments": {"train": 9, "validation": 2, "test": 3},
        "base": {**moons, "arguments": {"train": 8, "validation": 1, "test": 4}},
    }
    prepare(entry, tmp_path, tmp_path / "data")
    made = TwoMoons.prepare(8, 1, 4)
    assert np.array_equal(dataset.rows(tmp_path / "data", "base"), made.train)
    assert np.array_equal(dataset.rows(tmp_path / "data", "base_test"), made.test)
    assert len(dataset.rows(tmp_path / "data", "train")) == 9
    assert np.isfinite(dataset.true_log_prob(tmp_path / "data", "test")).all()


def test_the_truth_of_some_rows_is_that_of_these_rows(tmp_path):
    entry = {"class": "benchmark.data.synthetic.EightGaussians"}
    entry["arguments"] = {"train": 5, "validation": 30, "test": 40}
    for name, more in (("all", {}), ("some", {"held_out": {"test": 7}})):
        prepare({**entry, **more}, tmp_path, tmp_path / name)
    whole, few = (dataset.rows(tmp_path / name, "test") for name in ("all", "some"))
    places = [int(np.flatnonzero((whole == row).all(axis=1))[0]) for row in few]
    assert len(few) == 7 and describe(tmp_path / "some").rows["test"] == 7
    truths = [dataset.true_log_prob(tmp_path / name, "test") for name in ("all", "some")]
    np.testing.assert_array_equal(truths[0][places], truths[1])
