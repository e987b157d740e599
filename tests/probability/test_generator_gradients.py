"""The generator's gradient at a frozen discriminator: closed forms, both twins' own losses, samples, wrong input."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import integrate, stats

from ganbook.data.recipe import LOSSES
from ganbook.probability import generator_gradients_numpy as oracle
from ganbook.probability import losses_numpy
from parity import TWINS, as_numpy, finite_differences, module, native

THETAS = (0.5, 1.5, -2.0, 4.0, 8.0)
TABLE = {
    ("minimax", 1.5): 0.46445,
    ("non_saturating", 1.5): 1.03555,
    ("minimax", 8.0): 3.9e-4,
    ("non_saturating", 8.0): 8.0,
}  # published values, to the digits given
SMOOTH = tuple(name for name in LOSSES if name != "hinge")


def derivative(function, x: float, step: float = 5e-3) -> float:
    """By five points: good to 1e-9 on functions that are exact to 1e-15."""
    one, two = (function(x + k * step) - function(x - k * step) for k in (1, 2))
    return (8 * one - two) / (12 * step)


def line(w: float, b: float) -> oracle.Discriminator:
    return oracle.Discriminator(lambda x: w * x + b, lambda x: np.full_like(x, w))


def nodes(name: str) -> tuple:
    """Noise, real examples or None, and weights."""
    if name == "relativistic":
        real, noise, weights = oracle.paired_nodes()
        return noise, real, weights
    noise, weights = oracle.quadrature_nodes()
    return noise, None, weights


def by_twin(gradients, twin: str, name: str, theta: float) -> float:
    """The expected gradient: autodiff through a twin's loss at every node."""
    noise, real, weights = nodes(name)
    real = None if real is None else native(twin, real, "float64")
    each = gradients.frozen_gradients(name, theta, native(twin, noise, "float64"), real)
    assert as_numpy(each).dtype == np.float64
    return float(weights @ as_numpy(each))


# The optimal discriminators.


@pytest.mark.parametrize("name", ["minimax", "least_squares", "hinge"])
@pytest.mark.parametrize("theta", [1.5, -2.0])
def test_discriminators_are_optimal(name, theta):
    """Pointwise: no other output makes p(x) L(D, real) + q(x) L(D, fake) smaller."""
    judge, other = oracle.optimal_discriminator(name, theta), np.linspace(-4, 4, 1601)
    for x in (-2.0, -0.3, 0.9, 2.5):
        p, q = stats.norm.pdf(x), stats.norm.pdf(x, theta)

        def cost(d, p=p, q=q):
            alone = np.zeros(1)
            constant = losses_numpy.discriminator_loss(name, alone, alone)
            real = losses_numpy.discriminator_loss(name, np.array([d]), alone)
            fake = losses_numpy.discriminator_loss(name, alone, np.array([d]))
            half = constant / 2
            return p * (real - half) + q * (fake - half)

        assert cost(float(judge(np.array([x]))[0])) <= min(cost(d) for d in other) + 1e-12


# Closed forms.


@pytest.mark.parametrize(("name", "theta"), TABLE)
def test_known_values(name, theta):
    known = TABLE[name, theta]
    digits = 5e-6 if theta == 1.5 else 5e-6 if name == "minimax" else 5e-2
    assert abs(oracle.expected_gradient(name, theta) - known) < digits


@pytest.mark.parametrize("name", LOSSES)
@pytest.mark.parametrize("theta", THETAS)
def test_the_gradient_is_the_derivative_of_the_divergence(name, theta):
    slope = derivative(lambda t: oracle.divergence(name, t), theta)
    assert abs(oracle.expected_gradient(name, theta) - slope) < 1e-9


@pytest.mark.parametrize("theta", THETAS)
def test_saturating_is_twice_js_and_the_other_kl_minus_it(theta):
    """The closed form, with JS by an independent quadrature of the two densities."""

    def js(t):
        def integrand(x):
            p, q = stats.norm.pdf(x), stats.norm.pdf(x, t)
            return sum(d * np.log(2 * d / (p + q)) / 2 for d in (p, q) if d > 0)

        return integrate.quad(
            integrand, -12 + min(t, 0), 12 + max(t, 0), epsabs=1e-13, epsrel=1e-12, limit=400, points=[0.0, t / 2, t]
        )[0]

    twice_js = derivative(lambda t: 2 * js(t), theta, 2e-2)
    assert abs(oracle.expected_gradient("minimax", theta) - twice_js) < 1e-6
    assert abs(oracle.expected_gradient("non_saturating", theta) - (theta - twice_js)) < 1e-6


