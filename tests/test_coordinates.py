"""The affine map of the data: what it does to rows and to densities."""

import pytest
import torch

from benchmark.coordinates import Affine

every_event = pytest.mark.parametrize("event", [(3,), (1, 2, 2)])


def rows(event):
    return torch.randn(200, *event) * (0.1 + 5 * torch.rand(event)) + 3 * torch.randn(event)


@every_event
def test_standardised_rows_have_mean_zero_and_variance_one(event):
    x = rows(event)
    z = Affine.standardising(x)(x)
    torch.testing.assert_close(z.mean(dim=0), torch.zeros(event), atol=1e-12, rtol=0)
    torch.testing.assert_close(z.square().mean(dim=0), torch.ones(event), atol=1e-12, rtol=0)


@every_event
def test_inverse(event):
    x = rows(event)
    to_method = Affine.standardising(x)
    torch.testing.assert_close(to_method.inverse(to_method(x)), x)


@every_event
def test_log_det_is_that_of_the_jacobian(event):
    x = rows(event)
    to_method = Affine.standardising(x)
    jacobian = torch.func.jacrev(lambda row: to_method(row.reshape(1, *event)).flatten())
    _, exact = torch.linalg.slogdet(jacobian(x[0].flatten()))
    assert exact.abs() > 0.1
    torch.testing.assert_close(to_method.log_det(), exact)


def test_identity():
    x, identity = torch.randn(5, 1, 2, 2), Affine.identity((1, 2, 2))
    assert torch.equal(identity(x), x) and torch.equal(identity.inverse(x), x)
    assert identity.log_det() == 0


def test_constant_coordinates_are_named():
    x = torch.randn(100, 4)
    x[:, 1], x[:, 3] = 0.1, -7.3
    with pytest.raises(ValueError, match=r"Coordinates \[1, 3\].*are constant"):
        Affine.standardising(x)
    with pytest.raises(ValueError, match=r"Coordinates \[1, 3\].*are constant"):
        Affine.standardising(x.float().reshape(100, 1, 2, 2))
