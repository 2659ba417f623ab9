"""Pickles of an old pandas: their numbers, and that nothing they name is run."""

import pickle
from pathlib import Path

import numpy as np
import pytest

from benchmark.data.frame import read_frame

OLD = Path(__file__).parent / "data" / "ethylene_CO.pickle"
"""Written by pandas 0.19.2 under Python 2.7 (``to_pickle``)."""


def test_numbers_and_names_of_a_python_2_pickle():
    found = read_frame(OLD)
    i, k = np.arange(40.0)[:, None], np.arange(1.0, 17.0)
    written = np.hstack([i / 4, i % 5, i % 3, (i * (7 + 2 * k)) % 64 / 8])
    assert list(found) == ["Time", "Meth", "Eth", *(f"R{j}" for j in range(1, 17))]
    assert np.array_equal(found.to_numpy(), written)


class Malicious:
    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return Path.touch, (self.path,)


@pytest.mark.parametrize("protocol", [0, 2, 5])
def test_nothing_that_a_pickle_names_is_called(tmp_path, protocol):
    (tmp_path / "bad.pickle").write_bytes(pickle.dumps(Malicious(tmp_path / "hit"), protocol))
    with pytest.raises(ValueError, match=r"bad.pickle: is not a DataFrame"):
        read_frame(tmp_path / "bad.pickle")
    assert not (tmp_path / "hit").exists()


@pytest.mark.parametrize(
    "content", [b"", b"no pickle", pickle.dumps([1, 2]), OLD.read_bytes()[:-500]]
)
def test_what_is_no_frame_is_refused(tmp_path, content):
    (tmp_path / "bad.pickle").write_bytes(content)
    with pytest.raises(ValueError, match=r"bad.pickle: is not a DataFrame"):
        read_frame(tmp_path / "bad.pickle")
