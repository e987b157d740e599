"""f-divergences: the table row by row, the bound and where it is attained, the losses of GANs, errors."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ganbook.probability import losses_numpy as losses
from ganbook.probability.distributions import Normal, Uniform
from ganbook.probability.divergences import chi_squared, js, kl, total_variation
from ganbook.probability.f_divergences import NAMES, TABLE, f_divergence, variational_bound

LN2, LN4 = math.log(2), math.log(4)
EXACT, QUADRATURE = 1e-9, 1e-6
BUDGET = settings(max_examples=60, deadline=None, derandomize=True)
RATIOS = np.concatenate([np.geomspace(1e-3, 1e3, 41), [1.0]])
P, Q = Normal(0.5, 0.7), Normal(-1.0, 1.3)
# Two distributions over eight outcomes in sixteenths, so that a batch can hold each outcome just as often.
P_COUNTS, Q_COUNTS = np.array([6, 4, 2, 2, 1, 1, 0, 0]), np.array([0, 1, 2, 3, 1, 4, 4, 1])
BATCH_P, BATCH_Q = np.repeat(np.arange(8), P_COUNTS), np.repeat(np.arange(8), Q_COUNTS)
VECTOR_P, VECTOR_Q = P_COUNTS / 16, Q_COUNTS / 16


def vectors(seed: int, size: int = 5) -> np.ndarray:
    return np.random.default_rng(seed).dirichlet(np.ones(size), 2)


@pytest.mark.parametrize("name", NAMES)
def test_row(name):
    """Its definitions: slope, conjugate, activation, term and its limits, convexity."""
    row = TABLE[name]
    u, step = RATIOS[np.abs(RATIOS - 1) > 1e-3], 1e-6
    slope = (row.generator(u * (1 + step)) - row.generator(u * (1 - step))) / (2 * step * u)
    np.testing.assert_allclose(row.witness(u), slope, rtol=1e-6, atol=1e-8, err_msg="witness is not f'")
    t = row.witness(u)
    np.testing.assert_allclose(
        row.conjugate(t), t * u - row.generator(u), rtol=1e-6, atol=1e-8, err_msg="f*(f'(u)) is not u f'(u) - f(u)"
    )
    ends = np.linspace(-3.0, 3.0, 25)
    t = row.activation(ends)
    points = np.geomspace(1e-9, 1e9, 40_001)
    supremum = np.max(t[:, None] * points - row.generator(points), axis=1)
    np.testing.assert_allclose(row.conjugate(t), supremum, rtol=1e-5, atol=1e-5, err_msg="not the supremum")
    assert np.all(np.diff(t) > 0), "the activation does not rise"
    assert np.all(np.isfinite(row.conjugate(row.activation(np.linspace(-20, 20, 81))))), "activation leaves the domain"
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        q = 0.3
        np.testing.assert_allclose(
            row.term(np.log(q * u), np.log(q)),
            q * row.generator(u),
            rtol=1e-9,
            atol=1e-12,
            err_msg="the term is not q f(p / q)",
        )
        for term, limit in (
            (row.term(-np.inf, 0.0), row.generator(1e-12)),
            (row.term(0.0, -np.inf), row.generator(1e12) / 1e12),
        ):
            assert term == pytest.approx(limit, abs=1e-4) or (term == np.inf and limit > 20), "a limit is wrong"
    assert np.all(row.generator(u) - row.generator(1.0) - row.witness(1.0) * (u - 1) > -EXACT), "not convex"
    assert TABLE[name].generator(1.0) == pytest.approx(-LN4 if name == "gan" else 0.0, abs=EXACT)


# The divergences themselves.

DIRECT = {
    "kl": kl,
    "reverse_kl": lambda p, q: kl(q, p),
    "jensen_shannon": js,
    "gan": lambda p, q: 2 * js(p, q) - LN4,
    "total_variation": total_variation,
    "chi_squared": chi_squared,
    "reverse_chi_squared": lambda p, q: chi_squared(q, p),
}


@pytest.mark.parametrize("name", DIRECT)
@pytest.mark.parametrize(
    "pair",
    [
        vectors(0),
        (P, Q),
        (VECTOR_P, VECTOR_Q),
        ([1.0, 0.0], [0.0, 1.0]),
        (Uniform(0, 1), Uniform(0, 2)),
        (Uniform(0, 1), Uniform(3, 4)),
    ],
)
def test_f_divergence_equals_its_own_formula(name, pair):
    quadrature = not isinstance(pair[0], (list, np.ndarray))
    assert f_divergence(name, *pair) == pytest.approx(DIRECT[name](*pair), abs=QUADRATURE if quadrature else EXACT)


def test_hellinger():
    p, q = vectors(1)
    assert f_divergence("squared_hellinger", p, q) == pytest.approx(np.square(np.sqrt(p) - np.sqrt(q)).sum(), abs=EXACT)
    assert f_divergence("squared_hellinger", [1, 0], [0, 1]) == 2
    # 2 - 2 BC with the Bhattacharyya coefficient of equal widths, exp(-d^2 / 8).
    measured = f_divergence("squared_hellinger", Normal(0, 1), Normal(1.5, 1))
    assert measured == pytest.approx(2 - 2 * math.exp(-(1.5**2) / 8), abs=QUADRATURE)


@pytest.mark.parametrize("name", NAMES)
@BUDGET
@given(seed=st.integers(0, 2**32 - 1))
def test_data_processing(name, seed):
    p, q = vectors(seed)
    channel = np.random.default_rng(seed).dirichlet(np.ones(3), 5)
    least = -LN4 if name == "gan" else 0.0
    assert least - EXACT <= f_divergence(name, p @ channel, q @ channel) <= f_divergence(name, p, q) + EXACT


# The bound.


@pytest.mark.parametrize("name", NAMES)
@BUDGET
@given(seed=st.integers(0, 2**32 - 1))
def test_no_witness_earns_more(name, seed):
    p, q = vectors(seed)
    witness = TABLE[name].activation(np.random.default_rng(seed + 1).normal(0, 2, 5))
    assert variational_bound(name, witness, p, q) <= f_divergence(name, p, q) + EXACT


@pytest.mark.parametrize("name", NAMES)
def test_the_slope_earns_all(name):
    p, q = vectors(3)
    best = TABLE[name].witness(p / q)
    assert variational_bound(name, best, p, q) == pytest.approx(f_divergence(name, p, q), abs=EXACT)
    inwards = best + 0.1 * (TABLE[name].activation(0.0) - best)  # the conjugates' domains are convex
    loss = f_divergence(name, p, q) - variational_bound(name, inwards, p, q)
    assert loss > 1e-6 or name == "total_variation"


@pytest.mark.parametrize("name", NAMES)
def test_the_slope_earns_all_under_densities(name):
    p, q = Normal(0.5, 1.0), Normal(-1.0, 1.1)
    earned = variational_bound(name, lambda x: TABLE[name].witness(np.exp(p.log_density(x) - q.log_density(x))), p, q)
    assert earned == pytest.approx(f_divergence(name, p, q), abs=QUADRATURE)


def test_outside_the_domain_the_bound_is_minus_infinity():
    assert variational_bound("gan", [0.5, -1.0], [0.5, 0.5], [0.5, 0.5]) == -math.inf


def test_gan_bound_is_the_value_of_the_game():
    """With T = ln D the conjugate is -ln(1 - D): the bound is the original game's value."""
    p, q = vectors(4)
    logits = np.random.default_rng(0).normal(size=5)
    D = 1 / (1 + np.exp(-logits))
    value = p @ np.log(D) + q @ np.log(1 - D)
    assert variational_bound("gan", TABLE["gan"].activation(logits), p, q) == pytest.approx(value, abs=EXACT)


