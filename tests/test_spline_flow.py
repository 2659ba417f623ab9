"""The spline flow: its density against the Jacobian of its own map, and what it learns."""

import math

import pytest
import torch

from benchmark import model
from benchmark.baselines.spline_flow import SplineFlow
from benchmark.coordinates import Affine
from benchmark.model import Model
from benchmark.ode import Tolerance
from benchmark.records.model_file import ModelFile

ANY = Tolerance(1e-3, 1e-3)
SIZE = {"transforms": 3, "width": 8, "depth": 2, "bins": 5}


def perturbed(dim, **changed):
    """With random weights, so that no spline is near the identity."""
    method = SplineFlow.build((dim,), **{**SIZE, **changed})
    with torch.no_grad():
        for weights in method.parameters():
            weights.add_(0.3 * torch.randn_like(weights))
    return method


def jacobians(method, x):
    return torch.stack(
        [torch.func.jacrev(lambda row: method.flow().transform(row[None])[0])(row) for row in x]
    )


@pytest.mark.parametrize("dim", [1, 2, 5])
def test_log_prob_is_the_change_of_variables(dim):
    method, x = perturbed(dim), 3 * torch.randn(40, dim)
    assert (x.abs() > 5).any()  # beyond the splines too
    log_det = torch.linalg.slogdet(jacobians(method, x)).logabsdet
    z = method.flow().transform(x)
    expected = -z.square().sum(dim=1) / 2 - dim / 2 * math.log(2 * math.pi) + log_det
    # Round-off: slopes reach 1e3.
    torch.testing.assert_close(method.log_prob(x, ANY).values, expected, atol=1e-9, rtol=1e-9)
    assert log_det.abs().mean() > 0.1


def test_a_transform_couples_one_half_of_the_coordinates_to_the_other():
    found = jacobians(perturbed(4, transforms=1), torch.randn(30, 4)).abs().amax(dim=0) > 1e-8
    no, yes = [[False, False]] * 2, [[True, False], [False, True]]
    assert found[:2, :2].tolist() == yes and found[2:, 2:].tolist() == yes
    assert found[:2, 2:].tolist() == no and found[2:, :2].all()


def test_density_integrates_to_one_and_is_that_of_the_samples():
    # Coordinates with unlike scales: a missing or flipped log-determinant is a factor of 36.
    coordinates = Affine(torch.tensor([1.0, -2.0]), torch.tensor([0.5, 12.0]))
    fitted = Model(perturbed(2), coordinates, ANY)
    drawn = fitted.sample(4000)
    points, low = 400, coordinates.inverse(torch.tensor([[-7.0, -7.0]]))[0]
    cell = (coordinates.inverse(torch.tensor([[7.0, 7.0]]))[0] - low) / points
    axes = [low[i] + cell[i] * (torch.arange(points) + 0.5) for i in (0, 1)]
    log_density = fitted.log_prob(torch.cartesian_prod(*axes))
    mass = log_density.exp() * cell.prod()
    # 1e-3: kinks of the density at the knots; beyond 7 lie 1e-11 of a normal.
    assert abs(mass.sum() - 1) < 1e-3
    entropy = -(mass * log_density).sum()
    surprise = -fitted.log_prob(drawn)
    error = surprise.std() / math.sqrt(len(drawn))
    assert abs(surprise.mean() - entropy) < 4 * error + 1e-3 and error < 0.03


def test_loss_is_the_mean_negative_log_likelihood_with_gradients():
    method, x = perturbed(3), torch.randn(50, 3)
    loss = method.loss(x)
    torch.testing.assert_close(loss, -method.log_prob(x, ANY).values.mean())
    weights, h = method.flow.transform.transforms[1].hyper[-1].bias, 1e-5
    (gradient,) = torch.autograd.grad(loss, weights)
    with torch.no_grad():
        for i in (0, 20):
            weights[i] += h
            above = method.loss(x)
            weights[i] -= 2 * h
            below = method.loss(x)
            weights[i] += h
            # Central differences: h^2 = 1e-10, round-off 1e-16 / h.
            torch.testing.assert_close(gradient[i], (above - below) / (2 * h), atol=1e-8, rtol=0)
    assert gradient[[0, 20]].abs().min() > 1e-5


def test_single_precision_weights_give_double_values():
    method, x = perturbed(2), torch.randn(50, 2)
    exact = method.log_prob(x, ANY).values
    found = method.float().log_prob(x, ANY).values
    assert found.dtype == torch.float64 and not found.requires_grad
    # 1e-7 times slopes and their inverses of up to 1e3.
    torch.testing.assert_close(found, exact, atol=1e-3, rtol=1e-3)
    drawn = method.sample(3, ANY).values
    assert drawn.dtype == torch.float64 and not drawn.requires_grad


@pytest.mark.parametrize(
    "changed", [{}, {"transforms": 1}, {"width": 11}, {"depth": 4}, {"bins": 9}]
)
def test_networks_have_the_size_that_was_asked_for(changed):
    size, dim = {**SIZE, **changed}, 4
    # A spline of K bins has K widths, K heights and K - 1 slopes, for each coordinate.
    sizes = [dim, *[size["width"]] * size["depth"], dim * (3 * size["bins"] - 1)]
    each = sum((before + 1) * after for before, after in zip(sizes, sizes[1:], strict=False))
    found = model.parameters(SplineFlow.build((dim,), **size))
    assert found == size["transforms"] * each


def test_no_ode_is_solved_and_the_protocol_says_so():
    method = SplineFlow.build((2,), **SIZE)
    found = method.log_prob(torch.randn(5, 2), ANY)
    assert (found.nfe, found.nodes, found.standard_error) == (0, 0, None)
    assert method.sample(5, ANY).nfe == 0
    assert method.protocol(ANY) == {"solver": "none (discrete flow)"}
    with pytest.raises(ValueError, match=r"discrete flow: it has no density at t = 0\.5"):
        method.log_prob(torch.randn(5, 2), ANY, t=0.5)


@pytest.mark.parametrize("dim", [1, 2])
def test_saved_fits_are_restored_exactly(dim, tmp_path):
    fitted = Model(perturbed(dim), Affine(torch.full((dim,), 1.5), torch.full((dim,), 12.0)), ANY)
    described = {
        "class": "benchmark.baselines.spline_flow.SplineFlow",
        "arguments": SIZE,
        "event": (dim,),
        "coordinates": "identity",
        "validation": {"atol": 1e-3, "rtol": 1e-3},
    }
    model.save(tmp_path, fitted, ModelFile(**described))
    restored, x = model.load(tmp_path), 10 * torch.randn(20, dim)
    assert torch.equal(restored.log_prob(x), fitted.log_prob(x))
    torch.manual_seed(3)
    drawn = fitted.sample(20)
    torch.manual_seed(3)
    assert torch.equal(restored.sample(20), drawn)
