"""Precision, recall, density and coverage against their definition, the package prdc, and known answers."""

import contextlib
import io
import math

import numpy as np
import pytest
from prdc import compute_prdc
from sklearn.neighbors import NearestNeighbors

from ganbook.data import load
from ganbook.tuning.metrics.frechet import pixels
from ganbook.tuning.metrics.neighbours import ball_radii, expected_coverage, measure_neighbourhoods

NAMES = ("precision", "recall", "density", "coverage")
#: Of the package prdc, for two samples of N(0, I) in 1,000 dimensions, n = 10,000, k = 5; its seed is not told.
PUBLISHED = (0.4772, 0.4705, 1.0555, 0.9735)


def rng(seed=0):
    return np.random.default_rng(seed)


def four(real, fake, k=5):
    found = measure_neighbourhoods(real, fake, k)
    return [getattr(found, name) for name in NAMES]


def by_prdc(real, fake, k=5):
    with contextlib.redirect_stdout(io.StringIO()):
        found = compute_prdc(real, fake, k)
    return [found[name] for name in NAMES]


def by_definition(real, fake, k):
    def ball(points, i):
        return sorted(math.dist(points[i], other) for j, other in enumerate(points) if j != i)[k - 1]

    reals, fakes = [ball(real, i) for i in range(len(real))], [ball(fake, i) for i in range(len(fake))]
    holds = [[math.dist(r, f) < radius for f in fake] for r, radius in zip(real, reals, strict=True)]
    recalled = [any(math.dist(r, f) < radius for f, radius in zip(fake, fakes, strict=True)) for r in real]
    return [np.any(holds, 0).mean(), np.mean(recalled), np.sum(holds) / (k * len(fake)), np.any(holds, 1).mean()]


@pytest.mark.parametrize("k", [1, 2, 5])
def test_definition(k):
    real, fake = rng(1).normal(size=(40, 3)), rng(2).normal(size=(30, 3)) * 1.4 + 0.5
    assert four(real, fake, k) == pytest.approx(by_definition(real.tolist(), fake.tolist(), k), abs=1e-12)


@pytest.mark.parametrize(("n", "m", "d", "k"), [(300, 200, 2, 5), (200, 500, 40, 3), (150, 150, 200, 1)])
def test_agrees_with_prdc(n, m, d, k):
    real, fake = rng(1).normal(size=(n, d)), rng(2).exponential(size=(m, d)) - 0.8
    assert four(real, fake, k) == pytest.approx(by_prdc(real, fake, k), abs=1e-6)


def test_agrees_with_prdc_on_digits_where_many_distances_are_equal():
    features = pixels(load("digits").images)
    assert four(features[:900], features[900:]) == pytest.approx(by_prdc(features[:900], features[900:]), abs=1e-6)


def test_mistakes_show():
    real, fake = rng(1).normal(size=(300, 8)), rng(2).normal(size=(300, 8)) * 0.6
    right = by_prdc(real, fake)
    assert four(fake, real) != pytest.approx(right, abs=0.05)  # roles swapped
    assert four(real, fake, 4) != pytest.approx(right, abs=0.01)  # the row itself counted as a neighbour
    assert four(real, fake, 6) != pytest.approx(right, abs=0.01)


@pytest.mark.slow
def test_published_values_of_prdc():
    source = rng()
    found = four(source.normal(size=(10_000, 1000)), source.normal(size=(10_000, 1000)))
    # Standard deviations over ten seeds. Two draws differ by a normal number of root two of them.
    scatter = np.array([0.0116, 0.0107, 0.0554, 0.0060])
    assert (abs(np.array(found) - PUBLISHED) < 3 * math.sqrt(2) * scatter).all()
    # What must hold on average, by theory, whatever the dimension.
    assert abs(found[2] - 1) < 3 * scatter[2]
    assert abs(found[3] - expected_coverage(10_000, 10_000)) < 3 * scatter[3]


def test_radii_agree_with_scikit_learn():
    features = rng(1).normal(size=(100, 7))
    distances = NearestNeighbors(n_neighbors=4, algorithm="kd_tree").fit(features).kneighbors(features)[0]
    np.testing.assert_allclose(ball_radii(features, 3), distances[:, 3], rtol=1e-9)


