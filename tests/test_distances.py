"""Distances of samples from the training images, on fits whose samples are known."""

import contextlib
import math
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch

from benchmark import model, parts
from benchmark.baselines.gaussian import Gaussian
from benchmark.coordinates import Affine
from benchmark.data import dataset
from benchmark.data.description import describe
from benchmark.data.prepare import prepare
from benchmark.files import read_json
from benchmark.jobs.evaluate import Evaluation, evaluate
from benchmark.measure import evaluation, reference
from benchmark.measure.distances import Distances, quantised
from benchmark.measure.evaluation_settings import EvaluationSettings
from benchmark.measure.feature_settings import FeatureSettings
from benchmark.measure.frechet import Moments, Statistics
from benchmark.measure.measurement import Subject, measure
from benchmark.model import Model
from benchmark.ode import Tolerance
from benchmark.records import records
from benchmark.records.model_file import ModelFile
from benchmark.records.records import FLOOR
from benchmark.records.run import Run
from benchmark.rows import Rows
from benchmark.runtime.checkpoint import Checkpoint

CPU = torch.device("cpu")
DIGITS = {"class": "benchmark.data.digits.Digits", "arguments": {"validation": 100, "test": 500}}
SETTINGS = FeatureSettings(
    classifier={"width": 16, "epochs": 3, "seed": 0},
    **{"name": "digits_cnn", "chunk": 30, "samples": 100, "tolerances": [1e-2, 1.0]},
)
ENTRY = {**DIGITS, "held_out": {"test": 20}}
GAUSSIAN = "benchmark.baselines.gaussian.Gaussian"


@pytest.fixture(scope="module")
def digits(tmp_path_factory):
    """The results of a suite: digits, their classifier, the reference and the floor."""
    place = tmp_path_factory.mktemp("images")
    with contextlib.chdir(place):
        data = Path("results/toy/digits/data")
        (data.parent / "features").mkdir(parents=True)
        prepare(ENTRY, place, data)
        reference.write_classifier(subject(), SETTINGS)
        reference.write_reference(subject(), SETTINGS, ENTRY)
    return place


def subject(run=None):
    """A run, or the data set alone."""
    run = run or Run("toy", "digits", FLOOR, 0)
    return Subject("distances", run, "d16e57", "0123", Path("downloads"), CPU)


@pytest.fixture
def here(digits, monkeypatch, single_precision):
    monkeypatch.chdir(digits)
    return digits


def fitted(x, seed=0):
    """The folder of a Gaussian in ``[0, 1]^64`` that is fitted to ``x``."""
    run = Run("toy", "digits", "gaussian", seed)
    run.folder.mkdir(parents=True, exist_ok=True)
    method = Gaussian.build((64,))
    method.initialise(Rows(x.numpy(), None, CPU))
    stored = {
        **{"class": GAUSSIAN, "arguments": {}, "event": (64,), "coordinates": "identity"},
        "validation": {"atol": 1e-3, "rtol": 1e-3},
        "weights": "last",
        "training": {
            **{"steps": 0, "seconds": None, "lr": 1.0, "precision": "float32"},
            **{"processes": 1, "peak_memory": 1.0, "interruptions": 0},
        },
    }
    made = Model(method, Affine.identity((64,)), Tolerance(1.0, 1.0))
    model.save(run.folder, made, ModelFile.model_validate(stored))
    return run


def measured(run):
    """The records of the distances by their metric, and the lines of ``distances.csv``."""
    run.measurement("distances").parent.mkdir(exist_ok=True)
    measure(Distances(SETTINGS), subject(run))
    found = {record["metric"]: record for record in records.read(run.measurement("distances"))}
    return found, run.measurement("distances", "csv").read_text().splitlines()


def train():
    rows = dataset.rows("results/toy/digits/data", "train")
    return torch.tensor(dataset.dequantise(rows, 17, 0))


