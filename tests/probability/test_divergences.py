"""Divergences: hand values, closed forms, quadrature, linear programme, properties and errors."""

from __future__ import annotations

import math

import numpy as np
import pytest
import scipy.stats
from hypothesis import given, settings
from hypothesis import strategies as st

from ganbook.probability import divergences
from ganbook.probability.densities import Density
from ganbook.probability.distributions import Discrete, Empirical, Normal, NormalMixture, Uniform
from ganbook.probability.divergences import (
    chi_squared,
    chi_squared_of_normals,
    inequalities,
    js,
    kl,
    kl_of_normals,
    total_variation,
    total_variation_of_normals,
    wasserstein_of_normals,
    wasserstein_plan,
    wasserstein_quantiles,
)
from ganbook.probability.expectations import expectation

LN2 = math.log(2)
EXACT, QUADRATURE = 1e-9, 1e-6
MEASURES = {"kl": kl, "js": js, "total_variation": total_variation, "chi_squared": chi_squared}
NORMALS = [
    (Normal(0.0, 1.0), Normal(1.0, 1.0)),
    (Normal(0.5, 0.7), Normal(-1.0, 1.3)),
    (Normal(2.0, 1.2), Normal(2.0, 1.0)),
    (Normal(3.0, 0.1), Normal(2.5, 0.2)),
]
BUDGET = settings(max_examples=60, deadline=None, derandomize=True)


@st.composite
def vectors(draw, number: int, size: int | None = None):
    """Some vectors of probabilities over the same outcomes; a third of the masses is 0."""
    size = size or draw(st.integers(1, 6))
    rows = []
    for _ in range(number):
        mass = np.array(draw(st.lists(st.sampled_from([0.0, 0.0, 0.1, 0.5, 1.0, 3.0]), min_size=size, max_size=size)))
        mass[draw(st.integers(0, size - 1))] += 1.0
        rows.append(mass / mass.sum())
    return rows


@st.composite
def clouds(draw, number: int, dimensions: int):
    """Some sets of weighted points of one space."""
    whole_numbers = st.integers(-4, 4).map(float)
    sets = []
    for _ in range(number):
        k = draw(st.integers(1, 5))
        points = draw(
            st.lists(
                st.lists(whole_numbers, min_size=dimensions, max_size=dimensions),
                min_size=k,
                max_size=k,
                unique_by=tuple,
            )
        )
        mass = np.array(draw(st.lists(st.integers(1, 5), min_size=k, max_size=k)), float)
        sets.append(Discrete(np.array(points), mass / mass.sum()))
    return sets


# Vectors of probabilities.

HALF, QUARTER = [0.5, 0.5], [0.25, 0.75]


@pytest.mark.parametrize(
    ("measure", "expected"),
    [
        ("kl", 0.5 * LN2 + 0.5 * math.log(2 / 3)),
        ("total_variation", 0.25),
        ("chi_squared", 1 / 3),
        ("js", 0.25 * math.log(4 / 3) + 0.25 * math.log(4 / 5) + 0.125 * math.log(2 / 3) + 0.375 * math.log(6 / 5)),
    ],
)
def test_hand_values(measure, expected):
    assert abs(MEASURES[measure](HALF, QUARTER) - expected) < EXACT


@pytest.mark.parametrize(
    ("measure", "there", "back", "apart"),
    [
        ("kl", LN2, math.inf, math.inf),
        ("js", *[0.5 * math.log(4 / 3) + 0.25 * math.log(2 / 3) + 0.25 * LN2] * 2, LN2),
        ("total_variation", 0.5, 0.5, 1.0),
        ("chi_squared", 1.0, math.inf, math.inf),
    ],
)
def test_masses_of_zero(measure, there, back, apart):
    measured = [MEASURES[measure](p, q) for p, q in (([1, 0], HALF), (HALF, [1, 0]), ([1, 0], [0, 1]))]
    np.testing.assert_allclose(measured, [there, back, apart], atol=EXACT)


@BUDGET
@given(vectors(2))
def test_gibbs(pair):
    """Never below 0, and 0 for equals alone; never NaN."""
    for name, measure in MEASURES.items():
        value = measure(*pair)
        assert value >= 0, name
        assert (value < 1e-12) == bool(np.allclose(*pair)), name
    assert kl(pair[0], pair[0]) == chi_squared(pair[0], pair[0]) == 0


