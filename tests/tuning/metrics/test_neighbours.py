"""Precision, recall, density and coverage against their definition, the package prdc, and known answers."""

import contextlib
import io
import math

import numpy as np
import pytest
from prdc import compute_prdc

from ganbook.data import load
from ganbook.tuning.metrics.frechet import pixels
from ganbook.tuning.metrics.neighbours import K, expected_coverage, measure_neighbourhoods
from tuning.metrics.simulation import rng, within_three_errors

NAMES = ("precision", "recall", "density", "coverage")


def four(real, fake):
    found = measure_neighbourhoods(real, fake)
    return [getattr(found, name) for name in NAMES]


def by_prdc(real, fake):
    with contextlib.redirect_stdout(io.StringIO()):
        found = compute_prdc(real, fake, K)
    return [found[name] for name in NAMES]


def by_definition(real, fake):
    def ball(points, i):
        return sorted(math.dist(points[i], other) for j, other in enumerate(points) if j != i)[K - 1]

    reals, fakes = [ball(real, i) for i in range(len(real))], [ball(fake, i) for i in range(len(fake))]
    holds = [[math.dist(r, f) < radius for f in fake] for r, radius in zip(real, reals, strict=True)]
    recalled = [any(math.dist(r, f) < radius for f, radius in zip(fake, fakes, strict=True)) for r in real]
    return [np.any(holds, 0).mean(), np.mean(recalled), np.sum(holds) / (K * len(fake)), np.any(holds, 1).mean()]


def test_definition():
    real, fake = rng(1).normal(size=(40, 3)), rng(2).normal(size=(30, 3)) * 1.4 + 0.5
    assert four(real, fake) == pytest.approx(by_definition(real.tolist(), fake.tolist()), abs=1e-12)


@pytest.mark.parametrize(("n", "m", "d"), [(300, 200, 2), (200, 500, 40), (150, 150, 200)])
def test_agrees_with_prdc(n, m, d):
    real, fake = rng(1).normal(size=(n, d)), rng(2).exponential(size=(m, d)) - 0.8
    assert four(real, fake) == pytest.approx(by_prdc(real, fake), abs=1e-6)


def test_agrees_with_prdc_on_digits_where_many_distances_are_equal():
    features = pixels(load("digits").images)
    assert four(features[:900], features[900:]) == pytest.approx(by_prdc(features[:900], features[900:]), abs=1e-6)


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
    assert expected_coverage(6, 1) == pytest.approx(5 / 6)
    for n, m, d in ((60, 60, 2), (40, 90, 12), (90, 30, 1)):
        source = rng(n)
        found = np.array([four(source.exponential(size=(n, d)), source.exponential(size=(m, d))) for _ in range(200)])
        assert within_three_errors(found[:, 3], expected_coverage(n, m))
        assert within_three_errors(found[:, 2], 1)
        assert n == m or not within_three_errors(found[:, 3], expected_coverage(m, n))


def ten_classes(per_class, source, classes=range(10)):
    """Ten classes so far apart that no ball reaches from one to another."""
    return np.concatenate([source.normal(size=(per_class, 3)) + 100 * np.eye(3)[c % 3] * (1 + c) for c in classes])


def test_dropping_one_class_costs_recall_and_coverage_only():
    source = rng(6)
    kept, n, m = range(9), 1000, 900
    found, whole = [], []
    for _ in range(20):
        real = ten_classes(n // 10, source)
        found.append(four(real, ten_classes(m // 9, source, kept)))
        whole.append(four(real, ten_classes(n // 10, source)))
    found, whole = np.array(found), np.array(whole)
    error = np.maximum(found.std(0, ddof=1), whole.std(0, ddof=1)) * math.sqrt(2 / len(found))
    assert (abs(found.mean(0) - whole.mean(0) * [1, 0.9, 1, 0.9]) < 3 * error).all()
    # Within a class the reals are 100 and the fakes 100.
    assert abs(found[:, 3].mean() - 0.9 * expected_coverage(n // 10, m // 9)) < 3 * error[3]


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: measure_neighbourhoods(np.zeros((5, 2)), np.zeros((9, 2))), r"real has shape \(5, 2\).*at least 6"),
        (lambda: measure_neighbourhoods(np.zeros((9, 2)), np.zeros((5, 2))), r"fake has shape \(5, 2\).*at least 6"),
        (lambda: measure_neighbourhoods(np.zeros((9, 2)), np.zeros((9, 3))), "real has 2 features and fake has 3"),
        (lambda: expected_coverage(5, 9), "n is 5"),
        (lambda: expected_coverage(9, 0), "m is 0"),
    ],
)
def test_bad_input_is_named(call, message):
    with pytest.raises(ValueError, match=message):
        call()
