r"""The terms of a variational autoencoder's loss, in PyTorch.

A decoder makes a picture from a latent :math:`z \sim N(0, I)` and adds noise, :math:`p(x|z) = N(\mu(z), \sigma^2 I)`;
an encoder guesses the latent of a picture, :math:`q(z|x) = N(m, \mathrm{diag}\, e^l)`.  All terms are in nats.

Explained in the book's section "Distributions".
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from ganbook.data.recipe import in_range


def _like(name: str, rows: Tensor, other: str, expected: Tensor) -> Tensor:
    # A mean of shape (N, 1) beside rows of shape (N, n) would broadcast without a word.
    if rows.ndim != 2 or rows.shape != expected.shape:
        raise ValueError(f"{name} has shape {tuple(rows.shape)}; accepted: rows, shaped as {other}, "
                         f"{tuple(expected.shape)}")
    return rows


def reparameterise(mean: Tensor, log_variance: Tensor, noise: Tensor) -> Tensor:
    r"""A latent drawn from the encoder's Gaussian, as a function of noise that knows nothing of the encoder.

    .. math:: z = m + e^{l/2}\, \epsilon

    Args:
        mean: m, shape (N, latent).
        log_variance: l, of the same shape.
        noise: epsilon, standard normal, of the same shape.

    Returns:
        latents z, of the same shape.

    Raises:
        ValueError: tensors of another shape.

    Reference: Kingma and Welling, 2014, section 2.4, arXiv:1312.6114.
    Explained in the book's section "Distributions".
    """
    _like("log_variance", log_variance, "mean", mean)
    return mean + torch.exp(log_variance / 2) * _like("noise", noise, "mean", mean)


def gaussian_kl(mean: Tensor, log_variance: Tensor) -> Tensor:
    r"""What the encoder's Gaussian costs: its divergence from the standard normal distribution.

    .. math:: KL(N(m, \mathrm{diag}\, e^l) \,\|\, N(0, I)) = \tfrac12 \sum_i (m_i^2 + e^{l_i} - 1 - l_i)

    Args:
        mean: m, shape (N, latent).
        log_variance: l, of the same shape.

    Returns:
        nats per example, shape (N,), at least 0.

    Raises:
        ValueError: tensors of another shape.

    Reference: Kingma and Welling, 2014, appendix B, arXiv:1312.6114.
    Explained in the book's section "Distributions".
    """
    _like("log_variance", log_variance, "mean", mean)
    # expm1 keeps the digits of a divergence near 0.
    return torch.sum(torch.square(mean) + torch.expm1(log_variance) - log_variance, dim=1) / 2


def reconstruction_loss(x: Tensor, reconstruction: Tensor, sigma: float) -> Tensor:
    r"""How unlikely the decoder finds a picture: the negative logarithm of a Gaussian density of fixed width.

    .. math:: -\ln N(x; \mu, \sigma^2 I) = \frac{|x - \mu|^2}{2 \sigma^2} + \frac n2 \ln(2 \pi \sigma^2)

    Args:
        x: pictures as rows, shape (N, n).
        reconstruction: mu, the decoder's means, of the same shape.
        sigma: width of the noise around them, above 0, in the units of x.

    Returns:
        nats per example, shape (N,); below 0 where the density is above 1.

    Raises:
        ValueError: tensors of another shape, or a sigma that is not above 0.

    Reference: Kingma and Welling, 2014, appendix C.2, arXiv:1312.6114.
    Explained in the book's section "Distributions".
    """
    in_range("sigma", sigma, 0.0, open_low=True)
    squares = torch.square(x - _like("reconstruction", reconstruction, "x", x))
    constant = x.shape[1] / 2 * math.log(2 * math.pi * sigma**2)
    return torch.sum(squares, dim=1) / (2 * sigma**2) + constant


def negative_elbo(x: Tensor, reconstruction: Tensor, mean: Tensor, log_variance: Tensor, sigma: float) -> Tensor:
    r"""What a variational autoencoder minimises: an upper bound of -ln p(x), estimated with one latent per example.

    .. math:: \frac1N \sum_{j=1}^N \big( -\ln p(x_j|z_j) + KL(q(z|x_j) \,\|\, N(0, I)) \big)

    Args:
        x: pictures as rows, shape (N, n).
        reconstruction: the decoder's means at the latents z, of the same shape.
        mean: the encoder's, shape (N, latent).
        log_variance: the encoder's, of the same shape.
        sigma: width of the decoder's noise, above 0.

    Returns:
        nats per example, a scalar.

    Raises:
        ValueError: tensors of another shape, or a sigma that is not above 0.

    Reference: Kingma and Welling, 2014, equation 10, arXiv:1312.6114.
    Explained in the book's section "Distributions".
    """
    return torch.mean(reconstruction_loss(x, reconstruction, sigma)) + torch.mean(gaussian_kl(mean, log_variance))
