"""The maps of the data: what they do to rows and to densities."""

import math

import pytest
import torch
from scipy.stats import chi

from benchmark import coordinates
from benchmark.coordinates import Affine, Radial, Whitening, unfitted

KINDS = ["identity", "standardised", "whitened", "radial"]
every_kind = pytest.mark.parametrize("kind", KINDS)
every_event = pytest.mark.parametrize("event", [(3,), (1, 2, 2)])


def rows(event):
    """Rows whose coordinates depend on each other."""
    dim = torch.Size(event).numel()
    mixed = torch.randn(200, dim) @ (torch.eye(dim) + 0.5 * torch.randn(dim, dim))
    return mixed.reshape(200, *event) * (0.1 + 5 * torch.rand(event)) + 3 * torch.randn(event)


def fitted(kind, x, at_once=30):
    """The coordinates of a kind fitted to ``x``, of which some rows are there at once."""
    return coordinates.fitted(kind, x.shape[1:], x.split(at_once))


@every_event
@pytest.mark.parametrize("at_once", [1000, 30])
def test_standardised_channels_have_mean_zero_and_variance_one(event, at_once):
    x = rows(event)
    to_method = fitted("standardised", x, at_once)
    over, channels = (0, *range(2, x.ndim)), torch.zeros(event[0])
    z = to_method(x)
    torch.testing.assert_close(z.mean(dim=over), channels, atol=1e-12, rtol=0)
    torch.testing.assert_close(z.square().mean(dim=over), channels + 1, atol=1e-12, rtol=0)
    assert to_method.scale.shape == event
    assert not to_method.scale.reshape(event[0], -1).std(dim=1, correction=0).any()


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


