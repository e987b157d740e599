"""The Frechet distance against closed forms, and its known bias."""

import math

import numpy as np
import pytest
import scipy.linalg

from ganbook.data import load
from ganbook.tuning.metrics import frechet_distance, half_split_floor, pixels


def rng(seed=0):
    return np.random.default_rng(seed)


def sample_with(mean, covariance, n, seed=0):
    """Points whose sample mean and covariance are exactly these."""
    raw = rng(seed).standard_normal((n, len(mean)))
    raw -= raw.mean(0)
    white = raw @ np.linalg.inv(np.linalg.cholesky(np.atleast_2d(np.cov(raw.T)))).T
    return white @ np.linalg.cholesky(np.asarray(covariance)).T + mean


def random_covariance(d, seed):
    a = rng(seed).standard_normal((d, d))
    return a @ a.T / d + 0.1 * np.eye(d)


def textbook(x, y):
    """The formula as written, with SciPy's matrix root."""
    c, k = np.cov(x.T), np.cov(y.T)
    return ((x.mean(0) - y.mean(0)) ** 2).sum() + np.trace(c + k - 2 * scipy.linalg.sqrtm(c @ k).real)


def test_one_dimension_is_the_difference_of_means_and_deviations():
    x = sample_with([1.0], [[4.0]], 50, seed=1)
    y = sample_with([-2.0], [[0.25]], 70, seed=2)
    assert frechet_distance(x, y) == pytest.approx(3**2 + (2 - 0.5) ** 2, rel=1e-12)


def test_equal_covariances_leave_the_means():
    c = random_covariance(5, 3)
    x, y = sample_with(np.zeros(5), c, 60, seed=1), sample_with(np.arange(5.0), c, 80, seed=2)
    assert frechet_distance(x, y) == pytest.approx(30, rel=1e-11)


def test_diagonal_covariances():
    a, b = np.array([1.0, 4.0, 9.0]), np.array([4.0, 1.0, 0.01])
    x, y = sample_with(np.zeros(3), np.diag(a), 60, seed=1), sample_with(np.zeros(3), np.diag(b), 80, seed=2)
    assert frechet_distance(x, y) == pytest.approx(((np.sqrt(a) - np.sqrt(b)) ** 2).sum(), rel=1e-11)


def test_rotated_ellipses():
    # In the plane tr (CK)^(1/2) = (tr CK + 2 (det C det K)^(1/2))^(1/2).
    c, k = np.array([[2.0, 0.7], [0.7, 1.0]]), np.array([[1.0, -0.4], [-0.4, 3.0]])
    overlap = math.sqrt(np.trace(c @ k) + 2 * math.sqrt(np.linalg.det(c) * np.linalg.det(k)))
    x, y = sample_with(np.zeros(2), c, 30, seed=1), sample_with(np.zeros(2), k, 30, seed=2)
    assert frechet_distance(x, y) == pytest.approx(3 + 4 - 2 * overlap, rel=1e-11)


@pytest.mark.parametrize("d", [1, 2, 8, 40])
def test_agrees_with_the_textbook_formula(d):
    x = sample_with(np.zeros(d), random_covariance(d, 1), 200, seed=1)
    y = sample_with(np.ones(d), random_covariance(d, 2), 150, seed=2)
    expected = textbook(x, y) if d > 1 else 1 + (x.std(ddof=1) - y.std(ddof=1)) ** 2
    assert frechet_distance(x, y) == pytest.approx(expected, rel=1e-10)


def test_symmetry_shift_rotation_and_scale():
    x, y = rng(1).standard_normal((50, 6)), rng(2).uniform(-1, 2, (70, 6))
    found = frechet_distance(x, y)
    turn = scipy.linalg.qr(rng(3).standard_normal((6, 6)))[0]
    assert frechet_distance(y, x) == pytest.approx(found, rel=1e-12)
    assert frechet_distance(x + 5, y + 5) == pytest.approx(found, rel=1e-12)
    assert frechet_distance(x @ turn, y @ turn) == pytest.approx(found, rel=1e-12)
    assert frechet_distance(3 * x, 3 * y) == pytest.approx(9 * found, rel=1e-12)
    assert frechet_distance(rng(4).permutation(x), y) == pytest.approx(found, rel=1e-12)


