"""Small games of collapse: exact answers for best replies, for the chase from mode to mode, and for packs."""

import itertools
import math

import numpy as np
import pytest
from scipy.optimize import minimize
from scipy.stats import binom

from ganbook.probability import divergences
from ganbook.tuning.experiments import mode_games

K = 8
UNIFORM = np.full(K, 1 / K)
POINTS = np.eye(K)


def distributions(seed, n=20):
    return np.random.default_rng(seed).dirichlet(np.ones(K), n)


def distance(q, examples):
    return divergences.total_variation(mode_games.packs(UNIFORM, examples), mode_games.packs(q, examples))


@pytest.mark.parametrize("seed", range(3))
def test_the_best_reply_to_a_fixed_discriminator_is_a_point(seed):
    logits = np.random.default_rng(seed).normal(size=K)
    points = [mode_games.value(UNIFORM, point, logits) for point in POINTS]
    assert int(np.argmin(points)) == int(np.argmax(logits))
    for q in distributions(seed):
        found = mode_games.value(UNIFORM, q, logits)
        assert found == pytest.approx(q @ points, abs=1e-13)  # linear in q
        assert found > min(points)


def test_the_best_discriminator_makes_the_value_a_divergence():
    for q in distributions(5, 5):
        best = np.log(UNIFORM / q)
        expected = 2 * divergences.js(UNIFORM, q) - 2 * math.log(2)
        assert mode_games.value(UNIFORM, q, best) == pytest.approx(expected, abs=1e-13)
        found = minimize(lambda d, q=q: -mode_games.value(UNIFORM, q, d), np.zeros(K), tol=1e-12)
        assert -found.fun == pytest.approx(expected, abs=1e-9)


def test_the_divergence_bends_upwards_strictly():
    """Half-way between two generators it is below the mean of both, and least for the data."""

    def worst(q):
        return mode_games.value(UNIFORM, q, np.log(UNIFORM / q))

    made = distributions(7)
    for one, other in itertools.pairwise(made):
        assert worst((one + other) / 2) < (worst(one) + worst(other)) / 2
        assert worst(one) > worst(UNIFORM) == pytest.approx(-2 * math.log(2), abs=1e-15)


def test_slope_and_bend_of_the_value_at_the_best_discriminator():
    """By central differences of the sum over places, each q_k moved on its own."""
    p, q = distributions(9, 2)

    def worst(q):
        return float(p @ np.log(p / (p + q)) + q @ np.log(q / (p + q)))

    for k, h in itertools.product(range(K), (1e-4,)):
        h *= q[k]
        up, down = (worst(q + sign * h * POINTS[k]) for sign in (1, -1))
        assert (up - down) / (2 * h) == pytest.approx(math.log(q[k] / (p[k] + q[k])), rel=1e-6)
        assert (up - 2 * worst(q) + down) / h**2 == pytest.approx(p[k] / (q[k] * (p[k] + q[k])), rel=1e-3)
        j = (k + 1) % K
        both = worst(q + h * POINTS[k] + h * POINTS[j]) - up - worst(q + h * POINTS[j]) + worst(q)
        assert abs(both) < 1e-13  # no mixed bend


@pytest.mark.parametrize("eta", [1e-2, 1e-3])
def test_looking_one_step_ahead_sends_mass_to_lost_modes(eta):
    def ahead(q):
        return mode_games.value(UNIFORM, q, eta * (UNIFORM - q) / 2)

    h, towards = 1e-6, POINTS[3] - POINTS[0]
    slope = (ahead(POINTS[0] + h * towards) - ahead(POINTS[0])) / h
    assert slope / eta == pytest.approx(-0.5, abs=0.2 * eta + 1e-4)
    plain = [mode_games.value(UNIFORM, POINTS[0] + step * towards, np.zeros(K)) for step in (0, h)]
    assert plain[0] == pytest.approx(plain[1], abs=1e-15)


@pytest.mark.parametrize("seed", range(3))
def test_a_bounded_slope_bounds_what_a_move_gains(seed):
    """D(x) = sin(a x) + cos(b y) has a slope of at most L = sqrt(a^2 + b^2); the integral of the slope is the gain."""
    rng = np.random.default_rng(seed)
    a, b = rng.uniform(0.5, 2, 2)
    for start, end in rng.normal(size=(20, 2, 2)):
        t = (np.arange(10_000) + 0.5) / 10_000
        way = start + t[:, None] * (end - start)
        slopes = np.stack([a * np.cos(a * way[:, 0]), -b * np.sin(b * way[:, 1])], axis=1)
        gain = np.sin(a * end[0]) + np.cos(b * end[1]) - np.sin(a * start[0]) - np.cos(b * start[1])
        assert (slopes @ (end - start)).mean() == pytest.approx(gain, abs=1e-6)
        assert gain <= np.hypot(a, b) * np.linalg.norm(end - start)


@pytest.mark.parametrize("data", [UNIFORM, np.array([0.5, 0.3, 0.2])])
def test_the_chase_visits_each_mode_as_often_as_the_data_do(data):
    """Single steps show one mode; over time their frequencies are the data's."""
    visits = mode_games.chase(data, 20_000, 0.02)
    frequencies = np.bincount(visits, minlength=len(data)) / len(visits)
    assert frequencies == pytest.approx(data, abs=2e-3)
    assert (visits[1:] != visits[:-1]).mean() > 0.5


@pytest.mark.parametrize(("kept", "examples"), [(7, 1), (6, 2), (6, 4), (1, 3), (8, 4)])
def test_packs_of_a_generator_that_lost_modes(kept, examples):
    q = np.where(np.arange(K) < kept, 1 / kept, 0.0)
    assert distance(q, examples) == pytest.approx(1 - (kept / K) ** examples, abs=1e-12)


@pytest.mark.parametrize("excess", [0.1, 0.25, 0.5])
@pytest.mark.parametrize("examples", [1, 2, 4])
def test_packs_of_a_generator_that_is_uneven(excess, examples):
    """Half of the modes get 1/2 + d of the mass: the number of a pack's examples among them is binomial."""
    q = UNIFORM * np.where(np.arange(K) < K // 2, 1 + 2 * excess, 1 - 2 * excess)
    j = np.arange(examples + 1)
    expected = abs(binom.pmf(j, examples, 0.5) - binom.pmf(j, examples, 0.5 + excess)).sum() / 2
    assert distance(q, examples) == pytest.approx(expected, abs=1e-12)
    if examples == 1:
        assert expected == pytest.approx(excess, abs=1e-15)
    if excess == 0.25 and examples > 1:
        lost = distance(np.where(np.arange(K) < 6, 1 / 6, 0.0), examples)
        assert expected < lost


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: mode_games.value(UNIFORM, UNIFORM, np.zeros(3)), r"shapes \(8,\), \(8,\) and \(3,\)"),
        (lambda: mode_games.value(UNIFORM, -UNIFORM, np.zeros(K)), "generated has -0.125"),
        (lambda: mode_games.chase([0.5, 0.6], 3), "data sums to 1.1"),
        (lambda: mode_games.chase(UNIFORM, 0), "steps is 0"),
        (lambda: mode_games.chase(UNIFORM, 3, 0.0), "rate is 0.0"),
        (lambda: mode_games.packs(UNIFORM, 8), "examples is 8 with 8 places; accepted: at most 10,000,000 packs"),
        (lambda: mode_games.packs([np.nan] * K, 2), "distribution has nan"),
    ],
)
def test_wrong_arguments_are_named(call, message):
    with pytest.raises(ValueError, match=message):
        call()
