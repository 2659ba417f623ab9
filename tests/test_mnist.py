import struct
from pathlib import Path

import numpy as np
import pytest

from benchmark.data.catalogue import remote_file, source
from benchmark.data.fetch import fetch
from benchmark.data.mnist import MNIST, read_idx


def idx(array, sizes=None):
    sizes = array.shape if sizes is None else sizes
    header = bytes([0, 0, 8, len(sizes)]) + struct.pack(f">{len(sizes)}I", *sizes)
    return header + array.astype(np.uint8).tobytes()


def images(count, first=0):
    """Images whose pixels all have the image's number."""
    return np.broadcast_to(np.arange(first, first + count)[:, None, None], (count, 28, 28))


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "train-images-idx3-ubyte").write_bytes(idx(images(7)))
    (tmp_path / "train-labels-idx1-ubyte").write_bytes(idx(np.arange(7)))
    (tmp_path / "t10k-images-idx3-ubyte").write_bytes(idx(images(3, first=100)))
    (tmp_path / "t10k-labels-idx1-ubyte").write_bytes(idx(np.arange(3) + 4))
    return tmp_path


@pytest.fixture(scope="session")
def fetched(mirror, tmp_path_factory):
    folder = tmp_path_factory.mktemp("downloads")
    for file in source("mnist").files:
        fetch(file, folder / file.path, mirror)
    return folder / "mnist"


def test_last_training_images_validate(folder):
    splits = MNIST.prepare(folder, validation=2)
    assert splits.train[:, 0, 0, 0].tolist() == [0, 1, 2, 3, 4]
    assert splits.validation[:, 0, 0, 0].tolist() == [5, 6]
    assert splits.test[:, 0, 0, 0].tolist() == [100, 101, 102]
    assert splits.train.shape == (5, 1, 28, 28)
    labels = {name: found.tolist() for name, found in splits.labels.items()}
    assert labels == {"train": [0, 1, 2, 3, 4], "validation": [5, 6], "test": [4, 5, 6]}


@pytest.mark.parametrize("validation", [-1, 0, 7, 60000])
def test_validation_must_be_a_part_of_the_training_images(folder, validation):
    with pytest.raises(ValueError, match=rf"validation is {validation}; allowed is 1 to 6"):
        MNIST.prepare(folder, validation=validation)


def test_idx_is_read_in_the_order_of_its_header(tmp_path):
    array = np.arange(2 * 3 * 4).reshape(2, 3, 4)
    (tmp_path / "file").write_bytes(idx(array))
    np.testing.assert_array_equal(read_idx(tmp_path / "file"), array)
    assert read_idx(tmp_path / "file").dtype == np.uint8


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "begins with b''"),
        (b"\0\0\x08", "begins with"),
        (b"\x1f\x8b\x08\x00 gzipped", "unzipped idx file"),
        (b"\0\0\x0d\x01\0\0\0\x01\0\0\0\0", "unsigned bytes"),  # floats
        (b"\0\0\x08\x03\0\0\0\x01", "begins with"),  # the header is broken off
        (idx(images(2))[:-1], "holds 1567 bytes of data; its header promises 2 x 28 x 28"),
        (idx(images(2)) + b"\0", "holds 1569 bytes of data"),
        (idx(images(2), sizes=(3, 28, 28)), "promises 3 x 28 x 28"),
        (idx(np.zeros((2, 32, 32))), r"shape \(2, 32, 32\); expected are images, \[n, 28, 28\]"),
        (idx(np.zeros(5)), r"shape \(5,\); expected are images"),
    ],
)
@pytest.mark.parametrize("name", ["train-images-idx3-ubyte", "t10k-images-idx3-ubyte"])
def test_damaged_files_are_refused(folder, name, content, said):
    (folder / name).write_bytes(content)
    with pytest.raises(ValueError, match=f"{name}: .*{said}"):
        MNIST.prepare(folder, validation=2)


@pytest.mark.parametrize(
    ("labels", "said"),
    [
        (np.arange(2), r"shape \(2,\) up to 1; expected are labels 0 to 9 of 3 images"),
        (np.array([0, 10, 1]), r"shape \(3,\) up to 10; expected"),
        (np.zeros((3, 1)), r"shape \(3, 1\)"),
    ],
)
def test_bad_labels_are_refused(folder, labels, said):
    (folder / "t10k-labels-idx1-ubyte").write_bytes(idx(labels))
    with pytest.raises(ValueError, match=f"t10k-labels-idx1-ubyte: holds an array of {said}"):
        MNIST.prepare(folder, validation=2)


def test_missing_file_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match="train-images-idx3-ubyte"):
        MNIST.prepare(tmp_path, validation=2)


def test_the_published_images(fetched):
    splits = MNIST.prepare(fetched, validation=10000)
    counts = [len(rows) for rows in (splits.train, splits.validation, splits.test)]
    assert counts == [50000, 10000, 10000]
    training = np.concatenate([splits.train, splits.validation]) / 255
    # Mean and standard deviation of all training pixels, as everybody quotes them.
    assert training.mean() == pytest.approx(0.1307, abs=5e-5)
    assert training.std() == pytest.approx(0.3081, abs=5e-5)
    for rows in (splits.train, splits.validation, splits.test):
        assert rows.dtype == np.uint8 and rows.shape[1:] == MNIST.event
        assert rows.min() == 0 and rows.max() == MNIST.levels - 1


def test_labels_match_the_images(fetched):
    """Every digit's mean image is nearest to the digits of its own kind: order is kept."""
    splits = MNIST.prepare(fetched, validation=10000)
    digits = splits.train[:2000].reshape(2000, 784) / 255
    means = np.stack([digits[splits.labels["train"][:2000] == kind].mean(0) for kind in range(10)])
    for part, rows in splits.rows.items():
        pixels = rows[:1000].reshape(1000, 784) / 255
        nearest = ((pixels[:, None] - means) ** 2).sum(-1).argmin(1)
        # Chance is 0.1, nearest means reach 0.8; the first test digits are harder, 0.74.
        assert (nearest == splits.labels[part][:1000]).mean() > 0.7


def test_one_wrong_bit_in_a_mirror_is_passed_over(fetched, mirror, tmp_path):
    file = remote_file("mnist/t10k-labels-idx1-ubyte")
    content = bytearray((fetched.parent / file.path).read_bytes())
    content[-1] ^= 1
    Path(tmp_path, "mnist").mkdir()
    Path(tmp_path, file.path).write_bytes(content)
    fetch(file, tmp_path / "target", [str(tmp_path), *mirror])
    assert (tmp_path / "target").read_bytes() == (fetched.parent / file.path).read_bytes()