# What each loss is at its best discriminator; a batch holds every outcome as often as its probability says.


def at_best(name: str, values: np.ndarray) -> float:
    return losses.discriminator_loss(name, values[BATCH_P], values[BATCH_Q])


def worse_everywhere_else(loss, best: np.ndarray) -> bool:
    rng = np.random.default_rng(0)
    return all(
        loss(best + rng.normal(0, size, best.shape)) >= loss(best) - EXACT
        for size in (0.01, 0.3, 3.0)
        for _ in range(50)
    )


def test_least_squares():
    p, q = VECTOR_P, VECTOR_Q
    best = (p - q) / (p + q)

    def loss(D):
        return losses.least_squares_discriminator(D[BATCH_P], D[BATCH_Q], a=-1.0, b=1.0)

    twice_c = 2 * (0.5 * np.mean(best[BATCH_P] ** 2) + losses.least_squares_generator(None, best[BATCH_Q], c=0.0))
    middle = (p + q) / 2
    assert twice_c == pytest.approx(np.sum((p - q) ** 2 / (p + q)), abs=EXACT)
    assert twice_c == pytest.approx(2 * chi_squared(q, middle), abs=EXACT)
    assert twice_c == pytest.approx(np.sum((2 * q - (p + q)) ** 2 / (p + q)), abs=EXACT)
    assert loss(best) == pytest.approx(1 - twice_c / 2, abs=EXACT)
    assert worse_everywhere_else(loss, best)


