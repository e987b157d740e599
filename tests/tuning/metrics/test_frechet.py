"""The Frechet distance against closed forms and other implementations, and its known bias."""

import math

import numpy as np
import pytest
import scipy.linalg
import torch
from torchmetrics.image.fid import _compute_fid

from ganbook.data import load
from ganbook.tuning.metrics.frechet import (
    frechet_bias,
    frechet_distance,
    frechet_infinite,
    gaussian_frechet_bias,
    half_split_floor,
    half_splits,
    pixels,
)
from tuning.metrics.simulation import rng, within_three_errors


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


@pytest.mark.parametrize("d", [2, 8, 40])
def test_agrees_with_the_textbook_formula(d):
    x = sample_with(np.zeros(d), random_covariance(d, 1), 200, seed=1)
    y = sample_with(np.ones(d), random_covariance(d, 2), 150, seed=2)
    assert frechet_distance(x, y) == pytest.approx(textbook(x, y), rel=1e-10)


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


def test_agrees_with_torchmetrics():
    x, y = sample_with(np.zeros(20), random_covariance(20, 1), 200), 1 + rng(3).exponential(size=(150, 20))
    moments = [torch.tensor(m) for a in (x, y) for m in (a.mean(0), np.cov(a.T))]
    expected = _compute_fid(moments[0], moments[1], moments[2], moments[3]).item()
    assert frechet_distance(x, y) == pytest.approx(expected, rel=1e-6)


def test_second_order_of_the_distance_between_close_covariances():
    covariance, change = random_covariance(6, 1), random_covariance(6, 2) - random_covariance(6, 3)
    values, directions = np.linalg.eigh(covariance)
    squares = (directions.T @ change @ directions) ** 2
    expected = (squares / (values[:, None] + values)).sum() / 2
    for size in (1e-2, 1e-3):
        x, y = (sample_with(np.zeros(6), c, 30, seed=1) for c in (covariance, covariance + size * change))
        assert frechet_distance(x, y) / size**2 == pytest.approx(expected, rel=20 * size)


def test_bias_between_two_samples_of_one_gaussian():
    n, d = 1000, 64
    source = rng()
    found = [frechet_distance(*source.standard_normal((2, n, d))) for _ in range(100)]
    predicted = 2 * d / n + d * (d + 1) / (2 * n)
    assert predicted == pytest.approx(2.2, abs=0.01)
    assert gaussian_frechet_bias(np.eye(d), n) == pytest.approx(predicted, rel=1e-12)
    assert within_three_errors(found, predicted)
    for mistake in (d * (d + 1) / (2 * n), predicted / 2, 2 * predicted):
        assert not within_three_errors(found, mistake)


def test_bias_of_any_gaussian():
    covariance, n = random_covariance(8, 5), 400
    values = np.linalg.eigvalsh(covariance)
    pairs = sum(a * b / (a + b) / 2 for a in values for b in values)
    expected = 2 / n * (1.25 * values.sum() + pairs)  # i = j counts twice
    assert gaussian_frechet_bias(covariance, n) == pytest.approx(expected, rel=1e-10)
    # A direction without variance adds nothing; nothing varies at all: no bias.
    padded = scipy.linalg.block_diag(covariance, np.zeros((3, 3)))
    assert gaussian_frechet_bias(padded, n) == pytest.approx(expected, rel=1e-10)
    assert gaussian_frechet_bias(np.zeros((3, 3)), n) == 0


def test_examples_needed_for_a_floor():
    covariance, wanted = random_covariance(6, 4), 0.02
    needed = math.ceil(100 * gaussian_frechet_bias(covariance, 100) / wanted)
    root, source = np.linalg.cholesky(covariance), rng(5)
    found = [frechet_distance(*(source.standard_normal((2, needed, 6)) @ root.T)) for _ in range(200)]
    assert within_three_errors(found, wanted)


def test_copies_score_below_the_floor():
    # A third of the set, drawn without replacement: half of what fresh examples score.
    real, source = rng(3).exponential(size=(600, 5)), rng(4)
    found = [frechet_distance(real, real[source.permutation(600)[:200]]) for _ in range(300)]
    assert np.mean(found) == pytest.approx(frechet_bias(real, 600, 200) * (600 - 200) / (600 + 200), rel=0.05)


def test_bias_of_features_that_are_not_gaussian():
    # In one dimension the deviations add var x (kurtosis - 1)/4 (1/n + 1/m) to the means' var x (1/n + 1/m).
    n = 500
    for draw, kurtosis in (("exponential", 9.0), ("uniform", 1.8)):
        source = rng(2)
        features = getattr(source, draw)(size=(200_000, 1))
        variance = {"exponential": 1.0, "uniform": 1 / 12}[draw]
        expected = 2 / n * variance * (1 + (kurtosis - 1) / 4)
        assert frechet_bias(features, n) == pytest.approx(expected, rel=0.05)
        assert abs(gaussian_frechet_bias(np.cov(features.T).reshape(1, 1), n) / expected - 1) > 0.15
        found = [frechet_distance(*getattr(source, draw)(size=(2, n, 1))) for _ in range(800)]
        assert within_three_errors(found, expected)