@pytest.mark.parametrize("shift", [0.0, 1e3])
def test_a_set_and_itself(shift):
    x = rng(1).normal(size=(400, 6)) + shift
    assert four(x, x) == [1, 1, 1, 1]


def test_copies_of_one_example_hold_nothing():
    real = rng(1).normal(size=(200, 4))
    found = measure_neighbourhoods(real, np.repeat(real[:1], 50, axis=0) * 1.01)
    assert found.precision == 1
    assert found.recall == 0
    assert found.coverage < 0.1


def test_an_outlier_fools_precision_but_not_density():
    real, fake = rng(1).normal(size=(500, 2)), rng(2).normal(size=(400, 2)) + np.array([10, 0])
    assert four(real, fake)[0] == 0
    precision, _, density, coverage = four(np.vstack([real, [[40, 0]]]), fake)
    assert precision == 1
    assert density == pytest.approx(1 / 5)
    assert coverage == pytest.approx(1 / 501)


def test_expected_coverage_and_density_of_equal_distributions():
    assert expected_coverage(10**7, 10**7, 5) == pytest.approx(1 - 2**-5, abs=1e-6)
    assert expected_coverage(3, 1, 2) == pytest.approx(1 - (2 / 3) * (1 / 2))
    for n, m, k, d in ((60, 60, 5, 2), (40, 90, 2, 12), (90, 30, 3, 1)):
        source = rng(n)
        found = np.array([four(source.exponential(size=(n, d)), source.exponential(size=(m, d)), k)
                          for _ in range(200)])
        error = found.std(0, ddof=1) / math.sqrt(len(found))
        assert abs(found[:, 3].mean() - expected_coverage(n, m, k)) < 3 * error[3]
        assert abs(found[:, 2].mean() - 1) < 3 * error[2]
        for mistake in (expected_coverage(n, m, k + 1), expected_coverage(m, n + 1, k) if n != m else 0):
            assert abs(found[:, 3].mean() - mistake) > 3 * error[3]


def ten_classes(per_class, source, classes=range(10)):
    """Ten classes so far apart that no ball reaches from one to another."""
    return np.concatenate([source.normal(size=(per_class, 3)) + 100 * np.eye(3)[c % 3] * (1 + c) for c in classes])


def test_dropping_one_class_costs_recall_and_coverage_only():
    source = rng(6)
    kept, n, m, k = range(9), 1000, 900, 5
    found, whole = [], []
    for _ in range(20):
        real = ten_classes(n // 10, source)
        found.append(four(real, ten_classes(m // 9, source, kept)))
        whole.append(four(real, ten_classes(n // 10, source)))
    found, whole = np.array(found), np.array(whole)
    error = np.maximum(found.std(0, ddof=1), whole.std(0, ddof=1)) * math.sqrt(2 / len(found))
    assert (abs(found.mean(0) - whole.mean(0) * [1, 0.9, 1, 0.9]) < 3 * error).all()
    # Within a class the reals are 100 and the fakes 100.
    assert abs(found[:, 3].mean() - 0.9 * expected_coverage(n // 10, m // 9, k)) < 3 * error[3]


@pytest.mark.parametrize(("call", "message"), [
    (lambda: measure_neighbourhoods(np.zeros((5, 2)), np.zeros((9, 2))), r"real has shape \(5, 2\).*at least 6"),
    (lambda: measure_neighbourhoods(np.zeros((9, 2)), np.zeros((5, 2))), r"fake has shape \(5, 2\).*at least 6"),
    (lambda: measure_neighbourhoods(np.zeros((9, 2)), np.zeros((9, 3))), "real has 2 features and fake has 3"),
    (lambda: measure_neighbourhoods(np.zeros((9, 2)), np.full((9, 2), np.nan)), "fake has values that are not finite"),
    (lambda: measure_neighbourhoods(np.zeros((9, 2)), np.zeros((9, 2)), 0), "k is 0"),
    (lambda: ball_radii(np.zeros((3, 2)), 3), r"features has shape \(3, 2\).*at least 4"),
    (lambda: expected_coverage(5, 9), "n is 5"),
    (lambda: expected_coverage(9, 0), "m is 0"),
])
def test_bad_input_is_named(call, message):
    with pytest.raises(ValueError, match=message):
        call()
