"""The effective sample size of a fitted Gaussian against a normal distribution that is known."""

import math

import numpy as np
import pytest
import torch
from test_sliced_wasserstein import Points, run

from benchmark import model, parts
from benchmark.baselines.gaussian import Gaussian
from benchmark.coordinates import unfitted
from benchmark.data import dataset
from benchmark.data.dataset import Splits
from benchmark.densities import GaussianMixture, StandardNormal
from benchmark.measure.effective_sample_size import EffectiveSampleSize
from benchmark.measure.measurement import Subject, measure
from benchmark.model import Model
from benchmark.ode import Tolerance
from benchmark.records import records
from benchmark.records.model_file import ModelFile

__all__ = ["run"]  # the fixture


def target():
    return StandardNormal(torch.Size([3]))


class Known(Points):
    density = f"{__name__}.target"


DESCRIPTION = {
    "class": "benchmark.baselines.gaussian.Gaussian",
    "arguments": {},
    "event": (3,),
    "coordinates": "identity",
    "validation": {"atol": 1e-4, "rtol": 1e-4},
}


@pytest.fixture
def measured(run):
    """Metric -> record of a Gaussian of this scale, whose covered mass is 1."""

    def measured(scale, samples=4000, seed=0):
        rows = np.random.default_rng(0).normal(size=(20, 3))
        dataset.write(run.data, Known, Splits(rows, rows, rows), {})
        method = Gaussian.build((3,))
        weights, means = torch.ones(1), torch.zeros(1, 3)
        method.density = GaussianMixture(weights, means, scale * torch.eye(3)[None]).double()
        fitted = Model(method, unfitted("identity", (3,)), Tolerance(1e-4, 1e-4), (3,))
        model.save(run.folder, fitted, ModelFile(**DESCRIPTION))
        arguments = parts.convert(EffectiveSampleSize, {"samples": samples})
        subject = Subject("ess", run, "d16e57", "c0ffee", device=torch.device("cpu"))
        measure(EffectiveSampleSize(**arguments), subject)
        return {record["metric"]: record for record in records.read(run.measurement("ess"))}

    return measured


@pytest.mark.parametrize("scale", [1.0, 1.3])
def test_it_is_that_of_the_closed_form(measured, scale):
    found = measured(scale)
    ess, mass = found["ess"], found["covered_mass"]
    share = (math.sqrt(2 * scale**2 - 1) / scale**2) ** 3
    assert abs(ess["value"] - share) < 4 * ess["standard_error"] + 1e-6
    assert abs(mass["value"] - 1) < 4 * mass["standard_error"] + 1e-6
    assert (ess["direction"], mass["direction"], ess["n"]) == ("higher", "none", 4000)
    assert ess["protocol"]["trained"] is False and ess["protocol"]["samples"] == 4000


def test_the_same_seed_gives_the_same_number(measured):
    assert measured(1.3, 50)["ess"]["value"] == measured(1.3, 50)["ess"]["value"]
