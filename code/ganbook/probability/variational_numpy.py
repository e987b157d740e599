r"""The terms of a variational autoencoder's loss, in NumPy: the oracle of both twins.

A decoder makes a picture from a latent :math:`z \sim N(0, I)` and adds noise, :math:`p(x|z) = N(\mu(z), \sigma^2 I)`;
an encoder guesses the latent of a picture, :math:`q(z|x) = N(m, \mathrm{diag}\, e^l)`.  Everything is computed in
float64, in nats.  Where the decoder is linear, all of it has a closed form: :class:`LinearGaussian`.

Explained in the book's section "Distributions".
"""

from __future__ import annotations

import dataclasses
import math

import numpy as np
from numpy.typing import ArrayLike

from ganbook.data.recipe import check_range


def _rows(name: str, array: ArrayLike, other: str = "", like: np.ndarray | None = None) -> np.ndarray:
    array = np.asarray(array, np.float64)
    if array.ndim != 2:
        raise ValueError(f"{name} has shape {array.shape}; accepted: rows, shape (N, n)")
    if like is not None and array.shape != like.shape:
        raise ValueError(f"{name} has shape {array.shape}; accepted: that of {other}, {like.shape}")
    return array


def reparameterise(mean: ArrayLike, log_variance: ArrayLike, noise: ArrayLike) -> np.ndarray:
    r"""A latent drawn from the encoder's Gaussian, as a function of noise that knows nothing of the encoder.

    .. math:: z = m + e^{l/2}\, \epsilon

    Args:
        mean: m, shape (N, latent).
        log_variance: l, of the same shape.
        noise: epsilon, standard normal, of the same shape.

    Returns:
        latents z, of the same shape.

    Raises:
        ValueError: arrays of another shape.

    Reference: Kingma and Welling, 2014, section 2.4, arXiv:1312.6114.
    """
    mean = _rows("mean", mean)
    log_variance, noise = _rows("log_variance", log_variance, "mean", mean), _rows("noise", noise, "mean", mean)
    return mean + np.exp(log_variance / 2) * noise


def gaussian_kl(mean: ArrayLike, log_variance: ArrayLike) -> np.ndarray:
    r"""What the encoder's Gaussian costs: its divergence from the standard normal distribution.

    .. math:: KL(N(m, \mathrm{diag}\, e^l) \,\|\, N(0, I)) = \tfrac12 \sum_i (m_i^2 + e^{l_i} - 1 - l_i)

    Args:
        mean, log_variance: as of :func:`reparameterise`, with the same errors.

    Returns:
        nats per example, shape (N,), at least 0.

    Example:
        >>> gaussian_kl([[0.0, 0.0], [3.0, 4.0]], np.zeros((2, 2)))  # nothing at the prior; half a squared distance
        array([ 0. , 12.5])

    Reference: Kingma and Welling, 2014, appendix B, arXiv:1312.6114.
    """
    mean = _rows("mean", mean)
    log_variance = _rows("log_variance", log_variance, "mean", mean)
    # expm1 keeps the digits of a divergence near 0.
    return np.sum(mean**2 + np.expm1(log_variance) - log_variance, axis=1) / 2


def reconstruction_loss(x: ArrayLike, reconstruction: ArrayLike, sigma: float) -> np.ndarray:
    r"""How unlikely the decoder finds a picture: the negative logarithm of a Gaussian density of fixed width.

    .. math:: -\ln N(x; \mu, \sigma^2 I) = \frac{|x - \mu|^2}{2 \sigma^2} + \frac n2 \ln(2 \pi \sigma^2)

    Args:
        x: pictures as rows, shape (N, n).
        reconstruction: mu, the decoder's means, of the same shape.
        sigma: width of the noise around them, above 0, in the units of x.

    Returns:
        nats per example, shape (N,); below 0 where the density is above 1.

    Raises:
        ValueError: arrays of another shape, or a sigma that is not above 0.

    Example:
        >>> x = np.ones((1, 2))
        >>> (reconstruction_loss(x, x + 2.0, sigma=1.0) - reconstruction_loss(x, x, sigma=1.0)).round(6)
        array([4.])

    Reference: Kingma and Welling, 2014, appendix C.2, arXiv:1312.6114.
    """
    x = _rows("x", x)
    reconstruction = _rows("reconstruction", reconstruction, "x", x)
    check_range("sigma", sigma, 0.0, open_low=True)
    constant = x.shape[1] / 2 * math.log(2 * math.pi * sigma**2)
    return np.sum((x - reconstruction) ** 2, axis=1) / (2 * sigma**2) + constant


def negative_elbo(
    x: ArrayLike, reconstruction: ArrayLike, mean: ArrayLike, log_variance: ArrayLike, sigma: float
) -> float:
    r"""What a variational autoencoder minimises: an upper bound of -ln p(x), estimated with one latent per example.

    .. math:: \frac1N \sum_{j=1}^N \big( -\ln p(x_j|z_j) + KL(q(z|x_j) \,\|\, N(0, I)) \big)

    Args:
        x, reconstruction, sigma: as of :func:`reconstruction_loss`, with the same errors.
        mean, log_variance: as of :func:`reparameterise`, with the same errors.

    Returns:
        nats per example, a scalar.

    Reference: Kingma and Welling, 2014, equation 10, arXiv:1312.6114.
    """
    return np.mean(reconstruction_loss(x, reconstruction, sigma)) + np.mean(gaussian_kl(mean, log_variance))


