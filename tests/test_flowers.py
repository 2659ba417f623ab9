"""Oxford Flowers 102: resizing, the split, and photographs that spring every trap."""

import numpy as np
import pytest
from PIL import Image
from scipy.io import savemat

from benchmark.data import catalogue, dataset
from benchmark.data.flowers import SIDE, Flowers102, read_image

PARTS = {"tstid": [3, 1, 6, 8], "valid": [2, 7], "trnid": [5, 4, 9]}
NAMES = [f"image_{number:05}.jpg" for number in range(1, 10)]


def save(path, pixels, **options):
    Image.fromarray(np.asarray(pixels, np.uint8)).save(path, "PNG", **options)


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """Nine images of one colour each, 10 times their number, green 0, blue 200."""
    monkeypatch.setattr(Flowers102, "parts", {name: len(PARTS[name]) for name in Flowers102.parts})
    (tmp_path / "jpg").mkdir()
    for number, name in enumerate(NAMES, start=1):
        save(tmp_path / "jpg" / name, np.full((130, 140, 3), [10 * number, 0, 200]))
    savemat(tmp_path / "setid.mat", PARTS)
    savemat(tmp_path / "imagelabels.mat", {"labels": np.array([1, 1, 2, 2, 3, 3, 4, 4, 102])})
    return tmp_path


