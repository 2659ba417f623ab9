"""The evaluation of a run, files in and files out, on flows of constant velocity."""

import numpy as np
import pytest
import torch
from constant import KIND, RUN, VELOCITY, Points, run
from plan import plan

from benchmark import model
from benchmark.data import dataset
from benchmark.data.dataset import Splits
from benchmark.jobs import draw
from benchmark.jobs.draw import Drawing
from benchmark.jobs.evaluate import Evaluation, evaluate
from benchmark.jobs.fit import Fit
from benchmark.jobs.train import train
from benchmark.measure.cost import Cost
from benchmark.measure.evaluation_settings import EvaluationSettings
from benchmark.measure.measurement import Subject, measure
from benchmark.measure.nll import NLL
from benchmark.ode import Tolerance
from benchmark.records import records
from benchmark.section import Tolerances
from benchmark.training.settings import Hyperparameters

__all__ = ["run"]  # the fixture

CPU = torch.device("cpu")
HASHES = {"config": "hash", "source": "digest"}


def recorded(measurement):
    """The records of a measurement of ``RUN``, by their metric."""
    name = type(measurement).__name__.lower()
    measure(measurement, Subject(name, RUN, "digest", "hash"))
    return {record["metric"]: record for record in records.read(RUN.measurement(name))}


def test_diagnostics_and_costs_of_the_fit_are_recorded_with_those_of_the_evaluation(run):
    settings = EvaluationSettings(atol=1e-9, rtol=1e-9, chunk=40, tight_rows=1, samples=5)
    evaluate(Evaluation(run, [KIND], settings, **HASHES), CPU)
    costs = recorded(Cost())
    # The velocity is the same everywhere.
    length = costs["path_length"]
    assert length["value"] == pytest.approx(VELOCITY.square().sum().item())
    assert (length["n"], length["direction"]) == (40, "none") and "monitor" in costs
    assert length["protocol"]["trained"] is True
    assert costs["training_seconds"]["value"] == 1.0
    assert costs["training_interruptions"]["value"] == 3


# --- between two data sets ------------------------------------------------------------------------

TRAINING = plan(2, 4, 1.0, schedule="constant", clip=None, ema=0.0, coordinates="standardised")


@pytest.fixture
def between(tmp_path, monkeypatch):
    """A run between two data sets, base around (9, 9), target around (0, 3), and evaluated."""
    target = torch.tensor([2.0, 0.5]) * torch.randn(400, 2) + torch.tensor([0.0, 3.0])
    base = 0.1 * torch.randn(60, 2) + 9
    rows = Splits(target[:300].numpy(), target[300:350].numpy(), target[350:].numpy())
    ends = Splits(base[:40].numpy(), base[40:50].numpy(), base[50:].numpy())
    monkeypatch.chdir(tmp_path)
    RUN.folder.mkdir(parents=True)
    dataset.write(RUN.data, Points, rows, {"test": np.zeros(50)}, ends)
    kind, tolerance = "between.Between", Tolerance(1e-6, 1e-6)
    validation = Tolerances(atol=1e-6, rtol=1e-6)
    train(Fit(RUN, Hyperparameters(kind, {}, TRAINING), validation, **HASHES), False, CPU)
    settings = EvaluationSettings(atol=1e-6, rtol=1e-6, chunk=30, tight_rows=5, samples=70)
    evaluate(Evaluation(RUN, [kind], settings, **HASHES), CPU)
    draw.backward(Drawing(RUN, tolerance, chunk=30, source="digest"), CPU)
    return RUN


def shift(data):
    means = [dataset.rows(data, split).mean(axis=0) for split in ("base", "train")]
    return means[1] - means[0]


def test_samples_are_rows_of_the_base_carried_forward_and_test_rows_carried_back(between):
    data = between.data
    base, samples = dataset.rows(data, "base"), np.load(between.samples)
    origin = samples - shift(data)
    nearest = np.abs(origin[:, None] - base[None]).max(axis=2).min(axis=1)
    assert samples.shape == (70, 2) and nearest.max() < 1e-5  # samples are float32
    back = np.load(between.samples_base)
    assert back["source"] == "digest"
    np.testing.assert_allclose(back["samples"], dataset.rows(data, "test") - shift(data), atol=1e-5)


def test_a_method_without_likelihood_has_a_reason_and_its_costs(between):
    assert np.isnan(np.load(between.log_prob)).all()
    assert len(np.load(between.log_prob)) == 50
    reason = "the base is known by samples only"
    missing, costs = recorded(NLL()), recorded(Cost())
    assert set(missing) == {"nll", "kl", "solver_error"}
    missing |= {name: costs[name] for name in ("nfe_likelihood", "nodes_likelihood")}
    assert all(r["value"] is None and r["reason"] == reason for r in missing.values())
    assert costs["likelihood_seconds"]["reason"] == reason
    assert costs["sampling_seconds"]["value"] > 0 and costs["nfe_sampling"]["value"] > 0
    curve = between.history.read_text().splitlines()
    assert [line.split(",")[3] for line in curve] == ["validation_nll", "", ""]


def test_a_user_carries_points_both_ways(between):
    flow, x = model.load(between.folder), torch.tensor([[9.0, 9.0], [8.0, 7.0]])
    forward, moved = flow.transport(x), torch.from_numpy(shift(between.data)).double()
    torch.testing.assert_close(forward, x + moved, atol=1e-5, rtol=0)
    torch.testing.assert_close(flow.transport(forward, 1.0, 0.5), x + moved / 2, atol=1e-5, rtol=0)