def test_both_biases_agree_on_a_gaussian():
    covariance = random_covariance(6, 2)
    features = sample_with(np.ones(6), covariance, 100_000)
    expected = gaussian_frechet_bias(covariance, 300)
    assert frechet_bias(features, 300) == pytest.approx(expected, rel=0.01)
    assert frechet_bias(features, 300, 900) == pytest.approx(expected * 2 / 3, rel=0.01)


def test_carried_on_to_infinitely_many_samples():
    d, n, shift = 10, 500, 0.3
    true = d * shift**2 + d * (1.2 - 1) ** 2
    source = rng(4)
    pairs = [(source.standard_normal((n, d)), shift + 1.2 * source.standard_normal((n, d))) for _ in range(60)]
    assert within_three_errors([frechet_infinite(x, y, source) for x, y in pairs], true)
    raw = [frechet_distance(x, y) for x, y in pairs]
    assert not within_three_errors(raw, true)
    assert np.mean(raw) > true


def test_the_line_goes_through_its_points():
    x, y = rng(1).standard_normal((40, 2)), rng(2).standard_normal((41, 2))
    source = rng(7)
    a, b = x[source.permutation(40)], y[source.permutation(41)]
    means = [
        np.mean([frechet_distance(*pair) for pair in zip(np.array_split(a, k), np.array_split(b, k), strict=True)])
        for k in (1, 2, 4)
    ]
    # The line of least squares through k = 1, 2, 3, 4 has at k = 0 the weights 1, 1/2, 0, -1/2.
    assert frechet_infinite(x, y, rng(7)) == pytest.approx(means[0] + means[1] / 2 - means[2] / 2, rel=1e-9)


def test_half_splits_are_disjoint_and_their_mean_is_the_floor():
    features = np.arange(21.0)[:, None]
    found = half_splits(lambda a, b: (len(np.intersect1d(a, b)), len(a), len(b)), features, rng(3), 6)
    np.testing.assert_array_equal(found, 6 * [[0, 10, 11]])
    distances = half_splits(frechet_distance, features, rng(3), 6)
    assert half_split_floor(features, rng(3), 6) == distances.mean()
    assert len(set(distances)) == 6


def test_digits_split_in_half_have_the_predicted_floor():
    features = pixels(load("digits").images)
    found = half_splits(frechet_distance, features, rng(), 20)
    # The halves of one set are not independent of one another, so: a tenth, not standard errors.
    assert frechet_bias(features, 898) == pytest.approx(found.mean(), rel=0.1)


def test_pixels_keep_order():
    images = rng().standard_normal((3, 2, 4, 5)).astype(np.float32)
    found = pixels(images)
    assert found.shape == (3, 40)
    assert found.dtype == np.float64
    assert found[1, 2 * 5 + 3] == images[1, 0, 2, 3]
    with pytest.raises(ValueError, match=r"images has shape \(2, 3\)"):
        pixels(np.zeros((2, 3)))


@pytest.mark.parametrize(
    ("x", "y", "message"),
    [
        (np.zeros((1, 3)), np.zeros((5, 3)), r"x has shape \(1, 3\)"),
        (np.zeros((5, 3)), np.zeros(5), r"y has shape \(5,\)"),
        (np.zeros((5, 3)), np.zeros((5, 2)), "x has 3 features and y has 2"),
        (np.full((5, 3), np.nan), np.zeros((5, 3)), "x has values that are not finite, in 5 of its 5 rows"),
        (np.zeros((5, 3)), np.full((5, 3), np.inf), "y has values that are not finite"),
    ],
)
def test_bad_features_are_named(x, y, message):
    with pytest.raises(ValueError, match=message):
        frechet_distance(x, y)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: gaussian_frechet_bias(np.zeros((2, 3)), 9), r"covariance has shape \(2, 3\)"),
        (lambda: gaussian_frechet_bias(np.diag([1.0, -1.0]), 9), "covariance has the eigenvalue -1"),
        (lambda: gaussian_frechet_bias(np.array([[np.nan]]), 9), "covariance has the eigenvalue nan"),
        (lambda: gaussian_frechet_bias(np.eye(2), 1), "n is 1"),
        (lambda: frechet_bias(np.zeros((9, 2)), 9, 1.5), "m is 1.5"),
        (lambda: frechet_bias(np.zeros((1, 2)), 9), r"features has shape \(1, 2\)"),
        (lambda: frechet_infinite(np.zeros((7, 2)), np.zeros((9, 2)), rng()), r"x has shape \(7, 2\).*at least 8"),
        (lambda: half_splits(frechet_distance, np.zeros((3, 2)), rng(), 1), r"features has shape \(3, 2\).*at least 4"),
        (lambda: half_splits(frechet_distance, np.zeros((9, 2)), rng(), 0), "repeats is 0"),
    ],
)
def test_bad_arguments_of_bias_and_floor_are_named(call, message):
    with pytest.raises(ValueError, match=message):
        call()
