"""Distributions: SciPy, quadrature, inverses, samples, change of variables and errors."""

from __future__ import annotations

import math

import numpy as np
import pytest
import scipy.stats

from ganbook.probability.densities import Density, Pushforward
from ganbook.probability.distributions import Discrete, Empirical, Normal, NormalMixture, Uniform, integrate

LEVELS = np.array([0.001, 0.02, 0.25, 0.5, 0.75, 0.98, 0.999])
N = 10_000

LOG_NORMAL = Pushforward(Normal(0.3, 0.5), np.exp, np.log, np.exp)
FALLING = Pushforward(Uniform(), lambda z: -np.log(z), lambda x: np.exp(-x), lambda z: -1 / z)
SIGMOID = Pushforward(
    Normal(),
    lambda z: 1 / (1 + np.exp(-z)),
    lambda x: np.log(x / (1 - x)),
    lambda z: np.exp(-np.abs(z)) / (1 + np.exp(-np.abs(z))) ** 2,
)
TRIANGLE = Density(lambda x: 1 - np.abs(x), -1, 1, breaks=(0,))
ROOT = Density(lambda x: 0.5 / np.sqrt(x), 0, 1)
GAP = Density(lambda x: np.where(np.abs(x) > 1, 0.5, 0.0), -2, 2, breaks=(-1, 1))
MIXTURE = NormalMixture([-2.0, 0.0, 5.0], [0.1, 1.0, 0.5], [0.2, 0.3, 0.5])

# Each with SciPy's own where it has it.
DISTRIBUTIONS = {
    "normal": (Normal(1.0, 2.0), scipy.stats.norm(1, 2)),
    "uniform": (Uniform(-1.0, 3.0), scipy.stats.uniform(-1, 4)),
    "log_normal": (LOG_NORMAL, scipy.stats.lognorm(0.5, scale=math.exp(0.3))),
    "twice_pushed": (Pushforward(LOG_NORMAL, np.log, np.exp, lambda z: 1 / z), scipy.stats.norm(0.3, 0.5)),
    "linear": (
        Pushforward(Normal(), lambda z: 3 - 2 * z, lambda x: (3 - x) / 2, lambda z: -2.0),
        scipy.stats.norm(3, 2),
    ),
    "falling": (FALLING, scipy.stats.expon()),
    "triangle": (TRIANGLE, scipy.stats.triang(0.5, -1, 2)),
    "root": (ROOT, scipy.stats.beta(0.5, 1)),
    "one_component": (NormalMixture([1.0, 7.0], 2.0, [1.0, 0.0]), scipy.stats.norm(1, 2)),
    "constant": (Density(lambda x: 0.5, 0, 2), scipy.stats.uniform(0, 2)),
    "mixture": (MIXTURE, None),
    "sigmoid": (SIGMOID, None),
    "gap": (GAP, None),
}


@pytest.fixture(params=DISTRIBUTIONS)
def distribution(request):
    """Every continuous distribution in turn."""
    return DISTRIBUTIONS[request.param][0]


# values


@pytest.mark.parametrize("name", [name for name, (_, expected) in DISTRIBUTIONS.items() if expected])
def test_values_are_scipys(name):
    distribution, expected = DISTRIBUTIONS[name]
    x = expected.ppf(LEVELS)
    assert distribution.support == expected.support()
    np.testing.assert_allclose(distribution.quantile(LEVELS), x, rtol=1e-9, atol=1e-12)
    np.testing.assert_allclose(distribution.cdf(x), LEVELS, rtol=1e-9)
    np.testing.assert_allclose(distribution.density(x), expected.pdf(x), rtol=1e-9)
    np.testing.assert_allclose(distribution.log_density(x), expected.logpdf(x), rtol=1e-9, atol=1e-12)


def test_density_integrates_to_one(distribution):
    assert integrate(distribution.density, distribution) == pytest.approx(1, abs=1e-9)


def test_cdf_is_the_integral_of_the_density(distribution):
    left, right = distribution.quantile([0.2, 0.7])
    inside = integrate(lambda x: distribution.density(x) * (left < x < right), distribution, Uniform(left, right))
    assert inside == pytest.approx(0.5, abs=1e-9)


def test_quantile_inverts_cdf(distribution):
    u = np.linspace(0.01, 0.99, 99)
    np.testing.assert_allclose(distribution.cdf(distribution.quantile(u)), u, rtol=1e-10)