@dataclasses.dataclass(frozen=True, eq=False)
class LinearGaussian:
    r"""A decoder that is linear, so that evidence, posterior and bound are all known exactly.

    .. math::
        z \sim N(0, I), \quad x | z \sim N(W z + b, \sigma^2 I)
        \quad \Rightarrow \quad x \sim N(b, C), \quad C = W W^T + \sigma^2 I

    Args:
        weight: W, shape (n, latent).
        bias: b, shape (n,).
        sigma: width of the noise, above 0.

    Raises:
        ValueError: shapes that do not fit, or a sigma that is not above 0.

    Reference: Tipping and Bishop, Probabilistic Principal Component Analysis, Journal of the Royal Statistical
    Society B 61, 1999, section 3.
    """

    weight: np.ndarray
    bias: np.ndarray
    sigma: float

    def __post_init__(self) -> None:
        if np.ndim(self.weight) != 2 or np.shape(self.bias) != np.shape(self.weight)[:1]:
            raise ValueError(
                f"weight has shape {np.shape(self.weight)} and bias {np.shape(self.bias)}; accepted: "
                "(n, latent) and (n,)"
            )
        check_range("sigma", self.sigma, 0.0, open_low=True)

    def log_likelihood(self, x: ArrayLike) -> np.ndarray:
        r"""The exact logarithm of the density.

        .. math:: \ln p(x) = -\tfrac12 \big( (x - b)^T C^{-1} (x - b) + \ln \det (2 \pi C) \big)

        Args:
            x: rows, shape (N, n).

        Returns:
            nats per row, shape (N,).
        """
        offset = self._offset(x)
        covariance = self.weight @ self.weight.T + self.sigma**2 * np.eye(len(self.bias))
        squares = np.sum(offset * np.linalg.solve(covariance, offset.T).T, axis=1)
        return -(squares + np.linalg.slogdet(2 * math.pi * covariance)[1]) / 2

    def posterior(self, x: ArrayLike) -> tuple[np.ndarray, np.ndarray]:
        r"""The exact distribution of the latent behind each row, a Gaussian.

        .. math:: S = (I + W^T W / \sigma^2)^{-1}, \qquad m = S W^T (x - b) / \sigma^2

        Args:
            x: rows, shape (N, n).

        Returns:
            means m, shape (N, latent), and the covariance S that all rows share, shape (latent, latent).
        """
        covariance = np.linalg.inv(np.eye(self.weight.shape[1]) + self.weight.T @ self.weight / self.sigma**2)
        return self._offset(x) @ self.weight @ covariance / self.sigma**2, covariance

    def elbo(self, x: ArrayLike, mean: ArrayLike, covariance: ArrayLike) -> np.ndarray:
        r"""The evidence lower bound of an encoder :math:`q(z|x) = N(m, S)`, its expectation taken exactly.

        .. math::
            -\frac{|x - W m - b|^2 + \mathrm{tr}(W S W^T)}{2 \sigma^2} - \frac n2 \ln(2 \pi \sigma^2)
            - \tfrac12 \big( |m|^2 + \mathrm{tr} S - k - \ln \det S \big)

        Args:
            x: rows, shape (N, n).
            mean: m, shape (N, latent).
            covariance: S, symmetric and positive, shape (latent, latent).

        Returns:
            nats per row, shape (N,); nowhere above :meth:`log_likelihood`.

        Raises:
            ValueError: shapes that do not fit, or a covariance that is not symmetric and positive.
        """
        x, mean, covariance = _rows("x", x), _rows("mean", mean), np.asarray(covariance, np.float64)
        latent = self.weight.shape[1]
        if mean.shape != (len(x), latent) or covariance.shape != (latent, latent):
            raise ValueError(
                f"mean has shape {mean.shape} and covariance {covariance.shape}; accepted: "
                f"{(len(x), latent)} and {(latent, latent)}"
            )
        if not np.allclose(covariance, covariance.T) or np.linalg.eigvalsh(covariance).min() <= 0:
            raise ValueError("covariance is not symmetric with eigenvalues above 0; accepted: one that is")
        expected = reconstruction_loss(x, mean @ self.weight.T + self.bias, self.sigma)
        expected = expected + np.trace(self.weight @ covariance @ self.weight.T) / (2 * self.sigma**2)
        divergence = np.sum(mean**2, axis=1) + np.trace(covariance) - latent - np.linalg.slogdet(covariance)[1]
        return -expected - divergence / 2

    def _offset(self, x: ArrayLike) -> np.ndarray:
        x = _rows("x", x)
        if x.shape[1] != len(self.bias):
            raise ValueError(f"x has shape {x.shape}; accepted: (N, {len(self.bias)})")
        return x - self.bias
