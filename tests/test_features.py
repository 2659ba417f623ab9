"""Features: Inception's are clean-fid's, a classifier's tell digits apart."""

import hashlib
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from sklearn.datasets import load_digits
from torch import nn
from torch.nn import functional

from benchmark.data.catalogue import RemoteFile
from benchmark.measure import features as module
from benchmark.measure.feature_settings import ClassifierFit
from benchmark.measure.features import (
    RESIZES,
    Classifier,
    Inception,
    accuracy,
    features,
    train_classifier,
)
from benchmark.measure.frechet import Moments, distance
from benchmark.source import ROOT

pytestmark = [
    pytest.mark.usefixtures("single_precision"),
    pytest.mark.filterwarnings("ignore:.torch.jit:DeprecationWarning"),
]

CPU = torch.device("cpu")
FIT = ClassifierFit(width=64, epochs=8, seed=0)


def images(*shape):
    """Images of random blots, so that resizing has something to smooth."""
    x = torch.nn.functional.avg_pool2d(torch.rand(shape), 3, stride=1, padding=1)
    return (255 * x).to(torch.uint8).numpy()


# --- Inception ----------------------------------------------------------------------------------


class Layers(nn.Module):
    """2,048 numbers, in the place of Inception's."""

    def __init__(self):
        super().__init__()
        self.mix = nn.Conv2d(3, 8, 1)

    def forward(self, x):
        return self.mix(functional.adaptive_avg_pool2d(x, (16, 16))).relu().flatten(1)


class Network(nn.Module):
    """The interface of the TorchScript of Inception that clean-fid uses."""

    def __init__(self):
        super().__init__()
        self.layers = Layers()

    def forward(self, x, return_features: bool = False):
        resized = functional.interpolate(x, [299, 299], mode="bilinear", align_corners=False)
        return self.layers((resized - 128) / 128)


@pytest.fixture
def weights(tmp_path, monkeypatch):
    """A TorchScript in the place of Inception's, and in the catalogue too."""
    path = tmp_path / Path(module.WEIGHTS).name
    torch.jit.script(Network()).save(path)
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    stored = RemoteFile(module.WEIGHTS, None, f"sha256:{digest}", None)
    monkeypatch.setattr(module, "remote_file", {module.WEIGHTS: stored}.__getitem__)
    return path


@pytest.mark.parametrize("resize", RESIZES)
@pytest.mark.parametrize("channels", [1, 3])
def test_inception_is_that_of_clean_fid(clean_fid, weights, resize, channels):
    x = images(5, channels, 28, 20)
    coloured = torch.tensor(x).repeat(1, 3 // channels, 1, 1).float()
    network = module._of_clean_fid("inception_torchscript.InceptionV3W")[0](
        str(weights.parent), download=False, resize_inside=resize == "legacy_tensorflow"
    )
    options = {"mode": resize, "num_gen": 5, "batch_size": 5, "device": CPU, "verbose": False}
    expected = clean_fid.get_model_features(lambda z: coloured, network, **options)
    found = np.concatenate(list(features(Inception(weights, resize), x, chunk=2)))
    assert found.shape == (5, 2048) and found.std(axis=0).max() > 0.01
    np.testing.assert_allclose(found, expected, atol=1e-6)


def test_ways_of_resizing_have_other_features_and_other_keys(weights):
    x = images(4, 3, 64, 64)
    a, b = (Inception(weights, resize) for resize in RESIZES)
    found = [np.concatenate(list(features(extractor, x, chunk=4))) for extractor in (a, b)]
    assert np.abs(found[0] - found[1]).max() > 1e-3
    assert a.metric == b.metric == "fid"
    assert a.key == {"extractor": "inception-2015-12-05", "resize": "clean"} != b.key


def test_other_weights_are_refused(tmp_path):
    path = tmp_path / "inception-2015-12-05.pt"
    torch.jit.script(Network()).save(path)
    with pytest.raises(ValueError, match=r"is not inception/inception-2015-12-05\.pt .* sha256"):
        Inception(path, "clean")


def test_other_resizing_is_refused(weights):
    with pytest.raises(ValueError, match="'bicubic'; allowed are clean, legacy_tensorflow"):
        Inception(weights, "bicubic")


def test_inception_refuses_other_channels(weights):
    with pytest.raises(ValueError, match=r"1 channel or 3; found shape \(2, 4, 8, 8\)"):
        list(features(Inception(weights, "clean"), images(2, 4, 8, 8), chunk=2))


def test_without_clean_fid_the_message_says_so(weights, monkeypatch):
    monkeypatch.setitem(sys.modules, "cleanfid.inception_torchscript", None)
    with pytest.raises(ImportError, match="FID needs clean-fid, .*cleanfid.*pip install"):
        Inception(weights, "clean")


def test_inception_needs_no_torchvision():
    program = (
        "import sys; from benchmark.measure.features import _of_clean_fid as load;"
        "load('inception_torchscript.InceptionV3W', 'resize.build_resizer');"
        "sys.exit('torchvision' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", program], cwd=ROOT).returncode == 0


# --- classifiers --------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def digits():
    """Images and labels in a random order, 400 for test first."""
    found = load_digits()
    order = np.random.default_rng(0).permutation(len(found.target))
    return found.images[order].astype(np.uint8)[:, None], found.target[order]