def test_ends(distribution):
    low, high = distribution.support
    np.testing.assert_array_equal(distribution.quantile([0.0, 1.0]), [low, high])
    np.testing.assert_array_equal(distribution.cdf([-math.inf, math.inf]), [0, 1])
    np.testing.assert_array_equal(distribution.density([-math.inf, math.inf]), [0, 0])
    outside = [x for x in (low - 1, high + 1) if math.isfinite(x)]
    np.testing.assert_array_equal(distribution.density(outside), np.zeros(len(outside)))
    np.testing.assert_array_equal(distribution.log_density(outside), np.full(len(outside), -math.inf))


def test_shapes_are_those_of_the_argument(distribution):
    for shape in ((), (3,), (2, 3)):
        for method in (distribution.density, distribution.log_density, distribution.cdf, distribution.quantile):
            value = method(np.full(shape, 0.4))
            assert np.shape(value) == shape
            assert value.dtype == np.float64


def test_mixture_is_the_weighted_sum():
    x = np.linspace(-4, 8, 50)
    by_hand = 0.2 * scipy.stats.norm(-2, 0.1).pdf(x) + 0.3 * scipy.stats.norm(0, 1).pdf(x)
    np.testing.assert_allclose(MIXTURE.density(x), by_hand + 0.5 * scipy.stats.norm(5, 0.5).pdf(x), rtol=1e-12)
    assert np.isfinite(MIXTURE.log_density([-1e6, 1e6])).all()


# samples


def test_samples_follow_the_cdf(distribution):
    """The share of samples below each of seven levels lies within three standard errors of the truth."""
    at = distribution.quantile(LEVELS)
    truth = distribution.cdf(at)
    shares = (distribution.sample(np.random.default_rng(4), N)[:, None] <= at).mean(axis=0)
    assert (np.abs(shares - truth) < 3 * np.sqrt(truth * (1 - truth) / N)).all()


def test_samples_come_from_the_seed(distribution):
    first, second, other = (distribution.sample(np.random.default_rng(seed), 5) for seed in (1, 1, 2))
    np.testing.assert_array_equal(first, second)
    assert (first != other).any()


# change of variables


def test_exponential_of_a_normal_is_log_normal():
    test_values_are_scipys("log_normal")


# discrete and empirical


def test_discrete_on_the_line():
    die = Discrete([3.0, 1.0, 2.0], [0.5, 0.2, 0.3])
    np.testing.assert_allclose(die.cdf([0.9, 1, 1.5, 2, 3, 4]), [0, 0.2, 0.2, 0.5, 1, 1])
    assert die.mean() == pytest.approx(2.3)


def test_discrete_samples():
    die = Discrete([3.0, 1.0, 2.0], [0.5, 0.2, 0.3])
    samples = die.sample(np.random.default_rng(0), N)
    for point, p in zip(die.points, die.probabilities, strict=True):
        assert (samples == point).mean() == pytest.approx(p, abs=3 * math.sqrt(p * (1 - p) / N))


def test_discrete_in_the_plane():
    corners = Discrete([[0.0, 0.0], [0.0, 1.0], [2.0, 0.0]], [0.5, 0.25, 0.25])
    assert corners.sample(np.random.default_rng(0), 7).shape == (7, 2)
    np.testing.assert_allclose(corners.mean(), [0.5, 0.25])
    with pytest.raises(ValueError, match=r"points has shape \(3, 2\)"):
        corners.cdf(0.0)


def test_empirical_is_its_data():
    data = np.random.default_rng(0).normal(size=50)
    empirical = Empirical(data)
    np.testing.assert_allclose(empirical.probabilities, np.full(50, 0.02))
    assert empirical.mean() == pytest.approx(data.mean())
    np.testing.assert_allclose(empirical.cdf(data), [(data <= x).mean() for x in data])
    assert np.isin(empirical.sample(np.random.default_rng(1), 200), data).all()


# quadrature


def test_integrate_over_the_union_of_supports():
    p, q = Uniform(0, 1), Uniform(3, 5)
    assert integrate(lambda x: 1.0, p, q) == pytest.approx(3, abs=1e-12)
    assert integrate(lambda x: 1.0, p, Uniform(0.5, 2)) == pytest.approx(2, abs=1e-12)


def test_integrate_finds_narrow_peaks():
    narrow = Normal(123.4, 1e-4)
    assert integrate(narrow.density, narrow, Normal(0, 50)) == pytest.approx(1, abs=1e-9)
    assert integrate(lambda x: x**2 * narrow.density(x), narrow) == pytest.approx(123.4**2 + 1e-8, rel=1e-9)


def test_integrate_refuses_what_has_no_integral():
    with pytest.raises(ArithmeticError, match="the integral from"):
        integrate(lambda x: 1 / x, Uniform(0, 1))
    with pytest.raises(ArithmeticError, match="nan"):
        integrate(lambda x: math.nan, Uniform(0, 1))
    with pytest.raises(ValueError, match="distributions is empty"):
        integrate(lambda x: x)


