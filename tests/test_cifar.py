"""CIFAR-10: batches that spring every trap, that nothing in them is run, and the real images."""

import os
import pickle
from collections import OrderedDict
from pathlib import Path

import numpy as np
import pytest

from benchmark.data import cifar, dataset
from benchmark.data.catalogue import source
from benchmark.data.cifar import CIFAR10, read_batch
from benchmark.data.description import describe
from benchmark.data.fetch import FetchError, fetch
from benchmark.data.prepare import prepare

FILES = [*(f"data_batch_{number}" for number in range(1, 6)), "test_batch"]


def batch(number=0, **other):
    """Two images: all bytes of one tell its batch and place, but for one pixel of each channel."""
    pixels = np.empty((2, 3, 32, 32), np.uint8)
    pixels[:] = 10 * number + np.arange(2)[:, None, None, None]
    pixels[:, 0, 3, 4], pixels[:, 1, 5, 6], pixels[:, 2, 7, 8] = 201, 202, 203
    labels = [number, (number + 1) % 10]
    return {"data": pixels.reshape(2, 3072), "labels": labels, "batch_label": "a", **other}


def content(number=0, **other):
    """The bytes of a batch; protocol 3, in which numpy names no more than in Python 2."""
    return pickle.dumps(batch(number, **other), protocol=3)


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.setattr(cifar, "IMAGES_PER_BATCH", 2)
    for number, name in enumerate(FILES):
        (tmp_path / name).write_bytes(content(number))
    return tmp_path


def test_batches_follow_one_another_and_the_last_images_validate(folder):
    found = CIFAR10.prepare(folder, validation=3)
    first = {name: rows[:, 0, 0, 0].tolist() for name, rows in found.rows.items()}
    assert first["train"] == [0, 1, 10, 11, 20, 21, 30]
    assert first["validation"] == [31, 40, 41] and first["test"] == [50, 51]
    labels = {name: known.tolist() for name, known in found.labels.items()}
    assert labels["train"] == [0, 1, 1, 2, 2, 3, 3]
    assert labels["validation"] == [4, 4, 5] and labels["test"] == [5, 6]


def test_pixels_are_channel_by_channel_row_by_row(folder):
    rows = CIFAR10.prepare(folder, validation=1).train
    assert rows.shape == (9, 3, 32, 32) and rows.dtype == np.uint8
    assert {*rows[:, 0, 3, 4], *rows[:, 1, 5, 6], *rows[:, 2, 7, 8]} == {201, 202, 203}
    assert ((rows > 200).sum(axis=(0, 2, 3)) == 9).all()


@pytest.mark.parametrize("validation", [0, 10])
def test_validation_is_a_part_of_the_training_images(folder, validation):
    with pytest.raises(ValueError, match=f"validation is {validation}; allowed is 1 to 9"):
        CIFAR10.prepare(folder, validation=validation)


WHOLE = content()