@pytest.mark.parametrize("name", LOSSES)
def test_divergences_start_at_zero_and_grow(name):
    values = [oracle.divergence(name, theta) for theta in (0.0, 0.5, 1.5, 4.0, 8.0)]
    assert abs(values[0]) < 1e-12
    assert (np.diff(values) > 0).all()
    assert abs(oracle.divergence(name, -1.5) - values[2]) < 1e-12


@pytest.mark.parametrize("theta", THETAS)
def test_the_non_saturating_divergence_is_a_kl_of_the_mixture(theta):
    """KL(q||p) - 2 JS = 2 KL((p + q)/2 || p), so it is never negative."""

    def integrand(x):
        p, q = stats.norm.logpdf(x), stats.norm.logpdf(x, theta)
        mixture = np.logaddexp(p, q) - math.log(2)
        return np.exp(mixture) * (mixture - p)

    twice = 2 * integrate.quad(integrand, -14, 22, epsabs=1e-12, limit=400, points=[0.0, theta / 2, theta])[0]
    assert abs(oracle.divergence("non_saturating", theta) - twice) < 1e-6
    assert twice >= 0


@pytest.mark.parametrize("name", ["minimax", "non_saturating", "least_squares", "hinge"])
def test_the_general_rule(name):
    """E_p F(q/p) with F'(r) = phi(D*(r)): for two discrete densities, by moving mass between two points."""
    optimal = {
        "minimax": lambda r: -math.log(r),
        "non_saturating": lambda r: -math.log(r),
        "least_squares": lambda r: 1 / (1 + r),
        "hinge": lambda r: math.copysign(1.0, 1 - r),
    }[name]

    def phi(r):
        return losses_numpy.generator_loss(name, None, np.array([optimal(r)]))

    def total(q, p):
        return sum(b * integrate.quad(phi, 1.0, a / b, points=None, epsabs=1e-13)[0] for a, b in zip(q, p, strict=True))

    p, q, move = np.array([0.2, 0.5, 0.3]), np.array([0.45, 0.15, 0.4]), np.array([1.0, -0.4, -0.6])
    frozen = sum(m * phi(a / b) for m, a, b in zip(move, q, p, strict=True))
    assert abs(derivative(lambda t: total(q + t * move, p), 0.0, 1e-3) - frozen) < 1e-9


@pytest.mark.parametrize("theta", [0.5, 1.5, 4.0, 8.0, 20.0])
def test_saturation_bounds(theta):
    low, high = oracle.saturation_bounds(theta)
    assert abs(high - 2 * theta * stats.norm.cdf(-theta / 2)) < 1e-15
    if theta <= 8:
        assert low < oracle.expected_gradient("minimax", theta) < high


@pytest.mark.parametrize(("name", "start", "allowed"), [("minimax", 6.0, 0.002), ("non_saturating", 8.0, 0.002)])
def test_steps_of_the_way(name, start, allowed):
    """From a distance to 1 in about the integral of 1 / gradient over the rate, as the rate gets small."""
    rate, theta, counted = 0.01 if name == "minimax" else 0.001, start, 0
    while theta > 1:
        theta -= rate * oracle.expected_gradient(name, theta)
        counted += 1
    predicted = integrate.quad(lambda t: 1 / oracle.expected_gradient(name, t), 1, start)[0] / rate
    assert abs(counted / predicted - 1) < allowed