@BUDGET
@given(vectors(2))
def test_inequalities(pair):
    for each in inequalities(*pair):
        assert each.holds, each


def test_inequalities_of_normals():
    for p, q in NORMALS:
        assert len(inequalities(p, q)) == 8
        assert all(each.holds for each in inequalities(p, q))
    apart = {each.name: each for each in inequalities([1, 0], [0, 1])}
    assert apart["JS and TV ln 2"].smaller == apart["JS and TV ln 2"].larger == LN2
    assert not divergences.Inequality("planted", 1.0, 0.9).holds


def test_inequalities_are_sharp():
    """Each constant is the best: there are pairs at which both sides meet."""

    def shares(p, q):
        return [each.smaller / each.larger for each in inequalities(p, q)]

    e = 1e-3
    assert shares([0.5 + e, 0.5 - e], HALF)[0] == pytest.approx(1, abs=1e-5)  # Pinsker
    assert shares([1, 0], [0, 1])[1] == 1  # Bretagnolle and Huber
    assert shares([0.5, 0.5, 0, 0], [0.25] * 4)[2] == pytest.approx(1, abs=EXACT)  # ln(1 + chi-squared)
    assert shares([0.5 + e, 0.5 - e], HALF)[3] == pytest.approx(1, abs=1e-5)
    assert shares([0.5 + e, 0.5 - e], [0.5 - e, 0.5 + e])[4] == pytest.approx(1, abs=1e-5)  # TV^2 / 2
    assert shares([0.5, 0.5, 0], [0, 0.5, 0.5])[5] == pytest.approx(1, abs=EXACT)  # TV ln 2
    assert shares([1, 0], [0, 1])[6] == 1
    assert shares([0.5 + e, 0.5 - e], [0.5 - e, 0.5 + e])[7] == pytest.approx(0.5, abs=1e-5)  # the mean of both KL


def test_js_range():
    """From 0 for equals to ln 2 for disjoint supports."""
    assert js(HALF, HALF) == 0
    assert js([1, 0], [0, 1]) == pytest.approx(LN2, abs=EXACT)
    assert js(Normal(0, 1), Normal(100, 1)) == pytest.approx(LN2, abs=QUADRATURE)


def test_total_variation_is_the_largest_gap_of_an_event():
    p, q = np.random.default_rng(1).dirichlet(np.ones(6), 2)
    events = (np.arange(2**6)[:, None] >> np.arange(6)) & 1
    assert abs((events @ (p - q)).max() - total_variation(p, q)) < EXACT
    assert abs((p > q) @ (p - q) - total_variation(p, q)) < EXACT


# Densities.


@pytest.mark.parametrize(("p", "q"), NORMALS)
def test_closed_forms_of_normals(p, q):
    for there, back in ((p, q), (q, p)):
        assert kl(there, back) == pytest.approx(kl_of_normals(there, back), rel=QUADRATURE)
        assert total_variation(there, back) == pytest.approx(total_variation_of_normals(there, back), abs=QUADRATURE)
        assert chi_squared(there, back) == pytest.approx(chi_squared_of_normals(there, back), rel=QUADRATURE)
        assert wasserstein_quantiles(there, back) == pytest.approx(wasserstein_of_normals(there, back), rel=QUADRATURE)


def test_equal_widths():
    p, q = Normal(0.0, 2.0), Normal(3.0, 2.0)
    assert kl_of_normals(p, q) == pytest.approx(9 / 8, abs=EXACT)
    assert total_variation_of_normals(p, q) == pytest.approx(2 * scipy.stats.norm.cdf(3 / 4) - 1, abs=EXACT)
    assert chi_squared_of_normals(p, q) == pytest.approx(math.expm1(9 / 4), abs=EXACT)
    assert wasserstein_of_normals(p, q) == 3.0
    assert total_variation_of_normals(p, p) == kl_of_normals(p, p) == 0


def test_far_apart():
    """Densities that underflow on the other's side are no NaN, and no zero either."""
    p, q = Normal(0, 1), Normal(100, 1)
    assert kl(p, q) == pytest.approx(5000, rel=QUADRATURE)
    assert total_variation(p, q) == pytest.approx(1, abs=QUADRATURE)
    assert wasserstein_quantiles(p, q) == pytest.approx(100, rel=QUADRATURE)
    assert chi_squared(p, Normal(20, 1)) == pytest.approx(math.expm1(400), rel=QUADRATURE)
    assert chi_squared(p, Normal(40, 1)) == chi_squared_of_normals(p, Normal(40, 1)) == math.inf