@every_kind
def test_coordinates_are_applied_in_the_precision_of_the_rows_and_inverted_in_double(kind):
    x = rows((3,))
    to_method = fitted(kind, x.float())
    z = to_method(x.float())
    assert z.dtype == torch.float32 and to_method.inverse(z).dtype == torch.float64
    torch.testing.assert_close(z, to_method(x).float(), rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("kind", KINDS[1:])
@pytest.mark.parametrize("offset", [1e8 + 4, 1.7e9])
def test_an_offset_costs_no_digit_of_the_coordinates(single_precision, kind, offset):
    x = rows((3,)).double()
    far = x + offset
    to_method = fitted(kind, far)
    # The rows themselves keep 2^-22 of their units, at 1.7e9.
    plain = fitted(kind, far - offset)(far - offset)
    assert to_method.rounded(far).dtype == torch.float32
    torch.testing.assert_close(to_method.rounded(far), plain.float(), rtol=1e-5, atol=1e-5)
    torch.testing.assert_close(to_method.inverse(plain) - offset, far - offset, rtol=0, atol=1e-5)


def test_rows_of_single_precision_are_standardised_in_it(single_precision):
    x = rows((3,))
    to_method = fitted("standardised", x)
    mean, deviation = x.double().mean(dim=0), x.double().std(dim=0, correction=0)
    z = (x - mean.float()) / deviation.float()
    assert torch.equal(to_method.rounded(x), z) and torch.equal(to_method(x), z)


def test_identity():
    x, identity = torch.randn(5, 1, 2, 2), Affine.identity((1, 2, 2))
    assert torch.equal(identity(x), x) and torch.equal(identity.inverse(x), x)
    assert identity.log_det(x) == 0


def test_constant_coordinates_are_named():
    x = torch.randn(100, 4)
    x[:, 1], x[:, 3] = 0.1, -7.3
    with pytest.raises(ValueError, match=r"Coordinates \[1, 3\].*are constant"):
        fitted("standardised", x)
    with pytest.raises(ValueError, match=r"Channels \[1\] .*are constant"):
        fitted("standardised", x[:, [0, 3]].float().reshape(100, 2, 1, 1).expand(-1, -1, 2, 2))


def test_rows_in_a_plane_are_not_whitened():
    x = torch.randn(100, 4)
    x[:, 3] = x[:, 0] - 2 * x[:, 1]
    words = r"100 training rows vary in only 3 of 4 directions.*coordinates \[0, 1, 3\] follow"
    for units in (torch.ones(4), torch.tensor([1e9, 1.0, 1e-9, 1e3])):
        with pytest.raises(ValueError, match=words):
            Whitening.of(x * units)


def test_rows_of_very_different_spreads_are_not_whitened_and_not_called_flat():
    x = torch.randn(100, 2) * torch.tensor([1e6, 1.0])
    with pytest.raises(ValueError, match="spreads of their coordinates are of too different sizes"):
        Whitening.of(x)


def test_a_single_column_is_whitened():
    x = 3 + 2 * torch.randn(50, 1)
    expected = (x - x.mean()) / x.std(correction=0)
    torch.testing.assert_close(fitted("whitened", x)(x).abs(), expected.abs())
    assert fitted("radial", x)(x).isfinite().all()


@pytest.mark.parametrize("size", [1e200, 1e-200])
def test_moments_beyond_double_precision_are_refused(size):
    x = torch.randn(50, 3)
    x[:, 1] *= size
    for kind in KINDS[1:]:
        with pytest.raises(ValueError, match=r"Coordinates \[1\].*no number of double precision"):
            fitted(kind, x)


# --- radial ---------------------------------------------------------------------------------------


def heavy(n, dim=2):
    """Rows on ellipses, of norms that spread over some powers of ten."""
    mixed = torch.eye(dim) + 0.5 * torch.randn(dim, dim)
    return torch.randn(n, 1).exp() * torch.randn(n, dim) @ mixed + 3


def test_norms_of_radial_rows_are_those_of_a_normal_distribution():
    dim = 5
    x = heavy(20_000, dim)
    norms = fitted("radial", x)(x).norm(dim=1)
    levels = torch.linspace(0.05, 0.95, 10)
    expected = torch.tensor(chi.ppf(levels.numpy(), dim))
    torch.testing.assert_close(norms.quantile(levels), expected, rtol=0.01, atol=0)


def test_elliptic_rows_are_normal_in_radial_coordinates():
    z = fitted("radial", x := heavy(50_000, 3))(x)
    moments = z.T @ z / len(z)
    torch.testing.assert_close(moments, torch.eye(3), rtol=0, atol=0.03)
    kurtosis = z.pow(4).mean(dim=0) / z.square().mean(dim=0) ** 2
    torch.testing.assert_close(kurtosis, torch.full((3,), 3.0), rtol=0, atol=0.2)


def test_a_density_in_radial_coordinates_integrates_to_one():
    to_method = fitted("radial", heavy(5000))
    # A polar grid around the centre, logarithmic in the radius: rows spread over powers of ten.
    logs = torch.linspace(-12, 12, 4001)
    angles = 2 * math.pi * torch.arange(200) / 200
    radii, angle = (part.flatten() for part in torch.meshgrid(logs.exp(), angles, indexing="ij"))
    x = radii[:, None] * torch.stack([angle.cos(), angle.sin()], dim=1) + to_method.whitening.shift
    log_p = -to_method(x).square().sum(dim=1) / 2 - math.log(2 * math.pi) + to_method.log_det(x)
    cells = radii.square() * (logs[1] - logs[0]) * 2 * math.pi / 200
    assert (log_p.exp() * cells).sum().item() == pytest.approx(1, abs=1e-4)


def test_radial_coordinates_are_inverted_beyond_all_rows_as_well():
    to_method = fitted("radial", heavy(1000))
    direction = torch.tensor([[0.6, -0.8]])
    x = to_method.whitening.shift + direction * torch.logspace(-6, 6, 200)[:, None]
    torch.testing.assert_close(to_method.inverse(to_method(x)), x, rtol=1e-9, atol=1e-9)


def test_density_is_continuous_where_pieces_meet():
    to_method = fitted("radial", heavy(1000))
    for knot in to_method.knots:
        logs = knot + torch.tensor([-1e-7, 1e-7])
        (_, slopes), values = to_method._moved(logs), to_method._moved(logs)[0]
        assert slopes[0] == pytest.approx(slopes[1].item(), rel=1e-4)
        assert (values[1] - values[0]).item() == pytest.approx(2e-7 * slopes[0].item(), rel=1e-3)


def test_rows_of_one_norm_cannot_be_spread_out():
    angles = torch.linspace(0, 2 * math.pi, 101)[:-1]
    circle = torch.stack([angles.cos(), angles.sin()], dim=1)
    with pytest.raises(ValueError, match="have the same norm.*coordinates to whitened"):
        Radial.of(circle)
