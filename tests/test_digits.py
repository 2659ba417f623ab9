"""Scikit-learn's digits: all there once, with their labels, the same at every call."""

import numpy as np
import pytest
from sklearn.datasets import load_digits

from benchmark.data.digits import DigitImages, Digits
from tests.test_dataset import described


def test_digits_are_all_there_once():
    found = Digits.prepare(validation=100, test=400)
    assert [len(x) for x in found.rows.values()] == [1297, 100, 400]
    together = np.concatenate([*found.rows.values()])
    assert together.shape == (1797, 64) and together.dtype == np.uint8
    assert together.min() == 0 and together.max() == 16
    # Two of the 1,797 images might be equal; in fact none are.
    assert len(np.unique(together, axis=0)) == 1797
    assert abs(together.mean() - 4.884) < 0.001  # scikit-learn's rows


def test_labels_of_digits_stay_with_them():
    found, known = Digits.prepare(validation=100, test=400), load_digits()
    by_pixels = {x.tobytes(): y for x, y in zip(known.data, known.target, strict=True)}
    for name, rows in found.rows.items():
        expected = [by_pixels[row.tobytes()] for row in rows.astype(float)]
        assert found.labels[name].tolist() == expected


def test_hash_of_the_digits_is_that_of_earlier_records(tmp_path):
    found = described(tmp_path / "data", Digits, Digits.prepare(validation=100, test=400))
    assert found.hash == "47fc1b42aed03a87"


def test_images_of_digits_are_their_vectors_in_rows_of_pixels(tmp_path):
    vectors, images = (kind.prepare(validation=10, test=20) for kind in (Digits, DigitImages))
    for name, rows in images.rows.items():
        assert rows.shape[1:] == (1, 8, 8)
        assert np.array_equal(rows.reshape(len(rows), 64), vectors.rows[name])
        assert np.array_equal(images.labels[name], vectors.labels[name])
    found = described(tmp_path / "data", DigitImages, images)
    assert (found.event, found.picture, found.levels) == ((1, 8, 8), (1, 8, 8), 17)


def test_digits_do_not_depend_on_the_state_of_a_generator():
    first = Digits.prepare(validation=10, test=20)
    np.random.seed(5)
    second = Digits.prepare(validation=10, test=20)
    assert np.array_equal(first.train, second.train)
    assert np.array_equal(first.test, Digits.prepare(validation=50, test=20).test)


def test_digits_refuse_to_leave_nothing_for_training():
    with pytest.raises(ValueError, match="validation \\+ test is 1797; allowed is less than"):
        Digits.prepare(validation=797, test=1000)