def test_floor_is_of_as_many_test_images_as_samples_however_few_are_measured(here):
    floor = {r["metric"]: r for r in records.read("results/toy/digits/features/floor.json")}
    assert floor["fd_digits_cnn"]["n"] == floor["kd_digits_cnn"]["n"] == SETTINGS.samples == 100
    assert floor["fd_digits_cnn"]["protocol"]["samples"] == 100
    assert floor["classifier_accuracy"]["n"] == 500
    assert floor["classifier_accuracy"]["value"] > 0.8  # a tenth by chance
    assert not [name for name in floor if "fid" in name or "kid" in name]


def test_reference_is_of_all_training_images(here):
    reference = Statistics.load("results/toy/digits/features/reference.npz")
    assert reference.n == len(train()) == 1797 - 600
    assert reference.key["data"] == describe("results/toy/digits/data").hash
    assert len(np.load("results/toy/digits/features/reference.npy")) == reference.n


def test_nearer_samples_have_a_smaller_distance(here):
    near, far = fitted(train(), 0), fitted(torch.rand(1000, 64), 1)
    floor = records.read("results/toy/digits/features/floor.json")[0]["value"]
    found = [measured(run)[0]["fd_digits_cnn"] for run in (near, far)]
    assert floor < found[0]["value"] < 0.5 * found[1]["value"]
    assert found[0]["n"] == found[0]["protocol"]["samples"] == 100


def test_values_outside_the_range_of_images_are_counted(here):
    x, (low, high) = train(), torch.tensor([0.0, 1.0])
    normal = torch.distributions.Normal(x.mean(0), x.std(0, correction=0).clamp_min(1e-6))
    share = 100 * float((normal.cdf(low) + 1 - normal.cdf(high)).mean())
    counted = measured(fitted(x))[0]["outside_range"]
    assert abs(counted["value"] - share) < 3 < share and counted["n"] == 100


def test_records_say_how_the_images_were_drawn_and_compared(here):
    found, curve = measured(fitted(train()))
    protocol = found["fd_digits_cnn"]["protocol"]
    assert protocol["extractor"].startswith("digits_cnn ") and protocol["resize"] == "none"
    assert protocol["reference"].startswith("1197 training images, ")
    assert protocol["noise"] == "by seed and number of a chunk of 30"
    assert found["kd_digits_cnn"]["n"] == 100 and found["kd_digits_cnn"]["standard_error"] > 0
    assert found["nfe_images"]["value"] == 0  # no ODE is solved
    assert curve[0] == "tolerance,nfe,distance,kernel_distance"
    values = [float(value) for value in curve[1].split(",")]
    assert values == [1e-2, 0.0, found["fd_digits_cnn"]["value"], found["kd_digits_cnn"]["value"]]
    # Tolerances mean nothing to a closed form, and the noise is the same.
    assert curve[2].split(",")[1:] == curve[1].split(",")[1:]


def test_samples_are_compared_as_the_integers_that_they_stand_for(here):
    description = describe("results/toy/digits/data")
    rows = dataset.rows("results/toy/digits/data", "train")[:50]
    x = torch.tensor(dataset.dequantise(rows, 17, seed=3))
    found = quantised(x, description)
    assert found.shape == (50, 1, 8, 8) and found.dtype == torch.uint8
    np.testing.assert_array_equal(found.flatten(1), rows)
    beyond = quantised(torch.tensor([[-0.5, 1.5] * 32]), description)
    assert beyond.flatten().tolist() == [0, 16] * 32
    x[3, 7], x[3, 8], x[40, 0] = math.nan, math.inf, math.nan
    with pytest.raises(FloatingPointError, match="2 of 50 samples are not finite"):
        quantised(x, description)


def test_all_methods_start_from_the_same_noise_chunk_by_chunk(here):
    def flow(seed):
        torch.manual_seed(seed)
        sizes = {"width": 4, "depth": 1, "time_frequencies": 0, "space_frequencies": 0}
        network = {"class": "benchmark.networks.mlp.MLP", **sizes}
        kind = "benchmark.baselines.interpolant.InterpolantFlow"
        method = model.build(kind, (64,), {"network": network, "path": "linear"})
        torch.nn.init.zeros_(method.network.layers[-1].weight)
        torch.nn.init.zeros_(method.network.layers[-1].bias)
        return Model(method, Affine.identity((64,)), Tolerance(1.0, 1.0))

    first, other = flow(0), flow(1)
    drawn = [evaluation.draw(first, number, 5, seed=7).values for number in (0, 1)]
    torch.rand(3)
    assert torch.equal(evaluation.draw(other, 1, 5, seed=7).values, drawn[1])
    assert not torch.equal(drawn[0], drawn[1])
    assert not torch.equal(evaluation.draw(first, 0, 5, seed=8).values, drawn[0])
    together = evaluation.sample(first, 10, 5, seed=7).values
    np.testing.assert_array_equal(together, torch.cat(drawn).float())