@pytest.mark.parametrize("name", ["minimax", "non_saturating", "least_squares", "hinge", "wasserstein"])
@pytest.mark.parametrize("theta", [1.5, 4.0])
def test_the_frozen_gradient_as_an_integral(name, theta):
    """The integral of phi(D*) times the derivative of q, (x - theta) q: no slope of D* is needed."""
    judge = oracle.optimal_discriminator(name, theta)

    def integrand(x):
        phi = losses_numpy.generator_loss(name, None, judge(np.array([x])))
        return phi * (x - theta) * stats.norm.pdf(x, theta)

    value = integrate.quad(integrand, theta - 12, theta + 12, points=[theta / 2, theta], epsabs=1e-11, limit=400)[0]
    assert abs(value - oracle.expected_gradient(name, theta)) < 1e-6


@pytest.mark.parametrize("theta", THETAS)
def test_relativistic_pairs(theta):
    """KL(q||p) - JS(p x q, q x p), with JS by quadrature over the difference of the pair, which is N(-theta, 2)."""

    def js(t):
        def integrand(u):
            return stats.norm.pdf(u, -t, math.sqrt(2)) * np.logaddexp(0, t * u)

        centre = -t if abs(t) > 1e-9 else 0.0
        return (
            math.log(2)
            - integrate.quad(integrand, centre - 18, centre + 18, epsabs=1e-13, limit=400, points=[0.0, -t])[0]
        )

    slope = theta - derivative(js, theta, 2e-2)
    assert abs(oracle.expected_gradient("relativistic", theta) - slope) < 1e-6


@pytest.mark.parametrize("theta", [0.5, 1.5, 4.0])
def test_the_hinge_gradient(theta):
    """2 TV by quadrature of |p - q|, and its derivative."""

    def twice_tv(t):
        return integrate.quad(
            lambda x: abs(stats.norm.pdf(x) - stats.norm.pdf(x, t)),
            -12,
            16,
            points=[0.0, t / 2, t],
            epsabs=1e-13,
            limit=400,
        )[0]

    closed = 2 / math.sqrt(2 * math.pi) * math.exp(-(theta**2) / 8)
    assert abs(oracle.expected_gradient("hinge", theta) - closed) < 1e-12
    assert abs(derivative(twice_tv, theta, 2e-2) - closed) < 1e-6


@pytest.mark.parametrize(("w", "b"), [(-0.1, 0.0), (-0.9, 0.4), (0.3, -0.2), (-1.5, 1.125)])
def test_a_line_that_is_not_optimal(w, b):
    """-w E sigma(w x + b) and -w E sigma(-w x - b), by an independent quadrature."""
    noise, weights = oracle.quadrature_nodes()
    for name, sign in (("minimax", 1), ("non_saturating", -1)):

        def integrand(x, sign=sign):
            return stats.norm.pdf(x, 1.5) / (1 + math.exp(-sign * (w * x + b)))

        expected = -w * integrate.quad(integrand, -12, 15, epsabs=1e-12, limit=400)[0]
        value = weights @ oracle.frozen_gradients(name, 1.5, noise, None, line(w, b))
        assert abs(value - expected) < 1e-9


def test_the_right_losses_and_the_wrong_sign():
    """With s = sigma(D): -E ln s - E ln(1 - s) has its minimum at s = p / (p + q); a plus before the second term makes
    the integrand fall for every s."""
    rng = np.random.default_rng(9)
    real, fake = rng.normal(size=7), rng.normal(size=5)
    on_real, on_fake, other = (np.log(1 / (1 + np.exp(-d))) for d in (real, fake, -fake))
    assert abs(losses_numpy.discriminator_loss("minimax", real, fake) + on_real.mean() + other.mean()) < 1e-12
    assert abs(losses_numpy.generator_loss("minimax", None, fake) - other.mean()) < 1e-12
    assert abs(losses_numpy.generator_loss("non_saturating", None, fake) + on_fake.mean()) < 1e-12
    s = np.linspace(0.001, 0.999, 999)
    for p, q in ((0.2, 0.7), (0.5, 0.5), (0.9, 0.1)):
        right, wrong = -p * np.log(s) - q * np.log(1 - s), -p * np.log(s) + q * np.log(1 - s)
        assert abs(s[right.argmin()] - p / (p + q)) < 1e-3
        assert (np.diff(wrong) < 0).all()
        at = np.array([0.3])
        slope = finite_differences(lambda a, p=p, q=q: float((-p * np.log(a) + q * np.log(1 - a))[0]), at)
        assert abs(slope[0] - (-p / 0.3 - q / 0.7)) < 1e-6


