r"""The terms of a variational autoencoder's loss, in PyTorch.

A decoder makes a picture from a latent :math:`z \sim N(0, I)` and adds noise, :math:`p(x|z) = N(\mu(z), \sigma^2 I)`;
an encoder guesses the latent of a picture, :math:`q(z|x) = N(m, \mathrm{diag}\, e^l)`.  All terms are in nats.

Explained in the book's section "Distributions".
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from ganbook.data.recipe import check_range


def _like(name: str, rows: Tensor, other: str, expected: Tensor) -> Tensor:
    # A mean of shape (N, 1) beside rows of shape (N, n) would broadcast without a word.
    if rows.ndim != 2 or rows.shape != expected.shape:
        raise ValueError(
            f"{name} has shape {tuple(rows.shape)}; accepted: rows, shaped as {other}, {tuple(expected.shape)}"
        )
    return rows


def reparameterise(mean: Tensor, log_variance: Tensor, noise: Tensor) -> Tensor:
    """The twin of :func:`ganbook.probability.variational_numpy.reparameterise`."""
    _like("log_variance", log_variance, "mean", mean)
    return mean + torch.exp(log_variance / 2) * _like("noise", noise, "mean", mean)


def gaussian_kl(mean: Tensor, log_variance: Tensor) -> Tensor:
    """The twin of :func:`ganbook.probability.variational_numpy.gaussian_kl`."""
    _like("log_variance", log_variance, "mean", mean)
    # expm1 keeps the digits of a divergence near 0.
    return torch.sum(torch.square(mean) + torch.expm1(log_variance) - log_variance, dim=1) / 2


def reconstruction_loss(x: Tensor, reconstruction: Tensor, sigma: float) -> Tensor:
    """The twin of :func:`ganbook.probability.variational_numpy.reconstruction_loss`."""
    check_range("sigma", sigma, 0.0, open_low=True)
    squares = torch.square(x - _like("reconstruction", reconstruction, "x", x))
    constant = x.shape[1] / 2 * math.log(2 * math.pi * sigma**2)
    return torch.sum(squares, dim=1) / (2 * sigma**2) + constant


def negative_elbo(x: Tensor, reconstruction: Tensor, mean: Tensor, log_variance: Tensor, sigma: float) -> Tensor:
    """The twin of :func:`ganbook.probability.variational_numpy.negative_elbo`."""
    return torch.mean(reconstruction_loss(x, reconstruction, sigma)) + torch.mean(gaussian_kl(mean, log_variance))