def test_most_images_train_and_labels_go_with_them(folder):
    found = Flowers102.prepare(folder)
    numbers = {name: (rows[:, 0, 5, 5] // 10).tolist() for name, rows in found.rows.items()}
    assert numbers == {"train": [3, 1, 6, 8], "validation": [2, 7], "test": [5, 4, 9]}
    labels = {name: known.tolist() for name, known in found.labels.items()}
    assert labels == {"train": [1, 0, 2, 3], "validation": [0, 3], "test": [2, 1, 101]}


def test_counts_are_the_published_ones():
    assert list(Flowers102.parts.items()) == [("tstid", 6149), ("valid", 1020), ("trnid", 1020)]
    assert sum(Flowers102.parts.values()) == 8189


def test_images_are_written_as_channels_rows_columns(folder):
    dataset.write(folder / "data", Flowers102, Flowers102.prepare(folder), {})
    rows = dataset.rows(folder / "data", "test")
    assert rows.shape == (3, 3, 128, 128) and rows.dtype == np.uint8
    assert rows[0, :, 64, 64].tolist() == [50, 0, 200]


@pytest.mark.parametrize("upright", [False, True])
def test_the_middle_is_cut_out_of_the_longer_side(tmp_path, upright):
    # 256 x 384: halved, 128 x 192, of which 32 are left out at both ends. A ramp of one level a
    # pixel along the longer side becomes one of two levels, from 64 on (0.5 at a pixel's middle).
    ramp = np.minimum(np.arange(384), 255)[None, :, None].repeat(256, axis=0).repeat(3, axis=2)
    ramp[..., 1] = np.arange(256)[:, None]
    pixels = ramp.transpose(1, 0, 2) if upright else ramp
    save(tmp_path / "image", pixels)
    found = read_image(tmp_path / "image")
    along, across = found[0].astype(float), found[1].astype(float)
    if upright:
        along, across = along.T, across.T
    expected = 64.5 + 2 * np.arange(SIDE)
    inner = slice(2, 94)  # elsewhere the ramp is cut at 255, or its ends are near
    assert np.abs(along - expected)[:, inner].max() <= 0.5
    assert np.abs(across[2:-2] - (0.5 + 2 * np.arange(SIDE))[2:-2, None]).max() <= 0.5


def test_fine_stripes_average_out(tmp_path):
    # One pixel black, one white: a filter that skips pixels keeps black, white or a beat of them.
    stripes = np.zeros((500, 640, 3))
    stripes[:, ::2] = 255
    save(tmp_path / "image", stripes)
    assert np.abs(read_image(tmp_path / "image").astype(float) - 127.5).max() <= 1


def test_images_of_the_side_are_as_they_are(tmp_path):
    pixels = np.random.default_rng(0).integers(0, 256, (SIDE, SIDE, 3))
    save(tmp_path / "image", pixels)
    assert np.array_equal(read_image(tmp_path / "image"), pixels.transpose(2, 0, 1))


@pytest.mark.parametrize(
    ("mode", "size", "said"),
    [
        ("L", (130, 140), "130 x 140 pixels in mode L; allowed is mode RGB"),
        ("CMYK", (130, 140), "130 x 140 pixels in mode CMYK"),
        ("RGBA", (130, 140), "130 x 140 pixels in mode RGBA"),
        ("P", (130, 140), "130 x 140 pixels in mode P"),
        ("RGB", (127, 140), "127 x 140 pixels in mode RGB; .* no side shorter than 128"),
        ("RGB", (140, 127), "140 x 127 pixels in mode RGB"),
    ],
)
def test_other_modes_and_sizes_are_refused(folder, mode, size, said):
    form = "JPEG" if mode == "CMYK" else "PNG"
    Image.new(mode, size).save(folder / "jpg" / NAMES[3], form)
    with pytest.raises(ValueError, match=f"jpg/image_00004.jpg: is an image of {said}"):
        Flowers102.prepare(folder)


@pytest.mark.parametrize("share", [0.0, 0.01, 0.6, 0.99])
def test_a_photograph_that_is_cut_off_is_refused(folder, share):
    noise = np.random.default_rng(0).integers(0, 256, (200, 200, 3), dtype=np.uint8)
    path = folder / "jpg" / NAMES[6]
    Image.fromarray(noise).save(path, "JPEG")
    whole = path.read_bytes()
    assert read_image(path).shape == (3, SIDE, SIDE)
    path.write_bytes(whole[: int(share * len(whole))])
    with pytest.raises(
        ValueError, match=r"image_00007.jpg: is not a complete image \(.*Delete the fold"
    ):
        Flowers102.prepare(folder)


@pytest.mark.parametrize(
    ("rename", "count"), [(None, 8), ("image_00010.jpg", 9), ("image_2.jpg", 9)]
)
def test_missing_and_foreign_images_are_refused(folder, rename, count):
    path = folder / "jpg" / NAMES[1]
    if rename:
        path.rename(path.with_name(rename))
    else:
        path.unlink()
    said = (
        rf"jpg: holds {count} images; allowed are exactly the 9 from image_00001.jpg to image_0000"
    )
    with pytest.raises(ValueError, match=said):
        Flowers102.prepare(folder)


@pytest.mark.parametrize(
    ("other", "said"),
    [
        ({"trnid": [5, 4]}, "'trnid': 2} images, 8 different ones; allowed are .*'trnid': 3}"),
        ({"trnid": [5, 4], "valid": [2, 7, 9]}, "'trnid': 2} images, 9 different ones"),
        ({"trnid": [5, 4, 3]}, "images, 8 different ones"),
        ({"trnid": [5, 4, 10]}, "images, 9 different ones; allowed .* each of the 9 once"),
    ],
)
def test_another_split_is_refused(folder, other, said):
    savemat(folder / "setid.mat", {**PARTS, **other})
    with pytest.raises(ValueError, match=f"setid.mat: lists .*{said}"):
        Flowers102.prepare(folder)


@pytest.mark.parametrize(
    ("labels", "said"),
    [(np.arange(8) + 1, "8 labels, 1 to 8; allowed are 9"), (np.arange(9), "9 labels, 0 to 8")]
    + [(np.arange(9) + 95, "95 to 103; allowed are 9, 1 to 102")],
)
def test_other_labels_are_refused(folder, labels, said):
    savemat(folder / "imagelabels.mat", {"labels": labels})
    with pytest.raises(ValueError, match=f"imagelabels.mat: holds .*{said}"):
        Flowers102.prepare(folder)


def test_files_of_the_source_lie_in_one_folder():
    paths = [file.path for file in catalogue.source("flowers102").files]
    assert paths == ["flowers-102/jpg", "flowers-102/imagelabels.mat", "flowers-102/setid.mat"]