def test_a_set_is_at_distance_zero_from_itself():
    x = rng().standard_normal((100, 20)) * 10 ** np.linspace(-6, 3, 20)
    assert 0 <= frechet_distance(x, x) <= 1e-12 * (x**2).sum(1).mean()


def test_covariances_without_full_rank():
    # Constant features, and fewer rows than features: the digits' border pixels do the first, small samples the second.
    x, y = rng(1).standard_normal((30, 4)), rng(2).standard_normal((30, 4))
    padded = [np.hstack([a, np.full((30, 3), 2.0), a[:, :1]]) for a in (x, y)]
    assert frechet_distance(*padded) >= frechet_distance(x, y)
    wide = np.hstack([padded[0][:, :7], np.zeros((30, 500))]), np.hstack([padded[1][:, :7], np.zeros((30, 500))])
    assert frechet_distance(*wide) == pytest.approx(frechet_distance(x, y), rel=1e-11)
    one, two = np.array([[0.0, 0.0], [2.0, 0.0]]), np.array([[0.0, 0.0], [0.0, 2.0]])
    assert frechet_distance(one, two) == pytest.approx(2 + 2 + 2)  # orthogonal lines share nothing


def test_bias_between_two_samples_of_one_gaussian():
    n, d = 1000, 64
    found = [frechet_distance(*rng(seed).standard_normal((2, n, d))) for seed in range(8)]
    predicted = 2 * d / n + d * (d + 1) / (2 * n)
    assert predicted == pytest.approx(2.2, abs=0.01)
    assert np.mean(found) == pytest.approx(predicted, rel=0.02)
    assert min(found) > 0.8 * predicted


def test_half_split_floor_is_the_distance_between_two_disjoint_halves():
    features = rng(1).standard_normal((101, 3))
    order = rng(7).permutation(101)
    expected = frechet_distance(features[order[:50]], features[order[50:]])
    assert half_split_floor(features, rng(7)) == expected
    source = rng(7)
    several = [half_split_floor(features, source) for _ in range(4)]
    assert half_split_floor(features, rng(7), repeats=4) == pytest.approx(np.mean(several), rel=1e-12)
    assert len(set(several)) == 4


def test_the_floor_of_the_digits():
    # One split gives .245 to .325 and this one .255; the expectation is near .29.
    features = pixels(load("digits").images)
    assert half_split_floor(features, rng()) == pytest.approx(0.255, abs=0.001)
    assert half_split_floor(features, rng(), repeats=20) == pytest.approx(0.29, abs=0.02)


def test_pixels_keep_order():
    images = rng().standard_normal((3, 2, 4, 5)).astype(np.float32)
    found = pixels(images)
    assert found.shape == (3, 40)
    assert found.dtype == np.float64
    assert found[1, 2 * 5 + 3] == images[1, 0, 2, 3]
    with pytest.raises(ValueError, match=r"images has shape \(2, 3\)"):
        pixels(np.zeros((2, 3)))


@pytest.mark.parametrize(("x", "y", "message"), [
    (np.zeros((1, 3)), np.zeros((5, 3)), r"x has shape \(1, 3\)"),
    (np.zeros((5, 3)), np.zeros(5), r"y has shape \(5,\)"),
    (np.zeros((5, 3)), np.zeros((5, 2)), "x has 3 features and y has 2"),
    (np.full((5, 3), np.nan), np.zeros((5, 3)), "x has values that are not finite"),
    (np.zeros((5, 3)), np.full((5, 3), np.inf), "y has values that are not finite"),
])
def test_bad_features_are_named(x, y, message):
    with pytest.raises(ValueError, match=message):
        frechet_distance(x, y)


def test_bad_halves_are_named():
    with pytest.raises(ValueError, match=r"features has shape \(3, 2\).*at least 4"):
        half_split_floor(np.zeros((3, 2)), rng())
    with pytest.raises(ValueError, match="repeats is 0"):
        half_split_floor(np.zeros((9, 2)), rng(), repeats=0)