@pytest.mark.parametrize("fails", [1, 3, 6])
def test_work_that_died_resumes_to_the_same_distances(here, monkeypatch, caplog, fails):
    run = fitted(train())
    expected = measured(run)
    monkeypatch.setattr(Checkpoint, "due", lambda self: True)
    draw, calls = evaluation.draw, []

    def dying(*arguments):
        calls.append(arguments[1])
        if len(calls) == fails:
            raise RuntimeError("died")
        return draw(*arguments)

    monkeypatch.setattr(evaluation, "draw", dying)
    with pytest.raises(RuntimeError, match="died"):
        measured(run)
    assert measured(run)[1] == expected[1]
    # 100 images in chunks of 30, for two tolerances: none but the one that failed is drawn again.
    assert len(calls) == 2 * 4 + 1
    assert not run.measurement("distances", "checkpoint").exists()


def test_a_reference_that_died_resumes_to_the_same_files(here, monkeypatch):
    made = here / "results/toy/digits/features"
    again = Run("again", "digits", FLOOR, 0)
    again.features.mkdir(parents=True)
    shutil.copytree(made.parent / "data", again.data)
    for name in ("classifier.safetensors", "classifier.json"):
        shutil.copy(made / name, again.features / name)
    monkeypatch.setattr(Checkpoint, "due", lambda self: True)
    add, calls = Moments.add, []

    def dying(self, chunk):
        calls.append(len(chunk))
        if len(calls) in (5, 43):  # of 40 chunks of training images and 4 of test images
            raise RuntimeError("died")
        add(self, chunk)

    monkeypatch.setattr(Moments, "add", dying)
    for _ in range(2):
        with pytest.raises(RuntimeError, match="died"):
            reference.write_reference(subject(again), SETTINGS, ENTRY)
    reference.write_reference(subject(again), SETTINGS, ENTRY)
    assert len(calls) == 40 + 4 + 2  # none but those that failed again
    assert sum(calls) == 1197 + 100 + calls[4] + calls[42]
    names = {path.name for path in made.iterdir()}
    assert {path.name for path in again.features.iterdir()} == names
    for name in ("reference.npy", "reference.npz"):
        np.testing.assert_equal(dict(_arrays(again.features / name)), dict(_arrays(made / name)))
    files = (made / "floor.json", again.floor)
    values = [[record["value"] for record in records.read(file)] for file in files]
    assert values[0] == values[1]


def _arrays(path):
    with np.load(path) if path.suffix == ".npz" else contextlib.nullcontext(np.load(path)) as found:
        yield from found.items() if path.suffix == ".npz" else [("rows", found)]


def test_another_model_does_not_resume_from_the_checkpoint(here, monkeypatch, caplog):
    expected = measured(fitted(train()))
    run = fitted(torch.rand(1000, 64))
    monkeypatch.setattr(Checkpoint, "due", lambda self: True)
    monkeypatch.setattr(evaluation, "draw", _failing(evaluation.draw, at=3))
    with pytest.raises(RuntimeError, match="died"):
        measured(run)
    assert measured(fitted(train()))[1] == expected[1]
    assert "differs in model" in caplog.text


def _failing(function, at):
    calls = []

    def failing(*arguments):
        calls.append(None)
        if len(calls) == at:
            raise RuntimeError("died")
        return function(*arguments)

    return failing


