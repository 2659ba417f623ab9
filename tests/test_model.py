"""Models on disk (every method: see ``test_methods.py``)."""

import json
import math

import numpy as np
import pytest
import torch
from pydantic import ValidationError

from benchmark import load, model
from benchmark.baselines.interpolant import Draws
from benchmark.coordinates import Affine
from benchmark.files import read_json, write_json
from benchmark.model import Model
from benchmark.ode import Tolerance
from benchmark.records.model_file import ModelFile

SIZE = {"width": 8, "depth": 1, "time_frequencies": 0, "space_frequencies": 0}
NETWORK = {"class": "benchmark.networks.mlp.MLP", **SIZE}
ARGUMENTS = {"network": NETWORK, "path": "linear"}
INTERPOLANT = "benchmark.baselines.interpolant.InterpolantFlow"
DESCRIPTION = {
    "class": INTERPOLANT,
    "arguments": ARGUMENTS,
    "event": (1, 2, 2),
    "coordinates": "standardised",
    "validation": {"atol": 1e-4, "rtol": 1e-3},
}


@pytest.fixture
def saved(tmp_path):
    method = model.build(INTERPOLANT, (1, 2, 2), ARGUMENTS)
    coordinates = Affine(torch.randn(1, 2, 2), torch.rand(1, 2, 2) + 0.5)
    fitted = Model(method, coordinates, Tolerance(1e-4, 1e-3))
    model.save(tmp_path, fitted, ModelFile(**DESCRIPTION))
    return tmp_path, fitted


def test_default_tolerance_is_that_of_the_evaluation_and_before_it_of_the_validation(saved):
    folder, _ = saved
    assert load(folder).tolerance == Tolerance(1e-4, 1e-3)
    write_json(folder / "likelihood.json", {"nfe": 8.0, "protocol": {"atol": 1e-6, "rtol": 1e-7}})
    assert load(folder).tolerance == Tolerance(1e-6, 1e-7)
    assert load(folder, Tolerance(0.1, 0.2)).tolerance == Tolerance(0.1, 0.2)
    write_json(
        folder / "likelihood.json", {"nfe": None, "protocol": {"solver": "none (closed form)"}}
    )
    assert load(folder).tolerance == Tolerance(1e-4, 1e-3)


def test_images_in_other_coordinates(saved):
    folder, fitted = saved
    restored, x = load(folder), torch.randn(5, 1, 2, 2)
    assert torch.equal(restored.log_prob(x), fitted.log_prob(x))
    assert restored.sample(3).shape == (3, 1, 2, 2)
    assert not restored.log_prob(x).requires_grad


def test_samples_are_in_the_coordinates_of_the_data():
    # An untrained network without hidden units: the velocity is its last bias, c.
    method = model.build(INTERPOLANT, (2,), ARGUMENTS)
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
    wider = {**ARGUMENTS, "network": {**NETWORK, "width": 9}}
    ModelFile(**{**DESCRIPTION, "arguments": wider}).save(folder / "model.json")
    with pytest.raises(RuntimeError, match="size mismatch"):
        load(folder)


TRAINING = {
    **{"steps": 7, "seconds": None, "lr": 0.1, "precision": "float32", "processes": 2},
    **{"peak_memory": 12.5, "interruptions": 1},
}


def test_model_json_holds_all_that_it_is_given_and_its_schema(saved):
    folder, _ = saved
    given = {**DESCRIPTION, "weights": "last", "training": TRAINING, "provenance": {"a": ["b"]}}
    ModelFile(**given).save(folder / "model.json")
    stored = read_json(folder / "model.json")
    validation = {**DESCRIPTION["validation"], "probes": None}
    assert stored == {**given, "schema": 1, "event": [1, 2, 2], "validation": validation}
    assert ModelFile.load(folder / "model.json") == ModelFile(**given)


@pytest.mark.parametrize("version", [2, None])
def test_a_model_of_another_schema_is_refused_in_words(saved, version):
    folder, _ = saved
    content = read_json(folder / "model.json") | {"schema": version}
    write_json(folder / "model.json", content)
    message = f"model.json: is of schema {json.dumps(version)}; this version of the benchmark reads"
    with pytest.raises(ValueError, match=message):
        load(folder)


@pytest.mark.parametrize(
    "change", [{"numbers": {}}, {"event": ["a"]}, {"validation": {"atol": 1.0}}, {"training": {}}]
)
def test_what_model_json_does_not_hold_is_refused(change):
    (key,) = change
    with pytest.raises(ValidationError) as caught:
        ModelFile(**{**DESCRIPTION, **change})
    assert all(problem["loc"][0] == key for problem in caught.value.errors())


def test_arguments_of_a_method_are_converted_by_their_annotations():
    method = model.build(INTERPOLANT, (2,), {**ARGUMENTS, "draws": {"beta": 1, "times": 3}})
    assert method.draws == Draws(1.0, 1.0, 3, None)
    with pytest.raises(ValidationError, match="beta\n.*greater than 0"):
        model.build(INTERPOLANT, (2,), {**ARGUMENTS, "draws": {"beta": 0}})


def test_parameters_are_counted(saved):
    # (4 + 1) x 8 + 8 of the hidden layer, 8 x 4 + 4 of the last; coordinates are not trained.
    assert model.parameters(saved[1]) == 48 + 36


