"""The optimal discriminator: every equation of its section, what a wrong one loses, and errors."""

from __future__ import annotations

import math

import numpy as np
import pytest
import scipy.optimize
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import expit

from ganbook.probability import optimal_discriminator as optimal
from ganbook.probability.densities import Density
from ganbook.probability.distributions import Discrete, Empirical, Normal, NormalMixture, Uniform, integrate
from ganbook.probability.divergences import chi_squared, js
from ganbook.probability.losses_numpy import least_squares_discriminator, minimax_discriminator

BUDGET = settings(max_examples=25, deadline=None)
TABLE = {1.0: 0.111421, 2.0: 0.336831, 4.0: 0.632720, 8.0: 0.693054}
MIXTURE = NormalMixture((-1.5, 1.0), (0.4, 0.8), (0.3, 0.7))
TRIANGLE = Density(lambda x: 1 - np.abs(x), -1.0, 1.0, (0.0,))
PAIRS = {
    "shifted": (Normal(), Normal(2.0)),
    "twice as wide": (Normal(), Normal(1.0, 2.0)),
    "mixture": (MIXTURE, Normal(0.0, 1.5)),
    "uniform": (Uniform(0.0, 1.0), Uniform(0.5, 1.5)),
    "triangle in normal": (TRIANGLE, Normal()),
    "disjoint": (Uniform(0.0, 1.0), Uniform(2.0, 3.0)),
}
SMOOTH = ("shifted", "twice as wide", "mixture")  # both densities everywhere above 0
LOGITS = {
    "coin": lambda x: np.zeros_like(x),
    "constant": lambda x: np.full_like(x, -0.7),
    "line": lambda x: 1 - 1.3 * x,
    "parabola": lambda x: 0.2 * x**2 - x,
    "wave": lambda x: 2 * np.sin(x),
}
pairs = pytest.mark.parametrize("pair", PAIRS)


# The value, and the best discriminator.


@pairs
def test_the_value_is_minus_the_discriminators_loss(pair):
    """Over samples: within three standard errors of quadrature; and for a constant in closed form."""
    p, q = PAIRS[pair]
    rng, n = np.random.default_rng(1), 4000
    for logit in LOGITS.values():
        real, fake = logit(p.sample(rng, n)), logit(q.sample(rng, n))
        error = math.hypot(np.logaddexp(0, -real).std(), np.logaddexp(0, fake).std()) / math.sqrt(n)
        assert abs(optimal.value(p, q, logit) + minimax_discriminator(real, fake)) <= 3 * error + 1e-9
    for c in (-3.0, 0.0, 1.5):
        expected = math.log(expit(c)) + math.log(expit(-c))
        assert abs(optimal.value(p, q, lambda x, c=c: np.full_like(x, c)) - expected) < 1e-9


@BUDGET
@given(a=st.floats(0.01, 10), b=st.floats(0.01, 10))
def test_the_pointwise_maximum(a, b):
    """a ln y + b ln(1 - y) is largest at a / (a + b); in logits at ln a / b, where its slope vanishes."""
    best = a / (a + b)
    around = [a * math.log(y) + b * math.log1p(-y) for y in (best, 0.99 * best, best + 0.01 * (1 - best))]
    assert around[0] > max(around[1:])
    numeric = scipy.optimize.brentq(lambda d: a * expit(-d) - b * expit(d), -20, 20, xtol=1e-14)
    assert abs(numeric - math.log(a / b)) < 1e-9


@pairs
def test_the_optimum_is_p_over_p_plus_q(pair):
    p, q = PAIRS[pair]
    x = np.linspace(-2.9, 3.1, 61)
    x = x[p.density(x) + q.density(x) > 0]
    expected = p.density(x) / (p.density(x) + q.density(x))
    assert np.abs(optimal.optimal_discriminator(p, q, x) - expected).max() < 1e-9
    with np.errstate(divide="ignore"):
        assert np.allclose(optimal.optimal_logit(p, q, x), np.log(p.density(x)) - np.log(q.density(x)), 1e-9, 1e-9)