def test_least_squares_at_the_default_targets():
    p, q = VECTOR_P, VECTOR_Q
    best = p / (p + q)
    assert at_best("least_squares", best) == pytest.approx(0.25 - np.sum((p - q) ** 2 / (p + q)) / 8, abs=EXACT)
    assert at_best("least_squares", best) == pytest.approx(0.5 * np.sum(p * q / (p + q)), abs=EXACT)
    assert worse_everywhere_else(lambda D: at_best("least_squares", D), best)


def test_hinge():
    best = np.sign(VECTOR_P - VECTOR_Q).astype(float)
    assert at_best("hinge", best) == pytest.approx(2 - 2 * total_variation(VECTOR_P, VECTOR_Q), abs=EXACT)
    assert at_best("hinge", best) == pytest.approx(2 * np.minimum(VECTOR_P, VECTOR_Q).sum(), abs=EXACT)
    assert worse_everywhere_else(lambda D: at_best("hinge", D), best)


def test_minimax():
    with np.errstate(divide="ignore"):
        logit = np.clip(np.log(VECTOR_P) - np.log(VECTOR_Q), -60, 60)
    assert at_best("minimax", logit) == pytest.approx(LN4 - 2 * js(VECTOR_P, VECTOR_Q), abs=EXACT)
    assert worse_everywhere_else(lambda D: at_best("minimax", D), logit)


def test_relativistic():
    """All pairs of a real and a generated outcome, each as often as its probability says."""
    p, q = VECTOR_P, VECTOR_Q
    with np.errstate(divide="ignore"):
        D = np.clip(np.log(p) - np.log(q), -60, 60)
    real, fake = np.repeat(BATCH_P, 16), np.tile(BATCH_Q, 16)

    def loss(values):
        return losses.relativistic_discriminator(values[real], values[fake])

    apart = js(np.outer(p, q).ravel(), np.outer(q, p).ravel())
    assert LN2 - loss(D) == pytest.approx(apart, abs=1e-12)
    assert worse_everywhere_else(loss, D)


def test_relativistic_on_full_supports():
    p, q = vectors(9)
    D = np.log(p / q)
    value = -np.outer(p, q) * np.logaddexp(0, -(D[:, None] - D))
    assert value.sum() + LN2 == pytest.approx(js(np.outer(p, q).ravel(), np.outer(q, p).ravel()), abs=1e-14)


# Errors.


@pytest.mark.parametrize(
    "function",
    [lambda name: f_divergence(name, [1.0], [1.0]), lambda name: variational_bound(name, [0.0], [1.0], [1.0])],
)
def test_unknown_name(function):
    with pytest.raises(ValueError, match="name is 'wasserstein'; accepted: kl, reverse_kl, jensen_shannon, gan, total"):
        function("wasserstein")


@pytest.mark.parametrize(
    ("function", "message"),
    [
        (lambda: f_divergence("kl", [0.5, 0.6], [0.5, 0.5]), "p sums to 1.1; accepted"),
        (lambda: f_divergence("kl", [0.5, 0.5], [1.5, -0.5]), "q has -0.5; accepted"),
        (lambda: f_divergence("kl", [1.0], [0.5, 0.5]), r"p has shape \(1,\) and q \(2,\); accepted"),
        (
            lambda: variational_bound("kl", [0.0, 0.0, 0.0], [0.5, 0.5], [0.5, 0.5]),
            r"witness has shape \(3,\); accepted",
        ),
        (lambda: variational_bound("kl", np.sin, [0.5, 0.5], [0.5, 0.5]), "witness is a function; accepted"),
        (lambda: variational_bound("kl", [0.0], Normal(), Normal()), "witness is an array; accepted"),
    ],
)
def test_errors(function, message):
    with pytest.raises(ValueError, match=message):
        function()