def test_many_rows_are_solved_some_at_a_time(monkeypatch):
    method = model.build(INTERPOLANT, (2,), ARGUMENTS)
    fitted = Model(method, Affine.identity((2,)), Tolerance(1e-8, 1e-8))
    x, sizes = torch.randn(70, 2), []
    whole = fitted.log_prob(x)
    monkeypatch.setattr(model, "MAX_ELEMENTS_PER_SOLVE", 61)  # of two columns
    velocity = method.velocity
    monkeypatch.setattr(method, "velocity", lambda t, x: sizes.append(len(x)) or velocity(t, x))
    # Each solve chooses its own steps, within the tolerance.
    torch.testing.assert_close(fitted.log_prob(x), whole, atol=1e-6, rtol=0)
    assert set(sizes) == {30, 10}


# At the border: a notebook


@pytest.fixture
def plane(tmp_path):
    """A fitted flow of the plane, as it is loaded, and rows."""
    method = model.build(INTERPOLANT, (2,), ARGUMENTS)
    fitted = Model(method, Affine.identity((2,)), Tolerance(1e-6, 1e-6))
    model.save(tmp_path, fitted, ModelFile(**{**DESCRIPTION, "event": (2,)}))
    return load(tmp_path), torch.randn(20, 2)


@pytest.mark.parametrize("shape", [(5, 1), (2,), (5, 3), (5, 2, 1), ()])
def test_rows_of_another_shape_are_refused_with_both(plane, shape):
    for call in (plane[0].log_prob, plane[0].transport):
        with pytest.raises(ValueError) as caught:
            call(torch.zeros(shape))
        assert str(caught.value) == f"The rows have shape {shape}; allowed is [n, 2]."


def test_rows_are_taken_from_arrays_of_any_float_and_order(plane):
    flow, x = plane
    expected = flow.log_prob(x)
    strided = np.asfortranarray(x.numpy())
    for rows in (x.numpy(), strided, x.numpy()[::-1][::-1], x.T.contiguous().T):
        assert torch.equal(flow.log_prob(rows), expected)
    for dtype in (np.float32, np.float16):
        found = flow.log_prob(x.numpy().astype(dtype))
        assert found.dtype == torch.float64 and (found - expected).abs().max() < 0.02
    assert torch.equal(flow.transport(x.numpy()), flow.transport(x))


def test_no_rows_have_no_values(plane):
    flow, x = plane
    assert flow.log_prob(x[:0]).shape == (0,) and flow.sample(0).shape == (0, 2)
    with pytest.raises(ValueError, match="n is -1; allowed is a number of samples"):
        flow.sample(-1)


@pytest.mark.parametrize("bad", [math.nan, math.inf])
def test_a_row_that_is_not_finite_spoils_itself_only(plane, bad):
    flow, x = plane
    spoilt = x.clone()
    spoilt[7, 0] = bad
    others = torch.arange(20) != 7
    found = flow.log_prob(spoilt)
    assert found[7].isnan()
    torch.testing.assert_close(found[others], flow.log_prob(x[others]))


def test_rows_far_out_are_solved_apart(plane, monkeypatch):
    flow, x = plane
    norms = torch.tensor([300.0, 400.0, 2000.0])  # where half of the rows are within 1.2
    far = torch.cat([x[:10], norms[:, None] * torch.tensor([0.6, 0.8]), x[10:]])
    sizes, solve = [], flow.solve_log_prob

    def counted(rows, *given):
        sizes.append(len(rows))
        if rows.abs().max() > 100 and len(rows) > 1 or rows.abs().max() > 1000:
            raise FloatingPointError("no solution")
        return solve(rows, *given)

    monkeypatch.setattr(flow, "solve_log_prob", counted)
    found = flow.log_prob(far)
    assert sizes == [20, 2, 1, 1, 1]  # the two of one decade together, then each alone
    near = far.norm(dim=1) < 100
    assert torch.equal(found[near], solve(far[near], flow.tolerance).values)
    assert found.isnan().nonzero().flatten().tolist() == [12]


def test_a_solve_of_most_rows_that_fails_is_an_error(plane, monkeypatch):
    flow, x = plane

    def fail(*_):
        raise FloatingPointError("no solution")

    monkeypatch.setattr(flow, "solve_log_prob", fail)
    with pytest.raises(FloatingPointError):
        flow.log_prob(x)


@pytest.mark.parametrize("t", [-0.1, 1.2, math.nan])
def test_times_beyond_the_path_are_refused(plane, t):
    flow, x = plane
    calls = (
        lambda: flow.log_prob(x, t=t),
        lambda: flow.transport(x, t, 1.0),
        lambda: flow.transport(x, 0.0, t),
    )
    for call in calls:
        with pytest.raises(ValueError, match=f"t is {t}; allowed is from 0, the base, to 1"):
            call()


def test_log_prob_takes_a_tolerance_and_its_nfe_can_be_had(plane):
    flow, x = plane
    tight = Tolerance(1e-9, 1e-9)
    found = flow.solve_log_prob(x, tight)
    assert torch.equal(flow.log_prob(x, tolerance=tight), found.values) and found.nfe > 0
