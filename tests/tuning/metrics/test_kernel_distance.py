"""The kernel distance against the exact value for Gaussians, torchmetrics, and its noise."""

import math

import numpy as np
import pytest
import torch
from sklearn.metrics.pairwise import polynomial_kernel
from torchmetrics.image.kid import poly_mmd

from ganbook.tuning.metrics import kernel_distance as module
from ganbook.tuning.metrics.kernel_distance import (
    gaussian_kernel_distance,
    kernel_distance,
    kernel_distance_blocks,
    kernel_distance_noise,
)
from ganbook.tuning.metrics.neighbours import measure_neighbourhoods
from tuning.metrics.simulation import rng, within_three_errors


def with_diagonal(x, y):
    """The mistake to tell apart: every example is compared with itself too."""
    kernel = [polynomial_kernel(a, b, degree=3).mean() for a, b in ((x, x), (y, y), (x, y))]
    return kernel[0] + kernel[1] - 2 * kernel[2]


def gaussians(d=4, seed=0):
    source = rng(seed)
    a, b = source.normal(size=(2, d)) * 0.6
    roots = source.normal(size=(2, d, d)) * 0.6
    return a, roots[0], b, roots[1]


def draw(mean, root, n, source):
    return mean + source.standard_normal((n, len(mean))) @ root.T


@pytest.mark.parametrize(("n", "m", "d"), [(30, 30, 5), (70, 70, 64), (2, 2, 1)])
def test_agrees_with_torchmetrics(n, m, d):
    x, y = rng(1).normal(size=(n, d)), rng(2).exponential(size=(m, d))
    expected = poly_mmd(torch.tensor(x), torch.tensor(y)).item()
    assert kernel_distance(x, y) == pytest.approx(expected, rel=1e-6)


def test_agrees_with_the_definition_for_unequal_sizes(monkeypatch):
    x, y = rng(1).normal(size=(23, 3)), rng(2).exponential(size=(17, 3))
    within = [
        sum(polynomial_kernel(a, degree=3)[i, j] for i in range(len(a)) for j in range(len(a)) if i != j)
        / (len(a) * (len(a) - 1))
        for a in (x, y)
    ]
    expected = sum(within) - 2 * polynomial_kernel(x, y, degree=3).mean()
    assert kernel_distance(x, y) == pytest.approx(expected, rel=1e-11)
    monkeypatch.setattr(module, "ROWS", 5)
    assert kernel_distance(x, y) == pytest.approx(expected, rel=1e-11)
    assert kernel_distance(y, x) == pytest.approx(expected, rel=1e-11)


def test_exact_moments_of_gaussians():
    a, r, b, q = gaussians()
    s, t = r @ r.T, q @ q.T
    source = rng(1)
    products = [
        (draw(u, f, 400_000, source) * draw(v, g, 400_000, source)).sum(1)
        for u, f, v, g in ((a, r, a, r), (b, q, b, q), (a, r, b, q))
    ]
    kernels = [(p / 4 + 1) ** 3 for p in products]
    found = kernels[0] + kernels[1] - 2 * kernels[2]
    assert within_three_errors(found, gaussian_kernel_distance(a, s, b, t))
    # Each moment by itself, so that no two errors cancel.
    c, k = s + np.outer(a, a), t + np.outer(b, b)
    third = (a @ b) ** 3 + 3 * (a @ b) * (a @ t @ a + b @ s @ b + np.trace(s @ t)) + 6 * a @ t @ s @ b
    for power, expected in ((1, a @ b), (2, np.trace(c @ k)), (3, third)):
        assert within_three_errors(products[2] ** power, expected)


def test_estimate_is_unbiased_and_the_biased_one_is_not():
    a, r, b, q = gaussians()
    expected = gaussian_kernel_distance(a, r @ r.T, b, q @ q.T)
    source = rng(3)
    pairs = [(draw(a, r, 60, source), draw(b, q, 80, source)) for _ in range(400)]
    assert within_three_errors([kernel_distance(x, y) for x, y in pairs], expected)
    assert not within_three_errors([with_diagonal(x, y) for x, y in pairs], expected)


def test_the_diagonal_adds_what_it_should():
    # N(0, I): E k(x, x) by the moments d, d(d + 2), d(d + 2)(d + 4) of |x|^2; E k(x, x') = 1 + 3 d/d^2.
    d, n, m, source = 3, 40, 25, rng(7)
    on = 1 + 3 + 3 * (d + 2) / d + (d + 2) * (d + 4) / d**2
    expected = (1 / n + 1 / m) * (on - 1 - 3 / d)
    found = [with_diagonal(source.normal(size=(n, d)), source.normal(size=(m, d))) for _ in range(1000)]
    assert within_three_errors(found, expected)


