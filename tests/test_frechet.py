"""Distances of sets of features, held against closed forms and clean-fid."""

import numpy as np
import pytest

from benchmark.measure import frechet as module
from benchmark.measure.frechet import Moments, Statistics, distance, kid

pytestmark = pytest.mark.filterwarnings("ignore:The .disp. argument:DeprecationWarning")
"""clean-fid's, of scipy."""

KEY = {"extractor": "a network", "resize": "none", "data": "0123"}


@pytest.fixture
def draw():
    return np.random.default_rng(0)


def normal(mean, covariance, n=10**6):
    """The statistics of a normal distribution, as if of ``n`` rows."""
    return Statistics(np.asarray(mean), covariance, {**KEY, "samples": n})


def statistics(chunks):
    moments = Moments()
    for chunk in chunks:
        moments.add(chunk)
    return moments.statistics(KEY)


def rotated(draw, *variances):
    """Covariances that commute: of these eigenvalues, with the same eigenvectors."""
    q = np.linalg.qr(draw.standard_normal((len(variances[0]),) * 2))[0]
    return [q @ np.diag(v) @ q.T for v in variances]


def correlated(draw, n, d, spread=2.0):
    """Rows whose coordinates have unlike variances and are correlated."""
    mixing = draw.standard_normal((d, d)) * np.exp(draw.uniform(-spread, 0, d))
    return draw.standard_normal((n, d)) @ mixing + draw.standard_normal(d)


# --- statistics ---------------------------------------------------------------------------------


@pytest.mark.parametrize("sizes", [[100], [1, 99], [30, 30, 40], [1] * 100])
def test_statistics_are_those_of_all_rows_however_they_come(draw, sizes):
    x = correlated(draw, 100, 5)
    found = statistics(np.split(x, np.cumsum(sizes)[:-1]))
    np.testing.assert_allclose(found.mean, x.mean(axis=0), rtol=1e-13)
    np.testing.assert_allclose(found.covariance, np.cov(x, rowvar=False), rtol=1e-12)
    assert found.n == 100 and found.key == {**KEY, "samples": 100}


def test_a_large_mean_costs_no_digits(draw):
    x = draw.standard_normal((1000, 3))
    found = statistics(np.split(x + 1e8, 10))
    # 1e8 + x is rounded to 1.5e-8; E x x^T - m m^T would be wrong by 1e16 * 1e-16, about 1.
    np.testing.assert_allclose(found.covariance, np.cov(x, rowvar=False), atol=1e-7)


def test_float32_features_are_summed_in_float64(draw):
    x = (100 + draw.standard_normal((20_000, 2))).astype(np.float32)
    found = statistics(np.split(x, 20))
    np.testing.assert_allclose(found.mean, x.astype(float).mean(axis=0), rtol=1e-13)
    assert found.covariance.dtype == np.float64


@pytest.mark.parametrize(
    ("chunks", "message"),
    [
        ([], "at least two feature vectors; found 0"),
        ([np.ones((1, 3))], "at least two feature vectors; found 1"),
        ([np.ones((4, 3)), np.ones((4, 2))], r"shape \(4, 2\); expected is \[m, 3\]"),
        ([np.ones(4)], r"shape \(4,\)"),
        ([np.array([[1.0, np.nan], [2.0, np.inf], [0.0, 0.0]])], "2 of 3 .* not finite"),
    ],
)
def test_what_has_no_statistics_is_refused(chunks, message):
    with pytest.raises(ValueError, match=message):
        statistics(chunks)


def test_saved_statistics_come_back(draw, tmp_path):
    saved = statistics([correlated(draw, 20, 4)])
    saved.save(tmp_path / "reference.npz")
    found = Statistics.load(tmp_path / "reference.npz")
    np.testing.assert_array_equal(found.mean, saved.mean)
    np.testing.assert_array_equal(found.covariance, saved.covariance)
    assert found.key == saved.key and found.n == 20


def test_a_failed_write_leaves_the_old_file(draw, tmp_path, monkeypatch):
    path = tmp_path / "reference.npz"
    found = statistics([correlated(draw, 20, 4)])
    found.save(path)
    before = path.read_bytes()

    def half(file, **arrays):
        file.write(b"half")
        raise OSError("no space")

    monkeypatch.setattr(np, "savez", half)
    with pytest.raises(OSError, match="no space"):
        found.save(path)
    assert path.read_bytes() == before and list(tmp_path.iterdir()) == [path]


def test_a_file_of_other_arrays_is_refused(tmp_path):
    np.savez(tmp_path / "other.npz", mu=np.zeros(2), sigma=np.eye(2))
    with pytest.raises(ValueError, match=r"other\.npz: holds mu, sigma; .* mean, covariance, key"):
        Statistics.load(tmp_path / "other.npz")


# --- the Fréchet distance -----------------------------------------------------------------------


@pytest.mark.parametrize("n", [10**6, 10], ids=["full rank", "few rows"])
def test_closed_form_of_commuting_covariances(draw, n):
    u, v = draw.uniform(0.1, 3, (2, 20))
    c, d = rotated(draw, u, v)
    m, k = draw.standard_normal((2, 20))
    expected = ((m - k) ** 2).sum() + ((np.sqrt(u) - np.sqrt(v)) ** 2).sum()
    assert distance(normal(m, c, n), normal(k, d, n)) == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize(("rank", "other"), [(7, 20), (20, 7), (7, 12), (7, 7)])