@pytest.mark.parametrize("theta", [1.5, 4.0])
def test_the_unfrozen_gradient_is_another(theta):
    """d/dtheta E_q[-ln D*_theta] with D* moving along misses KL - 2 JS; for the saturating loss it makes no difference
    only together with the real part."""
    noise, weights = oracle.quadrature_nodes()

    def moving(t):
        return weights @ np.logaddexp(0, -oracle.optimal_discriminator("minimax", t)(t + noise))

    gap = derivative(moving, theta) - oracle.expected_gradient("non_saturating", theta)
    share = 1 / (1 + np.exp(oracle.optimal_discriminator("minimax", theta)(theta + noise)))  # q / (p + q)
    assert abs(gap - weights @ (noise * share)) < 1e-9
    assert abs(gap) > 0.05

    def both_parts(t):
        ratio = oracle.optimal_discriminator("minimax", t)
        return -weights @ (np.logaddexp(0, -ratio(noise)) + np.logaddexp(0, ratio(t + noise)))

    assert abs(derivative(both_parts, theta) - oracle.expected_gradient("minimax", theta)) < 1e-9


def test_a_generator_of_scale():
    """x = sigma z: at the frozen D* both gradients add up to d KL / d sigma = sigma - 1 / sigma."""
    z, weights = oracle.quadrature_nodes(limit=12, spacing=1 / 64)
    for sigma in (0.5, 0.8, 1.5, 3.0):
        x = sigma * z
        logit, slope = math.log(sigma) - x**2 / 2 + x**2 / (2 * sigma**2), -x + x / sigma**2
        parts = [weights @ (oracle.logit_gradients(name, logit) * slope * z) for name in ("minimax", "non_saturating")]
        assert abs(sum(parts) - (sigma - 1 / sigma)) < 1e-9


# The twins.


@pytest.mark.parametrize("name", LOSSES)
@pytest.mark.parametrize("theta", THETAS)
@pytest.mark.parametrize("twin", TWINS)
def test_autodiff_through_the_twins_own_losses(twin, name, theta):
    gradients = module("probability.generator_gradients", twin)
    expected = oracle.expected_gradient(name, theta) if name in SMOOTH else 0.0
    assert abs(by_twin(gradients, twin, name, theta) - expected) < 1e-9


@pytest.mark.parametrize("name", LOSSES)
@pytest.mark.parametrize("twin", TWINS)
def test_every_example(twin, name):
    """Example by example, at a discriminator that is not optimal too."""
    gradients, rng = module("probability.generator_gradients", twin), np.random.default_rng(0)
    noise, real = rng.normal(size=50), rng.normal(size=50)
    args = [native(twin, array, "float64") for array in (noise, real)]
    ours = as_numpy(gradients.frozen_gradients(name, 1.5, *args))
    assert np.abs(ours - oracle.frozen_gradients(name, 1.5, noise, real)).max() < 1e-12
    ours = as_numpy(gradients.frozen_gradients(name, 1.5, *args, discriminator=lambda x: 0.3 * x - 0.2))
    assert np.abs(ours - oracle.frozen_gradients(name, 1.5, noise, real, line(0.3, -0.2))).max() < 1e-12
    assert (
        np.abs(
            as_numpy(gradients.optimal_discriminator(name, 1.5)(args[0]))
            - oracle.optimal_discriminator(name, 1.5)(noise)
        ).max()
        < 1e-12
    )


@pytest.mark.parametrize("name", LOSSES)
@pytest.mark.parametrize("twin", TWINS)
def test_logit_gradients(twin, name):
    gradients = module("probability.generator_gradients", twin)
    logits, real = np.linspace(-100, 100, 41), np.linspace(3, -3, 41)
    ours = gradients.logit_gradients(name, *(native(twin, array, "float64") for array in (logits, real)))
    assert np.abs(as_numpy(ours) - oracle.logit_gradients(name, logits, real)).max() < 1e-9


