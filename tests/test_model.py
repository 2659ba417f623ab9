"""Models on disk (every method: see ``test_methods.py``)."""

import pytest
import torch

from benchmark import load, model
from benchmark.baselines.interpolant import InterpolantFlow
from benchmark.coordinates import Affine
from benchmark.files import write_json
from benchmark.model import Model
from benchmark.ode import Tolerance

NUMBERS = {
    **{"path": "linear", "width": 8, "depth": 1, "time_frequencies": 0, "space_frequencies": 0},
    **{"time_alpha": 1.0, "time_beta": 1.0},
}
DESCRIPTION = {
    "class": "benchmark.baselines.interpolant.InterpolantFlow",
    "numbers": NUMBERS,
    "event": (1, 2, 2),
    "coordinates": "standardised",
    "validation": {"atol": 1e-4, "rtol": 1e-3},
}


@pytest.fixture
def saved(tmp_path):
    method = InterpolantFlow.build((1, 2, 2), **NUMBERS)
    coordinates = Affine(torch.randn(1, 2, 2), torch.rand(1, 2, 2) + 0.5)
    fitted = Model(method, coordinates, Tolerance(1e-4, 1e-3))
    model.save(tmp_path, fitted, DESCRIPTION)
    return tmp_path, fitted


def test_default_tolerance_is_that_of_the_evaluation_and_before_it_of_the_validation(saved):
    folder, _ = saved
    assert load(folder).tolerance == Tolerance(1e-4, 1e-3)
    write_json(folder / "likelihood.json", {"protocol": {"atol": 1e-6, "rtol": 1e-7}})
    assert load(folder).tolerance == Tolerance(1e-6, 1e-7)
    assert load(folder, Tolerance(0.1, 0.2)).tolerance == Tolerance(0.1, 0.2)
    write_json(folder / "likelihood.json", {"protocol": {"solver": "none (closed form)"}})
    assert load(folder).tolerance == Tolerance(1e-4, 1e-3)


def test_images_in_other_coordinates(saved):
    folder, fitted = saved
    restored, x = load(folder), torch.randn(5, 1, 2, 2)
    assert torch.equal(restored.log_prob(x), fitted.log_prob(x))
    assert restored.sample(3).shape == (3, 1, 2, 2)
    assert not restored.log_prob(x).requires_grad


def test_samples_are_in_the_coordinates_of_the_data():
    # An untrained network without hidden units: the velocity is its last bias, c.
    method = InterpolantFlow.build((2,), **NUMBERS)
    with torch.no_grad():
        for weights in method.parameters():
            weights.zero_()
        method.network.layers[-1].bias.copy_(torch.tensor([1.0, -2.0]))
    coordinates = Affine(torch.tensor([5.0, 7.0]), torch.tensor([0.5, 12.0]))
    fitted = Model(method, coordinates, Tolerance(1e-8, 1e-8))
    torch.manual_seed(3)
    found = fitted.sample(4)
    torch.manual_seed(3)
    z = torch.randn(4, 2) + torch.tensor([1.0, -2.0])
    expected = z * torch.tensor([0.5, 12.0]) + torch.tensor([5.0, 7.0])
    torch.testing.assert_close(found, expected, atol=1e-6, rtol=0)


def test_weights_of_another_method_are_refused(saved):
    folder, _ = saved
    write_json(folder / "model.json", {**DESCRIPTION, "numbers": {**NUMBERS, "width": 9}})
    with pytest.raises(RuntimeError, match="size mismatch"):
        load(folder)


def test_parameters_are_counted(saved):
    # (4 + 1) x 8 + 8 of the hidden layer, 8 x 4 + 4 of the last; coordinates are not trained.
    assert model.parameters(saved[1]) == 48 + 36


def test_many_rows_are_solved_some_at_a_time(monkeypatch):
    method = InterpolantFlow.build((2,), **NUMBERS)
    fitted = Model(method, Affine.identity((2,)), Tolerance(1e-8, 1e-8))
    x, sizes = torch.randn(70, 2), []
    whole = fitted.log_prob(x)
    monkeypatch.setattr(model, "MAX_ELEMENTS_PER_SOLVE", 61)  # of two columns
    velocity = method.velocity
    monkeypatch.setattr(method, "velocity", lambda t, x: sizes.append(len(x)) or velocity(t, x))
    # Each solve chooses its own steps, within the tolerance.
    torch.testing.assert_close(fitted.log_prob(x), whole, atol=1e-6, rtol=0)
    assert set(sizes) == {30, 10}
