r"""The losses of a GAN as functions of logits, in PyTorch.

A discriminator returns one logit :math:`D(x)` per example; a large one says "real".  Every loss is the mean over
the batch and is stable at :math:`|D(x)| = 100`, because it is built on the softplus
:math:`\zeta(x) = \ln(1 + e^x)` and never takes the logarithm of a sigmoid.

Explained in the book's sections "Divergences" and "Losses and penalties".
"""

from __future__ import annotations

import torch
from torch import Tensor

from ganbook.data.recipe import LOSSES, one_of


def _logits(name: str, logits: Tensor | None) -> Tensor:
    # Logits of shape (N, 1) beside logits of shape (N,) would broadcast to (N, N) without a word.
    if logits is None or logits.ndim != 1:
        shape = None if logits is None else tuple(logits.shape)
        raise ValueError(f"{name} has shape {shape}; accepted: logits of shape (N,)")
    return logits


def _pairs(real: Tensor | None, fake: Tensor) -> Tensor:
    real, fake = _logits("real", real), _logits("fake", fake)
    if real.shape != fake.shape:
        raise ValueError(f"real has shape {tuple(real.shape)} and fake {tuple(fake.shape)}; accepted: pairs, "
                         "two equal shapes (N,)")
    return real - fake


def _softplus(x: Tensor) -> Tensor:
    # Above its threshold PyTorch returns x itself.  The default, 20, is off by 2e-9 there; at 40 nothing is lost.
    return torch.nn.functional.softplus(x, threshold=40.0)


def minimax_discriminator(real: Tensor, fake: Tensor) -> Tensor:
    r"""The discriminator's loss of the original game: logistic classification.

    .. math:: E\,\zeta(-D(x)) + E\,\zeta(D(G(z)))

    Args:
        real: logits of the real batch, shape (N,).
        fake: logits of the generated batch, shape (M,).

    Returns:
        a scalar, at least 0; 2 ln 2 at zero logits.

    Raises:
        ValueError: logits of another shape.

    Reference: Goodfellow et al., 2014, equation 1, arXiv:1406.2661.
    Explained in the book's section "The optimal discriminator".
    """
    return torch.mean(_softplus(-_logits("real", real))) + torch.mean(_softplus(_logits("fake", fake)))


def minimax_generator(real: Tensor | None, fake: Tensor) -> Tensor:
    r"""The generator's loss of the original game, which saturates where the discriminator wins.

    .. math:: -E\,\zeta(D(G(z)))

    Args:
        real: not used; None is accepted.
        fake: logits of the generated batch, shape (M,).

    Returns:
        a scalar, at most 0; -ln 2 at zero logits.

    Raises:
        ValueError: logits of another shape.

    Reference: Goodfellow et al., 2014, equation 1, arXiv:1406.2661.
    Explained in the book's section "The generator's gradient".
    """
    return -torch.mean(_softplus(_logits("fake", fake)))


def non_saturating_discriminator(real: Tensor, fake: Tensor) -> Tensor:
    r"""The discriminator's loss of the non-saturating game, equal to minimax's.

    .. math:: E\,\zeta(-D(x)) + E\,\zeta(D(G(z)))

    Args:
        real: logits of the real batch, shape (N,).
        fake: logits of the generated batch, shape (M,).

    Returns:
        a scalar, at least 0; 2 ln 2 at zero logits.

    Raises:
        ValueError: logits of another shape.

    Reference: Goodfellow et al., 2014, section 3, arXiv:1406.2661.
    Explained in the book's section "The generator's gradient".
    """
    return minimax_discriminator(real, fake)


def non_saturating_generator(real: Tensor | None, fake: Tensor) -> Tensor:
    r"""The generator's loss whose gradient stays near 1 where the discriminator wins.

    .. math:: E\,\zeta(-D(G(z)))

    Args:
        real: not used; None is accepted.
        fake: logits of the generated batch, shape (M,).

    Returns:
        a scalar, at least 0; ln 2 at zero logits.

    Raises:
        ValueError: logits of another shape.

    Reference: Goodfellow et al., 2014, section 3, arXiv:1406.2661.
    Explained in the book's section "The generator's gradient".
    """
    return torch.mean(_softplus(-_logits("fake", fake)))


def least_squares_discriminator(real: Tensor, fake: Tensor, a: float = 0.0, b: float = 1.0) -> Tensor:
    r"""The discriminator's least squares loss: real logits towards b, fake ones towards a.

    .. math:: \tfrac12 E\,(D(x) - b)^2 + \tfrac12 E\,(D(G(z)) - a)^2

    Args:
        real: logits of the real batch, shape (N,).
        fake: logits of the generated batch, shape (M,).
        a: target of generated examples.
        b: target of real examples.

    Returns:
        a scalar, at least 0; 1/2 at zero logits and default targets.

    Raises:
        ValueError: logits of another shape.

    Reference: Mao et al., 2017, equation 2, arXiv:1611.04076.
    Explained in the book's section "Divergences".
    """
    return (0.5 * torch.mean(torch.square(_logits("real", real) - b))
            + 0.5 * torch.mean(torch.square(_logits("fake", fake) - a)))


def least_squares_generator(real: Tensor | None, fake: Tensor, c: float = 1.0) -> Tensor:
    r"""The generator's least squares loss: fake logits towards c.

    .. math:: \tfrac12 E\,(D(G(z)) - c)^2

    Args:
        real: not used; None is accepted.
        fake: logits of the generated batch, shape (M,).
        c: the value that the generator wants the discriminator to give.

    Returns:
        a scalar, at least 0; 1/2 at zero logits and the default target.

    Raises:
        ValueError: logits of another shape.

    Reference: Mao et al., 2017, equation 2, arXiv:1611.04076.
    Explained in the book's section "Divergences".
    """
    return 0.5 * torch.mean(torch.square(_logits("fake", fake) - c))


