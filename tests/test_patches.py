"""Patches of BSDS300: what they are of, the recipe, and the likelihood of a fitted Gaussian."""

import math

import numpy as np
import pytest
from PIL import Image

from benchmark.data import dataset
from benchmark.data.catalogue import source
from benchmark.data.description import describe
from benchmark.data.fetch import fetch
from benchmark.data.patches import BSDS300Recut
from benchmark.data.prepare import prepare

PIXELS = 64


def save(folder, part, number, pixels):
    (folder / "images" / part).mkdir(parents=True, exist_ok=True)
    image = Image.fromarray(pixels.astype(np.uint8))
    image.save(folder / "images" / part / f"{number:04}.jpg", quality=100, subsampling=0)


def whole(rows):
    """Patches with their last pixel, minus the sum of the others."""
    return np.column_stack([rows, -rows.sum(axis=1)]).astype(float)


def striped(columns, shape=(30, 40)):
    """Stripes 8 pixels wide, of two grey levels, across (columns) or along the rows."""
    i, j = np.indices(shape)
    return np.repeat((60 + 100 * ((j if columns else i) // 8 % 2))[:, :, None], 3, axis=2)


def test_noise_is_uniform_of_one_level_and_the_mean_is_removed_after_it(tmp_path):
    for number in range(11):
        save(tmp_path, "train", number, np.full((20, 30, 3), 5 + 20 * number))
    save(tmp_path, "test", 0, np.full((9, 8, 3), 0))
    found = BSDS300Recut.prepare(tmp_path, train=3000, validation=50, test=20)
    assert [rows.shape for rows in found.rows.values()] == [(3000, 63), (50, 63), (20, 63)]
    assert found.train.dtype == np.float32
    noise = 256 * whole(found.train)
    # Grey levels leave nothing: what is left is u - mean(u), of variance (1 - 1/64) / 12.
    assert np.abs(noise).max() < 1
    expected = (1 - 1 / PIXELS) / 12
    assert abs(noise.var() - expected) < 4 * expected / math.sqrt(noise.size)
    assert abs(noise[:, -1].var() - expected) < 6 * expected / math.sqrt(len(noise))


def test_patches_are_windows_of_one_image_row_by_row(tmp_path):
    for number in range(2):
        save(tmp_path, "train", number, np.indices((40, 60))[1][:, :, None].repeat(3, axis=2) * 4)
    save(tmp_path, "test", 0, np.indices((40, 60))[0][:, :, None].repeat(3, axis=2) * 4)
    found = BSDS300Recut.prepare(tmp_path, train=200, validation=5, test=200)
    ramp = np.arange(8) - 3.5
    for rows, slope in ((found.train, np.tile(ramp, 8)), (found.test, np.repeat(ramp, 8))):
        # Within one level of noise and one of JPEG's rounding.
        assert np.abs(256 * whole(rows) - 4 * slope).max() < 2.5


def test_grey_is_rec_601(tmp_path):
    half = np.zeros((16, 64, 3))
    half[:, 32:] = (50, 100, 200)
    for number in range(2):
        save(tmp_path, "train", number, half)
    save(tmp_path, "test", 0, half)
    rows = 256 * whole(BSDS300Recut.prepare(tmp_path, train=4000, validation=1, test=1).train)
    contrast = (rows.max(axis=1) - rows.min(axis=1)).max()
    assert abs(contrast - (0.299 * 50 + 0.587 * 100 + 0.114 * 200)) < 2.5


def test_no_image_gives_patches_to_two_splits(tmp_path):
    flat, across, along = np.full((30, 40, 3), 90), striped(True), striped(False)
    for number in range(20):
        save(tmp_path, "train", number, flat if number % 10 else across)
    save(tmp_path, "test", 0, along)
    found = BSDS300Recut.prepare(tmp_path, train=500, validation=500, test=500)
    squares = {name: whole(rows).reshape(-1, 8, 8) for name, rows in found.rows.items()}
    assert np.abs(squares["train"]).max() < 3 / 256
    for name, axis in (("validation", 1), ("test", 2)):
        same = np.ptp(squares[name], axis=axis)  # along a stripe
        across = np.ptp(squares[name], axis=3 - axis)
        assert same.max() < 6 / 256 and across.max() > 90 / 256


def test_every_place_of_an_image_gives_patches(tmp_path):
    corners = np.full((24, 24, 3), 20)
    corners[0, 0] = corners[-1, -1] = 250
    for number in range(2):
        save(tmp_path, "train", number, corners)
    save(tmp_path, "test", 0, corners)
    rows = whole(BSDS300Recut.prepare(tmp_path, train=5000, validation=1, test=1).train)
    share = 1 / 17**2
    error = 4 * math.sqrt(share / len(rows))
    for pixel in (0, -1):
        assert abs((rows[:, pixel] > 100 / 256).mean() - share) < error


@pytest.fixture(scope="session")
def recut(mirror, tmp_path_factory):
    """The prepared folder of a fifth of the patches."""
    folder = tmp_path_factory.mktemp("bsds300")
    for file in source("bsds300_images").files:
        fetch(file, folder / file.path, mirror)
    numbers = {"train": 200_000, "validation": 10_000, "test": 50_000}
    entry = {"class": "benchmark.data.patches.BSDS300Recut", "source": "bsds300_images"}
    for name in ("first", "second"):
        prepare({**entry, "arguments": numbers}, folder, folder / name)
    return folder


def test_a_gaussian_has_the_published_likelihood(recut):
    train, test = (dataset.rows(recut / "first", name).astype(float) for name in ("train", "test"))
    mean, factor = train.mean(axis=0), np.linalg.cholesky(np.cov(train.T))
    z = np.linalg.solve(factor, (test - mean).T)
    constant = np.log(np.diag(factor)).sum() + 63 / 2 * math.log(2 * math.pi)
    log_prob = -(z**2).sum(axis=0) / 2 - constant
    # The literature has 96 to 97 nats. The draws differ, and patches of one image resemble each
    # other: a nat of leeway. (Without noise, mean removed or division it is off by tens.)
    assert abs(log_prob.mean() - 96.5) < 1.5


def test_the_same_patches_at_every_call(recut):
    hashes = {describe(recut / name).hash for name in ("first", "second")}
    assert len(hashes) == 1
