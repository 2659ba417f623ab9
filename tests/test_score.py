"""The score of a fitted model: the gradient of its log-density, against closed forms and slopes."""

import numpy as np
import pytest
import torch

from benchmark import model
from benchmark.baselines.gaussian import Gaussian
from benchmark.baselines.oracle import Oracle
from benchmark.coordinates import Affine, fitted
from benchmark.densities import GaussianMixture
from benchmark.model import Model
from benchmark.ode import Tolerance
from benchmark.rows import Rows

TIGHT = Tolerance(1e-7, 1e-7)
MLP = {
    **{"class": "benchmark.networks.mlp.MLP", "width": 8, "depth": 2},
    **{"time_frequencies": 1, "space_frequencies": 1},
}
SQUASHED = {"class": "benchmark.networks.concatsquash.ConcatSquashMLP", "width": 6, "depth": 2}
FLOWS = {
    "interpolant.InterpolantFlow": {"network": MLP, "path": {"kind": "linear", "base": "learned"}},
    "ffjord.FFJORD": {"network": SQUASHED, "atol": 1e-5, "rtol": 1e-5, "blocks": 2},
    "ot_flow.OTFlow": {
        **{"width": 6, "likelihood": 1.0, "hamilton_jacobi": 1.0, "solver_steps": 4},
    },
}


def rows(n=200, dim=3):
    return torch.randn(n, dim) @ (torch.eye(dim) + 0.3 * torch.randn(dim, dim)) * 2 + 5


def slopes(log_prob, x, h=1e-3):
    """Central differences of a function of rows along each coordinate."""
    found = []
    for unit in torch.eye(x[0].numel()):
        step = h * unit.reshape(x.shape[1:])
        found.append((log_prob(x + step) - log_prob(x - step)) / (2 * h))
    return torch.stack(found, dim=1).reshape(x.shape)


def moved(name, event, arguments):
    """An unfitted flow whose weights are moved, so that it is no identity."""
    method = model.build(f"benchmark.baselines.{name}", event, arguments)
    with torch.no_grad():
        for weights in method.parameters():
            weights.add_(0.3 * torch.randn_like(weights))
    return method


PAIRS = [(name, "standardised") for name in FLOWS] + [("interpolant.InterpolantFlow", "radial")]


@pytest.mark.parametrize(("name", "kind"), PAIRS)
def test_the_score_of_a_flow_is_the_slope_of_its_log_density(name, kind):
    data = rows()
    flow = Model(moved(name, (3,), FLOWS[name]), fitted(kind, (3,), [data]), TIGHT, (3,))
    x = data[:2]
    found = flow.score(x)
    assert found.shape == x.shape and found.dtype == torch.float64 and not found.requires_grad
    # Central differences at 1e-3, of values that are solved to about 1e-7.
    torch.testing.assert_close(found, slopes(flow.log_prob, x), rtol=1e-4, atol=1e-3)


def test_the_score_of_the_fitted_gaussian_is_that_of_its_formula():
    data, method = rows(), Gaussian.build((3,))
    coordinates = fitted("standardised", (3,), [data])
    method.initialise(Rows(data.numpy(), None, torch.device("cpu")).within(coordinates))
    x, mean = data[:9], data.mean(dim=0)
    covariance = (data - mean).T @ (data - mean) / len(data)
    expected = -(x - mean) @ torch.linalg.inv(covariance)
    torch.testing.assert_close(Model(method, coordinates, TIGHT).score(x), expected)


def mixture():
    """Two Gaussians of the plane."""
    factors = torch.tensor([[[1.0, 0.0], [0.5, 0.4]], [[0.3, 0.0], [0.0, 2.0]]])
    return GaussianMixture(torch.tensor([0.3, 0.7]), torch.tensor([[0.0, 1], [2, -1]]), factors)