def test_where_no_density_is_there_is_no_verdict():
    p, q = PAIRS["disjoint"]
    assert np.isnan(optimal.optimal_logit(p, q, [1.5, -1.0])).all()
    assert optimal.optimal_logit(p, q, [0.5, 2.5]).tolist() == [math.inf, -math.inf]
    assert optimal.optimal_discriminator(p, q, [0.5, 2.5]).tolist() == [1.0, 0.0]


@pairs
def test_the_optimal_value_is_js(pair):
    p, q = PAIRS[pair]
    assert abs(optimal.optimal_value(p, q) - (-math.log(4) + 2 * js(p, q))) < 1e-9
    assert abs(optimal.implied_js(optimal.optimal_value(p, q)) - js(p, q)) < 1e-9


@pytest.mark.parametrize("d", TABLE)
def test_js_of_shifted_normals(d):
    best, divergence = optimal.optimal_value(Normal(), Normal(d)), js(Normal(), Normal(d))
    assert abs(best - (-math.log(4) + 2 * divergence)) < 1e-9
    assert abs(optimal.implied_js(best) - TABLE[d]) < 1e-6
    assert abs(divergence - TABLE[d]) < 1e-6


@pytest.mark.parametrize("theta", [0.0, 0.25, 0.5, 1.0])
def test_js_of_overlapping_intervals(theta):
    best = optimal.optimal_value(Uniform(), Uniform(theta, 1.0 + theta))
    assert abs(optimal.implied_js(best) - theta * math.log(2)) < 1e-9


@BUDGET
@given(p=st.floats(0.01, 10), q=st.floats(0.01, 10), alpha=st.floats(0.0, 0.4), beta=st.floats(0.0, 0.4))
def test_smoothed_labels_move_the_optimum(p, q, alpha, beta):
    """The slope of the smoothed loss by the logit vanishes at ((1 - alpha) p + beta q) / (p + q)."""

    def slope(d):
        by_real = (1 - alpha) * expit(-d) - alpha * expit(d)
        return p * by_real + q * (beta * expit(-d) - (1 - beta) * expit(d))

    found = expit(scipy.optimize.brentq(slope, -20, 20, xtol=1e-14))
    assert abs(found - ((1 - alpha) * p + beta * q) / (p + q)) < 1e-9


@BUDGET
@given(p=st.floats(0.01, 10), q=st.floats(0.01, 10))
def test_the_least_squares_optimum_is_the_same_probability(p, q):
    def loss(d):
        return p * least_squares_discriminator([d], [0.0]) + q * least_squares_discriminator([1.0], [d])

    # A parabola through three of its points has its lowest point exactly there.
    left, middle, right = loss(-1.0), loss(0.0), loss(1.0)
    assert abs((left - right) / (2 * (left + right - 2 * middle)) - p / (p + q)) < 1e-9


def test_samples_without_a_common_point_can_be_told_apart_entirely():
    """The memory of a discriminator: between two samples the best value is 0, however close their sources."""
    rng = np.random.default_rng(0)
    one, other = Empirical(rng.normal(size=50)), Empirical(rng.normal(size=50))
    assert abs(-math.log(4) + 2 * js(one, other)) < 1e-12
    assert abs(js(Discrete([0.0, 1.0], [0.5, 0.5]), Discrete([0.0, 1.0], [0.5, 0.5]))) < 1e-12


# What another discriminator loses.


@pytest.mark.parametrize("logit", LOGITS)
@pairs
def test_the_gap_is_an_expected_divergence(pair, logit):
    p, q = PAIRS[pair]
    gap = optimal.value_gap(p, q, LOGITS[logit])
    assert gap > 0
    assert abs(optimal.optimal_value(p, q) - optimal.value(p, q, LOGITS[logit]) - gap) < 1e-9


