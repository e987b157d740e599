r"""The terms of a variational autoencoder's loss, in TensorFlow.

A decoder makes a picture from a latent :math:`z \sim N(0, I)` and adds noise, :math:`p(x|z) = N(\mu(z), \sigma^2 I)`;
an encoder guesses the latent of a picture, :math:`q(z|x) = N(m, \mathrm{diag}\, e^l)`.  All terms are in nats.

Explained in the book's section "Distributions".
"""

from __future__ import annotations

import math

import tensorflow as tf

from ganbook.data.recipe import check_range


def _like(name: str, rows: tf.Tensor, other: str, expected: tf.Tensor) -> tf.Tensor:
    # A mean of shape (N, 1) beside rows of shape (N, n) would broadcast without a word.
    if rows.shape.rank not in (2, None) or not rows.shape.is_compatible_with(expected.shape):
        raise ValueError(
            f"{name} has shape {tuple(rows.shape)}; accepted: rows, shaped as {other}, {tuple(expected.shape)}"
        )
    return rows


def reparameterise(mean: tf.Tensor, log_variance: tf.Tensor, noise: tf.Tensor) -> tf.Tensor:
    """The twin of :func:`ganbook.probability.variational_numpy.reparameterise`."""
    _like("log_variance", log_variance, "mean", mean)
    return mean + tf.exp(log_variance / 2) * _like("noise", noise, "mean", mean)


def gaussian_kl(mean: tf.Tensor, log_variance: tf.Tensor) -> tf.Tensor:
    """The twin of :func:`ganbook.probability.variational_numpy.gaussian_kl`."""
    _like("log_variance", log_variance, "mean", mean)
    # expm1 keeps the digits of a divergence near 0.
    return tf.reduce_sum(tf.square(mean) + tf.math.expm1(log_variance) - log_variance, axis=1) / 2


def reconstruction_loss(x: tf.Tensor, reconstruction: tf.Tensor, sigma: float) -> tf.Tensor:
    """The twin of :func:`ganbook.probability.variational_numpy.reconstruction_loss`."""
    check_range("sigma", sigma, 0.0, open_low=True)
    squares = tf.square(x - _like("reconstruction", reconstruction, "x", x))
    constant = x.shape[1] / 2 * math.log(2 * math.pi * sigma**2)
    return tf.reduce_sum(squares, axis=1) / (2 * sigma**2) + constant


def negative_elbo(
    x: tf.Tensor, reconstruction: tf.Tensor, mean: tf.Tensor, log_variance: tf.Tensor, sigma: float
) -> tf.Tensor:
    """The twin of :func:`ganbook.probability.variational_numpy.negative_elbo`."""
    reconstruction_term = tf.reduce_mean(reconstruction_loss(x, reconstruction, sigma))
    return reconstruction_term + tf.reduce_mean(gaussian_kl(mean, log_variance))