def test_the_score_of_the_truth_is_that_of_its_formula():
    truth, x = mixture(), torch.randn(3, 2)
    exact = []
    for factor, mean in zip(truth.factors, truth.means, strict=True):
        exact.append(-(x - mean) @ torch.linalg.inv(factor @ factor.T))
    shares = (truth.weights.log() + truth._component_log_prob(x)).softmax(dim=1)
    expected = (shares.T[:, :, None] * torch.stack(exact)).sum(dim=0)
    oracle = Model(Oracle(truth), Affine.identity((2,)), TIGHT)
    torch.testing.assert_close(oracle.score(x), expected)


def test_a_density_without_slope_is_said():
    board = Oracle.build((2,), "benchmark.densities.Checkerboard")
    with pytest.raises(ValueError, match="log-density of Oracle has no gradient: it is constant"):
        Model(board, Affine.identity((2,)), TIGHT).score(torch.ones(3, 2))


def test_the_spline_flow_has_its_score_and_keeps_no_graph_otherwise():
    pytest.importorskip("zuko")
    arguments = {"transforms": 2, "width": 8, "depth": 1, "bins": 4}
    method = moved("spline_flow.SplineFlow", (3,), arguments)
    data = rows()
    flow, x = Model(method, fitted("standardised", (3,), [data]), TIGHT), data[:5]
    torch.testing.assert_close(flow.score(x), slopes(flow.log_prob, x, 1e-6), rtol=1e-3, atol=1e-3)
    assert not method.log_prob(x, TIGHT).values.requires_grad


# At the border


@pytest.fixture
def plane():
    method = moved("interpolant.InterpolantFlow", (2,), {"network": MLP, "path": "linear"})
    return Model(method, Affine.identity((2,)), Tolerance(1e-4, 1e-4), (2,)), torch.randn(20, 2)


def test_rows_that_require_gradients_are_refused_and_the_score_is_named(plane):
    flow, x = plane
    asked = x.clone().requires_grad_()
    calls = [flow.log_prob, flow.transport, flow.score, lambda x: flow.solve_log_prob(x, TIGHT)]
    for call in calls:
        with pytest.raises(ValueError, match=r"backward\(\) would find nothing.* from score\(x\)"):
            call(asked)
    with torch.no_grad():
        assert torch.equal(flow.log_prob(asked), flow.log_prob(x))


def test_a_bad_row_spoils_itself_only_in_scores_and_on_the_way(plane):
    flow, x = plane
    spoilt, others = x.clone(), torch.arange(20) != 7
    spoilt[7, 0] = torch.nan
    for call in (flow.score, flow.transport):
        found = call(spoilt)
        assert found[7].isnan().all()
        torch.testing.assert_close(found[others], call(x[others]), rtol=1e-2, atol=1e-2)
        assert call(x[:0]).shape == (0, 2)


def test_every_kind_of_array_is_taken(plane):
    flow, x = plane
    expected, array = flow.score(x), x.numpy()
    kinds = [
        *(array, array[::-1].copy()[::-1], np.asfortranarray(array), array.astype(">f8")),
        *(array.astype(np.longdouble), x.T.contiguous().T),
    ]
    for rows_of in kinds:
        torch.testing.assert_close(flow.score(rows_of), expected, rtol=1e-4, atol=1e-4)
    fixed = array.copy()
    fixed.flags.writeable = False
    assert torch.equal(flow.score(fixed), expected)
    for kind in (torch.float16, torch.bfloat16, torch.float32):
        near = x.to(kind)
        assert torch.equal(flow.log_prob(near), flow.log_prob(near.double()))


def test_a_solve_at_a_tolerance_checks_its_rows_too(plane):
    flow, x = plane
    with pytest.raises(ValueError, match=r"shape \(20, 1\); allowed is \[n, 2\]"):
        flow.solve_log_prob(x[:, :1], TIGHT)
    with pytest.raises(ValueError, match="t is 1.5; allowed is from 0"):
        flow.solve_log_prob(x, TIGHT, 1.5)
    solved = flow.solve_log_prob(x.numpy(), TIGHT)
    assert torch.equal(solved.values, flow.log_prob(x, tolerance=TIGHT)) and solved.nfe > 0