# errors

BAD = {
    "sigma 0": (lambda: Normal(0, 0), "sigma is 0"),
    "sigma negative": (lambda: Normal(0, -1.0), "sigma is -1.0"),
    "sigma infinite": (lambda: Normal(0, math.inf), "sigma is inf"),
    "mean nan": (lambda: Normal(math.nan), "mean is nan"),
    "uniform turned round": (lambda: Uniform(1, 0), "high is 0"),
    "uniform empty": (lambda: Uniform(1, 1), "high is 1"),
    "uniform infinite": (lambda: Uniform(0, math.inf), "high is inf"),
    "mixture without means": (lambda: NormalMixture([], 1.0), "means has shape"),
    "mixture in the plane": (lambda: NormalMixture([[0.0, 1.0]], 1.0), "means has shape"),
    "mixture with nan": (lambda: NormalMixture([0.0, math.nan], 1.0), "means has values that are not finite"),
    "mixture sigma": (lambda: NormalMixture([0.0, 1.0], [1.0, 0.0]), "sigmas is"),
    "mixture sigmas": (lambda: NormalMixture([0.0, 1.0], [1.0, 1.0, 1.0]), "sigmas is .* 2 numbers above 0"),
    "weights that do not match": (lambda: NormalMixture([0.0, 1.0], 1.0, [1.0]), r"weights has shape \(1,\)"),
    "weights negative": (lambda: NormalMixture([0.0, 1.0], 1.0, [1.5, -0.5]), "weights has -0.5"),
    "weights too heavy": (lambda: NormalMixture([0.0, 1.0], 1.0, [0.5, 0.6]), "weights sums to 1.1"),
    "density too large": (lambda: Density(lambda x: 4 * x, 0, 1), "function integrates to 2"),
    "density a little too large": (lambda: Density(lambda x: 1.00001, 0, 1), "function integrates to 1.00001"),
    "density negative": (lambda: Density(lambda x: 1.5 - 3 * (np.abs(x) < 0.25), -1, 1), "function gives -1.5"),
    "density nan": (lambda: Density(lambda x: x * math.nan, 0, 1), "function gives nan"),
    "density shape": (lambda: Density(lambda x: np.ones(3), 0, 1), "function returns shape"),
    "density ends": (lambda: Density(lambda x: 1.0, 1, 0), "high is 0"),
    "density endless": (lambda: Density(np.exp, -math.inf, 0), "low is -inf"),
    "density breaks": (lambda: Density(lambda x: 1.0, 0, 1, breaks=(2,)), "breaks is 2"),
    "density without an integral": (lambda: Density(lambda x: 1 / x, 0, 1), "function has no integral"),
    "pushforward turns": (lambda: Pushforward(Normal(), np.square, np.sqrt, lambda z: 2 * z), "not strictly monotone"),
    "pushforward inverse": (lambda: Pushforward(Normal(), np.exp, np.exp, np.exp), "inverse"),
    "pushforward slope": (lambda: Pushforward(Normal(), np.exp, np.log, lambda z: -np.exp(z)), "slope"),
    "pushforward limit": (
        lambda: Pushforward(Normal(), lambda z: z + 0 * z, lambda x: x, lambda z: 1.0),
        "function has no value",
    ),
    "probabilities negative": (lambda: Discrete([0.0, 1.0], [1.2, -0.2]), "probabilities has -0.2"),
    "probabilities too light": (lambda: Discrete([0.0, 1.0], [0.2, 0.2]), "probabilities sums to 0.4"),
    "probabilities that do not match": (lambda: Discrete([0.0, 1.0], [1.0]), r"probabilities has shape \(1,\)"),
    "probabilities nan": (lambda: Discrete([0.0, 1.0], [math.nan, 1.0]), "probabilities has nan"),
    "no points": (lambda: Discrete([]), "points has shape"),
    "points of three axes": (lambda: Empirical(np.zeros((2, 2, 2))), "points has shape"),
    "infinite point": (lambda: Empirical([0.0, math.inf]), "points has values that are not finite"),
    "x nan": (lambda: Normal().density([0.0, math.nan]), "x has values that are not numbers"),
    "u above one": (lambda: Normal().quantile(1.1), "u has values from"),
    "n zero": (lambda: MIXTURE.sample(np.random.default_rng(0), 0), "n is 0"),
}


@pytest.mark.parametrize("name", BAD)
def test_errors_name_what_came(name):
    call, message = BAD[name]
    with pytest.raises(ValueError, match=message) as error:
        call()
    assert "accepted" in str(error.value)