def test_closed_form_of_covariances_of_lower_rank(draw, rank, other):
    u, v = draw.uniform(0.1, 3, (2, 20))
    u[rank:], v[other:] = 0, 0
    c, d = rotated(draw, u, v)
    a, b = normal(np.zeros(20), c, rank + 1), normal(np.zeros(20), d, other + 1)
    # The root of a rounded 0 is about 1e-8.
    assert distance(a, b) == pytest.approx(((np.sqrt(u) - np.sqrt(v)) ** 2).sum(), rel=1e-8)


def test_features_that_are_constant_add_nothing(draw):
    x, y = correlated(draw, 500, 6), correlated(draw, 500, 6)
    padded = [np.hstack([z, np.full((500, 2), 3.0)]) for z in (x, y)]
    plain = distance(*(statistics([z]) for z in (x, y)))
    assert distance(*(statistics([z]) for z in padded)) == pytest.approx(plain, rel=1e-9)


@pytest.mark.parametrize("n", [2000, 300, 60], ids=["many rows", "just full rank", "few rows"])
def test_distance_is_that_of_clean_fid(draw, clean_fid, n):
    x, y = correlated(draw, n, 200), correlated(draw, 1500, 200)
    a, b = statistics(np.split(x, 10)), statistics(np.split(y, 10))
    assert distance(a, b) == pytest.approx(clean_fid.fid_from_feats(x, y), rel=1e-6)


@pytest.mark.parametrize("n", [500, 30], ids=["full rank", "few rows"])
def test_distance_is_symmetric_and_zero_for_equal_statistics(draw, n):
    a, b = (statistics([correlated(draw, n, 50)]) for _ in range(2))
    assert distance(a, b) == pytest.approx(distance(b, a), rel=1e-10)
    assert distance(a, b) > 1
    assert distance(a, a) == pytest.approx(0, abs=1e-7 * np.trace(a.covariance))


def test_data_and_number_may_differ_but_extractor_and_resizing_not():
    a = normal(np.zeros(2), np.eye(2))
    other = {"data": "4567", "samples": 10}
    assert distance(a, Statistics(a.mean, a.covariance, {**a.key, **other})) < 1e-7
    for name in ("extractor", "resize"):
        b = Statistics(a.mean, a.covariance, {**a.key, name: "another"})
        with pytest.raises(ValueError, match=rf"differ in {name} \({KEY[name]}, another\)"):
            distance(a, b)


# --- KID ----------------------------------------------------------------------------------------


def cubic(x, y):
    """``MMD^2`` of one feature: the kernel is ``1 + 3 x y + 3 (x y)^2 + (x y)^3``."""
    return sum(c * (x[k] - y[k]) ** 2 for c, k in ((3, 0), (3, 1), (1, 2)))


def test_kid_is_the_discrepancy_of_the_moments(draw):
    x, y = draw.exponential(size=(40_000, 1)), draw.uniform(0, 2, size=(50_000, 1))
    found = kid(x, y, size=200, seed=0)
    expected = cubic((1, 2, 6), (1, 4 / 3, 2))  # the first three moments of each
    assert found.subsets == 200
    assert abs(found.value - expected) < 4 * found.standard_error
    assert found.standard_error < 0.1 * expected


def test_subset_is_that_of_clean_fid(draw, clean_fid):
    x, y = correlated(draw, 300, 20), correlated(draw, 300, 20)
    expected = clean_fid.kernel_distance(x, y, num_subsets=1, max_subset_size=300)
    assert module._squared_discrepancy(x, y) == pytest.approx(expected, rel=1e-10)


def test_kid_is_unbiased_and_its_standard_error_is_that_of_the_mean(draw):
    found = [
        kid(*draw.standard_normal((2, 200, 4)).astype(np.float32), size=20, seed=0)
        for _ in range(300)
    ]
    values, errors = np.array([(f.value, f.standard_error) for f in found]).T
    assert abs(values.mean()) < 4 * values.std() / np.sqrt(len(values))
    # The sd of 300 values is known to 1 / sqrt(600) = 4 %.
    assert values.std() == pytest.approx(np.sqrt((errors**2).mean()), rel=0.2)


def test_kid_does_not_rest_on_the_order_of_rows(draw):
    x, y = draw.standard_normal((2, 4000, 1))
    found = kid(x, np.sort(y, axis=0), size=100, seed=0)
    assert abs(found.value) < 4 * found.standard_error
    assert found == kid(x, np.sort(y, axis=0), size=100, seed=0)


def test_kid_reads_one_subset_at_a_time_of_a_mapped_file(draw, tmp_path, monkeypatch):
    np.save(tmp_path / "x.npy", correlated(draw, 400, 3))
    x, y = np.load(tmp_path / "x.npy", mmap_mode="r"), correlated(draw, 400, 3)
    sizes, convert = [], module._features
    monkeypatch.setattr(module, "_features", lambda z, d: (sizes.append(len(z)), convert(z, d))[1])
    assert kid(x, y, size=50, seed=1) == kid(np.array(x), y, size=50, seed=1)
    assert set(sizes) == {50}


@pytest.mark.parametrize("size", [0, 1, 51, 1000])
def test_kid_needs_two_subsets(size):
    with pytest.raises(
        ValueError, match=f"size is {size}, of 100 and 300 rows; allowed is 2 to 50"
    ):
        kid(np.ones((100, 3)), np.ones((300, 3)), size=size, seed=0)


def test_kid_of_unlike_features_is_refused():
    with pytest.raises(ValueError, match=r"shape \(10, 2\); expected is \[m, 3\]"):
        kid(np.ones((100, 3)), np.ones((100, 2)), size=10, seed=0)
