r"""The losses of a GAN as functions of logits, in PyTorch.

A discriminator returns one logit :math:`D(x)` per example; a large one says "real".  Every loss is the mean over
the batch and is stable at :math:`|D(x)| = 100`, because it is built on the softplus
:math:`\zeta(x) = \ln(1 + e^x)` and never takes the logarithm of a sigmoid.

Explained in the book's sections "Divergences" and "Losses and penalties".
"""

from __future__ import annotations

import functools

import torch
from torch import Tensor

from ganbook.data.recipe import LOSSES, check_choice


def _logits(name: str, logits: Tensor | None) -> Tensor:
    # Logits of shape (N, 1) beside logits of shape (N,) would broadcast to (N, N) without a word.
    if logits is None or logits.ndim != 1:
        shape = None if logits is None else tuple(logits.shape)
        raise ValueError(f"{name} has shape {shape}; accepted: logits of shape (N,)")
    return logits


def _pairs(real: Tensor | None, fake: Tensor) -> Tensor:
    real, fake = _logits("real", real), _logits("fake", fake)
    if real.shape != fake.shape:
        raise ValueError(
            f"real has shape {tuple(real.shape)} and fake {tuple(fake.shape)}; accepted: pairs, two equal shapes (N,)"
        )
    return real - fake


# Above its threshold PyTorch returns x itself.  The default, 20, is off by 2e-9 there; at 40 nothing is lost.
_softplus = functools.partial(torch.nn.functional.softplus, threshold=40.0)


def minimax_discriminator(real: Tensor, fake: Tensor) -> Tensor:
    """The twin of :func:`ganbook.probability.losses_numpy.minimax_discriminator`."""
    return torch.mean(_softplus(-_logits("real", real))) + torch.mean(_softplus(_logits("fake", fake)))


def minimax_generator(real: Tensor | None, fake: Tensor) -> Tensor:
    """The twin of :func:`ganbook.probability.losses_numpy.minimax_generator`."""
    return -torch.mean(_softplus(_logits("fake", fake)))


def non_saturating_discriminator(real: Tensor, fake: Tensor) -> Tensor:
    """The twin of :func:`ganbook.probability.losses_numpy.non_saturating_discriminator`."""
    return minimax_discriminator(real, fake)


def non_saturating_generator(real: Tensor | None, fake: Tensor) -> Tensor:
    """The twin of :func:`ganbook.probability.losses_numpy.non_saturating_generator`."""
    return torch.mean(_softplus(-_logits("fake", fake)))


def least_squares_discriminator(real: Tensor, fake: Tensor, a: float = 0.0, b: float = 1.0) -> Tensor:
    """The twin of :func:`ganbook.probability.losses_numpy.least_squares_discriminator`."""
    return 0.5 * torch.mean(torch.square(_logits("real", real) - b)) + 0.5 * torch.mean(
        torch.square(_logits("fake", fake) - a)
    )


def least_squares_generator(real: Tensor | None, fake: Tensor, c: float = 1.0) -> Tensor:
    """The twin of :func:`ganbook.probability.losses_numpy.least_squares_generator`."""
    return 0.5 * torch.mean(torch.square(_logits("fake", fake) - c))


def hinge_discriminator(real: Tensor, fake: Tensor) -> Tensor:
    """The twin of :func:`ganbook.probability.losses_numpy.hinge_discriminator`."""
    return torch.mean(torch.relu(1.0 - _logits("real", real))) + torch.mean(torch.relu(1.0 + _logits("fake", fake)))


def hinge_generator(real: Tensor | None, fake: Tensor) -> Tensor:
    """The twin of :func:`ganbook.probability.losses_numpy.hinge_generator`."""
    return wasserstein_generator(real, fake)


def wasserstein_discriminator(real: Tensor, fake: Tensor) -> Tensor:
    """The twin of :func:`ganbook.probability.losses_numpy.wasserstein_discriminator`."""
    return torch.mean(_logits("fake", fake)) - torch.mean(_logits("real", real))


def wasserstein_generator(real: Tensor | None, fake: Tensor) -> Tensor:
    """The twin of :func:`ganbook.probability.losses_numpy.wasserstein_generator`."""
    return -torch.mean(_logits("fake", fake))


def relativistic_discriminator(real: Tensor, fake: Tensor) -> Tensor:
    """The twin of :func:`ganbook.probability.losses_numpy.relativistic_discriminator`."""
    return torch.mean(_softplus(-_pairs(real, fake)))


def relativistic_generator(real: Tensor | None, fake: Tensor) -> Tensor:
    """The twin of :func:`ganbook.probability.losses_numpy.relativistic_generator`."""
    return torch.mean(_softplus(_pairs(real, fake)))


_FUNCTIONS = {
    "minimax": (minimax_discriminator, minimax_generator),
    "non_saturating": (non_saturating_discriminator, non_saturating_generator),
    "least_squares": (least_squares_discriminator, least_squares_generator),
    "hinge": (hinge_discriminator, hinge_generator),
    "wasserstein": (wasserstein_discriminator, wasserstein_generator),
    "relativistic": (relativistic_discriminator, relativistic_generator),
}


def discriminator_loss(name: str, real: Tensor, fake: Tensor) -> Tensor:
    """The twin of :func:`ganbook.probability.losses_numpy.discriminator_loss`."""
    return _FUNCTIONS[check_choice("loss", name, LOSSES)][0](real, fake)


def generator_loss(name: str, real: Tensor | None, fake: Tensor) -> Tensor:
    """The twin of :func:`ganbook.probability.losses_numpy.generator_loss`."""
    return _FUNCTIONS[check_choice("loss", name, LOSSES)][1](real, fake)
