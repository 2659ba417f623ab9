"""The linear maps of the data: what they do to rows and to densities."""

import pytest
import torch

from benchmark.coordinates import Affine, Whitening, fitted, unfitted

KINDS = ["identity", "standardised", "whitened", "radial"]
every_kind = pytest.mark.parametrize("kind", KINDS)
every_event = pytest.mark.parametrize("event", [(3,), (1, 2, 2)])


def rows(event):
    """Rows whose coordinates depend on each other."""
    dim = torch.Size(event).numel()
    mixed = torch.randn(200, dim) @ (torch.eye(dim) + 0.5 * torch.randn(dim, dim))
    return mixed.reshape(200, *event) * (0.1 + 5 * torch.rand(event)) + 3 * torch.randn(event)


@every_event
def test_standardised_rows_have_mean_zero_and_variance_one(event):
    x = rows(event)
    z = fitted("standardised", x)(x)
    torch.testing.assert_close(z.mean(dim=0), torch.zeros(event), atol=1e-12, rtol=0)
    torch.testing.assert_close(z.square().mean(dim=0), torch.ones(event), atol=1e-12, rtol=0)


@every_event
def test_whitened_rows_have_mean_zero_and_covariance_one(event):
    x = rows(event)
    z = fitted("whitened", x)(x)
    assert z.shape == x.shape
    flat = z.flatten(1)
    torch.testing.assert_close(flat.mean(dim=0), torch.zeros(flat.shape[1]), atol=1e-12, rtol=0)
    covariance = flat.T @ flat / len(flat)
    torch.testing.assert_close(covariance, torch.eye(flat.shape[1]), atol=1e-11, rtol=0)


@every_kind
@every_event
def test_inverse(kind, event):
    x = rows(event)
    to_method = fitted(kind, x)
    torch.testing.assert_close(to_method.inverse(to_method(x)), x)


@every_kind
@every_event
def test_log_det_is_that_of_the_jacobian(kind, event):
    x = rows(event)
    to_method = fitted(kind, x)
    jacobian = torch.func.jacrev(lambda row: to_method(row.reshape(1, *event)).flatten())
    _, exact = torch.linalg.slogdet(jacobian(x[0].flatten()))
    assert exact.abs() > 0.1 or kind == "identity"
    torch.testing.assert_close(to_method.log_det(x[:1]).squeeze(), exact)


@every_kind
@every_event
def test_a_state_dict_fills_what_was_not_fitted(kind, event):
    x = rows(event)
    to_method, empty = fitted(kind, x), unfitted(kind, event)
    assert torch.equal(empty(x), x)
    empty.load_state_dict(to_method.state_dict())
    assert torch.equal(empty(x), to_method(x))


def test_whitening_is_applied_in_the_precision_of_the_rows():
    x = rows((3,))
    to_method = fitted("whitened", x.float())
    assert to_method(x.float()).dtype == to_method.inverse(x.float()).dtype == torch.float32
    torch.testing.assert_close(to_method(x.float()), to_method(x).float(), rtol=1e-4, atol=1e-4)


def test_identity():
    x, identity = torch.randn(5, 1, 2, 2), Affine.identity((1, 2, 2))
    assert torch.equal(identity(x), x) and torch.equal(identity.inverse(x), x)
    assert identity.log_det(x) == 0


def test_coordinates_lie_where_the_rows_lie():
    x = torch.empty(3, 2, device="meta")  # stands for a GPU
    assert fitted("identity", x).shift.device == x.device


def test_constant_coordinates_are_named():
    x = torch.randn(100, 4)
    x[:, 1], x[:, 3] = 0.1, -7.3
    with pytest.raises(ValueError, match=r"Coordinates \[1, 3\].*are constant"):
        Affine.standardising(x)
    with pytest.raises(ValueError, match=r"Coordinates \[1, 3\].*are constant"):
        Affine.standardising(x.float().reshape(100, 1, 2, 2))


def test_rows_in_a_plane_are_not_whitened():
    x = torch.randn(100, 4)
    x[:, 3] = x[:, 0] - 2 * x[:, 1]
    with pytest.raises(ValueError, match="vary in 3 of 4 directions only"):
        Whitening.of(x)