@pairs
def test_the_best_discriminator_loses_nothing(pair):
    p, q = PAIRS[pair]
    assert optimal.value_gap(p, q, lambda x: np.nan_to_num(optimal.optimal_logit(p, q, x))) < 1e-12


@pytest.mark.parametrize("pair", SMOOTH)
def test_a_small_error_loses_half_its_weighted_square(pair):
    p, q = PAIRS[pair]

    def loss(size):
        return optimal.value_gap(p, q, lambda x: optimal.optimal_logit(p, q, x) + size * np.sin(2 * x))

    weighted = integrate(lambda x: p.density(x) * optimal.optimal_discriminator(q, p, x) * np.sin(2 * x) ** 2, p, q) / 2
    # Both signs together are even in the size, so the rest falls by four as the size halves; extrapolate it away.
    coarse, fine = ((loss(size) + loss(-size)) / 2 / size**2 for size in (0.1, 0.05))
    assert abs((4 * fine - coarse) / 3 / weighted - 1) < 1e-6
    assert abs(fine / weighted - 1) < 1e-2


def test_a_certain_and_wrong_discriminator_loses_everything():
    p, q = PAIRS["shifted"]
    assert optimal.value(p, q, lambda x: np.full_like(x, np.inf)) == -math.inf
    assert optimal.value_gap(p, q, lambda x: np.where(x > 1, np.inf, 0.0)) == math.inf
    assert optimal.value(*PAIRS["disjoint"], lambda x: np.where(x < 1.5, np.inf, -np.inf)) == 0.0


@pytest.mark.parametrize("pair", SMOOTH)
def test_logit_error(pair):
    p, q = PAIRS[pair]
    shifted = optimal.logit_error(p, q, lambda x: optimal.optimal_logit(p, q, x) + 0.3)
    assert np.allclose(shifted, 0.3, rtol=0, atol=1e-9)
    tilted = optimal.logit_error(Normal(), Normal(2.0), lambda x: optimal.optimal_logit(Normal(), Normal(2.0), x) + x)
    assert np.allclose(tilted, [1.0, math.sqrt(5.0)], rtol=0, atol=1e-9)  # E x^2 under either


# Two normal distributions.


@BUDGET
@given(m=st.floats(-3, 3), n=st.floats(-3, 3), s=st.floats(0.3, 3), t=st.floats(0.3, 3), x=st.floats(-5, 5))
def test_the_logit_of_two_normals_is_a_parabola(m, n, s, t, x):
    p, q = Normal(m, s), Normal(n, t)
    c0, c1, c2 = optimal.normal_logit(p, q)
    assert c0 + c1 * x + c2 * x * x == pytest.approx(float(optimal.optimal_logit(p, q, x)), rel=1e-9, abs=1e-9)


# Density ratios.


@pytest.mark.parametrize("pair", SMOOTH)
def test_reweighting_turns_q_into_p(pair):
    p, q = PAIRS[pair]

    def ratio(x):
        return optimal.density_ratio(optimal.optimal_logit(p, q, x))

    for f in (np.ones_like, np.sin):
        by_p, by_q = (
            integrate(lambda x, f=f: p.density(x) * f(x), p),
            integrate(lambda x, f=f: q.density(x) * ratio(x) * f(x), p, q),
        )
        assert abs(by_p - by_q) < 1e-9


@pytest.mark.parametrize("d", [0.5, 1.0, 2.0])
def test_the_variance_of_the_weights_is_chi_squared(d):
    p, q = Normal(), Normal(d)
    variance = integrate(
        lambda x: q.density(x) * (optimal.density_ratio(optimal.optimal_logit(p, q, x)) - 1) ** 2,
        Uniform(-d - 9.0, d + 9.0),
    )
    assert abs(variance / (math.exp(d**2) - 1) - 1) < 1e-6
    assert abs(chi_squared(p, q) / variance - 1) < 1e-6