REFUSED = {
    "empty": (b"", "not a batch of CIFAR-10 .* Delete it"),
    "page": (b"<html>not found</html>", "not a batch of CIFAR-10"),
    "gzip": (b"\x1f\x8b gzipped", "not a batch of CIFAR-10"),
    "half": (WHOLE[: len(WHOLE) // 2], "not a batch of CIFAR-10"),
    "cut": (WHOLE[:-1], "not a batch of CIFAR-10"),
    "list": (pickle.dumps([1, 2]), "not a batch of CIFAR-10"),
    "no labels": (pickle.dumps({"data": [0]}), "not a batch of CIFAR-10 .*labels"),
    "class": (pickle.dumps(OrderedDict(a=1)), "names collections.OrderedDict, which a batch does"),
    "count": (content(data=np.zeros((3, 3072), np.uint8)), r"uint8 of shape \(3, 3072\); allowed"),
    "size": (content(data=np.zeros((2, 3, 28, 28), np.uint8)), r"\(2, 3, 28, 28\).* 3 x 32 x 32"),
    "floats": (content(data=np.zeros((2, 3072))), r"holds float64 .* allowed are uint8"),
    "text": (content(data="pixels"), r"holds <U6 of shape \(\); allowed are uint8"),
    "label": (content(labels=[1]), r"labels int64 of shape \(1,\); allowed are 2 whole .* 0 to 9"),
    "label 10": (content(labels=[1, 10]), "labels int64"),
    "label -1": (content(labels=[1, -1]), "labels int64"),
    "float labels": (content(labels=[0.0, 1.0]), "labels float64"),
}


@pytest.mark.parametrize(("bad", "said"), REFUSED.values(), ids=REFUSED.keys())
@pytest.mark.parametrize("name", ["data_batch_4", "test_batch"])
def test_what_is_no_batch_is_refused(folder, name, bad, said):
    (folder / name).write_bytes(bad)
    with pytest.raises(ValueError, match=rf"{name}: .*{said}"):
        CIFAR10.prepare(folder, validation=1)


class Malicious:
    def __init__(self, call, *arguments):
        self.call, self.arguments = call, arguments

    def __reduce__(self):
        return self.call, self.arguments


@pytest.mark.parametrize("protocol", [0, 2, 5])
@pytest.mark.parametrize("call", [os.mkdir, Path.touch, eval])
def test_nothing_that_a_batch_names_is_called(folder, protocol, call):
    hit = folder / "hit"
    argument = {os.mkdir: str(hit), Path.touch: hit, eval: f"open({str(hit)!r}, 'w')"}[call]
    evil = {"evil": Malicious(call, argument), **batch()}
    (folder / "test_batch").write_bytes(pickle.dumps(evil, protocol))
    with pytest.raises(
        ValueError,
        match=r"test_batch: is not a batch of CIFAR-10 \(it names (posix|pathlib|builtins|__b)",
    ):
        read_batch(folder / "test_batch")
    assert not hit.exists()


def test_a_missing_batch_is_named(folder):
    (folder / "data_batch_3").unlink()
    with pytest.raises(FileNotFoundError, match="data_batch_3"):
        CIFAR10.prepare(folder, validation=1)


def test_a_batch_that_is_cut_off_is_not_fetched(folder, tmp_path):
    (tmp_path / "mirror" / "cifar-10-batches-py").mkdir(parents=True)
    (tmp_path / "mirror" / "cifar-10-batches-py" / "cifar-10-python.tar.gz").write_bytes(
        b"\x1f\x8b"
    )
    (tmp_path / "mirror" / "cifar-10-batches-py" / "data_batch_1").write_bytes(WHOLE)
    file = source("cifar10").files[0]
    target = tmp_path / "downloads" / file.path
    offline = type(file)(**{**vars(file), "address": "http://127.0.0.1:9/cifar-10-python.tar.gz"})
    with pytest.raises(FetchError) as caught:
        fetch(offline, target, [str(tmp_path / "mirror")])
    assert f"found {len(WHOLE)} bytes, expected 31035704" in str(caught.value)
    assert "found 2 bytes, expected 170498071" in str(caught.value)
    assert not target.exists()


def test_the_published_images(cifar_mirror, tmp_path):
    """One test, for it unpacks them."""
    files = source("cifar10").files
    for file in files:
        fetch(file, tmp_path / file.path, cifar_mirror)
    assert sorted(file.path.partition("/")[2] for file in files) == FILES
    entry = {"class": "benchmark.data.cifar.CIFAR10", "source": "cifar10"}
    prepare({**entry, "arguments": {"validation": 5000}}, tmp_path, tmp_path / "data")
    found = describe(tmp_path / "data")
    assert found.rows == {"train": 45000, "validation": 5000, "test": 10000}
    assert (found.event, found.levels, found.unit) == ((3, 32, 32), 256, "bits/dim")
    assert found.hash == "83215faea1a8f4b2"
    rows = {name: dataset.rows(tmp_path / "data", name) for name in found.rows}
    labels = {name: dataset.labels(tmp_path / "data", name) for name in found.rows}
    images = np.concatenate([rows["train"], rows["validation"]])
    # Mean and standard deviation of the training pixels by red, green, blue, as all quote them.
    mean = images.mean(axis=(0, 2, 3)) / 255
    deviation = np.array([images[:, channel].std() / 255 for channel in range(3)])
    assert mean == pytest.approx([0.4914, 0.4822, 0.4465], abs=5e-5)
    assert deviation == pytest.approx([0.2470, 0.2435, 0.2616], abs=5e-5)
    # Upright: a mean image is alike left and right, and lighter above (the sky) than below.
    mean = images.mean(axis=(0, 1))
    assert np.abs(mean - mean[:, ::-1]).mean() < 0.1 * np.abs(mean - mean[::-1]).mean()
    assert mean[:8].mean() > mean[-8:].mean() + 10
    known = np.concatenate([labels["train"], labels["validation"]])
    assert np.bincount(known).tolist() == [5000] * 10
    assert np.bincount(labels["test"]).tolist() == [1000] * 10
    means = np.stack([images[:5000][known[:5000] == kind].mean(axis=0) for kind in range(10)])
    for name, some in rows.items():
        distances = [np.square(image - means).sum(axis=(1, 2, 3)) for image in some[:500]]
        # Chance is 0.1, nearest means reach 0.25 to 0.29: labels are those of the images.
        assert (np.argmin(distances, axis=1) == labels[name][:500]).mean() > 0.18