def test_blind_beyond_the_third_moment():
    # Three points have the first five moments of N(0, 1), so the cubic kernel cannot tell; density can.
    points = np.array([-math.sqrt(3), 0, math.sqrt(3)])
    source = rng(8)
    pairs = [
        (source.normal(size=(300, 1)), source.choice(points, size=(300, 1), p=[1 / 6, 2 / 3, 1 / 6]))
        for _ in range(200)
    ]
    assert within_three_errors([kernel_distance(x, y) for x, y in pairs], 0)
    assert measure_neighbourhoods(*pairs[0]).coverage < 0.1


def test_equal_distributions_average_zero_with_the_predicted_noise():
    source = rng(4)
    n, m, d = 80, 120, 6
    pairs = [(source.exponential(size=(n, d)), source.exponential(size=(m, d))) for _ in range(1500)]
    found = np.array([kernel_distance(x, y) for x, y in pairs])
    assert within_three_errors(found, 0)
    assert found.min() < 0 < found.max()
    assert not within_three_errors([with_diagonal(x, y) for x, y in pairs[:200]], 0)
    predicted = kernel_distance_noise(source.exponential(size=(4000, d)), n, m)
    # The estimate is skewed and has heavy tails, so its own deviation is known to some 10 % only.
    assert found.std(ddof=1) == pytest.approx(predicted, rel=0.15)


def test_noise_of_gaussians_in_closed_form():
    # Centred kernel of N(0, 1) in one dimension: 3 xx' + 3 (x^2 - 1)(x'^2 - 1) + (x^3 x'^3): squares by the moments.
    # E (3 xx' + x^3 x'^3)^2 = 9 + 6 * 9 + 225; E (3 (x^2 - 1)(x'^2 - 1))^2 = 9 * 4; even and odd parts do not mix.
    exact = math.sqrt((4 / (50 * 49) + 4 / 50**2) * (9 + 54 + 225 + 36))
    draws = [kernel_distance_noise(rng(seed).standard_normal((1500, 1)), 50, 50) for seed in range(40)]
    assert np.mean(draws) == pytest.approx(exact, rel=0.05)


def test_noise_is_the_same_in_parts(monkeypatch):
    features = rng(1).exponential(size=(40, 3))
    kernel = polynomial_kernel(features, degree=3)
    centred = kernel - kernel.mean(0) - kernel.mean(1)[:, None] + kernel.mean()
    np.fill_diagonal(centred, 0)
    expected = math.sqrt((2 / (9 * 8) + 2 / (7 * 6) + 4 / 63) * (centred**2).sum() / (40 * 39))
    assert kernel_distance_noise(features, 9, 7) == pytest.approx(expected, rel=1e-11)
    monkeypatch.setattr(module, "ROWS", 7)
    assert kernel_distance_noise(features, 9, 7) == pytest.approx(expected, rel=1e-11)


def test_blocks_are_disjoint_and_averaged():
    x, y = rng(1).normal(size=(20, 2)), rng(2).normal(size=(30, 2)) + 1
    source = rng(9)
    a, b = x[source.permutation(20)], y[source.permutation(30)]
    parts = [kernel_distance(a[2 * i : 2 * i + 2], b[3 * i : 3 * i + 3]) for i in range(10)]
    found = kernel_distance_blocks(x, y, rng(9))
    assert found.value == pytest.approx(np.mean(parts), rel=1e-11)
    assert found.standard_error == pytest.approx(np.std(parts, ddof=1) / math.sqrt(10), rel=1e-11)


def test_standard_error_of_blocks_covers_the_truth():
    a, r, b, q = gaussians()
    expected = gaussian_kernel_distance(a, r @ r.T, b, q @ q.T)
    source = rng(5)
    found = [kernel_distance_blocks(draw(a, r, 400, source), draw(b, q, 400, source), source) for _ in range(100)]
    scores = np.array([(e.value - expected) / e.standard_error for e in found])
    assert abs(scores.mean()) < 0.4
    # Ten blocks: Student's t with 9 degrees of freedom, of standard deviation 1.13.
    assert 0.9 < scores.std() < 1.4


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: kernel_distance(np.zeros((5, 3)), np.zeros((5, 2))), "x has 3 features and y has 2"),
        (
            lambda: kernel_distance_blocks(np.zeros((19, 3)), np.zeros((50, 3)), rng()),
            r"x has shape \(19, 3\).*least 20",
        ),
        (lambda: kernel_distance_noise(np.zeros((2, 3)), 9, 9), r"features has shape \(2, 3\).*at least 3"),
        (lambda: kernel_distance_noise(np.zeros((9, 3)), 1, 9), "n is 1"),
        (lambda: kernel_distance_noise(np.zeros((9, 3)), 9, 1), "m is 1"),
        (lambda: gaussian_kernel_distance([0.0], np.eye(2), [0.0], np.eye(1)), "means and covariances have the shapes"),
    ],
)
def test_bad_input_is_named(call, message):
    with pytest.raises(ValueError, match=message):
        call()