@pytest.fixture(scope="module")
def classifier(digits):
    torch.set_default_dtype(torch.float32)
    x, y = digits
    return train_classifier("digits", x[400:], y[400:], FIT, CPU)


def test_classifier_knows_digits_it_has_not_seen(digits, classifier):
    x, y = digits
    assert accuracy(classifier, x[:400], y[:400], chunk=150) > 0.95


def test_accuracy_counts_what_the_network_says(digits, classifier):
    x = digits[0][:100]
    with torch.no_grad():
        said = classifier.head(classifier(torch.tensor(x))).argmax(dim=1).numpy()
    assert accuracy(classifier, x, said, chunk=30) == 1
    said[:25] = (said[:25] + 1) % 10
    assert accuracy(classifier, x, said, chunk=30) == 0.75


def test_same_seed_same_classifier_and_no_other_draws(digits, classifier):
    x, y = digits
    before = torch.get_rng_state()
    short = FIT.model_copy(update={"epochs": 1})
    first, again = (train_classifier("digits", x, y, short, CPU) for _ in range(2))
    assert first.identity == again.identity
    assert torch.equal(torch.get_rng_state(), before)
    other = train_classifier("digits", x, y, short.model_copy(update={"seed": 1}), CPU)
    assert len({first.identity, other.identity, classifier.identity}) == 3


def test_distance_on_a_classifier_is_never_called_fid(classifier):
    assert classifier.metric == "fd_digits"
    assert classifier.key == {"extractor": classifier.identity, "resize": "none"}
    assert classifier.identity.startswith("digits ")


def test_saved_classifier_is_the_same(digits, classifier, tmp_path):
    classifier.save(tmp_path)
    found = Classifier.load(tmp_path)
    assert found.key == classifier.key and found.metric == classifier.metric
    before, after = (list(features(c, digits[0][:50], chunk=20)) for c in (classifier, found))
    assert all(np.array_equal(a, b) for a, b in zip(before, after, strict=True))
    assert len(list(tmp_path.iterdir())) == 2


def test_features_do_not_depend_on_the_other_images_of_a_chunk(digits, classifier):
    x = digits[0][:70]
    parts = list(features(classifier, x, chunk=32))
    assert [part.shape for part in parts] == [(32, 64), (32, 64), (6, 64)]
    alone = np.concatenate(list(features(classifier, x, chunk=1)))
    np.testing.assert_allclose(np.concatenate(parts), alone, atol=1e-5)


@pytest.mark.parametrize("event", [(1, 8, 8), (1, 28, 28), (3, 32, 32), (3, 9, 20)])
def test_classifiers_take_images_of_many_shapes(event):
    x, y = images(20, *event), np.arange(20) % 4
    found = train_classifier("any", x, y, ClassifierFit(width=32, epochs=1, seed=0), CPU)
    assert next(features(found, x, chunk=20)).shape == (20, 32)
    assert found.head.out_features == 4


def test_brightness_is_that_of_the_training_images():
    x, y = images(40, 1, 8, 8) // 16, np.arange(40) % 4
    found, bright = (
        train_classifier("any", z, y, ClassifierFit(width=32, epochs=1, seed=0), CPU)
        for z in (x, 2 * x)
    )
    a, b = next(features(found, x, chunk=40)), next(features(bright, 2 * x, chunk=40))
    np.testing.assert_array_equal(a, b)


def test_distance_grows_with_the_damage(digits, classifier):
    x, draw = digits[0], np.random.default_rng(0)

    def statistics(rows):
        moments = Moments()
        for found in features(classifier, rows, chunk=100):
            moments.add(found)
        return moments.statistics({**classifier.key, "data": ""})

    def damaged(share):
        noise = draw.integers(0, 17, x[900:].shape, dtype=np.uint8)
        return np.where(draw.random(x[900:].shape) < share, noise, x[900:])

    found = [distance(statistics(x[:900]), statistics(damaged(s))) for s in (0, 0.1, 0.3, 1)]
    assert all(b > 3 * a for a, b in zip(found[:2], found[1:3], strict=True)), found
    assert found[3] > 1.5 * found[2], found  # near the end all digits are noise already


@pytest.mark.parametrize("wrong", [np.zeros((4, 64), np.uint8), np.zeros((4, 1, 8, 8), np.float32)])
def test_arrays_that_are_no_images_are_refused(classifier, wrong):
    with pytest.raises(ValueError, match=rf"{wrong.dtype} of shape .*; expected are images, uint8"):
        list(features(classifier, wrong, chunk=2))


@pytest.mark.parametrize(
    "labels", [np.zeros(3, int), np.zeros(4), np.array([0, 1, -1, 2]), np.zeros((4, 1), int)]
)
def test_labels_that_are_none_are_refused(labels):
    with pytest.raises(ValueError, match="for 4 images; expected is a whole number from 0"):
        train_classifier("any", images(4, 1, 8, 8), labels, FIT, CPU)


def test_images_too_small_for_a_classifier_are_refused():
    with pytest.raises(ValueError, match=r"at least 8 x 8 pixels; found .* \(1, 7, 28\)"):
        Classifier("small", (1, 7, 28), 10, 64)