def hinge_discriminator(real: Tensor, fake: Tensor) -> Tensor:
    r"""The discriminator's hinge loss: no reward beyond a margin of 1.

    .. math:: E\max(0, 1 - D(x)) + E\max(0, 1 + D(G(z)))

    Args:
        real: logits of the real batch, shape (N,).
        fake: logits of the generated batch, shape (M,).

    Returns:
        a scalar, at least 0; 2 at zero logits.

    Raises:
        ValueError: logits of another shape.

    Reference: Miyato et al., 2018, equation 16, arXiv:1802.05957.
    Explained in the book's section "Divergences".
    """
    return torch.mean(torch.relu(1.0 - _logits("real", real))) + torch.mean(torch.relu(1.0 + _logits("fake", fake)))


def hinge_generator(real: Tensor | None, fake: Tensor) -> Tensor:
    r"""The generator's loss in the hinge game: raise the fake logits.

    .. math:: -E\,D(G(z))

    Args:
        real: not used; None is accepted.
        fake: logits of the generated batch, shape (M,).

    Returns:
        a scalar; 0 at zero logits.

    Raises:
        ValueError: logits of another shape.

    Reference: Miyato et al., 2018, equation 17, arXiv:1802.05957.
    Explained in the book's section "Divergences".
    """
    return -torch.mean(_logits("fake", fake))


def wasserstein_discriminator(real: Tensor, fake: Tensor) -> Tensor:
    r"""The critic's loss: minus the gap between the mean logits.

    .. math:: E\,D(G(z)) - E\,D(x)

    Args:
        real: logits of the real batch, shape (N,).
        fake: logits of the generated batch, shape (M,).

    Returns:
        a scalar; 0 at zero logits.

    Raises:
        ValueError: logits of another shape.

    Reference: Arjovsky, Chintala and Bottou, 2017, equation 3, arXiv:1701.07875.
    Explained in the book's section "Divergences".
    """
    return torch.mean(_logits("fake", fake)) - torch.mean(_logits("real", real))


def wasserstein_generator(real: Tensor | None, fake: Tensor) -> Tensor:
    r"""The generator's loss in the Wasserstein game: raise the fake logits.

    .. math:: -E\,D(G(z))

    Args:
        real: not used; None is accepted.
        fake: logits of the generated batch, shape (M,).

    Returns:
        a scalar; 0 at zero logits.

    Raises:
        ValueError: logits of another shape.

    Reference: Arjovsky, Chintala and Bottou, 2017, theorem 3, arXiv:1701.07875.
    Explained in the book's section "Divergences".
    """
    return -torch.mean(_logits("fake", fake))


def relativistic_discriminator(real: Tensor, fake: Tensor) -> Tensor:
    r"""The discriminator's relativistic pairing loss: is this one more real than that one?

    .. math:: E\,\zeta(-(D(x) - D(G(z))))

    Args:
        real: logits of the real batch, shape (N,).
        fake: logits of the generated batch, shape (N,), example i paired with real example i.

    Returns:
        a scalar, at least 0; ln 2 at zero logits.

    Raises:
        ValueError: logits of another shape, or two batches of different sizes.

    Reference: Jolicoeur-Martineau, 2019, arXiv:1807.00734; Huang et al., 2024, equation 2, arXiv:2501.05441.
    Explained in the book's section "Divergences".
    """
    return torch.mean(_softplus(-_pairs(real, fake)))


def relativistic_generator(real: Tensor, fake: Tensor) -> Tensor:
    r"""The generator's relativistic pairing loss, the discriminator's with its sides swapped.

    .. math:: E\,\zeta(D(x) - D(G(z)))

    Args:
        real: logits of the real batch, shape (N,).
        fake: logits of the generated batch, shape (N,), example i paired with real example i.

    Returns:
        a scalar, at least 0; ln 2 at zero logits.

    Raises:
        ValueError: logits of another shape, or two batches of different sizes.

    Reference: Jolicoeur-Martineau, 2019, arXiv:1807.00734; Huang et al., 2024, equation 2, arXiv:2501.05441.
    Explained in the book's section "Divergences".
    """
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
    """The discriminator's loss of that name.

    .. math:: L_D(D(x), D(G(z)))

    Args:
        name: one of ``ganbook.data.recipe.LOSSES``.
        real: logits of the real batch, shape (N,).
        fake: logits of the generated batch, shape (M,); ``relativistic`` pairs them, M = N.

    Returns:
        a scalar, the mean over the batch.

    Raises:
        ValueError: an unknown name, or logits of a wrong shape.

    Explained in the book's sections "Divergences" and "Losses and penalties".
    """
    return _FUNCTIONS[one_of("loss", name, LOSSES)][0](real, fake)


def generator_loss(name: str, real: Tensor | None, fake: Tensor) -> Tensor:
    """The generator's loss of that name.

    .. math:: L_G(D(x), D(G(z)))

    Args:
        name: one of ``ganbook.data.recipe.LOSSES``.
        real: logits of the real batch, shape (N,); only ``relativistic`` reads them, others accept None.
        fake: logits of the generated batch, shape (M,); ``relativistic`` pairs them, M = N.

    Returns:
        a scalar, the mean over the batch.

    Raises:
        ValueError: an unknown name, or logits of a wrong shape.

    Explained in the book's sections "Divergences" and "Losses and penalties".
    """
    return _FUNCTIONS[one_of("loss", name, LOSSES)][1](real, fake)
