"""The variational autoencoder's terms: closed forms, a model whose evidence is known, twins."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import integrate, stats

from ganbook.probability import variational_numpy as oracle
from ganbook.probability.variational_numpy import LinearGaussian
from parity import (
    TWIN_MODES,
    TWINS,
    as_numpy,
    assert_parity,
    finite_differences,
    module,
    native,
    relative_error,
    value_and_gradients,
)

RNG = np.random.default_rng(7)
N, PIXELS, LATENT, SIGMA = 4, 6, 3, 0.3
X, RECONSTRUCTION = RNG.uniform(-1, 1, (2, N, PIXELS))
MEAN, LOG_VARIANCE, NOISE = RNG.normal(size=(3, N, LATENT))
# torch.compile takes seconds a function and is held to the same numbers elsewhere.
MODES = [(twin, mode) for twin, mode in TWIN_MODES if mode != "compile"]
# Columns at right angles make the posterior's covariance diagonal, as an encoder's is.
ORTHOGONAL = LinearGaussian(
    np.linalg.qr(RNG.normal(size=(PIXELS, LATENT)))[0] * [1.5, 0.7, 0.2], RNG.normal(size=PIXELS), SIGMA
)
OBLIQUE = LinearGaussian(RNG.normal(size=(PIXELS, LATENT)), RNG.normal(size=PIXELS), SIGMA)


# The divergence.


@pytest.mark.parametrize("ending", ["numpy", *TWINS])
def test_divergence_against_quadrature(ending):
    """The closed form against the integral of q ln(q / p), coordinate by coordinate."""
    values = module("probability.variational", ending).gaussian_kl(*_give(ending, MEAN, LOG_VARIANCE))
    expected = [
        sum(_divergence_by_quadrature(m, math.exp(v / 2)) for m, v in zip(*rows, strict=True))
        for rows in zip(MEAN, LOG_VARIANCE, strict=True)
    ]
    assert np.shape(values) == (N,)
    assert relative_error(values, expected) < 1e-9


@pytest.mark.parametrize("ending", ["numpy", *TWINS])
def test_divergence_is_zero_at_the_prior_and_keeps_its_digits_beside_it(ending):
    terms = module("probability.variational", ending)
    zero = np.zeros((1, LATENT))
    assert as_numpy(terms.gaussian_kl(*_give(ending, zero, zero)))[0] == 0
    # e^l - 1 - l = l^2 / 2 + l^3 / 6 + ...
    near = as_numpy(terms.gaussian_kl(*_give(ending, zero, zero + 1e-6)))[0]
    assert near == pytest.approx(LATENT / 2 * (1e-12 / 2 + 1e-18 / 6), rel=1e-3)


@pytest.mark.parametrize("ending", ["numpy", *TWINS])
def test_latents_have_the_encoders_mean_and_variance(ending):
    """Noise at +-1 gives mean +- deviation."""
    terms = module("probability.variational", ending)
    up, down = (
        as_numpy(terms.reparameterise(*_give(ending, MEAN, LOG_VARIANCE, np.full_like(MEAN, sign))))
        for sign in (1.0, -1.0)
    )
    assert relative_error((up + down) / 2, MEAN) < 1e-14
    assert relative_error(((up - down) / 2) ** 2, np.exp(LOG_VARIANCE)) < 1e-14


@pytest.mark.parametrize("ending", ["numpy", *TWINS])
def test_reconstruction_loss_is_minus_the_logarithm_of_a_density(ending):
    values = module("probability.variational", ending).reconstruction_loss(*_give(ending, X, RECONSTRUCTION), SIGMA)
    assert relative_error(values, -stats.norm(RECONSTRUCTION, SIGMA).logpdf(X).sum(1)) < 1e-12


# Derivatives.


def kl_gradients() -> tuple[np.ndarray, np.ndarray]:
    """By mean and by log-variance."""
    return MEAN, np.expm1(LOG_VARIANCE) / 2


def test_gradients_of_the_oracle():
    by_mean, by_log_variance = kl_gradients()
    assert relative_error(by_mean, finite_differences(lambda m: oracle.gaussian_kl(m, LOG_VARIANCE).sum(), MEAN)) < 1e-8
    assert (
        relative_error(by_log_variance, finite_differences(lambda v: oracle.gaussian_kl(MEAN, v).sum(), LOG_VARIANCE))
        < 1e-8
    )
    assert (
        relative_error(
            (RECONSTRUCTION - X) / SIGMA**2,
            finite_differences(lambda r: oracle.reconstruction_loss(X, r, SIGMA).sum(), RECONSTRUCTION),
        )
        < 1e-8
    )


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize(("twin", "mode"), MODES)
def test_twins_equal_the_oracle(twin, mode, dtype):
    """The loss, with a linear decoder between latent and picture, and its gradients."""
    terms = module("probability.variational", twin)
    weight, x, noise = (native(twin, array, dtype) for array in (ORTHOGONAL.weight.T, X, NOISE))

    def loss(mean, log_variance):
        return terms.negative_elbo(
            x, terms.reparameterise(mean, log_variance, noise) @ weight, mean, log_variance, SIGMA
        )

    value, gradients = value_and_gradients(
        twin, loss, native(twin, MEAN, dtype), native(twin, LOG_VARIANCE, dtype), mode=mode
    )
    z = oracle.reparameterise(MEAN, LOG_VARIANCE, NOISE)
    reconstruction = z @ ORTHOGONAL.weight.T
    by_z = (reconstruction - X) / SIGMA**2 @ ORTHOGONAL.weight
    by_mean, by_log_variance = kl_gradients()
    expected = [(by_z + by_mean) / N, (by_z * np.exp(LOG_VARIANCE / 2) * NOISE / 2 + by_log_variance) / N]
    assert_parity(value, oracle.negative_elbo(X, reconstruction, MEAN, LOG_VARIANCE, SIGMA), dtype)
    assert_parity(gradients, expected, dtype, what="gradient by mean and log-variance")


# The model whose evidence is known.


def test_evidence_of_a_linear_decoder_against_quadrature():
    """The density of x is the integral of p(x|z) p(z); with one latent, SciPy does it."""
    model = LinearGaussian(OBLIQUE.weight[:, :1], OBLIQUE.bias, SIGMA)
    for x in X:

        def joint(z, x=x):
            return stats.norm(model.weight[:, 0] * z + model.bias, 1.0).pdf(x).prod() * stats.norm.pdf(z)

        wide = LinearGaussian(model.weight, model.bias, 1.0)
        assert math.exp(wide.log_likelihood(x[None])[0]) == pytest.approx(
            integrate.quad(joint, -12, 12, epsabs=0, epsrel=1e-11, limit=200)[0], rel=1e-9
        )


def test_posterior_of_a_linear_decoder_by_bayes():
    """ln p(x|z) + ln p(z) - ln p(z|x) is ln p(x), whatever z is."""
    mean, covariance = OBLIQUE.posterior(X)
    z = RNG.normal(size=LATENT)
    for x, m, evidence in zip(X, mean, OBLIQUE.log_likelihood(X), strict=True):
        joint = stats.norm(OBLIQUE.weight @ z + OBLIQUE.bias, SIGMA).logpdf(x).sum() + stats.norm.logpdf(z).sum()
        assert joint - stats.multivariate_normal(m, covariance).logpdf(z) == pytest.approx(evidence, rel=1e-9)


@pytest.mark.parametrize("model", [ORTHOGONAL, OBLIQUE], ids=["orthogonal", "oblique"])
def test_bound_touches_the_evidence_at_the_exact_posterior_alone(model):
    evidence, (mean, covariance) = model.log_likelihood(X), model.posterior(X)
    assert np.abs(model.elbo(X, mean, covariance) - evidence).max() < 1e-9
    # Anywhere else the gap is the divergence of the encoder's Gaussian from the exact posterior.
    for shift, spread in ((0.1, 1.0), (0.0, 1.3), (-0.2, 0.5)):
        gap = evidence - model.elbo(X, mean + shift, covariance * spread)
        squares = shift**2 * np.linalg.inv(covariance).sum()
        expected = (squares + LATENT * (spread - 1 - math.log(spread))) / 2
        assert relative_error(gap, np.full(N, expected)) < 1e-9
        assert (gap > 0).all()


def test_diagonal_covariance_cannot_close_the_gap_of_an_oblique_decoder():
    """The best diagonal Gaussian has the inverse diagonal of the precision; its gap does not depend on x."""
    mean, covariance = OBLIQUE.posterior(X)
    precision = np.linalg.inv(covariance)
    gap = OBLIQUE.log_likelihood(X) - OBLIQUE.elbo(X, mean, np.diag(1 / np.diag(precision)))
    expected = (np.log(np.diag(precision)).sum() - np.linalg.slogdet(precision)[1]) / 2
    assert relative_error(gap, np.full(N, expected)) < 1e-9
    assert expected > 0.05


@pytest.mark.parametrize("twin", TWINS)
def test_twins_reach_the_evidence_with_the_exact_encoder(twin):
    """Noise at +-sqrt(k) along each of k axes has mean 0 and covariance I, so it averages quadratics exactly."""
    terms = module("probability.variational", twin)
    points = math.sqrt(LATENT) * np.concatenate([np.eye(LATENT), -np.eye(LATENT)])
    mean, covariance = ORTHOGONAL.posterior(X)
    assert np.allclose(covariance, np.diag(np.diag(covariance)), atol=1e-12)
    noise = np.tile(points, (N, 1))

    def bound(mean, log_variance):
        m, v, e, x, weight, bias = _give(
            twin,
            mean.repeat(len(points), 0),
            np.tile(log_variance, (len(noise), 1)),
            noise,
            X.repeat(len(points), 0),
            ORTHOGONAL.weight.T,
            ORTHOGONAL.bias,
        )
        return float(terms.negative_elbo(x, terms.reparameterise(m, v, e) @ weight + bias, m, v, SIGMA))

    exact = -ORTHOGONAL.log_likelihood(X).mean()
    log_variance = np.log(np.diag(covariance))
    assert abs(bound(mean, log_variance) - exact) < 1e-9
    for shift, spread in ((0.1, 0.0), (0.0, 0.3), (0.0, -0.3)):
        assert bound(mean + shift, log_variance + spread) > exact + 1e-3


# Wrong input.


@pytest.mark.parametrize("ending", ["numpy", *TWINS])
def test_errors_name_the_argument(ending):
    terms = module("probability.variational", ending)
    mean, short, x, narrow = _give(ending, MEAN, MEAN[:, :1], X, X[:, :1])
    for call, named in (
        (lambda: terms.gaussian_kl(mean, short), "log_variance"),
        (lambda: terms.reparameterise(mean, mean, short), "noise"),
        (lambda: terms.reparameterise(mean[0], mean[0], mean[0]), "(mean|log_variance)"),
        (lambda: terms.reconstruction_loss(x, narrow, SIGMA), "reconstruction"),
        (lambda: terms.reconstruction_loss(x, x, 0.0), "sigma"),
        (lambda: terms.negative_elbo(x, x, mean, mean, -1.0), "sigma"),
        (lambda: terms.negative_elbo(x, x, mean, mean, math.nan), "sigma"),
    ):
        with pytest.raises(ValueError, match=rf"{named}.*accepted"):
            call()


def test_errors_of_the_linear_model():
    mean, covariance = OBLIQUE.posterior(X)
    for call, named in (
        (lambda: LinearGaussian(np.eye(3), np.zeros(2), 1.0), "weight"),
        (lambda: LinearGaussian(np.eye(3), np.zeros(3), 0.0), "sigma"),
        (lambda: OBLIQUE.log_likelihood(X[:, :2]), "x has shape"),
        (lambda: OBLIQUE.elbo(X, mean[:, :1], covariance), "mean"),
        (lambda: OBLIQUE.elbo(X, mean, -covariance), "covariance"),
        (lambda: OBLIQUE.elbo(X, mean, np.triu(np.ones((3, 3)))), "covariance"),
    ):
        with pytest.raises(ValueError, match=rf"{named}.*accepted"):
            call()


def _give(ending: str, *arrays: np.ndarray) -> list:
    return [array if ending == "numpy" else native(ending, array, "float64") for array in arrays]


def _divergence_by_quadrature(mean: float, deviation: float) -> float:
    q, p = stats.norm(mean, deviation), stats.norm()
    return integrate.quad(
        lambda z: q.pdf(z) * (q.logpdf(z) - p.logpdf(z)),
        mean - 12 * deviation,
        mean + 12 * deviation,
        epsabs=0,
        epsrel=1e-12,
        limit=200,
    )[0]