@pytest.mark.parametrize("sigma", [math.sqrt(2), 1.5, 3.0])
def test_chi_squared_of_heavy_tails_is_infinite(sigma):
    p, q = Normal(0.3, sigma), Normal(0.0, 1.0)
    assert chi_squared(p, q) == chi_squared_of_normals(p, q) == math.inf


@pytest.mark.parametrize(
    ("p", "q", "expected"),
    [
        (Uniform(0, 1), Uniform(0, 2), (LN2, 0.5, 1.0, 0.5)),
        (Uniform(0, 2), Uniform(0, 1), (math.inf, 0.5, math.inf, 0.5)),
        (Uniform(0, 1), Uniform(0.5, 1.5), (math.inf, 0.5, math.inf, 0.5)),
        (Uniform(0, 1), Uniform(5, 6), (math.inf, 1.0, math.inf, 5.0)),
        (Normal(0, 1), Uniform(-1, 1), (math.inf, 2 * scipy.stats.norm.sf(1) + 0.0, math.inf, None)),
    ],
)
def test_supports(p, q, expected):
    measured = kl(p, q), total_variation(p, q), chi_squared(p, q)
    np.testing.assert_allclose(measured[::2], expected[:3:2], atol=QUADRATURE)
    if expected[3] is not None:
        assert measured[1] == pytest.approx(expected[1], abs=QUADRATURE)
        assert wasserstein_quantiles(p, q) == pytest.approx(expected[3], abs=QUADRATURE)
    assert not math.isnan(js(p, q))


def test_support_with_a_hole():
    hole = Density(lambda x: np.where(np.abs(x) > 1, 0.5, 0.0), -2.0, 2.0, breaks=(-1.0, 1.0))
    assert kl(Uniform(-2, 2), hole) == chi_squared(Uniform(-2, 2), hole) == math.inf
    assert kl(hole, Uniform(-2, 2)) == pytest.approx(LN2, abs=QUADRATURE)


def test_a_mode_costs_at_most_its_log_weight():
    """KL of a mixture's own component from the mixture: below ln(1/w), and close to it if the components are apart."""
    mixture = NormalMixture([-2.0, 2.0], [0.5, 0.5], [0.3, 0.7])
    for mean, weight in ((-2.0, 0.3), (2.0, 0.7)):
        cost = kl(Normal(mean, 0.5), mixture)
        assert cost <= math.log(1 / weight)
        assert cost == pytest.approx(math.log(1 / weight), abs=1e-3)
    overlapping = kl(Normal(0.5, 1.0), NormalMixture([-0.5, 0.5], 1.0))
    assert 0 < overlapping < 0.5 * LN2


def test_forward_fit_has_mean_and_variance_of_the_data():
    """Among all normal distributions; every step away from those moments costs."""
    mixture = NormalMixture([-2.0, 1.0, 3.0], [0.5, 0.3, 1.0], [0.3, 0.3, 0.4])
    mean = expectation(lambda x: x, mixture)
    sigma = math.sqrt(expectation(lambda x: (x - mean) ** 2, mixture))
    best = kl(mixture, Normal(mean, sigma))
    for m, s in ((0.01, 0.0), (-0.01, 0.0), (0.0, 0.01), (0.0, -0.01), (1.0, -0.5)):
        assert kl(mixture, Normal(mean + m, sigma + s)) > best
    entropy = -expectation(lambda x: mixture.log_density(x), mixture)
    assert best == pytest.approx(0.5 * math.log(2 * math.pi * math.e * sigma**2) - entropy, abs=QUADRATURE)


def test_chi_squared_is_the_mean_ratio_less_one():
    p, q = np.random.default_rng(5).dirichlet(np.ones(6), 2)
    assert chi_squared(p, q) == pytest.approx(p @ (p / q) - 1, abs=EXACT)


@pytest.mark.parametrize("sigma", [0.5, 1.0, 2.0])
def test_noise_on_parallel_lines(sigma):
    """theta^2 / 2 sigma^2, with derivative theta / sigma^2."""
    values = [kl(Normal(0, sigma), Normal(theta, sigma)) for theta in (1.499, 1.5, 1.501)]
    assert values[1] == pytest.approx(1.5**2 / (2 * sigma**2), rel=QUADRATURE)
    assert (values[2] - values[0]) / 0.002 == pytest.approx(1.5 / sigma**2, rel=QUADRATURE)


