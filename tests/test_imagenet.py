"""ImageNet 32x32: archives in the form of the published ones, counts, and bounded memory."""

import io
import zipfile

import numpy as np
import pytest

from benchmark.data import dataset
from benchmark.data.catalogue import source
from benchmark.data.fetch import FetchError, fetch
from benchmark.data.imagenet import ImageNet32
from benchmark.data.prepare import prepare


def npz(first, count, **other):
    """Images whose bytes all tell their number, but for one pixel of each channel."""
    pixels = np.empty((count, 3, 32, 32), np.uint8)
    pixels[:] = (first + np.arange(count))[:, None, None, None]
    pixels[:, 0, 3, 4], pixels[:, 1, 5, 6], pixels[:, 2, 7, 8] = 201, 202, 203
    buffer = io.BytesIO()
    arrays = {"data": pixels.reshape(count, 3072), "labels": 1 + first + np.arange(count)}
    np.savez_compressed(buffer, **{**arrays, "mean": np.zeros(3072), **other})
    return buffer.getvalue()


def archive(path, members):
    with zipfile.ZipFile(path, "w") as opened:
        for name, content in members.items():
            opened.writestr(name, content)


def train(path, **other):
    """Ten batches of two images, 0 to 19, that lie in the archive in the order of letters."""
    folder, numbers = "Imagenet32_train_npz", sorted(range(1, 11), key=str)
    members = {
        f"{folder}/train_data_batch_{number}.npz": npz(2 * number - 2, 2) for number in numbers
    }
    archive(path / f"{folder}.zip", {f"{folder}/": b"", **members, **other})


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.setattr(ImageNet32, "counts", {"train": 20, "val": 3})
    train(tmp_path)
    archive(tmp_path / "Imagenet32_val_npz.zip", {"val_data.npz": npz(100, 3)})
    return tmp_path


def test_batches_follow_one_another_by_number_and_the_last_images_validate(folder):
    found = ImageNet32.prepare(folder, validation=3)
    first = {name: rows[:, 0, 0, 0].tolist() for name, rows in found.rows.items()}
    assert first == {
        "train": list(range(17)),
        "validation": [17, 18, 19],
        "test": [100, 101, 102],
    }
    assert {name: known.tolist() for name, known in found.labels.items()} == first


def test_pixels_are_channel_by_channel_row_by_row(folder):
    rows = ImageNet32.prepare(folder, validation=1).train
    assert rows.shape == (19, 3, 32, 32) and rows.dtype == np.uint8
    assert {*rows[:, 0, 3, 4], *rows[:, 1, 5, 6], *rows[:, 2, 7, 8]} == {201, 202, 203}
    assert ((rows > 200).sum(axis=(0, 2, 3)) == 19).all()


def test_images_lie_on_disk_and_no_file_stays(folder):
    before = sorted(folder.iterdir())
    found = ImageNet32.prepare(folder, validation=3)
    assert all(isinstance(rows, np.memmap) for rows in found.rows.values())
    dataset.write(folder / "data", ImageNet32, found, {})
    assert sorted(folder.iterdir()) == sorted([*before, folder / "data"])
    assert np.array_equal(dataset.rows(folder / "data", "validation"), found.validation)
    assert dataset.labels(folder / "data", "validation").tolist() == [17, 18, 19]


BATCH_10 = "Imagenet32_train_npz/train_data_batch_10.npz"
REFUSED = {
    "too few": (
        npz(18, 1),
        "Imagenet32_train_npz.zip: holds 19 images; allowed are 20.*old version",
    ),
    "too many": (npz(18, 5), "holds 23 images; allowed are 20"),
    "sizes": (
        npz(18, 2, data=np.zeros((2, 64 * 64 * 3), np.uint8)),
        r"train_data_batch_10.npz holds uint8 of shape \(2, 12288\); allowed .* 3 x 32 x 32",
    ),
    "floats": (npz(18, 2, data=np.zeros((2, 3072))), "batch_10.npz holds float64"),
    "labels": (
        npz(18, 2, labels=np.arange(3) + 1),
        r"labels of shape \(3,\), 1 to 3; allowed are 2,",
    ),
    "label 0": (npz(18, 2, labels=np.arange(2)), "0 to 1; allowed are 2, 1 to 1000"),
    "label 1001": (npz(18, 2, labels=np.array([1, 1001])), "1 to 1001; allowed are 2, 1 to 1000"),
    "objects": (npz(18, 2, data=np.array([{}, {}])), "allow_pickle=False"),
}


@pytest.mark.parametrize(("bad", "said"), REFUSED.values(), ids=REFUSED.keys())
def test_other_archives_are_refused(folder, bad, said):
    train(folder, **{BATCH_10: bad})
    with pytest.raises(ValueError, match=said):
        ImageNet32.prepare(folder, validation=3)


def test_counts_are_those_of_the_new_version():
    assert ImageNet32.counts == {"train": 1_281_167, "val": 50_000}


def test_a_truncated_archive_is_refused_before_it_is_read(folder, tmp_path):
    (tmp_path / "imagenet32").mkdir()
    train(tmp_path / "imagenet32")
    entry = {"class": "benchmark.data.imagenet.ImageNet32", "source": "imagenet32"}
    with pytest.raises(ValueError, match="Imagenet32_train_npz.zip .* expected 3580435279"):
        prepare({**entry, "arguments": {"validation": 3}}, tmp_path, tmp_path / "data")


def test_it_is_not_fetched_without_its_user(tmp_path):
    for file in source("imagenet32").files:
        with pytest.raises(FetchError) as caught:
            fetch(file, tmp_path / file.path)
        message = str(caught.value)
        assert "log in and accept its terms" in message and "the old version" in message
        assert f"save it as\n  {tmp_path / file.path} ({file.size} bytes, {file.hash})" in message