def test_reweighted_mean_of_samples():
    p, q = Normal(0.5, 0.8), Normal(0.0, 1.5)
    x = q.sample(np.random.default_rng(4), 5000)
    mean, error = optimal.reweighted_mean(x, optimal.density_ratio(optimal.optimal_logit(p, q, x)))
    assert abs(mean - 0.5) < 3 * error
    assert error < 0.05
    assert abs(x.mean() - 0.5) > 10 * error  # what the weights are for
    assert optimal.reweighted_mean([1.0, 3.0], [1.0, 1.0]) == (2.0, 1.0)


@pytest.mark.parametrize("prior", [0.1, 0.5, 0.8])
def test_the_prior_shifts_the_logit(prior):
    """The slope of pi p zeta(-D) + (1 - pi) q zeta(D) by the logit vanishes at D* + ln(pi / (1 - pi))."""
    p, q = PAIRS["twice as wide"]
    for x in np.linspace(-3, 3, 13):
        a, b = prior * p.density(x), (1 - prior) * q.density(x)
        found = scipy.optimize.brentq(lambda d, a=a, b=b: a * expit(-d) - b * expit(d), -20, 20, xtol=1e-14)
        assert abs(found - math.log(prior / (1 - prior)) - optimal.optimal_logit(p, q, x)) < 1e-9


@pytest.mark.parametrize(("low", "high"), [(0.1, 0.3), (0.45, 0.55), (0.6, 0.99)])
def test_the_best_discriminator_is_calibrated(low, high):
    """Among examples that it calls real with probabilities from low to high, that share is real."""
    p, q = Normal(), Normal(2.0)
    c0, c1, _ = optimal.normal_logit(p, q)
    left, right = sorted((math.log(s / (1 - s)) - c0) / c1 for s in (low, high))
    inside = Uniform(left, right)
    real, fake = (float(side.cdf(right) - side.cdf(left)) for side in (p, q))
    mean = integrate(lambda x: (p.density(x) + q.density(x)) * optimal.optimal_discriminator(p, q, x), inside)
    assert abs(mean / (real + fake) - real / (real + fake)) < 1e-9


# Wrong input.


def test_wrong_input_is_named():
    p, q = PAIRS["shifted"]
    for function in (
        lambda a, b: optimal.optimal_logit(a, b, 0.0),
        optimal.optimal_value,
        lambda a, b: optimal.value(a, b, np.zeros_like),
    ):
        with pytest.raises(ValueError, match="p is 'normal'; accepted: a distribution with a density on the line"):
            function("normal", q)
        with pytest.raises(ValueError, match=r"q is Empirical.*; accepted: a distribution with a density"):
            function(p, Empirical([0.0, 1.0]))
    with pytest.raises(ValueError, match=r"p is Uniform.*; accepted: a Normal"):
        optimal.normal_logit(Uniform(), q)
    with pytest.raises(ValueError, match=r"logit gave shape \(2,\) for numbers of shape \(\); accepted"):
        optimal.value(p, q, lambda x: np.zeros(2))
    with pytest.raises(ValueError, match="logit gave NaN for numbers"):
        optimal.value_gap(p, q, lambda x: x * np.nan)
    for wrong in (0.5, math.nan):
        with pytest.raises(ValueError, match=f"value is {wrong}; accepted: a number of at most 0"):
            optimal.implied_js(wrong)
    assert optimal.density_ratio([-1000.0, 1000.0]).tolist() == [0.0, math.inf]
    with pytest.raises(ValueError, match="logits has NaN; accepted: numbers"):
        optimal.density_ratio([0.0, math.nan])
    with pytest.raises(ValueError, match=r"values has shape \(3,\) and ratios \(2,\); accepted: two equal shapes"):
        optimal.reweighted_mean([1, 2, 3], [1, 2])
    with pytest.raises(ValueError, match=r"values has shape \(1,\)"):
        optimal.reweighted_mean([1], [1])
    for ratio in (-1.0, math.inf):
        with pytest.raises(ValueError, match="ratios has numbers that are negative or not finite"):
            optimal.reweighted_mean([1, 2], [1, ratio])