def test_weighted_points_lie_apart_from_a_density():
    cloud = Empirical(np.linspace(-1, 1, 50))
    assert kl(cloud, Normal()) == kl(Normal(), cloud) == math.inf
    assert js(cloud, Normal()) == pytest.approx(LN2)
    assert total_variation(Normal(), cloud) == 1


def test_weighted_points_share_outcomes():
    p, q = Discrete([0.0, 1.0], [0.5, 0.5]), Discrete([1.0, 3.0, 0.0], [0.5, 0.25, 0.25])
    assert kl(p, q) == pytest.approx(kl([0.5, 0.5, 0], [0.25, 0.5, 0.25]), abs=EXACT)
    assert kl(Empirical([1.0, 1.0, 2.0]), Discrete([2.0, 1.0], [1 / 3, 2 / 3])) == pytest.approx(0, abs=EXACT)


def test_parallel_lines():
    """The distance counts for Wasserstein alone; the law along the line counts for none."""
    z = np.random.default_rng(0).uniform(size=12)
    line = Discrete(np.stack([np.zeros(12), z], 1), np.full(12, 1 / 12))
    for theta in (-1.5, 0.25, 3.0):
        moved = Discrete(line.points + np.array([theta, 0.0]), line.probabilities)
        assert wasserstein_plan(line, moved).value == pytest.approx(abs(theta), abs=EXACT)
        assert js(line, moved) == pytest.approx(LN2, abs=EXACT)
        assert (kl(line, moved), total_variation(line, moved)) == (math.inf, pytest.approx(1, abs=EXACT))
    assert wasserstein_plan(line, line).value == pytest.approx(0, abs=EXACT)
    assert kl(line, line) == js(line, line) == total_variation(line, line) == 0


def test_gradient_along_the_parallel_lines():
    z, theta, step = np.linspace(0, 1, 5), 0.7, 1e-4
    line = Discrete(np.stack([0 * z, z], 1), np.full(5, 0.2))

    def moved(t):
        return Discrete(line.points + np.array([t, 0.0]), line.probabilities)

    for distance, slope in (
        (lambda q: wasserstein_plan(line, q).value, 1),
        (lambda q: js(line, q), 0),
        (lambda q: total_variation(line, q), 0),
    ):
        for side in (theta, -theta):
            measured = (distance(moved(side + step)) - distance(moved(side - step))) / (2 * step)
            assert measured == pytest.approx(slope * np.sign(side), abs=1e-8)


def test_expectation():
    assert expectation([1.0, 5.0], QUARTER) == pytest.approx(4, abs=EXACT)
    assert expectation(np.square, Normal(1, 2)) == pytest.approx(5, abs=QUADRATURE)
    assert expectation(np.square, Empirical([1.0, 3.0])) == 5
    assert expectation([math.inf, 1.0], [0.0, 1.0]) == 1
    assert expectation([math.inf, 1.0], HALF) == math.inf


# Wasserstein.


@BUDGET
@given(clouds(2, 2))
def test_plan_and_prices_prove_each_other_optimal(pair):
    p, q = pair
    best = wasserstein_plan(p, q)
    np.testing.assert_allclose(best.plan.sum(axis=1), p.probabilities, atol=EXACT)
    np.testing.assert_allclose(best.plan.sum(axis=0), q.probabilities, atol=EXACT)
    cost = np.linalg.norm(np.asarray(p.points)[:, None] - np.asarray(q.points)[None], axis=-1)
    assert best.plan.min() > -EXACT
    assert (best.critic(p.points)[:, None] + best.prices <= cost + EXACT).all()
    assert abs((best.plan * cost).sum() - best.value) < EXACT
    assert abs(best.value - best.dual_value) < EXACT
    assert abs(best.critic(p.points) @ p.probabilities + best.prices @ q.probabilities - best.value) < EXACT


@BUDGET
@given(clouds(2, 2))
def test_kantorovich_rubinstein(pair):
    """The critic has slope at most 1 and its gap is the distance."""
    p, q = pair
    best = wasserstein_plan(p, q)
    gap = expectation(best.critic, p) - expectation(best.critic, q)
    assert abs(gap - best.value) < EXACT
    points = np.random.default_rng(0).normal(size=(40, 2)) * 4
    values, apart = best.critic(points), np.linalg.norm(points[:, None] - points[None], axis=-1)
    assert (np.abs(values[:, None] - values) <= apart + EXACT).all()