def test_one_chunk_of_images_is_held_at_a_time(here, monkeypatch):
    sizes = []
    draw = evaluation.draw

    def watched(fitted, number, size, seed):
        sizes.append(size)
        return draw(fitted, number, size, seed)

    monkeypatch.setattr(evaluation, "draw", watched)
    monkeypatch.setattr(reference, "KERNEL_ROWS", 50)
    found, _ = measured(fitted(train()))
    assert sizes == [30, 30, 30, 10] * 2
    assert found["kd_digits_cnn"]["n"] == 50 and found["fd_digits_cnn"]["n"] == 100


@pytest.mark.parametrize("passes", [1, 3])
def test_likelihood_is_the_mean_over_passes_with_other_noise_each(here, passes):
    run = fitted(train())
    settings = EvaluationSettings(
        atol=1.0, rtol=1.0, chunk=7, tight_rows=5, samples=8, passes=passes
    )
    evaluate(Evaluation(run, [GAUSSIAN], settings, config="0123", source="d16e57"), CPU)
    density = model.load(run.folder).method.density
    noisy = [dataset.pass_rows(run.data, number) for number in range(passes)]
    assert len({x.tobytes() for x in noisy}) == passes
    expected = torch.stack([density.log_prob(torch.tensor(x).double()) for x in noisy])
    np.testing.assert_allclose(np.load(run.log_prob), expected.mean(dim=0))
    said = read_json(run.likelihood)["protocol"]["dequantisation"]
    assert said == f"uniform, seed 0, {passes} pass{'es' if passes > 1 else ''}"


@pytest.mark.parametrize("seed", [0, [0, 2]])
def test_held_out_rows_are_dequantised_slice_by_slice_as_all_at_once(here, seed):
    data = "results/toy/digits/data"
    held_out = evaluation.HeldOut(data, "test", seed, CPU)
    whole = dataset.dequantise(dataset.rows(data, "test"), 17, seed)
    np.testing.assert_array_equal(held_out[:], whole)
    np.testing.assert_array_equal(held_out[7:12], whole[7:12])
    parts = list(held_out.parts(7))
    assert [len(part) for part in parts] == [7, 7, 6] and len(held_out) == 20
    np.testing.assert_array_equal(torch.cat(parts), whole)


def test_a_likelihood_reads_one_chunk_at_a_time(here, monkeypatch):
    read = []
    dequantise = dataset.dequantise

    def watched(rows, *arguments):
        read.append(len(rows))
        return dequantise(rows, *arguments)

    monkeypatch.setattr(dataset, "dequantise", watched)
    run = fitted(train())
    held_out = evaluation.HeldOut("results/toy/digits/data", "test", 0, CPU)
    read.clear()
    evaluation.log_prob(model.load(run.folder), held_out, 8, Tolerance(1.0, 1.0))
    assert read == [1, 8, 8, 4]  # the first to warm up


def test_rows_without_labels_are_refused_in_words(here):
    run = Run("unlabelled", "digits", FLOOR, 0)
    run.data.parent.mkdir(parents=True)
    prepare(DIGITS, here, run.data)
    (run.data / "labels_train.npy").unlink()
    with pytest.raises(ValueError, match="datasets.digits.features.classifier: the rows have no"):
        reference.write_classifier(subject(run), SETTINGS)


def test_settings_of_features_name_one_network_and_some_tolerance():
    given = SETTINGS.model_dump()
    assert parts.convert(Distances, {"features": given}) == {"features": SETTINGS}
    wrong = {"classifier": [None], "inception": ["clean", "bicubic"], "tolerances": [[]]}
    for key, value in [(key, value) for key, values in wrong.items() for value in values]:
        with pytest.raises(ValueError, match="classifier|inception|tolerances"):
            FeatureSettings(**{**given, key: value})


def test_distances_are_columns_called_as_they_are(here):
    found, _ = measured(fitted(train()))
    headings = [(record["heading"], record["unit"]) for record in found.values()]
    assert headings == [("FD_DIGITS_CNN", ""), ("KD_DIGITS_CNN", ""), ("NFE", ""), ("Outside", "%")]
    compared = found["fd_digits_cnn"]["compared"]
    floor = records.read("results/toy/digits/features/floor.json")[0]
    assert floor["compared"] == compared and {"extractor", "samples", "reference"} <= set(compared)