@pytest.mark.parametrize("twin", TWINS)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_precision_is_the_noise_s(twin, dtype):
    gradients = module("probability.generator_gradients", twin)
    for name in LOSSES:
        noise = native(twin, np.zeros(3), dtype)
        assert as_numpy(gradients.frozen_gradients(name, 1.5, noise, noise)).dtype == dtype
        assert as_numpy(gradients.logit_gradients(name, noise, noise)).dtype == dtype


# Samples.


@pytest.mark.parametrize("name", SMOOTH)
@pytest.mark.parametrize("theta", [1.5, 8.0])
def test_samples(name, theta):
    """The mean of 200,000 sampled gradients, seeded, within three standard errors; their variance as computed."""
    rng, n = np.random.default_rng(3), 200_000
    each = oracle.frozen_gradients(name, theta, rng.normal(size=n), rng.normal(size=n))
    variance = oracle.gradient_variance(name, theta)
    assert abs(each.mean() - oracle.expected_gradient(name, theta)) <= 3 * math.sqrt(variance / n) + 1e-12
    if theta < 8:  # at 8 the variance comes from examples too rare for these samples
        fourth = np.mean((each - each.mean()) ** 4)
        assert abs(each.var() - variance) <= 3 * math.sqrt(max(fourth - variance**2, 0) / n) + 1e-12


@pytest.mark.parametrize("name", ["minimax", "non_saturating"])
def test_batch_for_a_tenth(name):
    """In batches of N = 100 Var / mean^2 the gradient's standard deviation is a tenth of its mean, seeded."""
    mean, variance = oracle.expected_gradient(name, 1.5), oracle.gradient_variance(name, 1.5)
    batch, batches = round(100 * variance / mean**2), 20_000
    noise = np.random.default_rng(5).normal(size=batch * batches)
    means = oracle.frozen_gradients(name, 1.5, noise).reshape(batches, batch).mean(axis=1)
    assert abs(math.sqrt(variance / batch) / mean - 0.1) < 0.003  # N is a whole number
    error = math.sqrt((np.mean((means - mean) ** 4) - np.var(means) ** 2) / batches)
    assert abs(np.var(means) - variance / batch) < 3 * error


# Wrong input.


@pytest.mark.parametrize("ending", ["numpy", *TWINS])
def test_wrong_input(ending):
    gradients = module("probability.generator_gradients", ending)

    def give(array):
        return np.asarray(array) if ending == "numpy" else native(ending, array, "float64")

    vector, table = give(np.zeros(3)), give(np.zeros((3, 1)))
    for call, message in (
        (lambda: gradients.optimal_discriminator("wgan", 1.0), "loss is 'wgan'; accepted: minimax"),
        (lambda: gradients.optimal_discriminator("minimax", math.inf), "theta is inf; accepted"),
        (lambda: gradients.frozen_gradients("minimax", math.nan, vector), "theta is nan; accepted"),
        (lambda: gradients.frozen_gradients("minimax", 1.0, table), "noise has shape"),
        (lambda: gradients.frozen_gradients("relativistic", 1.0, vector, table), "real has shape"),
        (lambda: gradients.frozen_gradients("relativistic", 1.0, vector, give(np.zeros(2))), "real has shape"),
        (lambda: gradients.frozen_gradients("relativistic", 1.0, vector), "real has shape None"),
        (lambda: gradients.logit_gradients("minimax", table), "fake has shape"),
        (lambda: gradients.logit_gradients("wgan", vector), "loss is 'wgan'; accepted"),
    ):
        with pytest.raises(ValueError, match=message):
            call()


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: oracle.quadrature_nodes(limit=0.0), "limit is 0.0; accepted"),
        (lambda: oracle.quadrature_nodes(spacing=-1.0), "spacing is -1.0; accepted"),
        (lambda: oracle.expected_gradient("wgan", 1.0), "loss is 'wgan'"),
        (lambda: oracle.divergence("hinge", math.nan), "theta is nan"),
        (lambda: oracle.gradient_variance("hinge", "1"), "theta is '1'"),
        (lambda: oracle.saturation_bounds(-1.0), "theta is -1.0; accepted"),
    ],
)
def test_wrong_input_of_the_oracle(call, message):
    with pytest.raises(ValueError, match=message):
        call()