@BUDGET
@given(clouds(2, 1))
def test_quantiles_equal_the_linear_programme(pair):
    p, q = pair
    assert abs(wasserstein_quantiles(p, q) - wasserstein_plan(p, q).value) < EXACT


def test_empirical_quantiles_are_the_sorted_pairs():
    x, y = np.random.default_rng(2).normal(size=(2, 101))
    assert wasserstein_quantiles(Empirical(x), Empirical(y)) == pytest.approx(
        np.abs(np.sort(x) - np.sort(y)).mean(), abs=EXACT
    )


def test_quantiles_of_points_against_a_density():
    """One point against a density: the mean distance to that point."""
    assert wasserstein_quantiles(Empirical([0.0]), Normal()) == pytest.approx(math.sqrt(2 / math.pi), abs=QUADRATURE)
    assert wasserstein_quantiles(Uniform(0, 1), Discrete([0.0, 1.0], [0.5, 0.5])) == pytest.approx(0.25, abs=QUADRATURE)


def mean_of_empirical_distances(n: int, repeats: int, shift: float, seed: int) -> tuple[float, float]:
    rng = np.random.default_rng(seed)
    values = [
        wasserstein_quantiles(Empirical(rng.uniform(size=n)), Empirical(shift + rng.uniform(size=n)))
        for _ in range(repeats)
    ]
    return float(np.mean(values)), float(np.std(values) / math.sqrt(repeats))


@pytest.mark.parametrize("n", [100, 400])
def test_bias_of_equal_uniform_samples(n):
    """Two samples of one uniform distribution lie sqrt(pi / 16 n) apart on average; within three standard errors."""
    mean, error = mean_of_empirical_distances(n, 1000, 0.0, seed=n)
    assert abs(mean - math.sqrt(math.pi / (16 * n))) < 3 * error


def test_empirical_distances_never_fall_short_on_average():
    mean, error = mean_of_empirical_distances(20, 2000, 0.1, seed=0)
    assert mean > 0.1 + 3 * error


# Errors.


@pytest.mark.parametrize("measure", [*MEASURES.values(), inequalities])
@pytest.mark.parametrize(
    ("p", "q", "message"),
    [
        ([0.5, 0.6], HALF, r"p sums to 1.1; accepted: probabilities that sum to one"),
        (HALF, [1.5, -0.5], r"q has -0.5; accepted: probabilities, finite and at least 0"),
        (HALF, [math.nan, 1.0], r"q has nan"),
        ([[1.0]], [[1.0]], r"p has shape \(1, 1\); accepted: probabilities of shape \(K,\)"),
        ([], [], r"p has shape \(0,\)"),
        (HALF, [0.2, 0.3, 0.5], r"p has shape \(2,\) and q \(3,\); accepted: two equal shapes"),
        ("normal", HALF, r"p is 'normal'; accepted: a vector of probabilities or a distribution"),
        (
            HALF,
            Normal(),
            r"p is a vector and q a density; accepted: two vectors of probabilities, or two distributions",
        ),
        (Discrete([[0.0, 1.0]], [1.0]), Discrete([0.0], [1.0]), r"p has points of 2 coordinates and q of 1; accepted"),
    ],
)
def test_errors(measure, p, q, message):
    with pytest.raises(ValueError, match=message):
        measure(p, q)


@pytest.mark.parametrize(
    ("function", "message"),
    [
        (lambda: wasserstein_plan(Normal(), Empirical([0.0])), "p is Normal.*; accepted: a Discrete or an Empirical"),
        (lambda: wasserstein_plan(Empirical([0.0]), Empirical([[0.0, 1.0]])), "accepted: points of one space"),
        (lambda: wasserstein_quantiles(HALF, HALF), "p is a vector of probabilities without points; accepted"),
        (lambda: wasserstein_quantiles(Normal(), Empirical([[0.0, 1.0]])), "q has points of 2 coordinates; accepted"),
        (lambda: expectation(np.sin, HALF), "function is a function; accepted: values, since p is a vector"),
        (lambda: expectation([1.0], Normal()), "function is an array; accepted: a function, since p is a density"),
        (lambda: expectation([1.0], HALF), r"function has shape \(1,\); accepted: \(2,\), one value for each"),
    ],
)
def test_other_errors(function, message):
    with pytest.raises(ValueError, match=message):
        function()
